"""Cells with objects that customize pickling, have cycles or share state, and small programs of them."""

from __future__ import annotations

from .case import case

CASES = {
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
    "own module of types": case(
        "import types\nutil = types.SimpleNamespace(k=3, f=lambda x: x + util.k)\nmod = types.ModuleType('mod')\nmod.z = 5\nexec('def h(): return z', mod.__dict__)",
        "util.f(1), mod.z, mod.h(), util",
    ),
    "eval of a variable": case("k = 4\nexpr = 'k * 2'", "k = k\neval(expr)"),
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
    "interpreter of expressions": case(
        "import ast, operator as op\nOPS = {ast.Add: op.add, ast.Mult: op.mul}\ndef ev(n):\n    if isinstance(n, ast.Expression): return ev(n.body)\n    if isinstance(n, ast.BinOp): return OPS[type(n.op)](ev(n.left), ev(n.right))\n    return n.value\ntree = ast.parse('2+3*4', mode='eval')",
        "ev(tree), ast.dump(tree)[:10]",
    ),
}
