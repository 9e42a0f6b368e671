"""Which names a cell takes from the notebook: those that it may read before it has assigned them itself.

Pure: source tree in, names out. Reading is decided as Python does, by scopes; order is decided as control flow does.
A name that only some way through the cell assigns first (a branch, a loop, a handler) is a perhaps: it travels if it
can. The body of a function counts where the function is named, since it may run from there on.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

_Comprehension = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_LEAVES: Final = (ast.Raise, ast.Break, ast.Continue)


@dataclass(frozen=True)
class Names:
    """The names of a cell, in the order of their first use."""

    needed: tuple[str, ...]
    perhaps: tuple[str, ...]
    assigned: frozenset[str]
    """Global names that the cell binds somewhere."""


def analyse(tree: ast.Module) -> Names:
    """Return the names of a cell."""
    flow = _Flow()
    flow.run(tree.body)
    flow.end()
    declared = {name for node in ast.walk(tree) if isinstance(node, ast.Global) for name in node.names}
    return Names(tuple(flow.needed), tuple(flow.perhaps), frozenset(flow.assigned | declared))


class _Flow:
    """Follows the top level of a cell, statement by statement."""

    def __init__(self) -> None:
        self.needed: dict[str, None] = {}
        self.perhaps: dict[str, None] = {}
        self.assigned: set[str] = set()
        self._bound: set[str] = set()
        """What is certainly assigned here."""
        self._bodies: dict[str, dict[str, None]] = {}
        """What the functions and methods behind a name read when they run."""

    def run(self, body: Iterable[ast.stmt]) -> None:
        """Follow statements."""
        for statement in body:
            self._statement(statement)

    def end(self) -> None:
        """Count functions that the cell never names: functions of the notebook may call them."""
        for names in list(self._bodies.values()):
            self._use(names)

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
                self._use(_reads(node.test))
                self._bind(_binds(node.test))
                self._bound = self._branch(node.body) & self._branch(node.orelse)
            case ast.For() | ast.AsyncFor():
                self._use(_reads(node.iter))
                self._use(_reads(node.target))  # for table[key] in …
                self._branch(node.body, _binds(node.target))
                self._branch(node.orelse)
            case ast.While():
                self._use(_reads(node.test))
                self._bind(_binds(node.test))
                self._branch(node.body)
                self._branch(node.orelse)
            case ast.With() | ast.AsyncWith():
                self._with(node)
            case ast.Match():
                self._use(_reads(node.subject))
                for case in node.cases:
                    self._use(_reads(case.pattern))
                    names = _binds(case.pattern)
                    self._use(name for name in _reads(case.guard) if name not in names)
                    self._branch(case.body, names)
            case _ if hasattr(node, "handlers"):  # Try, and TryStar from Python 3.11 on.
                self._try(node)
            case _:
                self._use(_reads(node))
                if not (isinstance(node, ast.AnnAssign) and node.value is None):
                    self._bind(_binds(node))

    def _definition(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> None:
        reader = _Reader(split=True)
        reader.visit(node)
        self._use(reader.now)
        self._bind([node.name])
        reader.later.pop(node.name, None)
        self._bodies[node.name] = self._bodies.get(node.name, {}) | reader.later
        if node.decorator_list:  # A decorator may call what it decorates.
            self._use([node.name])

    def _with(self, node: ast.With | ast.AsyncWith) -> None:
        for item in node.items:
            self._use(_reads(item))
            self._bind(_binds(item))
        if any("suppress" in ast.unparse(item.context_expr) for item in node.items):
            self._branch(node.body)
        else:
            self.run(node.body)

    def _try(self, node: ast.stmt) -> None:
        body, handlers = getattr(node, "body", []), getattr(node, "handlers", [])
        ways = [self._branch([*body, *getattr(node, "orelse", [])])]
        for handler in handlers:
            self._use(_reads(handler.type))
            ways.append(self._branch(handler.body, [handler.name] if handler.name else []))
        finally_ = self._branch(getattr(node, "finalbody", []))
        self._bound = set.intersection(*ways) | finally_


def _reads(node: ast.AST | None) -> dict[str, None]:
    """Return the global names that running `node` may read, functions in it included."""
    if node is None:
        return {}
    reader = _Reader()
    reader.visit(node)
    return reader.now


def _binds(*nodes: ast.AST) -> set[str]:
    """Return the names that `nodes` bind in their own scope."""
    return {name for node in nodes for name in _bindings(node)}


def _bindings(node: ast.AST, *, comprehension: bool = False) -> Iterator[str]:
    match node:
        case ast.Name(ctx=ast.Store()) if not comprehension:
            yield node.id
        case ast.NamedExpr():
            yield node.target.id
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            yield node.name
            return
        case ast.Lambda():
            return
        case ast.alias():
            if node.name != "*":
                yield node.asname or node.name.partition(".")[0]
        case ast.ExceptHandler() | ast.MatchAs() | ast.MatchStar() if node.name:
            yield node.name
        case ast.MatchMapping() if node.rest:
            yield node.rest
    inner = comprehension or isinstance(node, _Comprehension)
    for child in ast.iter_child_nodes(node):
        yield from _bindings(child, comprehension=inner)


@dataclass
class _Scope:
    local: set[str]
    declared: frozenset[str] = frozenset()
    """Names that a ``global`` statement takes out of all scopes."""
    is_class: bool = False


class _Reader(ast.NodeVisitor):
    """Collects the global names that a piece of code reads. With `split`, those of function bodies stand apart."""

    def __init__(self, *, split: bool = False) -> None:
        self.now: dict[str, None] = {}
        self.later: dict[str, None] = {}
        self._split = split
        self._functions = 0
        self._scopes: list[_Scope] = []

    def _read(self, name: str) -> None:
        for depth, scope in enumerate(reversed(self._scopes)):
            if name in scope.declared:
                break
            # A class body is no scope for the functions in it.
            if name in scope.local and (depth == 0 or not scope.is_class):
                return
        (self.later if self._split and self._functions else self.now)[name] = None

    def visit_Name(self, node: ast.Name) -> None:
        if not isinstance(node.ctx, ast.Store):
            self._read(node.id)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        if isinstance(node.target, ast.Name):
            self._read(node.target.id)
        self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        self._annotation(node.annotation)
        self.visit(node.target)
        if node.value is not None:
            self.visit(node.value)

    def visit_Import(self, node: ast.Import) -> None:
        """Read nothing."""

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        """Read nothing."""

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        for decorator in node.decorator_list:
            self.visit(decorator)
        with_types = _Scope(_type_parameters(node))
        self._scopes.append(with_types)
        for argument in _arguments(node.args):
            self._annotation(argument.annotation)
        self._annotation(node.returns)
        self._function(node.args, node.body)
        self._scopes.pop()

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self.visit_FunctionDef(node)

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self._defaults(node.args)
        self._enter(_Scope({argument.arg for argument in _arguments(node.args)} | _binds(node.body)), [node.body])

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        for decorator in node.decorator_list:
            self.visit(decorator)
        self._scopes.append(_Scope(_type_parameters(node)))
        for base in [*node.bases, *node.keywords]:
            self.visit(base)
        scope = _Scope(set(), is_class=True)
        self._scopes.append(scope)
        for statement in node.body:
            self.visit(statement)
            scope.local |= _binds(statement)  # What is read before it is bound comes from outside.
        self._scopes.pop()
        self._scopes.pop()

    def _comprehension(self, node: ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp) -> None:
        self.visit(node.generators[0].iter)
        inner: list[ast.AST] = [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
        for place, generator in enumerate(node.generators):
            inner += [generator.target, *generator.ifs, *([generator.iter] if place else [])]
        targets = {name for generator in node.generators for name in _binds(generator.target)}
        self._enter(
            _Scope(targets | {n.target.id for i in inner for n in ast.walk(i) if isinstance(n, ast.NamedExpr)}), inner
        )

    visit_ListComp = visit_SetComp = visit_DictComp = visit_GeneratorExp = _comprehension  # noqa: N815

    def _function(self, arguments: ast.arguments, body: list[ast.stmt]) -> None:
        self._defaults(arguments)
        declared = {name for s in body for n in _own(s) if isinstance(n, ast.Global) for name in n.names}
        outer = {name for s in body for n in _own(s) if isinstance(n, ast.Nonlocal) for name in n.names}
        local = {argument.arg for argument in _arguments(arguments)} | _binds(*body)
        self._functions += 1
        self._enter(_Scope(local - declared - outer, frozenset(declared)), body)
        self._functions -= 1

    def _defaults(self, arguments: ast.arguments) -> None:
        for default in [*arguments.defaults, *arguments.kw_defaults]:
            if default is not None:
                self.visit(default)

    def _enter(self, scope: _Scope, nodes: Iterable[ast.AST]) -> None:
        self._scopes.append(scope)
        for node in nodes:
            self.visit(node)
        self._scopes.pop()

    def _annotation(self, node: ast.expr | None) -> None:
        """Read an annotation, and what is quoted in it."""
        if node is None:
            return
        self.visit(node)
        for quoted in ast.walk(node):
            if isinstance(quoted, ast.Constant) and isinstance(quoted.value, str):
                try:
                    self.visit(ast.parse(quoted.value.strip(), mode="eval"))
                except SyntaxError:
                    continue


def _arguments(arguments: ast.arguments) -> list[ast.arg]:
    found = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    return found + [argument for argument in (arguments.vararg, arguments.kwarg) if argument is not None]


def _type_parameters(node: ast.AST) -> set[str]:
    return {parameter.name for parameter in getattr(node, "type_params", ())}


def _own(node: ast.AST) -> Iterator[ast.AST]:
    """Yield `node` and what is in it, without the scopes inside."""
    yield node
    if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)):
        for child in ast.iter_child_nodes(node):
            yield from _own(child)
