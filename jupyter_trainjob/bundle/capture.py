"""Capture a cell or a function with every value of the notebook that it uses, as bytes.

Errors in the code or its values are raised here, before anything is sent: `errors.UsageError` for the code,
`errors.CaptureError` for a value, with the path to the part that cannot be pickled.
"""

from __future__ import annotations

import ast
import functools
import inspect
import keyword
import sys
import types
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any, Final

from jupyter_trainjob.bundle import credential_scan, function_checks, job_secrets
from jupyter_trainjob.bundle.analysis import cell_source, missing_files, submodules, undefined_names
from jupyter_trainjob.bundle.analysis.captured_names import LATE_ANNOTATIONS, CellNames, analyse_names
from jupyter_trainjob.bundle.analysis.implicit_names import implicit_names
from jupyter_trainjob.bundle.analysis.ipython_names import future_features, is_history, is_ipython_owned
from jupyter_trainjob.bundle.analysis.local_modules import JobModule, imported_modules, unconditional_imports
from jupyter_trainjob.bundle.analysis.local_modules import check_sendable as check_modules
from jupyter_trainjob.bundle.analysis.local_modules import find_modules as found_modules
from jupyter_trainjob.bundle.analysis.undefined_names import UndefinedName
from jupyter_trainjob.bundle.credential_scan import Credential
from jupyter_trainjob.bundle.job_secrets import SecretValue
from jupyter_trainjob.bundle.packed_files import pack_files, resolve_patterns
from jupyter_trainjob.bundle.serialization import unpicklable
from jupyter_trainjob.bundle.serialization.notebook_pickler import NotebookPickler, pickling_error
from jupyter_trainjob.bundle.serialization.payload import Payload, SpillDir
from jupyter_trainjob.bundle.source_recipes import build_recipes, first_code, source_location
from jupyter_trainjob.errors import CaptureError, UsageError
from jupyter_trainjob.worker import process_settings
from jupyter_trainjob.worker.manifest import CELL, FUNCTION, Recipe, Source

ARGUMENT: Final = "argument "
"""Prefix of the names of captured arguments, before their position or keyword."""
THE_CALL: Final = "the call"
NAMES_LIMIT: Final = 1_000
"""Maximum of names of the notebook that are listed for the job's error messages."""


@dataclass(frozen=True)
class CapturedValue:
    """One value that is sent."""

    name: str
    type: str
    size: int
    """Bytes that it adds to the bundle; parts that values share count for the first."""
    origin: str
    """Where it was defined, if known: ``Cell [3], line 2``, ``module numpy``."""


@dataclass(frozen=True)
class Capture:
    """Code with its values, ready to be packed."""

    payload: Payload
    """The pickles of `names` in their order, with one memo."""
    names: tuple[CapturedValue, ...]
    source: str
    """The source as it was typed."""
    filename: str
    """Name of the code in tracebacks, as ``Cell [12]``."""
    out: tuple[str, ...] = ()
    kind: str = CELL
    has_code: bool = False
    """Whether functions or classes were pickled by value."""
    sources: Mapping[str, Source] = field(default_factory=dict)
    recipes: tuple[Recipe, ...] = ()
    modules: tuple[JobModule, ...] = ()
    """Modules that the code imports, with the files of those that are sent."""
    files: Mapping[str, Path] = field(default_factory=dict)
    """Files of ``--file``, by their paths in the job's working folder."""
    code: Payload | None = None
    """The archive of local modules and files."""
    find_missing_files: Callable[[], tuple[str, ...]] = tuple
    """Returns files beside the notebook that the code names, and that are not sent."""
    credentials: tuple[Credential, ...] = ()
    """Probable credentials in the values, the source and the files."""
    secrets: tuple[SecretValue, ...] = ()
    leaks: tuple[str, ...] = ()
    """Where the values of `secrets` occur in captured values."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Settings of the notebook's process, see `worker.process_settings`."""
    python_source: str = ""
    """`source` with IPython's commands replaced; empty if it has none."""
    future: tuple[str, ...] = ()
    """Names that earlier cells imported from ``__future__``."""
    imports: tuple[str, ...] = ()
    """Submodules that the code uses through their packages."""
    unsent: tuple[str, ...] = ()
    """Names that are defined in the notebook and not sent."""
    notes: tuple[str, ...] = ()
    """Notes about the code for its sender."""


