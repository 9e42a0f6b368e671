"""Cells run in a separate process with the same result as in the notebook."""

from __future__ import annotations

import random
import sys
import textwrap
from pathlib import Path

import pytest
from IPython.utils.capture import CapturedIO
from IPython.utils.text import SList

from jupyter_trainjob.bundle.capture import capture_function
from jupyter_trainjob.worker.protocol import decode
from tests.paths import ROOT

from .conftest import Notebook, launch

BEFORE = """
import dataclasses, math, functools, enum
from collections import OrderedDict

lr = 0.1
data = [1, 2, 3]
text = "$HOME `ls` \\\\ 'x' \\"y\\" 🚀 $(reboot) %s {}"

def scale(x, by=2):
    return x * by * lr

def factorial(n):
    return 1 if n < 2 else n * factorial(n - 1)

def even(n): return n == 0 or odd(n - 1)
def odd(n): return n != 0 and even(n - 1)

def counter():
    count = 0
    def step():
        nonlocal count
        count += 1
        return count
    return step

step = counter()
step()
square = lambda x: x ** 2

def traced(fn):
    @functools.wraps(fn)
    def inner(*args):
        return ["traced", fn(*args)]
    return inner

@traced
def add(a, b):
    return a + b

class Base:
    kind = "base"
    def __init__(self, size): self.size = size
    def area(self): return self.size * scale(1)

class Child(Base):
    kind = "child"
    def __init__(self, size):
        super().__init__(size)
        self.friend = None
    @property
    def double(self): return self.area() * 2
    @classmethod
    def make(cls): return cls(10)
    @staticmethod
    def two(): return 2

@dataclasses.dataclass
class Config:
    lr: float = 0.5
    names: list = dataclasses.field(default_factory=list)

class Color(enum.Enum):
    RED = 1
    BLUE = 2

shared = [0]
left, right = {"v": shared}, {"v": shared}
one = Child(3)
other = Child(4)
one.friend, other.friend = other, one
config = Config(names=["a"])
"""

CELLS: dict[str, tuple[str, object]] = {
    "the last expression is the result": ("x = 1\nx + 1", 2),
    "a cell that ends with a statement has none": ("x = 1", None),
    "an empty cell has none": ("", None),
    "a cell is a program": ("__name__", "__main__"),
    "text arrives byte for byte": ("text", "$HOME `ls` \\ 'x' \"y\" 🚀 $(reboot) %s {}"),
    "text in the cell arrives byte for byte": ("'$HOME `ls` \\\\ 🚀'", "$HOME `ls` \\ 🚀"),
    "a helper uses a global of the notebook": ("scale(10)", 2.0),
    "a helper sees what the cell assigns to its global": ("lr = 1\nscale(10)", 20),
    "a helper sees what a function of the cell assigns": ("def f():\n  global lr\n  lr = 5\nf()\nscale(1)", 10),
    "default arguments are sent": ("scale(1, by=10)", 1.0),
    "a function calls itself": ("factorial(5)", 120),
    "a function calls itself under a new name": ("f = factorial\nf(6)", 720),
    "functions call each other": ("even(10)", True),
    "a closure keeps its state": ("[step(), step()]", [2, 3]),
    "a lambda is sent": ("square(3)", 9),
    "a decorated function is sent": ("add(1, 2)", ["traced", 3]),
    "a class inherits": ("Child.make().area() > 1, Child.two(), Child.kind", (True, 2, "child")),
    "an instance knows its class": ("isinstance(one, Base) and type(one) is Child", True),
    "a property works": ("Child(1).double", 0.4),
    "cycles stay cycles": ("one.friend.friend is one", True),
    "shared objects stay shared": ("left['v'].append(1)\nright['v']", [0, 1]),
    "a name and what holds it are one object": ("shared.append(5)\nleft['v']", [0, 5]),
    "a dataclass is sent": ("config.names + [config.lr, Config(lr=2).lr]", ["a", 0.5, 2]),
    "an enum is sent": ("Color.RED is Color(1)", True),
    "a module is sent by name": ("math.floor(2.5), OrderedDict(a=1)['a']", (2, 1)),
    "the cell defines its own": ("class Mine(Child):\n  def area(self): return 7\nMine.make().double", 14),
    "a comprehension sees the cell's names": ("n = 3\n[i * n for i in data if i < n]", [3, 6]),
    "annotations are evaluated": ("def f(x: Config) -> Color: ...\nf.__annotations__['x'] is Config", True),
    "future statements hold": (
        "from __future__ import annotations\ndef f(x: Nothing): ...\nlist(f.__annotations__)",
        ["x"],
    ),
    "a source can be inspected": (
        "import inspect\ndef f():\n    return 1\ninspect.getsource(f)",
        "def f():\n    return 1\n",
    ),
    "sys.exit(0) ends well": ("import sys\nsys.exit(0)", None),
    "sys.exit() ends well": ("import sys\nsys.exit()", None),
    "modules of the folder can be imported": ("open('m.py', 'w').write('v = 8')\nimport m\nm.v", 8),
}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Notebook:
    result = Notebook(tmp_path_factory.mktemp("notebook"))
    result.run(BEFORE)
    return result


