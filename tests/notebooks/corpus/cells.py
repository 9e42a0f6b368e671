"""Cells with every kind of statement, character and IPython command."""

from __future__ import annotations

from .case import case

CASES = {
    "characters of the shell": case(
        "",
        r"""a = '$HOME `ls` $(id) "q" \'s\' \\ \n %s %d {} {{}} # ! ? ; | & > < * ~'
b = r'\d+\s$'
a, b, len(a)""",
    ),
    "emoji and other alphabets": case("", "名前 = '🚀🧑‍🚀'\nπ = 3.14\nñandú = [名前, π]\nñandú"),
    "names that are normalised": case("ﬁ = 3", "fi + 1"),
    "texts over lines": case("", "t = '''\n%time\n!ls\n\n  indented\n'''\nt, t.count('\\n')"),
    "formats in texts": case("x, w = 3.14159, 10", 'f\'{x:{w}.2f}|{x!r}|{{}}|{"a" + "b"}\''),
    "continued lines": case("a = 1", "b = a + \\\n    2\nc = (b\n     + 3)\nc"),
    "comments at the end": case("a = 1", "a + 1  # a comment\n# another"),
    "tabs": case("", "def f():\n\treturn 4\nf()"),
    "several statements on a line": case("", "a = 1; b = 2; a + b"),
    "a semicolon at the end": case("a = 1", "a;"),
    "no value": case("", "a = 1"),
    "nothing but a comment": case("", "# nothing"),
    "a long line": case("", "x = [" + ", ".join(map(str, range(2000))) + "]\nsum(x)"),
    "if main": case("def go(): return __name__", "if __name__ == '__main__':\n    r = go()\nr"),
    "loops": case(
        "n = 5",
        "out = []\nfor i in range(n):\n    if i == 1: continue\n    if i == 4: break\n    out.append(i)\nelse:\n    out.append('no')\nwhile n:\n    n -= 1\nout, n",
    ),
    "try": case(
        "",
        "log = []\ntry:\n    1 / 0\nexcept (ValueError, ZeroDivisionError) as e:\n    log.append(type(e).__name__)\nelse:\n    log.append('else')\nfinally:\n    log.append('end')\nlog",
    ),
    "an exception chain": case(
        "",
        "try:\n    try:\n        {}['a']\n    except KeyError as e:\n        raise ValueError('b') from e\nexcept ValueError as e:\n    r = repr(e.__cause__)\nr",
    ),
    "match": case(
        "p = {'k': [1, 2, 3]}",
        "match p:\n    case {'k': [a, *rest]} if a == 1:\n        r = rest\n    case _:\n        r = None\nr",
    ),
    "walrus": case("xs = [1, 5, 2]", "[y for x in xs if (y := x * 2) > 2], y"),
    "comprehensions": case(
        "k = 2", "{i: {j * k for j in range(i)} for i in range(3)}, [a for b in [[1], [2]] for a in b]"
    ),
    "a class body that reads": case("k = 3", "class A:\n    v = [k for _ in range(2)]\n    w = k + 1\nA.v, A.w"),
    "del": case("a, b = 1, 2", "c = a + b\ndel a\ntry:\n    a\nexcept NameError:\n    gone = True\nc, gone"),
    "a name read, then assigned": case("x = 1", "y = x\nx = 5\nx, y"),
    "a name in one branch": case("x = 1\nflag = False", "if flag:\n    x = 2\nx"),
    "augmented assignment": case("x = 1\nxs = [1]", "x += 1\nxs += [2]\nx, xs"),
    "unpacking": case("xs = [1, 2, 3, 4]", "a, *b, c = xs\n(d, e), f = (1, 2), 3\na, b, c, d, e, f"),
    "annotations": case("", "x: int = 3\ny: 'list[int]'\nx, 'y' in globals()"),
    "assert": case(
        "x = 1", "assert x == 1, 'no'\ntry:\n    assert x == 2, 'two'\nexcept AssertionError as e:\n    m = str(e)\nm"
    ),
    "star import": case("", "from math import *\nfloor(pi), gcd(4, 6)"),
    "imports in the cell": case(
        "", "import json as j, os.path\nfrom collections import Counter as C\nj.dumps({'a': 1}), C('aa')"
    ),
    "futures of earlier cells": case(
        "from __future__ import annotations",
        "def f(x: int, y: Nowhere = 1) -> Nothing: ...\n%time def g(z: Nowhere): ...\nf.__annotations__, g.__annotations__",
    ),
    "futures of later cells": case(
        "def f(x: int): ...",
        "from __future__ import annotations",
        "def g(x: int): ...\nf.__annotations__, g.__annotations__",
    ),
    "exec and eval": case("k = 4", "exec('z = k * 2')\neval('z + k')"),
    "globals and locals": case("a = 3", "globals()['made'] = a + 1\nmade, 'a' in globals(), locals() is globals()"),
    "global in a function": case("", "def f():\n    global made\n    made = 5\nf()\nmade"),
    "nested functions and nonlocal": case(
        "",
        "def f():\n    x = 1\n    def g():\n        nonlocal x\n        x += 1\n        return x\n    return g(), g(), x\nf()",
    ),
    "top-level await": case(
        "import asyncio", "a = await asyncio.sleep(0, 3)\nb = [await asyncio.sleep(0, i) for i in range(3)]\na, b"
    ),
    "async with and for": case(
        "class C:\n    async def __aenter__(self): return 5\n    async def __aexit__(self, *a): pass\nasync def g():\n    yield 1\n    yield 2",
        "out = []\nasync with C() as c:\n    out.append(c)\nasync for x in g():\n    out.append(x)\nout",
    ),
    "tasks": case(
        "import asyncio\nasync def slow(x):\n    await asyncio.sleep(0.01)\n    return x",
        "ts = [asyncio.create_task(slow(i)) for i in range(3)]\nawait asyncio.gather(*ts)",
    ),
    "time": case("import time", "%time x = 3 + 4\nx"),
    "the value of a timed line": case("def f(): return 5", "y = %time f()\ny"),
    "a timed cell": case("k = 2", "%%time\nz = k * 4\nz"),
    "timeit": case("k = 2", "%timeit -n 2 -r 2 k * 2\nk"),
    "a command": case("", "!true\n_exit_code"),
    "a command's lines": case("word = 'hi there'", "x = !echo {word}; echo '$word'\nlist(x)"),
    "a command in a loop": case("", "out = []\nfor i in range(2):\n    x = !echo {i + 1}\n    out += x\nout"),
    "a command in a function": case("k = 7\ndef f():\n    x = !echo {k}\n    return x[0]", "f()"),
    "a command with everything": case(
        "",
        r"""x = !printf '%s\n' "it's" `echo b` $((1+2)) '\d' 🚀
[*x]""",
    ),
    "output that is kept": case(
        "import contextlib, io",
        "b = io.StringIO()\nwith contextlib.redirect_stdout(b):\n    print('said')\nb.getvalue()",
    ),
    "matplotlib inline and autoreload": case("", "%matplotlib inline\n%load_ext autoreload\n%autoreload 2\n5"),
    "environment and folder": case("", "%env CORPUS_A=7\nimport os\nos.environ['CORPUS_A']"),
    "print and display": case("x = [1]", "print('a', x, sep='-')\ndisplay(x)\nx"),
    "report": case(
        "from jupyter_trainjob import report", "for i in range(3):\n    report(step=i, total=3, loss=1 / (i + 1))\ni"
    ),
    "tqdm": case("from tqdm.auto import tqdm", "sum(tqdm(range(5)))"),
    "warnings": case(
        "import warnings",
        "with warnings.catch_warnings(record=True) as w:\n    warnings.simplefilter('always')\n    warnings.warn('careful')\nstr(w[0].message)",
    ),
    "logging": case(
        "import logging, io\nbuf = io.StringIO()",
        "h = logging.StreamHandler(b := io.StringIO())\nlogging.getLogger('c').addHandler(h)\nlogging.getLogger('c').error('bad %d', 3)\nb.getvalue()",
    ),
    "threads": case(
        "import threading\nout = []\ndef put(i): out.append(i)",
        "ts = [threading.Thread(target=put, args=(i,)) for i in range(3)]\n[t.start() for t in ts]\n[t.join() for t in ts]\nsorted(out)",
    ),
    "subprocesses": case(
        "import subprocess, sys",
        "subprocess.run([sys.executable, '-c', 'print(3)'], capture_output=True, text=True).stdout",
    ),
    "temporary files": case(
        "import tempfile, pathlib",
        "with tempfile.TemporaryDirectory() as d:\n    p = pathlib.Path(d) / 'a'\n    p.write_text('x')\n    r = p.read_text()\nr",
    ),
    "inspect": case(
        "import inspect\ndef f(a, b=2):\n    '''doc'''\n    return a", "inspect.getsource(f), str(inspect.signature(f))"
    ),
    "pickle": case(
        "import pickle\nclass A:\n    def __init__(self, x): self.x = x",
        "a = pickle.loads(pickle.dumps(A(3)))\na.x, type(a) is A",
    ),
    "deepcopy": case(
        "import copy\nclass A: pass\na = A()\na.xs = [1]", "b = copy.deepcopy(a)\nb.xs.append(2)\na.xs, b.xs"
    ),
    "out": case("k = 3", "a = k + 1\nb = {'a': a}\n(a, b)", options="--out a,b"),
}