def capture_cell(
    text: str,
    namespace: dict[str, Any],
    *,
    filename: str,
    out: Sequence[str] = (),
    files: Sequence[str] = (),
    secrets: Sequence[SecretValue] = (),
    cells: Mapping[str, str] | None = None,
    spill_dir: SpillDir = lambda: None,
) -> Capture:
    """Capture a cell.

    `namespace` is the notebook's own dict (not a copy: functions are recognised by it). `out` are names to return to
    the notebook, `files` patterns of ``--file``, `secrets` values that are sent separately. `cells` maps the file names
    of executed code to labels of cells, for tracebacks of helpers. `spill_dir` returns the folder for values that are
    too large for Secrets. Raises `errors.UsageError` and `errors.CaptureError`.
    """
    parsed = cell_source.parse_cell(text, filename)
    cell_source.check_calls_something(parsed.tree, out=out, filename=filename)
    future = future_features(namespace)
    names = analyse_names(parsed.tree, late=LATE_ANNOTATIONS or "annotations" in future)
    names = replace(names, needed=tuple(dict.fromkeys([*names.needed, *implicit_names(parsed.tree, namespace)])))
    _check_history(names, namespace, filename)
    secret_names = job_secrets.variable_names(secrets)
    undefined = undefined_names.find_undefined(
        parsed.without_commands, names.needed, names.assigned | {*secret_names}, namespace
    )
    _check_undefined(undefined, parsed.text, filename)
    values = {name: value for name, value in _captured_values(names, namespace).items() if name not in secret_names}
    _check_out(out, names, values, namespace, secret_names)
    return _pack(
        values,
        namespace,
        cells or {},
        source_text=text,
        python_source="" if parsed.text.rstrip("\n") == text.rstrip("\n") else parsed.text,
        filename=filename,
        out=tuple(dict.fromkeys(out)),
        kind=CELL,
        spill_dir=spill_dir,
        files=files,
        secrets=secrets,
        tree=parsed.tree,
        future=future,
        notes=tuple(f"{unknown.describe(filename)} The job fails if it gets there." for unknown in undefined),
    )


def capture_function(
    fn: Callable[..., Any],
    args: Sequence[Any] = (),
    kwargs: Mapping[str, Any] | None = None,
    *,
    files: Sequence[str] = (),
    secrets: Sequence[SecretValue] = (),
    cells: Mapping[str, str] | None = None,
    spill_dir: SpillDir = lambda: None,
) -> Capture:
    """Capture a function with the arguments of its call on every rank.

    The keyword arguments are those of `capture_cell`. Raises `errors.UsageError` and `errors.CaptureError`.
    """
    if not callable(fn):
        raise UsageError(f"submit() takes a function first, not {fn!r}. Call it as submit(train, data, nodes=2).")
    call = (fn, tuple(args), dict(kwargs or {}))
    name = getattr(fn, "__qualname__", type(fn).__qualname__)
    function_checks.check_call(*call, name=name)
    values: dict[str, Any] = {name: fn}
    values |= {f"{ARGUMENT}{index}": value for index, value in enumerate(args, start=1)}
    values |= {f"{ARGUMENT}{key}": value for key, value in call[2].items()}
    values[THE_CALL] = call
    plain = inspect.unwrap(fn)
    own = isinstance(plain, types.FunctionType) and plain.__module__ == "__main__"
    namespace = plain.__globals__ if own else vars(sys.modules["__main__"])
    return _pack(
        values,
        namespace,
        cells or {},
        source_text=_source_of(plain),
        filename=f"{name}()",
        out=(),
        kind=FUNCTION,
        spill_dir=spill_dir,
        files=files,
        secrets=secrets,
    )


def _captured_values(cell_names: CellNames, namespace: dict[str, Any]) -> dict[str, Any]:
    """Return the notebook's values that a cell uses, data before code, so that data is measured by itself."""

    def takes(name: str) -> bool:
        return name in namespace and not is_ipython_owned(name, namespace[name])

    names = [name for name in cell_names.needed if takes(name)]
    # If the cell probably assigns the name itself, a value that cannot be pickled is left out.
    names += [
        name for name in cell_names.optional if takes(name) and pickling_error(namespace[name], namespace) is None
    ]
    names.sort(key=lambda name: isinstance(namespace[name], (type, types.FunctionType)))
    return {name: namespace[name] for name in names}


def _check_history(names: CellNames, namespace: Mapping[str, Any], filename: str) -> None:
    """Reject a cell that reads IPython's history of inputs and outputs."""
    for name in names.needed:
        if name in namespace and is_history(name) and is_ipython_owned(name, namespace[name]):
            raise UsageError(
                f"{filename} uses {name}, the notebook's history of its cells, which a job does not have. Assign the "
                f"value to a variable in the cell that creates it, and use that. Nothing was sent."
            )


def _check_undefined(undefined: Sequence[UndefinedName], text: str, filename: str) -> None:
    """Reject a cell that would end with a NameError."""
    for name in undefined:
        if name.certain:
            line = text.splitlines()[name.line - 1].strip()
            raise UsageError(f"{name.describe(filename)}\n    {line}\nNothing was sent.")


def _check_out(
    out: Sequence[str],
    names: CellNames,
    values: Mapping[str, Any],
    namespace: Mapping[str, Any],
    secrets: Collection[str],
) -> None:
    for name in out:
        if name in secrets:
            raise UsageError(f"--out {name}: that is a secret, which is not returned; the notebook has it already.")
        if not name.isidentifier() or keyword.iskeyword(name):
            raise UsageError(f"--out {name}: that is not a valid Python name. Separate names by commas: --out a,b.")
        if name in names.assigned or name in values:
            continue
        reason = (
            "the notebook has it, but the cell does not use it" if name in namespace else "the cell does not assign it"
        )
        raise UsageError(f"--out {name}: {reason}. Only names that the cell assigns or uses can be returned.")


