"""Packing: a cell, or a function, with every value of the notebook that it uses, as bytes.

Comes from the client with the notebook's namespace; goes to `archive` and `delivery`. Everything that can go wrong
with the code or its values goes wrong here, before anything is sent: `errors.UsageError` for the code,
`errors.CaptureError` for a value, with the path to what cannot travel.
"""

from __future__ import annotations

import ast
import inspect
import keyword
import sys
import types
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from jupyter_trainjob.bundle import credentials, culprit, missing, secret, source
from jupyter_trainjob.bundle.collected import collected
from jupyter_trainjob.bundle.credentials import Found
from jupyter_trainjob.bundle.files import chosen, packed
from jupyter_trainjob.bundle.modules import Module, imported
from jupyter_trainjob.bundle.modules import found as found_modules
from jupyter_trainjob.bundle.names import LATE, Names, analyse
from jupyter_trainjob.bundle.notebook import features, is_history, is_ipythons
from jupyter_trainjob.bundle.payload import Payload, Place
from jupyter_trainjob.bundle.pickling import NotebookPickler, failure
from jupyter_trainjob.bundle.recipes import first_code, place, recipes
from jupyter_trainjob.bundle.secret import Sealed
from jupyter_trainjob.errors import CaptureError, UsageError
from jupyter_trainjob.worker import settings
from jupyter_trainjob.worker.manifest import CELL, FUNCTION, Recipe, Source

ARGUMENT: Final = "argument "
"""Before the place or the name of an argument, as a captured value is called."""
THE_CALL: Final = "the call"


@dataclass(frozen=True)
class Captured:
    """One value that travels."""

    name: str
    type: str
    size: int
    """Bytes that it adds to the bundle; what two values share counts for the first."""
    origin: str
    """Where it was defined, as far as that is known: ``Cell [3], line 2``, ``module numpy``."""


@dataclass(frozen=True)
class Capture:
    """Code with its values, ready to be packed."""

    payload: Payload
    """One pickle after the other, in the order of `names`, with one memo."""
    names: tuple[Captured, ...]
    source: str
    """As it was typed."""
    filename: str
    """What tracebacks call the code: ``Cell [12]``."""
    out: tuple[str, ...] = ()
    kind: str = CELL
    has_code: bool = False
    """Whether functions or classes travel by value."""
    sources: Mapping[str, Source] = field(default_factory=dict)
    recipes: tuple[Recipe, ...] = ()
    modules: tuple[Module, ...] = ()
    """That the code imports, with the files of those that travel."""
    files: Mapping[str, Path] = field(default_factory=dict)
    """Of ``--file``, by where they lie in the job's working folder."""
    code: Payload | None = None
    """The archive with both."""
    missed: Callable[[], tuple[str, ...]] = tuple
    """Looks for files beside the notebook that the code names, and that do not travel."""
    credentials: tuple[Found, ...] = ()
    """What looks like credentials, in the values, the source and the files."""
    secrets: tuple[Sealed, ...] = ()
    beside: tuple[str, ...] = ()
    """Where the values of `secrets` travel a second time."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Of the notebook's process, see `worker.settings`."""
    python_source: str = ""
    """`source` without commands of the notebook, where it has any."""
    future: tuple[str, ...] = ()
    """What earlier cells imported from ``__future__``."""


