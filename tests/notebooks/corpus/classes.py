"""Cells with classes of all forms; returned instances have the notebook's classes."""

from __future__ import annotations

from .case import case

CASES = {
    "an instance": case("class A:\n    def __init__(self, x): self.x = x", "A([1, 2])"),
    "inheritance and super": case(
        "class A:\n    def __init__(self, x): self.x = x\n    def go(self): return ['A', self.x]\n"
        "class B(A):\n    def __init__(self, x):\n        super().__init__(x + 1)\n    def go(self): return ['B', *super().go()]",
        "B(1), B(2).go()",
    ),
    "bases in other cells": case(
        "class A: k = 1", "class B(A): pass", "class C(B):\n    def f(self): return self.k", "C().f(), C()"
    ),
    "several bases": case(
        "class A:\n    def f(self): return 'a'\nclass B:\n    def f(self): return 'b'\nclass C(A, B):\n"
        "    def f(self): return super().f() + super(A, self).f()",
        "C().f(), [c.__name__ for c in C.__mro__]",
    ),
    "a metaclass": case(
        "class Meta(type):\n    made = []\n    def __new__(m, n, b, d):\n        d['tag'] = n.lower()\n        return super().__new__(m, n, b, d)\n"
        "class A(metaclass=Meta): pass",
        "A.tag, type(A).__name__, A()",
    ),
    "init_subclass": case(
        "class Base:\n    kinds = {}\n    def __init_subclass__(cls, kind=None, **k):\n        super().__init_subclass__(**k)\n"
        "        cls.kinds[kind] = cls\nclass A(Base, kind='a'): v = 1",
        "class B(Base, kind='b'): v = 2\nsorted((k, c.v) for k, c in Base.kinds.items())",
    ),
    "an abstract class": case(
        "from abc import ABC, abstractmethod\nclass Shape(ABC):\n    @abstractmethod\n    def area(self): ...\n"
        "class Sq(Shape):\n    def __init__(self, a): self.a = a\n    def area(self): return self.a ** 2",
        "try:\n    Shape()\nexcept TypeError as error:\n    why = type(error).__name__\nwhy, Sq(3).area(), isinstance(Sq(1), Shape)",
    ),
    "a protocol": case(
        "from typing import Protocol, runtime_checkable\n@runtime_checkable\nclass Has(Protocol):\n    def go(self) -> int: ...\n"
        "class A:\n    def go(self): return 1",
        "isinstance(A(), Has), isinstance(3, Has)",
    ),
    "a dataclass": case(
        "from dataclasses import dataclass, field\n@dataclass\nclass P:\n    x: int\n    y: list = field(default_factory=list)\n    z: float = 2.5",
        "P(1), P(1, [2]) == P(1, [2])",
    ),
    "a frozen dataclass with slots": case(
        "from dataclasses import dataclass\n@dataclass(frozen=True, slots=True, order=True)\nclass P:\n    x: int\n    y: str = 'a'",
        "sorted({P(2), P(1, 'b'), P(1)})",
    ),
    "dataclasses that inherit": case(
        "import dataclasses\n@dataclasses.dataclass\nclass A:\n    x: int\n@dataclasses.dataclass\nclass B(A):\n    y: int = 3\nb = B(1)",
        "dataclasses.replace(b, x=9), dataclasses.asdict(b), [f.name for f in dataclasses.fields(B)]",
    ),
    "an enum": case(
        "from enum import Enum\nclass C(Enum):\n    RED = 1\n    BLUE = 2\nr = C.RED", "r, r is C.RED, C(2), list(C)"
    ),
    "flags": case(
        "from enum import Flag, IntEnum, auto\nclass F(Flag):\n    A = auto()\n    B = auto()\nclass N(IntEnum):\n    X = 5",
        "F.A | F.B, N.X + 1, F.A in (F.A | F.B), N.X",
    ),
    "an enum with methods": case(
        "from enum import Enum\nclass Op(Enum):\n    ADD = '+'\n    def __call__(self, a, b): return a + b",
        "Op.ADD(1, 2), {Op.ADD: 3}",
    ),
    "a NamedTuple": case(
        "from typing import NamedTuple\nclass P(NamedTuple):\n    x: int\n    y: int = 2\n    def s(self): return self.x + self.y",
        "P(1), P(3).s(), P(1)._replace(y=9)",
    ),
    "a namedtuple": case(
        "from collections import namedtuple\nP = namedtuple('P', 'x y')\np = P(1, 2)", "p, P(3, 4).x, p._asdict()"
    ),
    "a generic": case(
        "from typing import Generic, TypeVar\nT = TypeVar('T')\nclass Box(Generic[T]):\n    def __init__(self, v: T): self.v = v\n    def get(self) -> T: return self.v",
        "Box[int](3).get(), Box('a'), Box[int].__args__",
    ),
    "a property": case(
        "class A:\n    def __init__(self): self._x = 1\n    @property\n    def x(self): return self._x\n    @x.setter\n    def x(self, v): self._x = v * 2",
        "a = A()\na.x = 4\na.x, a",
    ),
    "a descriptor": case(
        "class Positive:\n    def __set_name__(self, o, n): self.n = '_' + n\n    def __get__(self, i, o): return getattr(i, self.n)\n"
        "    def __set__(self, i, v):\n        if v < 0: raise ValueError(v)\n        setattr(i, self.n, v)\nclass A:\n    x = Positive()",
        "a = A()\na.x = 3\ntry:\n    a.x = -1\nexcept ValueError as e:\n    bad = e.args\na.x, bad",
    ),
    "slots": case(
        "class S:\n    __slots__ = ('x', 'y')\n    def __init__(self): self.x, self.y = 1, [2]\ns = S()",
        "s.x, s.y, hasattr(s, '__dict__'), s",
    ),
    "slots that are inherited": case(
        "class A:\n    __slots__ = ('a',)\nclass B(A):\n    __slots__ = ('b',)\nb = B()\nb.a = b.b = 3", "b.a + b.b, b"
    ),
    "class and static methods": case(
        "class A:\n    n = 0\n    @classmethod\n    def make(cls):\n        cls.n += 1\n        return cls()\n    @staticmethod\n    def sq(x): return x * x",
        "A.make()\nA.make()\nA.n, A.sq(3)",
    ),
    "a callable instance": case(
        "class M:\n    def __init__(self, k): self.k = k\n    def __call__(self, x): return x * self.k\nm = M(3)",
        "list(map(m, range(3)))",
    ),
    "getattr": case(
        "class D:\n    def __getattr__(self, n):\n        if n.startswith('__'): raise AttributeError(n)\n        return n * 2\nd = D()",
        "d.ab, d.c",
    ),
    "equality and hash": case(
        "class K:\n    def __init__(self, v): self.v = v\n    def __eq__(self, o): return self.v == o.v\n    def __hash__(self): return hash(self.v)\nd = {K(1): 'a'}",
        "d[K(1)], K(1) in d, K(2) in d",
    ),
    "reduce": case(
        "class R:\n    def __init__(self, a): self.a = a\n    def __reduce__(self): return R, (self.a,)\nr = R(1)",
        "r.a, r",
    ),
    "getstate and setstate": case(
        "import threading\nclass G:\n    def __init__(self): self.lock, self.x = threading.Lock(), 5\n    def __getstate__(self): return {'x': self.x}\n"
        "    def __setstate__(self, s):\n        self.__init__()\n        self.x = s['x'] \ng = G()",
        "with g.lock:\n    y = g.x\ny",
    ),
    "a class variable that is shared": case(
        "class A:\n    seen = []\n    def add(self, x): self.seen.append(x)\nA().add(1)", "A().add(2)\nA.seen"
    ),
    "nested classes": case(
        "class Out:\n    class In:\n        def __init__(self, x): self.x = x\n    def make(self): return self.In(3)",
        "Out().make(), Out.In(4).x",
    ),
    "a class redefined since": case(
        "class A:\n    def f(self): return 'old'\nold = A()",
        "class A:\n    def f(self): return 'new'",
        "old.f(), A().f(), type(old) is A",
    ),
    "a class that the cell defines": case(
        "k = 2", "class A:\n    def __init__(self, x): self.x = x * k\nA(3).x, A.__name__"
    ),
    "a class made by type()": case("A = type('A', (), {'f': lambda self: 7, 'k': 3})", "A().f(), A.k, A()"),
    "an exception of the notebook": case(
        "class Bad(ValueError):\n    def __init__(self, code):\n        super().__init__(f'code {code}')\n        self.code = code",
        "try:\n    raise Bad(3)\nexcept ValueError as e:\n    kept = e\nkept.code, str(kept), type(kept) is Bad",
    ),
    "an iterator": case(
        "class It:\n    def __init__(self, n): self.n = n\n    def __iter__(self): return self\n    def __next__(self):\n        if not self.n: raise StopIteration\n        self.n -= 1\n        return self.n",
        "[*It(3)]",
    ),
    "a context manager class": case(
        "class C:\n    log = []\n    def __enter__(self): self.log.append('in')\n    def __exit__(self, *a):\n        self.log.append(a[0].__name__ if a[0] else None)\n        return True",
        "with C():\n    1 / 0\nC.log",
    ),
    "a cached property": case(
        "from functools import cached_property\nclass A:\n    n = 0\n    @cached_property\n    def v(self):\n        A.n += 1\n        return A.n",
        "a = A()\na.v, a.v, A.n",
    ),
    "total ordering": case(
        "from functools import total_ordering\n@total_ordering\nclass V:\n    def __init__(self, v): self.v = v\n    def __eq__(self, o): return self.v == o.v\n    def __lt__(self, o): return self.v < o.v",
        "V(1) <= V(2), max([V(1), V(3)], key=lambda x: x).v",
    ),
    "operators": case(
        "class V:\n    def __init__(self, *x): self.x = x\n    def __add__(self, o): return V(*(a + b for a, b in zip(self.x, o.x)))\n    def __getitem__(self, i): return self.x[i]\n    def __len__(self): return len(self.x)",
        "v = V(1, 2) + V(3, 4)\nv[1], len(v), [*v]",
    ),
    "singledispatchmethod": case(
        "from functools import singledispatchmethod\nclass A:\n    @singledispatchmethod\n    def f(self, x): return 'any'\n    @f.register\n    def _(self, x: int): return 'int'",
        "A().f(1), A().f('')",
    ),
    "a bound method": case(
        "class A:\n    def __init__(self): self.n = 0\n    def up(self):\n        self.n += 1\n        return self.n\na = A()\nup = a.up",
        "up(), up(), a.n, up.__self__ is a",
    ),
    "weak references": case(
        "import weakref\nclass N:\n    def __init__(self):\n        self.kids = []\n    def add(self, k):\n        k.up = weakref.ref(self)\n        self.kids.append(k)",
        "root = N()\nroot.add(N())\nroot.kids[0].up() is root",
    ),
    "a mangled name": case(
        "class A:\n    def __init__(self): self.__x = 4\n    def get(self): return self.__x\na = A()",
        "a.get(), a._A__x",
    ),
    "subclasses of builtins": case(
        "class L(list):\n    def first(self): return self[0]\nclass D(dict):\n    def __missing__(self, k): return k * 2\nclass S(str): pass\nclass I(int): pass",
        "L([3, 4]).first(), D()['ab'], L([1]), D(a=1), S('x'), I(3)",
    ),
    "a typed dict and a new type": case(
        "from typing import NewType, TypedDict\nclass T(TypedDict):\n    a: int\nId = NewType('Id', int)",
        "T(a=1), Id(3), T.__annotations__.keys() == {'a'}",
    ),
    "a class with a cycle": case(
        "class Node:\n    def __init__(self): self.me = self\nNode.default = Node()",
        "n = Node.default\nn.me is n, type(n) is Node",
    ),
}
