"""Find the names that a cell reads from the notebook before it assigns them itself.

Pure function from a syntax tree to names. Scopes are those of Python, the order is that of control flow. A name that
only some path through the cell assigns first (a branch, a loop, a handler) is optional: it is sent if it can be
pickled. The body of a function counts from where the function is named, since it may be called from there on; so does
what Python evaluates lazily: the value of ``type X = …``, the bounds and defaults of type parameters. Names in quoted
annotations, and in all annotations that are evaluated lazily (``from __future__ import annotations``, Python 3.14), are
optional.

Limits. Missed, so not sent unless the cell names it elsewhere: a name that is computed at run time
(``globals()["x"]``, ``getattr(module, text)``, `exec` and `eval` of a text that is no literal), and a name in a string
that a library interprets. Found without being needed, so sent for nothing, or refused if it cannot be pickled: a name
that comes from ``from m import *``; one that is read by a function which is named, but not called, before the cell
assigns the name; one that is assigned only through ``globals()``. Taken as assigned, so not sent: a name after
``a and (name := …)``, whether or not it was evaluated; one that is deleted and then read. The bases of a generic class
are read without mangling ``__x``.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from jupyter_trainjob.bundle.analysis.name_mangling import mangle_names
from jupyter_trainjob.bundle.analysis.scopes import Reads, names_bound, names_read, read_names

LATE_ANNOTATIONS: Final = sys.version_info >= (3, 14)
"""Whether this Python evaluates annotations lazily (PEP 649)."""
_EXITS: Final = (ast.Raise, ast.Break, ast.Continue)


@dataclass(frozen=True)
class CellNames:
    """The names of a cell, in the order of their first use."""

    needed: tuple[str, ...]
    optional: tuple[str, ...]
    assigned: frozenset[str]
    """Global names that the cell binds somewhere."""


def analyse_names(tree: ast.Module, *, late: bool = LATE_ANNOTATIONS) -> CellNames:
    """Return the names of a cell; `late` is true if annotations are evaluated lazily."""
    tree = mangle_names(tree)
    flow = _Flow(late=late or any(_is_annotations_import(node) for node in tree.body))
    flow.run(tree.body)
    flow.finish()
    declared = {name for node in ast.walk(tree) if isinstance(node, ast.Global) for name in node.names}
    return CellNames(tuple(flow.needed), tuple(flow.optional), frozenset(flow.assigned | declared))


def _is_annotations_import(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.ImportFrom)
        and node.module == "__future__"
        and any(name.name == "annotations" for name in node.names)
    )


class _Flow:
    """Follows the control flow of a cell's top level, statement by statement."""

    def __init__(self, *, late: bool) -> None:
        self._late = late
        self.needed: dict[str, None] = {}
        self.optional: dict[str, None] = {}
        self.assigned: set[str] = set()
        self._bound: set[str] = set()
        """Names that are certainly assigned at this point."""
        self._bodies: dict[str, dict[str, None]] = {}
        """Names that the functions and methods of a name read when they are called."""
        self._quoted: dict[str, None] = {}
        """Names in annotations that are possibly never evaluated."""

    def run(self, body: Iterable[ast.stmt]) -> None:
        """Process statements in their order."""
        for statement in body:
            self._statement(statement)

    def finish(self) -> None:
        """Count the bodies of functions that the cell never names: functions of the notebook may call them."""
        for names in list(self._bodies.values()):
            self._use(names)
        self.optional |= {name: None for name in self._quoted if name not in self._bound and name not in self.needed}

    def _read(self, node: ast.AST) -> Reads:
        reads = read_names(node, late=self._late)
        self._use(reads.immediate)
        self._quoted |= {name: None for name in reads.quoted if name not in self._bound}
        return reads

    def _use(self, names: Iterable[str], inside: frozenset[str] = frozenset()) -> None:
        for name in names:
            if name not in self._bound and name not in self.needed:
                if name in self.assigned:
                    self.optional[name] = None
                else:
                    self.needed[name] = None
                    self.optional.pop(name, None)
            if name in self._bodies and name not in inside:
                self._use(self._bodies[name], inside | {name})

    def _bind(self, names: Iterable[str]) -> None:
        bound = set(names)
        self._bound |= bound
        self.assigned |= bound

    def _branch(self, body: Iterable[ast.stmt], bound: Iterable[str] = ()) -> set[str]:
        """Process statements that may not run; return the names that are certainly assigned after them."""
        before = set(self._bound)
        self._bind(bound)
        statements = list(body)
        self.run(statements)
        after, self._bound = self._bound, before
        if statements and isinstance(statements[-1], _EXITS):
            return after | self.assigned  # The path ends here.
        return after

    def _statement(self, node: ast.stmt) -> None:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                self._definition(node)
            case ast.If():
                self._use(names_read(node.test))
                self._bind(names_bound(node.test))
                self._bound = self._branch(node.body) & self._branch(node.orelse)
            case ast.For() | ast.AsyncFor():
                self._use(names_read(node.iter))
                self._use(names_read(node.target))  # for table[key] in …
                self._branch(node.body, names_bound(node.target))
                self._branch(node.orelse)
            case ast.While():
                self._use(names_read(node.test))
                self._bind(names_bound(node.test))
                self._branch(node.body)
                self._branch(node.orelse)
            case ast.With() | ast.AsyncWith():
                self._with(node)
            case ast.Match():
                self._use(names_read(node.subject))
                for case in node.cases:
                    self._use(names_read(case.pattern))
                    names = names_bound(case.pattern)
                    self._use(name for name in names_read(case.guard) if name not in names)
                    self._branch(case.body, names)
            case _ if hasattr(node, "handlers"):  # Try; TryStar from Python 3.11 on.
                self._try(node)
            case _ if hasattr(node, "type_params"):  # TypeAlias from Python 3.12 on.
                self._bind_definition(getattr(node, "name").id, self._read(node))  # noqa: B009
            case _:
                node_reads = self._read(node)
                self._use(node_reads.deferred)
                if not (isinstance(node, ast.AnnAssign) and node.value is None):
                    self._bind(names_bound(node))

    def _definition(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> None:
        self._bind_definition(node.name, self._read(node))
        if node.decorator_list:  # A decorator may call what it decorates.
            self._use([node.name])

    def _bind_definition(self, name: str, reads: Reads) -> None:
        """Bind a name to a definition that reads names later."""
        self._bind([name])
        reads.deferred.pop(name, None)
        self._bodies[name] = self._bodies.get(name, {}) | reads.deferred

    def _with(self, node: ast.With | ast.AsyncWith) -> None:
        for item in node.items:
            self._use(names_read(item))
            self._bind(names_bound(item))
        if any("suppress" in ast.unparse(item.context_expr) for item in node.items):
            self._branch(node.body)
        else:
            self.run(node.body)

    def _try(self, node: ast.stmt) -> None:
        body, handlers = getattr(node, "body", []), getattr(node, "handlers", [])
        branches = [self._branch([*body, *getattr(node, "orelse", [])])]
        for handler in handlers:
            self._use(names_read(handler.type))
            branches.append(self._branch(handler.body, [handler.name] if handler.name else []))
        finally_ = self._branch(getattr(node, "finalbody", []))
        self._bound = set.intersection(*branches) | finally_
