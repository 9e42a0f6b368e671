"""Which names a cell takes from the notebook: those that it may read before it has assigned them itself.

Pure: source tree in, names out. Reading is decided as Python does, by scopes; order is decided as control flow does.
A name that only some way through the cell assigns first (a branch, a loop, a handler) is a perhaps: it travels if it
can. The body of a function counts where the function is named, since it may run from there on; so does what Python
evaluates late: the value of ``type X = …``, the bounds and defaults of type parameters. What is quoted in annotations,
and all annotations where they are evaluated late (``from __future__ import annotations``, Python 3.14), is a perhaps.

Limits. Not seen, so not sent unless the cell names it elsewhere: a name that is made at run time (``globals()["x"]``,
``getattr(module, text)``, `exec` and `eval` of a text that does not stand in the call), and what a string of a library
means. Seen where it may not be needed, so sent for nothing, or refused if it cannot travel: a name that comes from
``from m import *``; one that a function reads which is named, but not called, before the cell assigns the name; one
that is assigned only through ``globals()``. Taken as assigned, so not sent: a name after ``a and (name := …)`` and the
like, whether or not it was evaluated; one that is deleted and then read. The bases of a generic class are read
without mangling ``__x``.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from jupyter_trainjob.bundle.mangling import mangled
from jupyter_trainjob.bundle.scopes import Reads, binds, read, reads

LATE: Final = sys.version_info >= (3, 14)
"""Whether this Python evaluates annotations only when somebody asks for them."""
_LEAVES: Final = (ast.Raise, ast.Break, ast.Continue)


@dataclass(frozen=True)
class Names:
    """The names of a cell, in the order of their first use."""

    needed: tuple[str, ...]
    perhaps: tuple[str, ...]
    assigned: frozenset[str]
    """Global names that the cell binds somewhere."""


def analyse(tree: ast.Module, *, late: bool = LATE) -> Names:
    """Return the names of a cell. `late`: whether annotations are evaluated when somebody asks for them."""
    tree = mangled(tree)
    flow = _Flow(late=late or any(_is_late(node) for node in tree.body))
    flow.run(tree.body)
    flow.end()
    declared = {name for node in ast.walk(tree) if isinstance(node, ast.Global) for name in node.names}
    return Names(tuple(flow.needed), tuple(flow.perhaps), frozenset(flow.assigned | declared))


def _is_late(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.ImportFrom)
        and node.module == "__future__"
        and any(name.name == "annotations" for name in node.names)
    )


class _Flow:
    """Follows the top level of a cell, statement by statement."""

    def __init__(self, *, late: bool) -> None:
        self._late = late
        self.needed: dict[str, None] = {}
        self.perhaps: dict[str, None] = {}
        self.assigned: set[str] = set()
        self._bound: set[str] = set()
        """What is certainly assigned here."""
        self._bodies: dict[str, dict[str, None]] = {}
        """What the functions and methods behind a name read when they run."""
        self._quoted: dict[str, None] = {}
        """What annotations name that nobody may ever evaluate."""

    def run(self, body: Iterable[ast.stmt]) -> None:
        """Follow statements."""
        for statement in body:
            self._statement(statement)

    def end(self) -> None:
        """Count functions that the cell never names: functions of the notebook may call them."""
        for names in list(self._bodies.values()):
            self._use(names)
        self.perhaps |= {name: None for name in self._quoted if name not in self._bound and name not in self.needed}

    def _read(self, node: ast.AST) -> Reads:
        found = read(node, late=self._late)
        self._use(found.now)
        self._quoted |= {name: None for name in found.quoted if name not in self._bound}
        return found

    def _use(self, names: Iterable[str], inside: frozenset[str] = frozenset()) -> None:
        for name in names:
            if name not in self._bound and name not in self.needed:
                if name in self.assigned:
                    self.perhaps[name] = None
                else:
                    self.needed[name] = None
                    self.perhaps.pop(name, None)
            if name in self._bodies and name not in inside:
                self._use(self._bodies[name], inside | {name})

    def _bind(self, names: Iterable[str]) -> None:
        found = set(names)
        self._bound |= found
        self.assigned |= found

    def _branch(self, body: Iterable[ast.stmt], bound: Iterable[str] = ()) -> set[str]:
        """Follow statements that may not run; return what is certainly assigned after them."""
        before = set(self._bound)
        self._bind(bound)
        statements = list(body)
        self.run(statements)
        after, self._bound = self._bound, before
        if statements and isinstance(statements[-1], _LEAVES):
            return after | self.assigned  # Nothing comes after it on this way.
        return after

    def _statement(self, node: ast.stmt) -> None:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                self._definition(node)
            case ast.If():
                self._use(reads(node.test))
                self._bind(binds(node.test))
                self._bound = self._branch(node.body) & self._branch(node.orelse)
            case ast.For() | ast.AsyncFor():
                self._use(reads(node.iter))
                self._use(reads(node.target))  # for table[key] in …
                self._branch(node.body, binds(node.target))
                self._branch(node.orelse)
            case ast.While():
                self._use(reads(node.test))
                self._bind(binds(node.test))
                self._branch(node.body)
                self._branch(node.orelse)
            case ast.With() | ast.AsyncWith():
                self._with(node)
            case ast.Match():
                self._use(reads(node.subject))
                for case in node.cases:
                    self._use(reads(case.pattern))
                    names = binds(case.pattern)
                    self._use(name for name in reads(case.guard) if name not in names)
                    self._branch(case.body, names)
            case _ if hasattr(node, "handlers"):  # Try, and TryStar from Python 3.11 on.
                self._try(node)
            case _ if hasattr(node, "type_params"):  # TypeAlias, from Python 3.12 on.
                self._later(getattr(node, "name").id, self._read(node))  # noqa: B009
            case _:
                found = self._read(node)
                self._use(found.later)
                if not (isinstance(node, ast.AnnAssign) and node.value is None):
                    self._bind(binds(node))

    def _definition(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> None:
        self._later(node.name, self._read(node))
        if node.decorator_list:  # A decorator may call what it decorates.
            self._use([node.name])

    def _later(self, name: str, found: Reads) -> None:
        """Bind a name, behind which is what is read later."""
        self._bind([name])
        found.later.pop(name, None)
        self._bodies[name] = self._bodies.get(name, {}) | found.later

    def _with(self, node: ast.With | ast.AsyncWith) -> None:
        for item in node.items:
            self._use(reads(item))
            self._bind(binds(item))
        if any("suppress" in ast.unparse(item.context_expr) for item in node.items):
            self._branch(node.body)
        else:
            self.run(node.body)

    def _try(self, node: ast.stmt) -> None:
        body, handlers = getattr(node, "body", []), getattr(node, "handlers", [])
        ways = [self._branch([*body, *getattr(node, "orelse", [])])]
        for handler in handlers:
            self._use(reads(handler.type))
            ways.append(self._branch(handler.body, [handler.name] if handler.name else []))
        finally_ = self._branch(getattr(node, "finalbody", []))
        self._bound = set.intersection(*ways) | finally_
