"""Names of the notebook that a cell needs, may need, or assigns."""

from __future__ import annotations

import ast
import symtable
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from jupyter_trainjob.bundle.analysis.captured_names import CellNames, analyse_names


def names_of(source: str) -> CellNames:
    return analyse_names(ast.parse(textwrap.dedent(source)), late=False)


NEEDED: dict[str, tuple[str, str]] = {
    "a name that is read": ("print(x)", "print x"),
    "a name that is assigned is not": ("x = 1\nx", ""),
    "a name that is read before it is assigned": ("y = x\nx = 1", "x"),
    "a name that is assigned from itself": ("x = x + 1", "x"),
    "a name that is added to": ("x += 1", "x"),
    "a name that is deleted": ("del x", "x"),
    "an item that is assigned": ("x[0] = y", "x y"),
    "an attribute that is assigned": ("x.a = 1", "x"),
    "an annotation without a value": ("x: int\nx", "int x"),
    "an import binds": ("import a.b, c as d\nfrom e import f\n(a, d, f)", ""),
    "a function body": ("def f(): return x\nf()", "x"),
    "a function's own names are not": ("def f(a, *b, c=1, **d):\n  e = a, b, c, d\n  return e", ""),
    "a local name is not a global one": ("def f():\n  x = 1\n  return x\nf()", ""),
    "a name that a function assigns later is its own": ("def f():\n  x\n  x = 1", ""),
    "a global statement": ("def f():\n  global x\n  x += 1", "x"),
    "a global statement inside another function": ("def f():\n  x = 1\n  def g():\n    global x\n    return x", "x"),
    "a nonlocal name is not": ("def f():\n  x = 1\n  def g():\n    nonlocal x\n    x += 1", ""),
    "a default argument": ("def f(a=x): ...", "x"),
    "a decorator": ("@x\ndef f(): ...", "x"),
    "annotations": ("def f(a: A, *, b: B = 1) -> C: ...", "A B C"),
    "quoted annotations are a perhaps": ("def f(a: 'A', b: list['B[C]']): ...\nx: 'D' = 1", "list"),
    "annotations in functions are never evaluated": ("def f():\n  a: A = x", "x"),
    "annotations that are no expressions": ("def f(a: 'no name'): ...", ""),
    "a lambda": ("lambda a: a + x", "x"),
    "a comprehension": ("[a * x for a in y if a > z]", "y z x"),
    "the first iterable is read outside": ("[a for a in a]", "a"),
    "a later iterable is read inside": ("[b for a in x for b in a]", "x"),
    "a comprehension inside a function": ("def f(y):\n  return {a: x for a in y}\nf", "x"),
    "a walrus in a comprehension binds outside": ("[y := a for a in x]\ny", "x"),
    "a walrus in a comprehension starts from the notebook's value": ("[t := t + a for a in x]", "x t"),
    "a condition's walrus is bound in the element": ("[y for a in x if (y := f(a))]", "x f"),
    "a walrus is bound right of itself": ("if (n := f()) and n > 1: n", "f"),
    "a walrus in a lambda is the lambda's": ("lambda: (y := 1) + y\ny", "y"),
    "a walrus in a function's comprehension is the function's": ("def f(x): return [t := t + a for a in x]", ""),
    "a walrus in a class body": ("class A:\n  a = (n := f()) + n", "f"),
    "a generator": ("sum(a for a in x)", "sum x"),
    "a class body": ("class A(B, metaclass=M):\n  a = x", "B M x"),
    "a class body reads what it has bound": ("class A:\n  a = 1\n  b = a", ""),
    "a class body that binds a name from itself": ("class A:\n  a = a", "a"),
    "a method does not see the class body": ("class A:\n  x = 1\n  def f(self): return x\nA", "x"),
    "an annotation of a method sees the class body": ("class A:\n  B = int\n  def f(self, a: B) -> B: ...", "int"),
    "a default of a method sees the class body": ("class A:\n  x = 1\n  def f(self, a=x): ...", ""),
    "a default is read outside of the function": ("def f(a=a): return a", "a"),
    "a private name is mangled": ("class C:\n  def f(self): return __x\nC", "_C__x"),
    "leading underscores of the class are no part of it": ("class __C:\n  a = __x", "_C__x"),
    "the inner class gives the name": ("class C:\n  class D:\n    a = __x\n  b = __y", "_D__x _C__y"),
    "decorators and bases are outside of the class": ("@__d\nclass C(__B, k=__K): ...", "__d __B __K"),
    "names with underscores at both ends are not private": ("class C:\n  a = __name__", "__name__"),
    "a class of underscores mangles nothing": ("class __:\n  a = __x", "__x"),
    "private attributes and locals are no globals": ("class C:\n  def f(self, __a): return self.__b + __a", ""),
    "a private global of a method": ("class C:\n  def f(self):\n    global __x\n    __x += 1", "_C__x"),
    "a private class is bound under its name": ("class C:\n  class __D: ...\n  e = __D", ""),
    "super": ("class A:\n  def f(self): return super().f() + __class__.x", "super __class__"),
    "an f-string": ("f'{x!r:>{y}}'", "x y"),
    "a with statement": ("with x as y, z(y): y", "x z"),
    "what a with statement binds stays": ("with x:\n  a = 1\na", "x"),
    "an exception handler": ("try:\n  x\nexcept E as e:\n  e\n  y", "x E y"),
    "a match statement": ("match x:\n  case C(a, b=[*c], k={'d': d, **e}) if f: (a, c, d, e)\n  case g: g", "x C f"),
    "both branches": ("if a:\n  x = 1\nelse:\n  x = 2\nx", "a"),
    "a branch that leaves": ("if a:\n  raise E\nelse:\n  x = 2\nx", "a E"),
    "try with all handlers": ("try:\n  x = 1\nexcept E:\n  x = 2\nx", "E"),
    "finally": ("try:\n  a\nfinally:\n  x = 1\nx", "a"),
    "a function is read where it is called": ("def f(): return x\nx = 1\nf()", ""),
    "a function that is called before": ("def f(): return x\nf()\nx = 1", "x"),
    "a function that is called through another": ("def f(): return x\ndef g(): return f()\ng()\nx = 1", "x"),
    "a function that calls itself": ("def f(n): return f(n - 1)\nf(1)", ""),
    "functions that call each other": ("def f(): return g()\ndef g(): return f() + x\nf()", "x"),
    "a decorated function may be called at once": ("@d\ndef f(): return x\nx = 1", "d x"),
    "a method counts where its class is named": ("class A:\n  def f(self): return x\nx = 1\nA().f()", ""),
    "a method of a class that is named before": ("class A:\n  def f(self): return x\nA().f()\nx = 1", "x"),
    "a function that is never named": ("def f(): return x", "x"),
    "a function of a branch": ("if a:\n  def f(): return x\nelse:\n  def f(): return y\nf()", "a x y"),
    "an iteration": ("for i in x: i + y", "x y"),
    "a target that is an item": ("for x[0] in y: ...", "y x"),
    "a while loop with a walrus": ("while (n := x): n\nn", "x"),
    "async code in a function": ("async def f():\n  async for a in x:\n    async with y as b: await b(a)", "x y"),
    "starred and chained": ("a, *b = c = x\n(a, b, c)", "x"),
    "unicode": ("größe + 数", "größe 数"),
}


