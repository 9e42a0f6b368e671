"""Cells that use modules and files next to the notebook, and child processes."""

from __future__ import annotations

from .case import case

MODULE = """
%%writefile corpus_module.py
from pathlib import Path
NAME = 'module'
class Box:
    def __init__(self, v): self.v = v
def helper(x): return x * 2
"""
PACKAGE = """
import pathlib, sys
top = pathlib.Path('corpus_package')
(top / 'data').mkdir(parents=True, exist_ok=True)
(top / '__init__.py').write_text('from .inner import deep')
(top / 'inner.py').write_text('from importlib.resources import files\\ndef deep(): return (files("corpus_package") / "data" / "a.txt").read_text()')
_n = (top / 'data' / 'a.txt').write_text('data')
"""
WORK = """
k = 10
class Item:
    def __init__(self, v): self.v = v
def work(i): return Item(i.v * k)
"""


def _pool(method: str) -> str:
    return (
        f"import multiprocessing\nwith multiprocessing.get_context({method!r}).Pool(2) as pool:\n"
        "    made = pool.map(work, [Item(1), Item(2)])\n[m.v for m in made if type(m) is Item]"
    )


def _executor(method: str) -> str:
    return (
        "import multiprocessing\nfrom concurrent.futures import ProcessPoolExecutor\n"
        f"with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context({method!r})) as pool:\n"
        "    made = [*pool.map(work, [Item(1), Item(2)])]\n[m.v for m in made if type(m) is Item]"
    )


CASES = {
    "a module": case(MODULE, "import corpus_module as m", "m.helper(3), m.NAME"),
    "a function of a module": case(MODULE, "from corpus_module import helper, Box", "helper(4), Box(3).v"),
    "an instance of a module's class": case(MODULE, "from corpus_module import Box\nb = Box(5)", "b.v, b"),
    "a module that only the cell imports": case(MODULE, "import corpus_module\ncorpus_module.helper(1)"),
    "a module that only a function imports": case(
        MODULE, "def f():\n    import corpus_module\n    return corpus_module.NAME", "f()"
    ),
    "a package with data": case(PACKAGE, "import corpus_package", "corpus_package.deep()"),
    "a module inside of a package": case(PACKAGE, "from corpus_package.inner import deep", "deep()"),
    "a file": case("_n = open('corpus.csv', 'w').write('1,2')", "open('corpus.csv').read()"),
    "a file sent with --file": case(
        "_n = open('corpus.csv', 'w').write('1,2')", "import os\nopen('corpus.csv').read()", options="--file corpus.csv"
    ),
    "a folder sent with --file": case(
        "import os\nos.makedirs('corpus_dir/deep', exist_ok=True)\n_n = open('corpus_dir/deep/a.txt', 'w').write('x')",
        "open('corpus_dir/deep/a.txt').read()",
        options="--file corpus_dir",
    ),
    "checkpoints and output": case(
        "from jupyter_trainjob import checkpoint_dir, output_dir",
        "(checkpoint_dir() / 'step-1').write_text('a')\n(output_dir() / 'b.txt').write_text('b')\n(checkpoint_dir() / 'step-1').read_text()",
    ),
    "a pool that forks": case(WORK, _pool("fork")),
    "a pool that spawns": case(WORK, _pool("spawn"), expected="[10, 20]"),
    "a pool with a fork server": case(WORK, _pool("forkserver"), expected="[10, 20]"),
    "an executor that spawns": case(WORK, _executor("spawn"), expected="[10, 20]"),
    "an executor that forks": case(WORK, _executor("fork")),
    "threads of an executor": case(
        WORK,
        "from concurrent.futures import ThreadPoolExecutor\nwith ThreadPoolExecutor(2) as pool:\n    made = [*pool.map(work, [Item(1)])]\nmade[0].v",
    ),
}