@pytest.mark.parametrize(("cell", "result"), CELLS.values(), ids=CELLS.keys())
def test_result_of_a_cell(prepared: Notebook, cell: str, result: object) -> None:
    assert prepared.job(cell).result == result


def test_names_come_back_with_their_identity_and_class(prepared: Notebook) -> None:
    ran = prepared.job("twin = [one, one]\nother.size = 99\n'value'", out=["twin", "other"])
    value, out = ran.outcome
    assert value == "value"
    assert out["other"].size == 99
    assert out["twin"][0] is out["twin"][1]
    assert out["twin"][0].friend is out["other"]


def test_returned_instance_does_not_change_the_notebooks_class(notebook: Notebook) -> None:
    notebook.run("unit = 1\nclass Model:\n    def value(self): return unit")
    model = notebook.names["Model"]
    method = vars(model)["value"]
    value, _ = notebook.job("unit = 5\nModel()").outcome
    assert type(value) is model
    assert vars(model)["value"] is method
    notebook.run("unit = 2")
    assert value.value() == 2


def test_captured_command_output_comes_back_as_ipythons(notebook: Notebook) -> None:
    ran = notebook.job("%%capture kept\nseen = !echo two; echo three\nprint('said')\n1 + 1", out=["kept", "seen"])
    _, out = ran.outcome
    assert (type(out["kept"]), type(out["seen"])) == (CapturedIO, SList)
    assert (out["kept"].stdout, out["seen"].s) == ("said\n", "two three")
    assert [output.data for output in out["kept"].outputs] == [{"text/plain": "2"}]


CELL_OF_OUT = "import os\nkept = 3\nif os.environ.get('NEVER'):\n    weights = 1\nkept + 1"
NOT_MADE: dict[str, str] = {
    "on this path": CELL_OF_OUT,
    "before the cell left": f"kept = 3\nraise SystemExit\n{CELL_OF_OUT}",
    "and was deleted": "weights = 1\nkept = 3\ndel weights\nkept + 1",
}


@pytest.mark.parametrize("cell", NOT_MADE.values(), ids=NOT_MADE.keys())
def test_unassigned_name_of_out_is_reported(notebook: Notebook, cell: str) -> None:
    ran = notebook.job(cell, out=["weights", "kept"])
    assert ran.code == 0
    assert ran.outcome == (None if "SystemExit" in cell else 4, {"kept": 3})
    warning = "--out weights was not returned: the cell ended without assigning it. "
    assert ran.stderr.count(warning) == 1


def test_function_runs_with_its_arguments(notebook: Notebook) -> None:
    notebook.run(
        "unit = 3\ndef train(a, b=1, *rest, scale):\n"
        "    report(step=1, loss=0.5)\n    return [a is b, unit, scale, rest]"
    )
    shared = object()
    path = notebook.put(capture_function(notebook.names["train"], (shared, shared, "r"), {"scale": 2}))
    ran = launch([sys.executable, str(path)], path.parent.parent)
    assert ran.result == [True, 3, 2, ("r",)]
    assert ran.bodies("metrics")[0]["metrics"] == {"loss": [0.5]}