def _pack(
    values: Mapping[str, Any],
    namespace: dict[str, Any],
    cells: Mapping[str, str],
    *,
    source_text: str,
    filename: str,
    out: tuple[str, ...],
    kind: str,
    spill_dir: SpillDir,
    python_source: str = "",
    files: Sequence[str] = (),
    secrets: Sequence[SecretValue] = (),
    tree: ast.Module | None = None,
    future: tuple[str, ...] = (),
    notes: tuple[str, ...] = (),
) -> Capture:
    payload = Payload(spill_dir)
    secret_names = job_secrets.variable_names(secrets)
    pickler = NotebookPickler(payload, namespace, without=secret_names)
    pickler.expect(values.values())
    names = []
    for name, value in values.items():
        start = payload.size
        try:
            pickler.dump(value)
        except Exception as error:
            payload.discard()
            if payload.write_error is not None:
                raise payload.disk_error(payload.write_error) from error
            try_pickle = functools.partial(pickling_error, namespace=namespace)
            raise unpicklable.unpicklable_error(name, value, error, try_pickle, code=f"the {kind}") from error
        except BaseException:  # Such as KeyboardInterrupt.
            payload.discard()
            raise
        names.append(CapturedValue(name, unpicklable.type_name(value), payload.size - start, _origin(value, cells)))
    try:
        check_modules(pickler.modules.union(unconditional_imports(tree) if tree is not None else ()))
    except CaptureError:
        payload.discard()
        raise
    modules = found_modules(pickler.modules.union(imported_modules(tree) if tree is not None else ()))
    functions, texts, working_dir = pickler.codes, pickler.sources, Path.cwd()
    sent = resolve_patterns(files, working_dir)
    code = pack_files(modules, sent, spill_dir)
    local = {archive_path: path for module in modules for archive_path, path in module.files}
    # Masked, as they are used in tracebacks and exports only.
    sources = {
        file: Source(
            cells.get(file) or Path(file).name, job_secrets.mask_values(credential_scan.mask_source(text), secrets)
        )
        for file, text in pickler.sources.items()
    }
    shown = {name: value for name, value in values.items() if name != THE_CALL}
    return Capture(
        payload=payload.finish(),
        names=tuple(names),
        source=source_text,
        python_source=python_source,
        future=future,
        imports=submodules.used_submodules(
            pickler.modules | submodules.imported_packages(tree), submodules.attribute_names(tree, pickler.codes)
        ),
        unsent=_unsent_names(values, namespace),
        notes=notes,
        modules=modules,
        files=sent,
        find_missing_files=lambda: missing_files.existing_unsent(
            _named_paths(tree, functions, texts, modules), working_dir, sent
        ),
        code=code,
        credentials=(
            *credential_scan.scan_values(values),
            *credential_scan.scan_source(source_text, filename),
            *credential_scan.scan_code(pickler.codes, cells),
            *credential_scan.scan_files({**local, **sent}),
        ),
        secrets=tuple(secrets),
        leaks=job_secrets.find_leaks(secrets, values),
        settings=process_settings.changed_settings(),
        filename=filename,
        out=out,
        kind=kind,
        has_code=pickler.has_code,
        sources=sources,
        recipes=tuple(
            recipe
            if job_secrets.mask_values(recipe.literal, secrets) == recipe.literal
            else recipe._replace(literal="")
            for recipe in build_recipes(shown, namespace, cells, without=secret_names)
        ),
    )


def _unsent_names(values: Mapping[str, Any], namespace: Mapping[str, Any]) -> tuple[str, ...]:
    """Return names of the notebook that are not sent: an error in the job explains what to do about them."""
    names = (
        name
        for name, value in list(namespace.items())
        if not (name.startswith("_") or name in values or isinstance(value, types.ModuleType))
        and not is_ipython_owned(name, value)
    )
    return tuple(islice(names, NAMES_LIMIT))


def _named_paths(
    tree: ast.Module | None,
    functions: Sequence[types.CodeType],
    texts: Mapping[str, str],
    modules: Sequence[JobModule],
) -> Iterator[str]:
    """Yield possible paths in the cell, in functions, and in modules that are sent."""
    if tree is not None:
        yield from sorted(missing_files.named_paths(tree))
    yield from missing_files.paths_named_by_functions(functions, texts)
    yield from missing_files.paths_named_by_modules(modules)


def _origin(value: Any, cells: Mapping[str, str]) -> str:
    if isinstance(value, types.ModuleType):
        version = getattr(value, "__version__", "")
        return f"module {value.__name__} {version}".rstrip()
    code = first_code(value)
    if code is not None:
        label, line = source_location(code, cells)
        return f"{label}, line {line}"
    module = getattr(value, "__module__", None) if isinstance(value, (type, types.BuiltinFunctionType)) else None
    return f"module {module}" if module and module != "__main__" else "notebook"


def _source_of(fn: Any) -> str:
    try:
        return inspect.getsource(fn)
    except (OSError, TypeError):
        return ""