@pytest.mark.parametrize(("source", "needed"), NEEDED.values(), ids=NEEDED.keys())
def test_needed_names(source: str, needed: str) -> None:
    assert names_of(source).needed == tuple(needed.split())


FROM_3_12: dict[str, tuple[str, str]] = {
    "a type parameter is no name of the notebook": ("def f[T, *S, **P](a: T, *b: *S, **c: P.kwargs) -> T: ...", ""),
    "a bound is evaluated later": ("def f[T: B](a: T): ...\nB = 1\nf(1)", ""),
    "a bound comes from the notebook": ("def f[T: (A, B)](a: T): ...", "A B"),
    "a type parameter is seen in the body": ("def f[T](a):\n  b: T = a\n  return T, x", "x"),
    "a type parameter is not seen by defaults": ("def f[T](a=T): ...", "T"),
    "a type parameter is not seen by decorators": ("@d(T)\ndef f[T](): ...", "d T"),
    "a type parameter ends with its function": ("def f[T](): ...\nT", "T"),
    "an async function": ("async def f[T: B](a: T): ...", "B"),
    "a generic class": ("class A[T: B](C[T]):\n  a: T\n  def f(self, b: T) -> D: return T", "C D B"),
    "a method's own parameter": ("class A[T]:\n  def f[S: T](self, b: S) -> T: return S", ""),
    "a bound sees the class body": ("class A:\n  B = 1\n  def f[T: B](self, a: B): ...", ""),
    "a method's body does not see the class body through it": ("class A:\n  x = 1\n  def f[T](self): return x", "x"),
    "an alias binds": ("type X = int\nX", "int"),
    "an alias is evaluated where it is named": ("type X = Y\nY = 1\nX", ""),
    "an alias that is named before": ("type X = Y\nX.__value__\nY = 1", "Y"),
    "an alias that names itself": ("type X[T] = list[X[T]] | T", "list"),
    "an alias's parameters are its own": ("type X[T: B, *S, **P] = A[T, S, P]\nT", "T B A"),
    "aliases that name each other": ("type X = Y\ntype Y = list[X]\nX", "list"),
    "an alias in a class sees the class body": ("class A:\n  B = 1\n  type X = B", ""),
    "an alias in a function": ("def f(a):\n  type X = list[a]\n  return X", "list"),
}
FROM_3_13: dict[str, tuple[str, str]] = {
    "a default is evaluated later": ("def f[T = A](a: T): ...\nA = 1\nf(1)", ""),
    "a default comes from the notebook": ("class A[T = B, *S = *C, **P = D]: ...", "B C D"),
    "a default sees the parameters before it": ("class A[T, S = T]: ...", ""),
}