def test_every_import_of_report_is_the_same_function(notebook: Notebook) -> None:
    notebook.run("from jupyter_trainjob import report as noted\ndef helper(): noted(step=3, total=4, c=3)")
    cell = """
        import jupyter_trainjob
        report(step=1, a=1)
        jupyter_trainjob.report(step=2, b=2)
        helper()
    """
    root = str(ROOT)
    for env in ({}, {"PYTHONPATH": root}):
        ran = notebook.job(textwrap.dedent(cell), env=env)
        assert ran.result is None
        (batch,) = ran.bodies("metrics")
        assert batch["step"] == [1, 2, 3]
        assert batch["total"] == 4
        assert batch["metrics"] == {"a": [1, None, None], "b": [None, 2, None], "c": [None, None, 3]}


def test_rank_sends_start_and_end(notebook: Notebook) -> None:
    ran = notebook.job("1", env={"RANK": "3", "WORLD_SIZE": "8", "PET_NODE_RANK": "1"})
    assert [message.kind for message in ran.messages] == ["start", "result", "end"]
    assert {message.rank for message in ran.messages} == {3}
    assert ran.bodies("start")[0]["world"] == 8
    assert ran.bodies("end")[0]["ok"] is True


def test_exception_names_the_line_of_the_cell(notebook: Notebook) -> None:
    notebook.run("def helper(x):\n    y = x\n    return 1 / y")
    ran = notebook.job("a = 0\n\nhelper(a)  # here\nb = 1", env={"RANK": "2"})
    assert ran.code == 1
    error = ran.error
    assert (error["type"], error["module"], error["message"]) == ("ZeroDivisionError", "builtins", "division by zero")
    assert (error["where"], error["source"]) == ("Cell [1], line 3", "return 1 / y")
    assert error["traceback"] == ran.stderr
    lines = ran.stderr.splitlines()
    assert lines[:3] == [
        "Traceback (most recent call last):",
        "  Cell [12], line 3, in <module>",
        "    helper(a)  # here",
    ]
    assert "  Cell [1], line 3, in helper" in lines
    assert "_trainjob_worker" not in ran.stderr
    assert ran.bodies("end")[0]["ok"] is False


def test_failure_is_written_once_to_the_termination_message(notebook: Notebook, tmp_path: Path) -> None:
    log = tmp_path / "termination"
    log.touch()
    for rank in (1, 0):
        notebook.job("raise ValueError('a\\nb')", env={"RANK": str(rank), "TRAINJOB_TERMINATION_LOG": str(log)})
    assert log.read_text() == "rank 1: ValueError: a (Cell [12], line 1)"


@pytest.mark.parametrize(
    ("cell", "code", "kind", "stderr"),
    [
        ("import sys; sys.exit(3)", 3, "SystemExit", ""),
        ("import sys; sys.exit('no data')", 1, "SystemExit", "no data\n"),
        ("raise KeyboardInterrupt", 130, "KeyboardInterrupt", None),
        ("class Odd(BaseException): ...\nraise Odd('x')", 1, "Odd", None),
    ],
)
def test_exit_code_and_error_of_other_exceptions(
    notebook: Notebook, cell: str, code: int, kind: str, stderr: str | None
) -> None:
    ran = notebook.job(cell)
    assert (ran.code, ran.error["type"]) == (code, kind)
    if stderr is not None:
        assert ran.stderr == stderr


def test_value_that_cannot_be_pickled_leaves_the_others(notebook: Notebook) -> None:
    cell = "best = 0.9\nrows = (i for i in range(3))\nif not rows:\n    late = 1\nrows"
    ran = notebook.job(cell, out=["best", "rows", "late"])
    assert (ran.code, ran.outcome) == (0, (None, {"best": 0.9}))
    (unsent,) = ran.bodies("unsent")
    assert [sentence.partition(":")[0] for sentence in unsent["sentences"]] == [
        "--out late was not returned",
        "The value of the last expression was not returned",
        "--out rows was not returned",
    ]
    assert "End the cell with something that can" in ran.stderr