def capture_cell(
    text: str,
    namespace: dict[str, Any],
    *,
    filename: str,
    out: Sequence[str] = (),
    files: Sequence[str] = (),
    secrets: Sequence[Sealed] = (),
    cells: Mapping[str, str] | None = None,
    place: Place = lambda: None,
) -> Capture:
    """Pack a cell.

    `namespace` is the notebook's own dict (not a copy: functions are recognised by it). `out` are names that are to
    come back. `secrets` are values that travel by themselves. `cells` maps the file names of executed code to what
    cells are called, for tracebacks of helpers. `place` is where values lie that are too large for Secrets.
    """
    parsed = source.parse(text, filename)
    source.check_that_it_acts(parsed.tree, out=out, filename=filename)
    future = features(namespace)
    found = analyse(parsed.tree, late=LATE or "annotations" in future)
    found = replace(found, needed=tuple(dict.fromkeys([*found.needed, *collected(parsed.tree, namespace)])))
    _check_history(found, namespace, filename)
    hidden = secret.variables(secrets)
    values = {name: value for name, value in _values(found, namespace).items() if name not in hidden}
    _check_out(out, found, values, namespace, hidden)
    return _pack(
        values,
        namespace,
        cells or {},
        source_text=text,
        python_source="" if parsed.text.rstrip("\n") == text.rstrip("\n") else parsed.text,
        filename=filename,
        out=tuple(dict.fromkeys(out)),
        kind=CELL,
        place=place,
        files=files,
        secrets=secrets,
        tree=parsed.tree,
        future=future,
    )


def capture_function(
    fn: Callable[..., Any],
    args: Sequence[Any] = (),
    kwargs: Mapping[str, Any] | None = None,
    *,
    files: Sequence[str] = (),
    secrets: Sequence[Sealed] = (),
    cells: Mapping[str, str] | None = None,
    place: Place = lambda: None,
) -> Capture:
    """Pack a function with the arguments that it is to be called with on every rank."""
    if not callable(fn):
        raise UsageError(f"submit() takes a function first, not {fn!r}. Call it as submit(train, data, nodes=2).")
    call = (fn, tuple(args), dict(kwargs or {}))
    name = getattr(fn, "__qualname__", type(fn).__qualname__)
    values: dict[str, Any] = {name: fn}
    values |= {f"{ARGUMENT}{place}": value for place, value in enumerate(args, start=1)}
    values |= {f"{ARGUMENT}{key}": value for key, value in call[2].items()}
    values[THE_CALL] = call
    plain = inspect.unwrap(fn)
    own = isinstance(plain, types.FunctionType) and plain.__module__ == "__main__"
    namespace = plain.__globals__ if own else vars(sys.modules["__main__"])
    return _pack(
        values,
        namespace,
        cells or {},
        source_text=_text(plain),
        filename=f"{name}()",
        out=(),
        kind=FUNCTION,
        place=place,
        files=files,
        secrets=secrets,
    )


def _values(found: Names, namespace: dict[str, Any]) -> dict[str, Any]:
    """Return the notebook's values that a cell takes, data before code, so that data is measured by itself."""

    def takes(name: str) -> bool:
        return name in namespace and not is_ipythons(name, namespace[name])

    names = [name for name in found.needed if takes(name)]
    # Where the cell most likely assigns the name itself, a value that cannot travel is no reason to refuse.
    names += [name for name in found.perhaps if takes(name) and failure(namespace[name], namespace) is None]
    names.sort(key=lambda name: isinstance(namespace[name], (type, types.FunctionType)))
    return {name: namespace[name] for name in names}


def _check_history(found: Names, namespace: Mapping[str, Any], filename: str) -> None:
    """Refuse what only the notebook has: its last values and its cells."""
    for name in found.needed:
        if name in namespace and is_history(name) and is_ipythons(name, namespace[name]):
            raise UsageError(
                f"{filename} uses {name}, which is the notebook's own record of its cells. A job has none: give the "
                f"value a name in the cell that makes it, and use that. Nothing was sent."
            )


def _check_out(
    out: Sequence[str], found: Names, values: Mapping[str, Any], namespace: Mapping[str, Any], secrets: Collection[str]
) -> None:
    for name in out:
        if name in secrets:
            raise UsageError(f"--out {name}: that is a secret, which the notebook has already, and none comes back.")
        if not name.isidentifier() or keyword.iskeyword(name):
            raise UsageError(f"--out {name}: that is no name of Python. Write names with commas between: --out a,b.")
        if name in found.assigned or name in values:
            continue
        known = (
            "the notebook has it, but the cell does not use it" if name in namespace else "the cell does not assign it"
        )
        raise UsageError(f"--out {name}: {known}. Only names that the cell assigns or uses can come back.")


