"""Classes and objects that go their own ways: hooks of bases and metaclasses, enums, pickling, cycles, what is shared."""

from __future__ import annotations

from .case import case

CASES = {
    "dataclass everything": case(
        """
from dataclasses import dataclass, field, InitVar, KW_ONLY
from typing import ClassVar
@dataclass(slots=True)
class Cfg:
    lr: float
    scale: InitVar[int] = 3
    tags: list[str] = field(default_factory=list)
    _: KW_ONLY
    seed: int = 0
    kinds: ClassVar[dict] = {}
    eff: float = field(init=False, repr=False, compare=False)
    def __post_init__(self, scale): self.eff = self.lr * scale
c = Cfg(1.5, seed=4)
""",
        "import dataclasses\nCfg.kinds['a'] = 1\nc, Cfg(2., 5, seed=1).eff, [f.name for f in dataclasses.fields(c)], Cfg.kinds, dataclasses.replace(c, scale=2, lr=3.), c == Cfg(1.5, seed=4)",
    ),
    "frozen dataclass as key": case(
        """
from dataclasses import dataclass
@dataclass(frozen=True)
class K:
    a: int
    b: tuple = ()
table = {K(1): 'x', K(2, (1,)): 'y'}
""",
        "import dataclasses\ntry:\n    K(1).a = 3\nexcept dataclasses.FrozenInstanceError as e:\n    w = str(e)\ntable[K(1)], table[K(2, (1,))], w, K(1), hash(K(1)) == hash(K(1))",
    ),
    "dataclass weakref slot": case(
        """
from dataclasses import dataclass
@dataclass(slots=True, weakref_slot=True)
class K:
    a: int
k = K(1)
""",
        "import weakref\nr = weakref.ref(k)\nr() is k, k",
    ),
    "flag boundary": case(
        """
from enum import Flag, auto, KEEP, Enum, StrEnum, unique, IntFlag
class P(Flag, boundary=KEEP):
    R = auto()
    W = auto()
    RW = R | W
class S(StrEnum):
    A = auto()
    B = 'bee'
@unique
class Planet(Enum):
    EARTH = (5.9, 6.3)
    MARS = (6.4, 3.3)
    def __init__(self, m, r): self.m, self.r = m, r
    @property
    def g(self): return self.m / self.r
    @classmethod
    def biggest(cls): return max(cls, key=lambda p: p.m)
class I(IntFlag):
    A = 1
    B = 2
v = [P.RW, S.B, Planet.MARS, P(9), I.A | I.B]
""",
        "v, P.R in P.RW, S('bee') is S.B, Planet.biggest(), Planet.EARTH.g, v[0] is P.RW, P(9), [*Planet], I.A | 8, f'{S.A}'",
    ),
    "enum missing and alias": case(
        """
from enum import Enum, IntEnum
class C(Enum):
    A = 1
    B = 1
    C = 3
    @classmethod
    def _missing_(cls, v): return cls.A
class E(str, Enum):
    X = 'x'
class M(Enum):
    f = staticmethod(len)
    _ignore_ = ['q']
""",
        "C(99), C.B is C.A, C['B'], list(C.__members__), E.X == 'x', E('x'), {E.X: 1}, M.f('abc') if callable(M.f) else M.f",
    ),
    "enum auto values with generate": case(
        """
from enum import Enum, auto
class L(Enum):
    def _generate_next_value_(name, start, count, last): return name.lower()
    A = auto()
    B = auto()
""",
        "[x.value for x in L], L('a'), L.A",
    ),
    "enum in a class": case(
        """
from enum import Enum
class Model:
    class Mode(Enum):
        TRAIN = 1
        EVAL = 2
    def __init__(self): self.mode = Model.Mode.TRAIN
m = Model()
""",
        "m.mode is Model.Mode.TRAIN, m, Model.Mode.EVAL",
    ),
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
    "getnewargs": case(
        """
class T(tuple):
    def __new__(cls, a, b): return super().__new__(cls, (a, b))
    def __getnewargs__(self): return tuple(self)
class K:
    def __new__(cls, *, z):
        o = super().__new__(cls); o.z = z
        return o
    def __getnewargs_ex__(self): return (), {'z': self.z}
t, k = T(1, 2), K(z=5)
""",
        "t, k, k.z",
    ),
    "copyreg": case(
        """
import copyreg
class C:
    def __init__(self, a): self.a = a; self.lock = __import__('threading').Lock()
def rebuild(a): return C(a)
copyreg.pickle(C, lambda c: (rebuild, (c.a,)))
c = C(4)
""",
        "c.a, c.lock.locked()",
    ),
    "reduce to a global string": case(
        """
class S:
    def __reduce__(self): return 'THE_ONE'
THE_ONE = S()
""",
        "THE_ONE is THE_ONE, type(THE_ONE).__name__",
    ),
    "getattr that recurses": case(
        """
class Proxy:
    def __init__(self, t): self._t = t
    def __getattr__(self, n): return getattr(self._t, n)
p = Proxy([1, 2])
""",
        "p.append(3)\np._t, p.index(2)",
    ),
    "attrdict 2": case(
        """
class AttrDict(dict):
    def __init__(self, *a, **k):
        super().__init__(*a, **k)
        self.__dict__ = self
cfg = AttrDict(lr=.1)
cfg.epochs = 3
""",
        "cfg.lr += 1\ncfg['lr'], cfg.epochs, cfg.__dict__ is cfg",
    ),
    "weak containers": case(
        """
import weakref
class N:
    def __init__(self, v): self.v = v
a = N(1); b = N(2)
wk = weakref.WeakKeyDictionary({a: 'a'}); wv = weakref.WeakValueDictionary(b=b); ws = weakref.WeakSet([a, b])
r = weakref.ref(a)
""",
        "wk[a], wv['b'] is b, len(ws), a in ws, r() is a",
    ),
    "weak proxy": case(
        """
import weakref
class N:
    def go(self): return 3
n = N()
p = weakref.proxy(n)
""",
        "p.go()",
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
    "context variables kept": case(
        """
from contextvars import ContextVar, copy_context
var = ContextVar('var', default=1)
var.set(5)
""",
        "def f(): return var.get()\ncopy_context().run(f), var.get()",
    ),
    "exception with two args": case(
        """
class E2(Exception):
    def __init__(self, a, b): self.a, self.b = a, b; super().__init__(f'{a}-{b}')
e = E2(1, 2)
""",
        "e.a, str(e)",
    ),
    "exception with notes": case("e = ValueError('a')\ne.add_note('n')", "e.__notes__, e"),
    "async generator stored": case(
        """
import asyncio
async def agen(n):
    for i in range(n):
        await asyncio.sleep(0)
        yield i
async def main(): return [x async for x in agen(3)]
""",
        "import asyncio\ndef go():\n    import threading\n    out = []\n    t = threading.Thread(target=lambda: out.append(asyncio.run(main()))); t.start(); t.join()\n    return out\ngo()",
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
    "set and dict subclasses": case(
        """
class Named(set):
    def __init__(self, name, xs=()):
        super().__init__(xs); self.name = name
class Track(dict):
    def __init__(self, *a, **k):
        self.log = []
        super().__init__(*a, **k)
    def __setitem__(self, k, v):
        self.log.append(k)
        super().__setitem__(k, v)
class Hist(list):
    def __init__(self, size): super().__init__(); self.size = size
    def append(self, x):
        super().append(x)
        if len(self) > self.size: self.pop(0)
    extend = None
from collections import OrderedDict, Counter, defaultdict, deque, UserDict, UserList
class LRU(OrderedDict):
    def __init__(self, cap): self.cap = cap; super().__init__()
    def __setitem__(self, k, v):
        super().__setitem__(k, v); self.move_to_end(k)
        if len(self) > self.cap: self.popitem(last=False)
class DD(defaultdict):
    def __missing__(self, k):
        v = self[k] = self.default_factory(k); return v
class Ring(deque):
    def __init__(self, n): super().__init__(maxlen=n)
class UD(UserDict):
    def __getitem__(self, k): return self.data[k] * 2
n = Named('n', [1]); t = Track(); t['a'] = 1; h = Hist(2); [h.append(i) for i in range(4)]; l = LRU(2); l['a'] = 1; l['b'] = 2; l['c'] = 3
d = DD(lambda k: k * 2); d['x']; r = Ring(2); r.append(1); u = UD(a=2)
""",
        "t['b'] = 2\nh.append(9)\nl['d'] = 4\nr.extend([2, 3])\nn.name, n, t, t.log, h, h.size, l, l.cap, d['y'], d, r, r.maxlen, u['a'], u",
    ),
    "immutable with slots": case(
        """
class Point:
    __slots__ = ('x', 'y')
    def __init__(self, x, y):
        object.__setattr__(self, 'x', x); object.__setattr__(self, 'y', y)
    def __setattr__(self, *a): raise AttributeError('immutable')
    def __eq__(self, o): return (self.x, self.y) == (o.x, o.y)
    def __hash__(self): return hash((self.x, self.y))
p = Point(1, 2)
d = {p: 'a'}
""",
        "try:\n    p.x = 3\nexcept AttributeError as e:\n    w = str(e)\nd[Point(1, 2)], w, p",
    ),
    "hash of attributes as keys in a cycle": case(
        """
class Node:
    def __init__(self, n): self.n = n; self.edges = {}
    def __hash__(self): return hash(self.n)
    def __eq__(self, o): return isinstance(o, Node) and self.n == o.n
    def link(self, o, w): self.edges[o] = w; o.edges[self] = w
a, b = Node('a'), Node('b')
a.link(b, 3)
""",
        "a.edges[b], b.edges[a], [*a.edges][0] is b",
    ),
    "linked structures": case(
        """
class L:
    def __init__(self, v, nxt=None): self.v, self.nxt = v, nxt
head = None
for i in range(1500): head = L(i, head)
""",
        "n, s = head, 0\nwhile n: s += n.v; n = n.nxt\ns",
    ),
    "surrogates": case(
        r"s = {'a\udcff': ['\ud800', b'\xff'.decode('utf8', 'surrogateescape')]}" "\nimport os",
        "s, os.fsencode(s['a\\udcff'][1])",
    ),
    "iterators": case(
        "it = iter([1, 2, 3]); next(it)\nz = zip('ab', [1, 2])\ne = enumerate('ab', 5)\nimport itertools\nc = itertools.count(3)\nm = map(str, [1, 2])\nr = reversed([1, 2])",
        "list(it), list(z), list(e), next(c), list(m), list(r)",
    ),
    "dict views and ranges": case(
        "d = {'a': 1, 'b': 2}\nks, vs = d.keys(), d.values()", "d['c'] = 3\nlist(ks), list(vs)"
    ),
    "io in memory": case(
        "import io\ns = io.StringIO('ab\\ncd'); s.readline()\nb = io.BytesIO(b'xyz'); b.read(1)",
        "s.read(), b.read(), s.getvalue()",
    ),
    "functions with state": case(
        """
def memo(f):
    cache = {}
    def w(*a):
        w.calls += 1
        if a not in cache: cache[a] = f(*a)
        return cache[a]
    w.calls = 0; w.cache = cache
    return w
@memo
def fib(n): return n if n < 2 else fib(n - 1) + fib(n - 2)
fib(5)
""",
        "fib(6), fib.calls, len(fib.cache)",
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
    "own module of types": case(
        "import types\nutil = types.SimpleNamespace(k=3, f=lambda x: x + util.k)\nmod = types.ModuleType('mod')\nmod.z = 5\nexec('def h(): return z', mod.__dict__)",
        "util.f(1), mod.z, mod.h(), util",
    ),
    "eval of a variable": case("k = 4\nexpr = 'k * 2'", "k = k\neval(expr)"),
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
    "contextmanagers mixed": case(
        """
from contextlib import contextmanager, ExitStack, suppress, nullcontext, ContextDecorator, closing
import time
class timer(ContextDecorator):
    n = 0
    def __enter__(self): timer.n += 1; return self
    def __exit__(self, *e): return False
@timer()
def f(): return 1
@contextmanager
def temp(d, **kw):
    old = d.copy(); d.update(kw)
    try: yield d
    finally: d.clear(); d.update(old)
cfg = {'a': 1}
""",
        "with ExitStack() as st:\n    c = st.enter_context(temp(cfg, a=2, b=3))\n    seen = dict(c)\n    st.callback(lambda: seen.update(z=1))\nwith suppress(KeyError): cfg['zz']\nf(), timer.n, seen, cfg",
    ),
    "argparse": case(
        "import argparse\np = argparse.ArgumentParser()\np.add_argument('--lr', type=float, default=.1)\np.add_argument('--layers', type=lambda s: [int(x) for x in s.split(',')], default=[1])\nargs = p.parse_args([])",
        "a2 = p.parse_args(['--lr', '3', '--layers', '1,2'])\nargs.lr, a2.layers, args",
    ),
    "logging in functions": case(
        "import logging\nlog = logging.getLogger('corpus')\nlog.setLevel(logging.DEBUG)\ndef f():\n    log.info('x')\n    return log.name, log.isEnabledFor(logging.ERROR)",
        "f(), log is logging.getLogger('corpus')",
    ),
    "global random seeded before": case(
        "import random\nrandom.seed(4)\nr = random.Random(4)",
        "random.seed(4)\n[random.random() for _ in range(2)], r.random()",
    ),
    "type aliases and unions": case(
        "from __future__ import annotations\nfrom typing import Union\nNum = Union[int, float]\ndef f(x: Num | None = None) -> 'Missing': return x\nis_num = lambda v: isinstance(v, (int, float)) or isinstance(v, int | str)",
        "f(3), is_num('a'), f.__annotations__",
    ),
    "doctest and unittest": case(
        "import unittest\nclass T(unittest.TestCase):\n    def setUp(self): self.x = k\n    def test_a(self): self.assertEqual(self.x, 3)\n    def test_b(self): self.assertTrue(False)\nk = 3",
        "r = unittest.TextTestRunner(verbosity=0).run(unittest.defaultTestLoader.loadTestsFromTestCase(T))\nr.testsRun, len(r.failures), r.wasSuccessful()",
    ),
    "copy of functions": case(
        "import types\ndef f(x): return x + k\nk = 1\ng = types.FunctionType(f.__code__, {'k': 100, '__builtins__': __builtins__})",
        "f(1), g(1)",
    ),
    "time and dates with zones": case(
        "from zoneinfo import ZoneInfo\nfrom datetime import datetime, timezone, timedelta, tzinfo\nz = ZoneInfo('Europe/Berlin')\nd = datetime(2024, 3, 31, 3, tzinfo=z)\nclass TZ(tzinfo):\n    def utcoffset(self, dt): return timedelta(hours=1)\n    def dst(self, dt): return None\ne = datetime(2024, 1, 1, tzinfo=TZ())",
        "str(d), d.tzinfo is z, (d - timedelta(hours=2)).isoformat(), e.isoformat(), z.key",
    ),
    "typed namedtuple subclass": case(
        "from collections import namedtuple\nclass P(namedtuple('P', 'x y')):\n    __slots__ = ()\n    def __new__(cls, s):\n        a, b = s.split(',')\n        return super().__new__(cls, int(a), int(b))\n    def norm(self): return self.x + self.y\np = P('1,2')",
        "p.norm(), p, p._replace if False else p.x",
    ),
    "exception with slots and kw": case(
        "class E(Exception):\n    def __init__(self, *, code, hint=None):\n        super().__init__(); self.code, self.hint = code, hint\n    def __str__(self): return f'E{self.code}'\ne = E(code=4)",
        "try:\n    raise e\nexcept E as x:\n    s = str(x)\ns, e.code, e",
    ),
    "exception raised from another kept": case(
        "class A(Exception): pass\ndef f():\n    try: 1 / 0\n    except ZeroDivisionError as z: raise A('bad') from z",
        "try:\n    f()\nexcept A as e:\n    kept = e\ntype(kept.__cause__).__name__, kept",
    ),
    "decimal context": case(
        "from decimal import Decimal, getcontext\ngetcontext().prec = 50",
        "from decimal import Decimal as D\nx = str(D(1) / 3)\ngetcontext().prec = 28\nx",
    ),
    "recursion limit": case(
        "import sys\nsys.setrecursionlimit(9000)\ndef f(n): return 0 if n == 0 else 1 + f(n - 1)", "f(5000)"
    ),
    "digits of an int": case(
        "import sys\nbig = 10 ** 5000\nsys.set_int_max_str_digits(0)",
        "n = len(str(big))\nsys.set_int_max_str_digits(4300)\nn",
    ),
    "the name of a property": case(
        "class A:\n    v = property(lambda self: 1)\n    @property\n    def w(self): return 2\na = A()",
        "said = []\nfor name in 'vw':\n    try:\n        setattr(a, name, 3)\n    except AttributeError as e:\n        said.append(str(e))\nsaid, a.v",
    ),
    "types that are texts": case(
        "from dataclasses import dataclass, field\nfrom typing import Optional, List, get_type_hints\nimport enum\nclass Mode(enum.Enum): A = 1\n@dataclass\nclass Tree:\n    v: int\n    mode: 'Mode' = Mode.A\n    kids: 'List[Tree]' = field(default_factory=list)\n    up: 'Optional[Tree]' = field(default=None, repr=False)",
        "t = Tree(1)\nt.kids.append(Tree(2, up=t))\nhints = get_type_hints(Tree)\nhints['kids'].__args__[0] is Tree, hints['mode'] is Mode, t.kids[0].up is t, t",
    ),
    "annotations from the future": case(
        "from __future__ import annotations\nfrom dataclasses import dataclass, fields\nfrom typing import Optional\nfrom pathlib import Path\n@dataclass\nclass Args:\n    lr: float = .1\n    out: Optional[Path] = None\n    sub: Sub = None\n@dataclass\nclass Sub:\n    k: int = 1",
        "from typing import get_type_hints\nh = get_type_hints(Args)\nh['sub'] is Sub, h['lr'], [f.type for f in fields(Args)], Args(sub=Sub())",
    ),
    "tests that are collected": case(
        "import unittest\nclass T(unittest.TestCase):\n    def test_a(self): self.assertEqual(k, 1)\nk = 1",
        "r = unittest.main(argv=['x'], exit=False).result\nr.testsRun, len(r.failures), len(r.errors)",
    ),
    "examples that are collected": case(
        "import doctest\ndef sq(x):\n    '''\n    >>> sq(3)\n    9\n    >>> sq(2)\n    5\n    '''\n    return x * x\nclass A:\n    def f(self):\n        '''\n        >>> A().f()\n        1\n        '''\n        return 1",
        "r = doctest.testmod()\n(r.failed, r.attempted)",
    ),
    "out of own classes": case(
        "class A:\n    def __init__(self): self.xs = []\na = A()",
        "a.xs.append(1)\nb = [a, a]\n(a, b)",
        options="--out a,b",
    ),
    "config of argparse and yaml": case(
        'import json\nfrom types import SimpleNamespace\ncfg = json.loads(\'{"a": {"b": [1, 2]}}\', object_hook=lambda d: SimpleNamespace(**d))',
        "cfg.a.b.append(3)\ncfg.a.b, cfg",
    ),
    "rl env wrapper": case(
        """
import random
class Env:
    actions = [0, 1]
    def __init__(self, seed): self.rng = random.Random(seed); self.s = 0
    def reset(self): self.s = 0; return self.s
    def step(self, a): self.s += 1 if self.rng.random() < .7 and a else -1; return self.s, float(self.s), abs(self.s) > 3, {}
class Wrapper:
    def __init__(self, env): self.env = env; self.n = 0
    def __getattr__(self, k): return getattr(self.env, k)
    def step(self, a): self.n += 1; return self.env.step(a)
class Clip(Wrapper):
    def step(self, a):
        o, r, d, i = super().step(a); return o, max(-1, min(1, r)), d, i
env = Clip(Wrapper(Env(3)))
Q = {}
""",
        "env.reset()\nout = []\nwhile True:\n    o, r, d, _ = env.step(1)\n    Q[o] = Q.get(o, 0) + r\n    out.append(o)\n    if d: break\nout, Q, env.n, env.actions",
    ),
    "decorated class": case(
        "def add_repr(cls):\n    cls.__repr__ = lambda self: f'<{type(self).__name__}>'\n    cls.tag = cls.__name__.lower()\n    return cls\ndef wraps_cls(cls):\n    class Wrapped(cls):\n        def go(self): return 'w' + super().go()\n    Wrapped.__name__ = cls.__name__\n    Wrapped.__qualname__ = cls.__qualname__\n    return Wrapped\n@add_repr\nclass A: pass\n@wraps_cls\nclass B:\n    def go(self): return 'b'\nb = B()",
        "repr(A()), A.tag, B().go(), b.go(), type(b) is B",
    ),
    "slots dataclass inherits": case(
        "from dataclasses import dataclass, field\n@dataclass(slots=True)\nclass A:\n    x: int\n@dataclass(slots=True)\nclass B(A):\n    y: int = field(default=2)\n    def both(self): return self.x + self.y\nb = B(1)",
        "b.both(), b, B(3, 4).x",
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
    "interpreter of expressions": case(
        "import ast, operator as op\nOPS = {ast.Add: op.add, ast.Mult: op.mul}\ndef ev(n):\n    if isinstance(n, ast.Expression): return ev(n.body)\n    if isinstance(n, ast.BinOp): return OPS[type(n.op)](ev(n.left), ev(n.right))\n    return n.value\ntree = ast.parse('2+3*4', mode='eval')",
        "ev(tree), ast.dump(tree)[:10]",
    ),
}