def test_note_of_a_large_value_names_size_and_limit(notebook: Notebook) -> None:
    ran = notebook.job("big = bytes(3_000_000)\n7", out=["big"])
    assert (ran.code, ran.outcome) == (0, (7, {}))
    assert "--out big was not returned: it is too large for the log: 3,000," in ran.stderr
    assert "at most 1,048,576 are possible" in ran.stderr


def test_large_result_is_complete(notebook: Notebook) -> None:
    cell = "import random\nrandom.Random(5).randbytes(1_000_000)"
    assert notebook.job(cell).result == random.Random(5).randbytes(1_000_000)


def test_lines_are_written_atomically_with_unbuffered_output(notebook: Notebook) -> None:
    cell = "import os\nfor i in range(300):\n    report(step=i)\n    print('a' * 50, 'b' * 50)\n    os.sched_yield()"
    ran = notebook.job(cell, launcher=(sys.executable, "-u"))
    assert set(ran.stdout.split("\n")) - {""} == {"a" * 50 + " " + "b" * 50}
    assert ran.stdout.count("\n") <= 301


def test_compiled_archives_run_the_same(notebook: Notebook) -> None:
    notebook.run("def helper(): raise ValueError")
    path = notebook.put(notebook.capture("helper()"), compiled=True)
    ran = launch([sys.executable, str(path)], path.parent.parent)
    assert ran.error["where"] == "Cell [1], line 1"
    assert "_trainjob_worker" not in ran.stderr


def test_frames_decode_between_prints_of_any_kind(notebook: Notebook) -> None:
    cell = """
        import sys, time
        end = time.time() + 1.2
        lines = 0
        while time.time() < end:
            report(step=lines, loss=0.5)
            time.sleep(0.0002)
            print("x" * (lines % 300), end="\\n" if lines % 3 else "")
            if lines % 3 == 0:
                print()
            lines += 1
        sys.stdout.write("no end of line")
        lines
    """
    ran = notebook.job(textwrap.dedent(cell))
    lines = ran.result
    batches = ran.bodies("metrics")
    assert len(batches) >= 3
    assert [step for batch in batches for step in batch["step"]] == list(range(lines))
    frames = [frame for line in ran.raw.split(b"\n") if (frame := decode(line)) is not None]
    assert [frame.seq for frame in frames] == list(range(len(frames)))
    # Nothing is lost or torn but where a frame came in between; empty lines of the program stay.
    assert ran.stdout.count("x") == sum(i % 300 for i in range(lines))
    assert ran.stdout.rstrip().endswith("no end of line")


def test_async_function_is_awaited(notebook: Notebook) -> None:
    notebook.run("import asyncio\nasync def train(x):\n    await asyncio.sleep(0)\n    return x + 1")
    captured = capture_function(notebook.names["train"], (2,))
    assert launch([sys.executable, str(notebook.put(captured))], notebook.put(captured).parent).result == 3


UNSHOWN = {
    "open figure": ("None", True),
    "shown figure": ("plt.show()", True),
    "figure as the result": ("plt.gcf()", False),
    "saved figure": ("plt.savefig('figure.png')", False),
    "closed figure": ("plt.close()", False),
}


@pytest.mark.parametrize(("end", "noted"), UNSHOWN.values(), ids=UNSHOWN)
def test_unshown_figures_are_noted(notebook: Notebook, end: str, noted: bool) -> None:
    ran = notebook.job(f"import matplotlib.pyplot as plt\n_ = plt.plot([1, 2])\n{end}", env={"MPLBACKEND": "agg"})
    assert ran.code == 0, ran.stderr
    assert ("1 matplotlib figure cannot be shown" in ran.stderr) is noted