def _pack(
    values: Mapping[str, Any],
    namespace: dict[str, Any],
    cells: Mapping[str, str],
    *,
    source_text: str,
    filename: str,
    out: tuple[str, ...],
    kind: str,
    place: Place,
    python_source: str = "",
    files: Sequence[str] = (),
    secrets: Sequence[Sealed] = (),
    tree: ast.Module | None = None,
    future: tuple[str, ...] = (),
) -> Capture:
    payload = Payload(place)
    hidden = secret.variables(secrets)
    pickler = NotebookPickler(payload, namespace, without=hidden)
    pickler.expect(values.values())
    names = []
    for name, value in values.items():
        start = payload.size
        try:
            pickler.dump(value)
        except Exception as error:
            payload.discard()
            if payload.broken is not None:
                raise payload.no_room(payload.broken) from error
            raise _cannot_travel(name, value, error, namespace) from error
        except BaseException:  # Ctrl-C in the middle of a gigabyte.
            payload.discard()
            raise
        names.append(Captured(name, culprit.type_name(value), payload.size - start, _origin(value, cells)))
    modules = found_modules(pickler.modules.union(imported(tree) if tree is not None else ()))
    functions, texts, here = pickler.codes, pickler.sources, Path.cwd()
    sent = chosen(files, here)
    code = packed(modules, sent, place)
    local = {inside: path for module in modules for inside, path in module.files}
    # These only show in tracebacks and exports.
    sources = {
        file: Source(cells.get(file) or Path(file).name, secret.masked(credentials.masked(text), secrets))
        for file, text in pickler.sources.items()
    }
    shown = {name: value for name, value in values.items() if name != THE_CALL}
    return Capture(
        payload=payload.finish(),
        names=tuple(names),
        source=source_text,
        python_source=python_source,
        future=future,
        modules=modules,
        files=sent,
        missed=lambda: missing.files(_named(tree, functions, texts, modules), here, sent),
        code=code,
        credentials=(
            *credentials.in_values(values),
            *credentials.in_source(source_text, filename),
            *credentials.in_code(pickler.codes, cells),
            *credentials.in_files({**local, **sent}),
        ),
        secrets=tuple(secrets),
        beside=secret.beside(secrets, values),
        settings=settings.changed(),
        filename=filename,
        out=out,
        kind=kind,
        has_code=pickler.has_code,
        sources=sources,
        recipes=tuple(
            each if secret.masked(each.literal, secrets) == each.literal else each._replace(literal="")
            for each in recipes(shown, namespace, cells, without=hidden)
        ),
    )


def _named(
    tree: ast.Module | None,
    functions: Sequence[types.CodeType],
    texts: Mapping[str, str],
    modules: Sequence[Module],
) -> Iterator[str]:
    """Yield what the code may mean as paths: of the cell, of functions, of modules that travel."""
    if tree is not None:
        yield from sorted(missing.named(tree))
    yield from missing.named_by_functions(functions, texts)
    yield from missing.named_by_modules(modules)


def _cannot_travel(name: str, value: Any, error: Exception, namespace: dict[str, Any]) -> CaptureError:
    blame = culprit.find(name, value, error, lambda part: failure(part, namespace))
    what = f"{blame.path} cannot travel to the job: it is a {blame.type} ({blame.reason})."
    return CaptureError(f"{what} {blame.remedy} Nothing was sent.")


def _origin(value: Any, cells: Mapping[str, str]) -> str:
    if isinstance(value, types.ModuleType):
        version = getattr(value, "__version__", "")
        return f"module {value.__name__} {version}".rstrip()
    code = first_code(value)
    if code is not None:
        label, line = place(code, cells)
        return f"{label}, line {line}"
    module = getattr(value, "__module__", None) if isinstance(value, (type, types.BuiltinFunctionType)) else None
    return f"module {module}" if module and module != "__main__" else "notebook"


def _text(fn: Any) -> str:
    try:
        return inspect.getsource(fn)
    except (OSError, TypeError):
        return ""