@pytest.mark.skipif(sys.version_info < (3, 12), reason="type parameters are from Python 3.12 on")
@pytest.mark.parametrize(("source", "needed"), FROM_3_12.values(), ids=FROM_3_12.keys())
def test_type_parameters(source: str, needed: str) -> None:
    assert names_of(source).needed == tuple(needed.split())


@pytest.mark.skipif(sys.version_info < (3, 13), reason="defaults of type parameters are from Python 3.13 on")
@pytest.mark.parametrize(("source", "needed"), FROM_3_13.values(), ids=FROM_3_13.keys())
def test_defaults_of_type_parameters(source: str, needed: str) -> None:
    assert names_of(source).needed == tuple(needed.split())


PERHAPS: dict[str, tuple[str, str, str]] = {
    "one branch": ("if a:\n  x = 1\nx", "a", "x"),
    "a loop that may not run": ("for i in range(3):\n  x = i\n(x, i)", "range", "x i"),
    "a body that may fail": ("try:\n  x = 1\nexcept E:\n  pass\nx", "E", "x"),
    "a body that may be suppressed": ("with suppress(E):\n  x = f()\nx", "suppress E f", "x"),
    "a case that may not match": ("match a:\n  case [x]: ...\nx", "a", "x"),
    "what annotations quote": ("def f(a: 'A', b: list['B[C]']): ...\nx: 'D' = 1", "list", "A B C D"),
    "what annotations quote and the code reads": ("def f(a: 'A'): return A", "A", ""),
    "what annotations quote and the cell assigns first": ("A = 1\ndef f(a: 'A'): ...", "", ""),
    "annotations that are evaluated late": (
        "from __future__ import annotations\nx: A = y\ndef f(a: B = C) -> D: ...\n@d\nclass K:\n  a: E",
        "y C d",
        "A B D E",
    ),
    "a name that is needed elsewhere is needed": (
        "if a:\n  x = 1\nx\n\n\ndef f(): return y\nif a: y = 1\nf()",
        "a",
        "x y",
    ),
}


@pytest.mark.parametrize(("source", "needed", "perhaps"), PERHAPS.values(), ids=PERHAPS.keys())
def test_optional_names(source: str, needed: str, perhaps: str) -> None:
    names = names_of(source)
    assert (names.needed, names.optional) == (tuple(needed.split()), tuple(perhaps.split()))


def test_names_in_annotations_are_optional_where_these_are_evaluated_lazily() -> None:
    names = analyse_names(ast.parse("def f(a: A = b): ..."), late=True)
    assert (names.needed, names.optional) == (("b",), ("A",))


def test_assigned_names() -> None:
    source = """
        import m.n
        a, (b, *c) = 1, (2, 3)
        for d in []: e = 1
        with f() as g: ...
        def h():
            global i
            i = j = 1
        class K: l = 1
        [o := p for p in []]
        if q := 1: ...
    """
    assert names_of(source).assigned == set("mabcdeghiKoq")


def _functions(table: symtable.SymbolTable) -> Iterator[symtable.SymbolTable]:
    for child in table.get_children():
        yield child
        yield from _functions(child)


@pytest.mark.parametrize("module", ["dataclasses", "inspect", "argparse", "typing", "ast", "functools", "enum"])
def test_global_names_equal_those_of_pythons_symbol_table(module: str) -> None:
    """Analyse modules of the standard library and compare with the global names that their scopes read."""
    path = Path(ast.__file__).with_name(f"{module}.py")
    source = path.read_text()
    table = symtable.symtable(source, str(path), "exec")
    scopes = list(_scopes(table))
    read = {s.get_name() for scope in scopes for s in scope.get_symbols() if s.is_global() and s.is_referenced()}
    top = {s.get_name() for s in table.get_symbols()}
    analysed: set[str] = set()
    bound: set[str] = set()
    for statement in ast.parse(source).body:
        names = analyse_names(ast.Module([statement], []))
        analysed |= {*names.needed, *names.optional}
        bound |= names.assigned
    assert read - analysed - bound - {"__debug__", "__class__"} == set()
    assert analysed - read - top - {"__class__"} == set()


def _scopes(table: symtable.SymbolTable) -> Iterator[symtable.SymbolTable]:
    for child in table.get_children():
        yield child
        yield from _scopes(child)
