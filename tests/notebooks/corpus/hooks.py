"""Cells with customized classes: base class hooks, metaclasses, descriptors, registries, decorators."""

from __future__ import annotations

from .case import case

CASES = {
    "protocol with members": case(
        """
from typing import Protocol, runtime_checkable, Generic, TypeVar
T_co = TypeVar('T_co', covariant=True)
@runtime_checkable
class Src(Protocol[T_co]):
    name: str
    def get(self) -> T_co: ...
class File:
    name = 'f'
    def get(self): return 1
class Sub(Src[int]):
    name = 's'
    def get(self): return 2
s = Sub()
""",
        "isinstance(File(), Src), isinstance(3, Src), isinstance(s, Src), s.get(), s",
    ),
    "a descriptor with set_name and class getitem": case(
        """
class Field:
    def __init__(self, d): self.d = d
    def __set_name__(self, owner, name):
        self.name = name
        owner.__dict__.get('_fields').append(name)
    def __get__(self, obj, owner=None):
        if obj is None: return self
        return obj.__dict__.get(self.name, self.d)
    def __set__(self, obj, v): obj.__dict__[self.name] = v
class M:
    _fields = []
    a = Field(1)
    b = Field('x')
    def __class_getitem__(cls, k): return (cls.__name__, k)
m = M(); m.a = 5
""",
        "M._fields, m.a, m.b, M.a.name, M['q'], m",
    ),
    "init_subclass with set_name not rerun": case(
        """
calls = []
class Base:
    def __init_subclass__(cls, /, **kw):
        super().__init_subclass__()
        calls.append(cls.__name__)
class A(Base): pass
class B(A): pass
class D:
    def __set_name__(self, o, n): calls.append(n)
class C:
    d = D()
x, y = A(), [B(), C()]
""",
        "class Z(Base): pass\ncalls, x, y",
    ),
    "metaclass counting": case(
        """
class Registry(type):
    items = {}
    def __new__(m, name, bases, ns, **kw):
        cls = super().__new__(m, name, bases, ns)
        m.items[name] = cls
        return cls
    def __init__(cls, name, bases, ns, tag=None):
        super().__init__(name, bases, ns)
        cls.tag = tag
    def __call__(cls, *a):
        o = super().__call__(*a)
        o.made = True
        return o
    def __len__(cls): return len(cls.items)
    def __iter__(cls): return iter(sorted(cls.items))
    @property
    def shout(cls): return cls.__name__.upper()
class A(metaclass=Registry, tag='t'): pass
class B(A, tag='u'): pass
b = B()
""",
        "class C(B): pass\nlen(A), [*A], A.tag, B.tag, C.tag, B.shout, b, type(b) is Registry.items['B']",
    ),
    "metaclass prepare": case(
        """
class Order(type):
    @classmethod
    def __prepare__(m, n, b): return {'_log': []}
    def __new__(m, n, b, ns):
        ns['order'] = [k for k in ns if not k.startswith('_')]
        return super().__new__(m, n, b, dict(ns))
class A(metaclass=Order):
    z = 1
    a = 2
""",
        "A.order, A.z, A()",
    ),
    "singleton metaclass": case(
        """
class Singleton(type):
    _inst = {}
    def __call__(cls, *a, **k):
        if cls not in cls._inst: cls._inst[cls] = super().__call__(*a, **k)
        return cls._inst[cls]
class Conf(metaclass=Singleton):
    def __init__(self): self.v = 1
c = Conf(); c.v = 8
""",
        "Conf() is c, Conf().v, c",
    ),
    "singleton new": case(
        """
class One:
    _i = None
    def __new__(cls):
        if cls._i is None:
            cls._i = super().__new__(cls); cls._i.n = 0
        return cls._i
one = One(); one.n = 3
""",
        "One() is one, One().n, one is One._i, one",
    ),
    "borg": case(
        """
class Borg:
    shared = {}
    def __init__(self): self.__dict__ = self.shared
a = Borg(); a.x = 1
""",
        "b = Borg()\nb.y = 2\na.y, a.__dict__ is Borg.shared, a.__dict__ is b.__dict__",
    ),
    "cached property made": case(
        """
from functools import cached_property
class A:
    calls = 0
    @cached_property
    def v(self):
        A.calls += 1
        return [A.calls]
a = A(); a.v
""",
        "a.v.append(2)\na.v, A.calls, A().v, a",
    ),
    "singledispatchmethod types": case(
        """
from functools import singledispatchmethod, singledispatch
class X: pass
class A:
    @singledispatchmethod
    def f(self, x): return 'any'
    @f.register
    def _(self, x: X): return 'X'
    @f.register(list)
    @classmethod
    def _l(cls, x): return cls.__name__
@singledispatch
def g(x): return 0
@g.register
def _gx(x: X): return 1
class Y(X): pass
""",
        "@g.register(str)\ndef _(x): return 2\nA().f(X()), A().f([]), A().f(1), g(Y()), g('a'), g(1), sorted(t.__name__ for t in g.registry)",
    ),
    "partialmethod and total": case(
        """
from functools import partialmethod, reduce, cmp_to_key
class C:
    def set(self, k, v): self.__dict__[k] = v; return self
    on = partialmethod(set, 'state', True)
key = cmp_to_key(lambda a, b: b - a)
""",
        "C().on().state, sorted([1, 3, 2], key=key), C().on()",
    ),
    "lru_cache on a method": case(
        """
from functools import lru_cache, cache
class A:
    def __init__(self, k): self.k = k
    @lru_cache(maxsize=None)
    def f(self, x): return x * self.k
    @staticmethod
    @cache
    def g(x): return [x]
    @classmethod
    @cache
    def h(cls): return cls.__name__
a = A(3); a.f(2)
""",
        "a.f(2), a.f(5), A.g(1) is A.g(1), A.h(), a",
    ),
    "registry by attribute": case(
        """
class Plugin:
    all = {}
    def __init_subclass__(cls, *, key, **kw):
        super().__init_subclass__(**kw)
        if cls.name in Plugin.all: raise TypeError(cls.name)
        Plugin.all[cls.name] = cls
        cls.key = key
class A(Plugin, key=1):
    name = 'a'
class B(A, key=2):
    name = 'b'
""",
        "class C(Plugin, key=3):\n    name = 'c'\n{k: (v.key, v.__name__) for k, v in Plugin.all.items()}, B().key, Plugin.all['a'] is A",
    ),
    "attribute order": case(
        """
class Suite:
    def test_b(self): return 1
    x = 1
    def test_a(self): return 2
    _y = 0
""",
        "[k for k in vars(Suite) if not k.startswith('__')]",
    ),
    "metaclass orm": case(
        """
class Field:
    def __init__(self, t): self.t = t
class Meta(type):
    def __new__(m, name, bases, ns):
        fields = {k: v for k, v in ns.items() if isinstance(v, Field)}
        for k in fields: ns.pop(k)
        cls = super().__new__(m, name, bases, ns)
        if bases and not fields: raise TypeError('no fields')
        cls._fields = fields
        return cls
    def __setattr__(cls, k, v):
        if k.startswith('lock'): raise AttributeError(k)
        super().__setattr__(k, v)
class Model(metaclass=Meta):
    def __init__(self, **kw):
        for k, v in kw.items():
            if not isinstance(v, self._fields[k].t): raise TypeError(k)
            setattr(self, k, v)
class User(Model):
    name = Field(str)
    age = Field(int)
u = User(name='a', age=3)
""",
        "try:\n    User(name=3)\nexcept TypeError as e:\n    bad = str(e)\n[*User._fields], u.name, bad, u",
    ),
    "class attribute functions": case(
        """
def outer(self): return self.v * 2
class A:
    v = 3
    go = outer
    other = lambda self: self.go() + 1
    def __repr__(self): return 'A!'
A.late = lambda self, k=2: self.v ** k
A.tag = property(lambda self: 'tag')
a = A()
a.go2 = lambda: a.v
""",
        "a.go(), a.other(), a.late(), a.tag, a.go2(), repr(a)",
    ),
    "monkeypatched own class in the cell": case(
        "class A:\n    def f(self): return 1\na = A()", "A.f = lambda self: 2\na.f(), A().f()"
    ),
    "class with global in method": case(
        "count = 0\nclass C:\n    def up(self):\n        global count\n        count += 1\n        return count\nc = C()",
        "c.up(), c.up(), count",
    ),
    "generators as classes": case(
        """
class Tree:
    def __init__(self, v, *kids): self.v, self.kids = v, kids
    def __iter__(self):
        yield self.v
        for k in self.kids: yield from k
t = Tree(1, Tree(2, Tree(3)), Tree(4))
""",
        "[*t], sum(t), t",
    ),
    "the name of a property": case(
        "class A:\n    v = property(lambda self: 1)\n    @property\n    def w(self): return 2\na = A()",
        "said = []\nfor name in 'vw':\n    try:\n        setattr(a, name, 3)\n    except AttributeError as e:\n        said.append(str(e))\nsaid, a.v",
    ),
    "decorated class": case(
        "def add_repr(cls):\n    cls.__repr__ = lambda self: f'<{type(self).__name__}>'\n    cls.tag = cls.__name__.lower()\n    return cls\ndef wraps_cls(cls):\n    class Wrapped(cls):\n        def go(self): return 'w' + super().go()\n    Wrapped.__name__ = cls.__name__\n    Wrapped.__qualname__ = cls.__qualname__\n    return Wrapped\n@add_repr\nclass A: pass\n@wraps_cls\nclass B:\n    def go(self): return 'b'\nb = B()",
        "repr(A()), A.tag, B().go(), b.go(), type(b) is B",
    ),
    "generic protocol with bound": case(
        "from typing import TypeVar, Generic, Protocol, overload, Callable, ClassVar, Final\nT = TypeVar('T')\nK = TypeVar('K', str, bytes)\nclass Repo(Generic[K, T]):\n    kind: ClassVar[str] = 'r'\n    def __init__(self): self.d: dict[K, T] = {}\n    def put(self, k: K, v: T) -> 'Repo[K, T]': self.d[k] = v; return self\nclass IntRepo(Repo[str, int]): ...\n@overload\ndef f(x: int) -> int: ...\n@overload\ndef f(x: str) -> str: ...\ndef f(x): return x\nMAX: Final = 3",
        "IntRepo().put('a', 1).d, f(3), MAX, IntRepo.__orig_bases__, Repo[str, int]().kind",
    ),
    "abc with properties": case(
        "from abc import ABC, abstractmethod\nclass Base(ABC):\n    reg = {}\n    def __init_subclass__(cls, **k):\n        super().__init_subclass__(**k)\n        Base.reg[cls.__name__] = cls\n    @property\n    @abstractmethod\n    def name(self): ...\n    @classmethod\n    @abstractmethod\n    def make(cls): ...\nclass Impl(Base):\n    @property\n    def name(self): return 'impl'\n    @classmethod\n    def make(cls): return cls()\nBase.register(dict)",
        "try:\n    Base()\nexcept TypeError:\n    no = 1\nImpl.make().name, no, isinstance({}, Base), [*Base.reg], Base.__abstractmethods__",
    ),
    "multiple inheritance with builtins": case(
        "class M:\n    def tag(self): return 'm'\nclass LL(M, list): pass\nclass EE(M, ValueError):\n    def __init__(self, a, b): super().__init__(a); self.b = b\nl = LL([1, 2]); e = EE(1, 2)",
        "l.tag(), l, e.tag(), e.b, e.args",
    ),
    "closures over loops and classes": case(
        "fs = {}\nfor n in ['a', 'b']:\n    class X:\n        name = n\n        def who(self, n=n): return self.name + n\n    fs[n] = X",
        "[c().who() for c in fs.values()], fs['a'] is fs['b'], X.name",
    ),
    "counter in closure of a class": case(
        "def make():\n    count = 0\n    class C:\n        def __init__(self):\n            nonlocal count\n            count += 1\n        @staticmethod\n        def total(): return count\n    return C\nC = make()\nc = C()",
        "C()\nC.total(), type(c) is C",
    ),
    "decorator with state in a class": case(
        "class Registry:\n    def __init__(self): self.fns = {}\n    def register(self, name=None):\n        def deco(f):\n            self.fns[name or f.__name__] = f\n            return f\n        return deco\nREG = Registry()\n@REG.register()\ndef a(x): return x + 1\n@REG.register('bee')\ndef b(x): return REG.fns['a'](x) * 2",
        "@REG.register()\ndef c(x): return b(x) + 1\nREG.fns['c'](3), sorted(REG.fns), REG.fns['a'] is a",
    ),
}
