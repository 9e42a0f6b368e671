"""Cells with functions of all forms."""

from __future__ import annotations

from .case import case

CASES = {
    "globals": case("a, b = 2, 'x'", "a * 3, b.upper()"),
    "a function that calls a function": case("def f(x): return x + 1\ndef g(x): return f(x) * 2", "g(3)"),
    "helpers in other cells": case(
        "def f(x): return x + 1", "def g(x): return f(x) * 2", "def h(x): return g(f(x))", "h(3)"
    ),
    "recursion": case("def fact(n): return 1 if n < 2 else n * fact(n - 1)", "fact(30)"),
    "mutual recursion": case(
        "def even(n): return n == 0 or odd(n - 1)\ndef odd(n): return n != 0 and even(n - 1)", "even(10), odd(7)"
    ),
    "a recursive lambda": case("fib = lambda n: n if n < 2 else fib(n - 1) + fib(n - 2)", "fib(12)"),
    "a closure": case("def adder(n):\n    return lambda x: x + n\nadd3 = adder(3)", "add3(4)"),
    "a closure that counts": case(
        "def counter():\n    n = 0\n    def step():\n        nonlocal n\n        n += 1\n        return n\n    return step\n"
        "step = counter()\nstep()\nstep()",
        "step(), step()",
    ),
    "two functions that share a cell": case(
        "def box(v):\n    def get(): return v\n    def put(n):\n        nonlocal v\n        v = n\n    return get, put\n"
        "get, put = box(1)",
        "put(5)\nget()",
    ),
    "late binding": case("fs = [lambda: i for i in range(3)]", "[f() for f in fs]"),
    "early binding": case("fs = [lambda i=i: i for i in range(3)]", "[f() for f in fs]"),
    "a default from a global": case("size = 7\ndef f(n=size): return n", "size = 9\nf()"),
    "a mutable default": case("def f(x, seen=[]):\n    seen.append(x)\n    return list(seen)\nf(1)", "f(2), f(3)"),
    "keywords only": case("def f(a, /, b, *, c=3, **d): return a, b, c, d", "f(1, 2, c=4, e=5)"),
    "a decorator": case(
        "import functools\ndef twice(f):\n    @functools.wraps(f)\n    def inner(*a):\n        return f(*a), f(*a)\n"
        "    return inner\n@twice\ndef add(a, b):\n    'adds'\n    return a + b",
        "add(1, 2), add.__name__, add.__doc__",
    ),
    "a decorator with arguments": case(
        "def times(n):\n    def deco(f):\n        return lambda *a: [f(*a) for _ in range(n)]\n    return deco\n"
        "@times(3)\ndef one(x): return x",
        "one('a')",
    ),
    "a class as a decorator": case(
        "class Count:\n    def __init__(self, f): self.f, self.n = f, 0\n    def __call__(self, *a):\n        self.n += 1\n"
        "        return self.f(*a)\n@Count\ndef sq(x): return x * x",
        "sq(2), sq(3), sq.n",
    ),
    "lru_cache": case(
        "import functools\n@functools.lru_cache\ndef f(n): return n if n < 2 else f(n - 1) + f(n - 2)", "f(40)"
    ),
    "a partial": case("from functools import partial\ndef f(a, b, c): return a, b, c\ng = partial(f, 1, c=3)", "g(2)"),
    "a partial of a method": case(
        "from functools import partial\nclass A:\n    k = 2\n    def m(self, x, y): return self.k * x + y\np = partial(A().m, 3)",
        "p(4)",
    ),
    "singledispatch": case(
        "from functools import singledispatch\n@singledispatch\ndef kind(x): return 'any'\n@kind.register\n"
        "def _(x: int): return 'int'\n@kind.register(list)\ndef _of_list(x): return 'list'",
        "kind(1), kind([]), kind('')",
    ),
    "a generator function": case("def gen(n):\n    for i in range(n):\n        got = yield i * i", "list(gen(4))"),
    "yield from": case("def a(): yield 1\ndef b():\n    yield from a()\n    return 2", "[*b()]"),
    "a generator that is sent to": case(
        "def echo():\n    got = None\n    while True:\n        got = yield got",
        "e = echo()\nnext(e)\n[e.send(1), e.send('x')]",
    ),
    "an async function": case(
        "import asyncio\nasync def f(x):\n    await asyncio.sleep(0)\n    return x * 2",
        "async def both(): return await asyncio.gather(f(1), f(2))\nawait both()",
    ),
    "an async generator": case("async def gen(n):\n    for i in range(n): yield i", "[x async for x in gen(3)]"),
    "attributes of a function": case("def f(): return f.hits\nf.hits = 3", "f.hits += 1\nf()"),
    "annotations of another cell": case(
        "class Point: pass", "def f(p: Point, n: 'int' = 2) -> Point: return p", "[*f.__annotations__], f(3)"
    ),
    "a name that hides a builtin": case("def sum(xs): return 'mine'\nlist = tuple", "sum([1]), list('ab')"),
    "a function defined anew": case("def f(): return 1\ndef g(): return f()", "def f(): return 2", "g()"),
    "a function that the cell defines anew": case("def f(): return 1\ndef g(): return f()", "def f(): return 3\ng()"),
    "functions in containers": case(
        "def f(x): return x + 1\nops = {'f': f, 'sq': lambda x: x * x, 'l': [f, len]}",
        "ops['f'](1), ops['sq'](3), ops['l'][1]('abc'), ops['l'][0] is ops['f']",
    ),
    "a global that a function assigns": case(
        "total = 0\ndef add(n):\n    global total\n    total += n\n    return total", "add(2)\nadd(3)\ntotal"
    ),
    "a global that only the cell assigns": case("def f(): return later + 1", "later = 4\nf()"),
    "a context manager": case(
        "from contextlib import contextmanager\nlog = []\n@contextmanager\ndef note(x):\n    log.append(x)\n    yield x\n"
        "    log.append(-x)",
        "with note(3) as n:\n    log.append(n * 10)\nlog",
    ),
    "operators as functions": case(
        "import operator as op\nfs = [op.add, op.itemgetter(1), op.attrgetter('real')]",
        "fs[0](1, 2), fs[1]('ab'), fs[2](3)",
    ),
    "builtin methods": case("up, add = 'abc'.upper, [1].__add__", "up(), add([2])"),
    "a function of functions": case(
        "def compose(*fs):\n    def run(x):\n        for f in fs: x = f(x)\n        return x\n    return run\n"
        "run = compose(str, len, lambda n: n * 2)",
        "run(12345)",
    ),
    "a lambda in a comprehension": case("k = 3", "[(lambda y: y * k)(x) for x in range(3)]"),
    "a function inside of the cell": case(
        "k = 2", "def outer():\n    def inner(): return k\n    return inner()\nouter()"
    ),
    "a function returned": case("k = 2\ndef f(x): return x * k", "g = f\ng(5), f.__qualname__, f.__module__"),
}
