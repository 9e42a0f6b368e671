"""Find the global names that code reads and the names that it binds, by Python's rules for scopes.

Pure functions. Used by `captured_names`, which follows the order in which the statements of a cell run.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

_Comprehension = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


@dataclass(frozen=True)
class Reads:
    """Global names, in the order in which they are read."""

    immediate: dict[str, None]
    deferred: dict[str, None]
    """Names read in the bodies of functions, and in other code that is evaluated lazily."""
    quoted: dict[str, None]
    """Names in annotations that Python does not evaluate itself."""


def read_names(node: ast.AST, *, late: bool) -> Reads:
    """Return what `node` reads and when; `late` is true if annotations are evaluated lazily."""
    reader = _Reader(split=True, late=late)
    reader.visit(node)
    return Reads(reader.immediate, reader.deferred, reader.quoted)


def names_read(node: ast.AST | None) -> dict[str, None]:
    """Return the global names that running an expression may read, functions in it included."""
    if node is None:
        return {}
    reader = _Reader()
    reader.visit(node)
    return reader.immediate


def names_bound(*nodes: ast.AST) -> set[str]:
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
    """Names that a ``global`` statement declares."""
    is_class: bool = False
    is_comprehension: bool = False
    is_types: bool = False
    """Whether it is a scope of type parameters and annotations, which sees the class around it."""


class _Reader(ast.NodeVisitor):
    """Collects the global names that code reads. With `split`, those of function bodies are kept apart."""

    def __init__(self, *, split: bool = False, late: bool = False) -> None:
        self.immediate: dict[str, None] = {}
        self.deferred: dict[str, None] = {}
        self.quoted: dict[str, None] = {}
        self._split = split
        self._late = late
        self._functions = 0
        self._quotes = 0
        self._scopes: list[_Scope] = []
        self._bound: set[str] = set()
        """Global names that ``:=`` has bound so far."""

    def _read(self, name: str) -> None:
        sees_class = True
        for scope in reversed(self._scopes):
            if name in scope.declared:
                break
            # Functions do not see the scope of a class around them.
            if name in scope.local and (sees_class or not scope.is_class):
                return
            sees_class = sees_class and scope.is_types
        if name in self._bound:
            return
        later = self.deferred if self._split and self._functions else self.immediate
        (self.quoted if self._quotes else later)[name] = None

    def visit_Name(self, node: ast.Name) -> None:
        if not isinstance(node.ctx, ast.Store):
            self._read(node.id)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        if isinstance(node.target, ast.Name):
            self._read(node.target.id)
        self.generic_visit(node)

    def visit_NamedExpr(self, node: ast.NamedExpr) -> None:
        self.visit(node.value)
        scope = next((scope for scope in reversed(self._scopes) if not scope.is_comprehension), None)
        if scope is None:
            self._bound.add(node.target.id)
        else:  # The scope of a function has the name already.
            scope.local |= {node.target.id} - scope.declared

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        self._annotation(node.annotation, late=self._functions > 0)  # Python never evaluates annotations of locals.
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
        self._defaults(node.args)
        self._enter_types(node)
        for argument in _all_arguments(node.args):
            self._annotation(argument.annotation)
        self._annotation(node.returns)
        self._function(node.args, node.body)
        self._scopes.pop()

    def _enter_types(self, node: Any) -> None:
        """Open the scope of type parameters; their bounds and defaults are evaluated lazily."""
        parameters = getattr(node, "type_params", ())
        self._scopes.append(_Scope({parameter.name for parameter in parameters}, is_types=True))
        self._functions += 1
        for parameter in parameters:
            for part in (getattr(parameter, "bound", None), getattr(parameter, "default_value", None)):
                if part is not None:
                    self.visit(part)
        self._functions -= 1

    def visit_TypeAlias(self, node: Any) -> None:
        self._enter_types(node)
        self._functions += 1
        self.visit(node.value)
        self._functions -= 1
        self._scopes.pop()

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self.visit_FunctionDef(node)

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self._defaults(node.args)
        self._enter(
            _Scope({argument.arg for argument in _all_arguments(node.args)} | names_bound(node.body)), [node.body]
        )

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        for decorator in node.decorator_list:
            self.visit(decorator)
        self._enter_types(node)
        for base in [*node.bases, *node.keywords]:
            self.visit(base)
        scope = _Scope(set(), is_class=True)
        self._scopes.append(scope)
        for statement in node.body:
            self.visit(statement)
            scope.local |= names_bound(statement)  # Names read before they are bound come from outside.
        self._scopes.pop()
        self._scopes.pop()

    def _comprehension(self, node: ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp) -> None:
        self.visit(node.generators[0].iter)
        inner: list[ast.AST] = []
        for index, generator in enumerate(node.generators):
            inner += [*([generator.iter] if index else []), generator.target, *generator.ifs]
        inner += [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
        targets = {name for generator in node.generators for name in names_bound(generator.target)}
        self._enter(_Scope(targets, is_comprehension=True), inner)

    visit_ListComp = visit_SetComp = visit_DictComp = visit_GeneratorExp = _comprehension  # noqa: N815

    def _function(self, arguments: ast.arguments, body: list[ast.stmt]) -> None:
        declared = {name for s in body for n in _iter_own_scope(s) if isinstance(n, ast.Global) for name in n.names}
        outer = {name for s in body for n in _iter_own_scope(s) if isinstance(n, ast.Nonlocal) for name in n.names}
        local = {argument.arg for argument in _all_arguments(arguments)} | names_bound(*body)
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

    def _annotation(self, node: ast.expr | None, *, late: bool = False) -> None:
        """Read an annotation, and the names in its strings."""
        if node is None:
            return
        unread = late or self._late
        self._scopes.append(_Scope(set(), is_types=True))
        self._quotes += unread
        self.visit(node)
        self._quotes += not unread
        for quoted in ast.walk(node):
            if isinstance(quoted, ast.Constant) and isinstance(quoted.value, str):
                try:
                    self.visit(ast.parse(quoted.value.strip(), mode="eval"))
                except (SyntaxError, ValueError):
                    continue
        self._quotes -= 1
        self._scopes.pop()


def _all_arguments(arguments: ast.arguments) -> list[ast.arg]:
    arguments_list = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    return arguments_list + [argument for argument in (arguments.vararg, arguments.kwarg) if argument is not None]


def _iter_own_scope(node: ast.AST) -> Iterator[ast.AST]:
    """Yield `node` and its descendants, without nested scopes."""
    yield node
    if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)):
        for child in ast.iter_child_nodes(node):
            yield from _iter_own_scope(child)
