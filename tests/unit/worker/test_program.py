"""Cells run in a process of their own as they would in the notebook."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
import types
from pathlib import Path

import pytest
from IPython.utils.capture import CapturedIO
from IPython.utils.text import SList

from jupyter_trainjob.bundle.capture import capture_function
from jupyter_trainjob.worker.protocol import EXIT_SETUP, decode

from .conftest import Notebook, Ran, clean, launch

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
    "default arguments travel": ("scale(1, by=10)", 1.0),
    "a function calls itself": ("factorial(5)", 120),
    "a function calls itself under a new name": ("f = factorial\nf(6)", 720),
    "functions call each other": ("even(10)", True),
    "a closure keeps its state": ("[step(), step()]", [2, 3]),
    "a lambda travels": ("square(3)", 9),
    "a decorated function travels": ("add(1, 2)", ["traced", 3]),
    "a class inherits": ("Child.make().area() > 1, Child.two(), Child.kind", (True, 2, "child")),
    "an instance knows its class": ("isinstance(one, Base) and type(one) is Child", True),
    "a property works": ("Child(1).double", 0.4),
    "cycles stay cycles": ("one.friend.friend is one", True),
    "shared objects stay shared": ("left['v'].append(1)\nright['v']", [0, 1]),
    "a name and what holds it are one object": ("shared.append(5)\nleft['v']", [0, 5]),
    "a dataclass travels": ("config.names + [config.lr, Config(lr=2).lr]", ["a", 0.5, 2]),
    "an enum travels": ("Color.RED is Color(1)", True),
    "a module travels by name": ("math.floor(2.5), OrderedDict(a=1)['a']", (2, 1)),
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
    made = Notebook(tmp_path_factory.mktemp("notebook"))
    made.run(BEFORE)
    return made


@pytest.mark.parametrize(("cell", "result"), CELLS.values(), ids=CELLS.keys())
def test_a_cell_gives(prepared: Notebook, cell: str, result: object) -> None:
    assert prepared.job(cell).result == result


def test_names_come_back_with_their_identity_and_class(prepared: Notebook) -> None:
    ran = prepared.job("twin = [one, one]\nother.size = 99\n'value'", out=["twin", "other"])
    value, out = ran.outcome
    assert value == "value"
    assert out["other"].size == 99
    assert out["twin"][0] is out["twin"][1]
    assert out["twin"][0].friend is out["other"]


def test_an_instance_that_comes_back_is_of_the_notebooks_own_class_and_leaves_it_as_it_was(notebook: Notebook) -> None:
    notebook.run("unit = 1\nclass Model:\n    def value(self): return unit")
    model = notebook.names["Model"]
    method = vars(model)["value"]
    value, _ = notebook.job("unit = 5\nModel()").outcome
    assert type(value) is model
    assert vars(model)["value"] is method
    notebook.run("unit = 2")
    assert value.value() == 2


def test_what_commands_kept_comes_home_as_ipythons(notebook: Notebook) -> None:
    ran = notebook.job("%%capture kept\nseen = !echo two; echo three\nprint('said')\n1 + 1", out=["kept", "seen"])
    _, out = ran.outcome
    assert (type(out["kept"]), type(out["seen"])) == (CapturedIO, SList)
    assert (out["kept"].stdout, out["seen"].s) == ("said\n", "two three")
    assert [each.data for each in out["kept"].outputs] == [{"text/plain": "2"}]


def test_a_name_that_was_to_come_back_and_was_not_made_fails_the_job(notebook: Notebook) -> None:
    ran = notebook.job("import os\nif os.environ.get('NEVER'):\n    weights = 1", out=["weights"])
    assert ran.code == 1
    assert "'weights' is to come back" in ran.error["message"]


def test_a_function_runs_with_its_arguments(notebook: Notebook) -> None:
    notebook.run(
        "unit = 3\ndef train(a, b=1, *rest, scale):\n"
        "    report(step=1, loss=0.5)\n    return [a is b, unit, scale, rest]"
    )
    shared = object()
    path = notebook.put(capture_function(notebook.names["train"], (shared, shared, "r"), {"scale": 2}))
    ran = launch([sys.executable, str(path)], path.parent.parent)
    assert ran.result == [True, 3, 2, ("r",)]
    assert ran.said("metrics")[0]["metrics"] == {"loss": [0.5]}


def test_report_is_one_function_however_it_is_reached(notebook: Notebook) -> None:
    notebook.run("from jupyter_trainjob import report as noted\ndef helper(): noted(step=3, total=4, c=3)")
    cell = """
        import jupyter_trainjob
        report(step=1, a=1)
        jupyter_trainjob.report(step=2, b=2)
        helper()
    """
    root = str(Path(__file__).parents[3])
    for env in ({}, {"PYTHONPATH": root}):
        ran = notebook.job(textwrap.dedent(cell), env=env)
        assert ran.result is None
        (batch,) = ran.said("metrics")
        assert batch["step"] == [1, 2, 3]
        assert batch["total"] == 4
        assert batch["metrics"] == {"a": [1, None, None], "b": [None, 2, None], "c": [None, None, 3]}


def test_a_rank_says_who_it_is_and_that_it_has_ended(notebook: Notebook) -> None:
    ran = notebook.job("1", env={"RANK": "3", "WORLD_SIZE": "8", "PET_NODE_RANK": "1"})
    assert [message.kind for message in ran.messages] == ["start", "result", "end"]
    assert {message.rank for message in ran.messages} == {3}
    assert ran.said("start")[0]["world"] == 8
    assert ran.said("end")[0]["ok"] is True


def test_an_exception_names_the_line_of_the_cell(notebook: Notebook) -> None:
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
    assert ran.said("end")[0]["ok"] is False


def test_the_cause_of_a_failure_goes_to_the_termination_message_once(notebook: Notebook, tmp_path: Path) -> None:
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
def test_other_ways_to_end_badly(notebook: Notebook, cell: str, code: int, kind: str, stderr: str | None) -> None:
    ran = notebook.job(cell)
    assert (ran.code, ran.error["type"]) == (code, kind)
    if stderr is not None:
        assert ran.stderr == stderr


def test_a_result_that_cannot_be_pickled_fails_the_rank_and_says_what_to_do(notebook: Notebook) -> None:
    ran = notebook.job("(i for i in range(3))")
    assert ran.code == 1
    assert "a generator, cannot be pickled" in ran.error["message"]
    assert "End the cell with something that can" in ran.stderr


def test_a_result_that_is_too_large_says_how_large_and_what(notebook: Notebook) -> None:
    ran = notebook.job("big = bytes(3_000_000)\n7", out=["big"])
    assert ran.code == 1
    assert "at most 1,048,576 are possible" in ran.error["message"]
    assert "--out big (3,000," in ran.error["message"]


def test_a_large_result_arrives_whole(notebook: Notebook) -> None:
    assert notebook.job("import random\nrandom.Random(5).randbytes(1_000_000)").result[:4].hex()


def test_a_changed_part_is_not_unpickled(notebook: Notebook) -> None:
    notebook.run("data = [1, 2, 3]")
    path = notebook.put(notebook.capture("data"))
    part = path.with_name("captures-000")
    part.write_bytes(part.read_bytes()[:-1] + b"x")
    ran = launch([sys.executable, str(path)], path.parent.parent)
    assert ran.code == EXIT_SETUP
    assert "is not what was sent" in ran.error["message"]
    part.unlink()
    ran = launch([sys.executable, str(path)], path.parent.parent)
    assert ran.code == EXIT_SETUP
    assert "captures-000: No such file or directory" in ran.stderr


def test_values_beyond_all_secrets_are_read_from_the_folder_that_the_environment_names(
    notebook: Notebook, tmp_path: Path
) -> None:
    notebook.run("data = bytes(17 * 2**20)\nsame = [data]")
    path = notebook.put(notebook.capture("(len(data), same[0] is data)"))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    path.with_name("captures").rename(elsewhere / "captures")
    ran = launch([sys.executable, str(path)], tmp_path, {"TRAINJOB_CAPTURES": str(elsewhere)})
    assert ran.result == (17 * 2**20, True)


def test_lines_of_several_ranks_stay_whole_under_an_unbuffered_python(notebook: Notebook) -> None:
    cell = "import os\nfor i in range(300):\n    report(step=i)\n    print('a' * 50, 'b' * 50)\n    os.sched_yield()"
    ran = notebook.job(cell, launcher=(sys.executable, "-u"))
    assert set(ran.stdout.split("\n")) - {""} == {"a" * 50 + " " + "b" * 50}
    assert ran.stdout.count("\n") <= 301


def test_a_module_that_the_image_lacks_is_named(notebook: Notebook, monkeypatch: pytest.MonkeyPatch) -> None:
    only_here = types.ModuleType("only_here")  # With a file it would travel.
    exec("class Thing: ...", vars(only_here))
    monkeypatch.setitem(sys.modules, "only_here", only_here)
    notebook.run("import only_here\nthing = only_here.Thing()")
    ran = notebook.job("thing")
    assert ran.code == EXIT_SETUP
    assert "The notebook's 'thing' (only_here.Thing) cannot be loaded here" in ran.error["message"]
    assert "has no module 'only_here'" in ran.error["message"]


def test_another_python_is_refused_where_code_travels_and_only_there(
    notebook: Notebook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platform.python_version_tuple", lambda: ("3", "9", "1"))
    notebook.run("data = [1]\ndef helper(): ...")
    ran = notebook.job("helper()")
    assert ran.code == EXIT_SETUP
    assert "the notebook has 3.9" in ran.stderr
    assert notebook.job("data").result == [1]


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
    batches = ran.said("metrics")
    assert len(batches) >= 3
    assert [step for batch in batches for step in batch["step"]] == list(range(lines))
    frames = [frame for line in ran.raw.split(b"\n") if (frame := decode(line)) is not None]
    assert [frame.seq for frame in frames] == list(range(len(frames)))
    # Nothing is lost or torn but where a frame came in between; empty lines of the program stay.
    assert ran.stdout.count("x") == sum(i % 300 for i in range(lines))
    assert ran.stdout.rstrip().endswith("no end of line")


def running(notebook: Notebook, cell: str) -> subprocess.Popen[bytes]:
    path = notebook.put(notebook.capture(textwrap.dedent(cell)))
    return subprocess.Popen([sys.executable, str(path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=clean())


def read_until(process: subprocess.Popen[bytes], text: bytes) -> bytes:
    assert process.stdout is not None
    seen = b""
    while text not in seen:
        line = process.stdout.readline()
        assert line, seen
        seen += line
    return seen


@pytest.mark.parametrize("stuck", ["while True: time.sleep(60)", "lock.acquire()"])
def test_a_terminated_rank_says_its_last_reports(notebook: Notebook, stuck: str) -> None:
    cell = f"""
import threading, time
lock = threading.Lock()
lock.acquire()
report(step=41, loss=1)
report(step=42, loss=2)
print("ready")
{stuck}
"""
    with running(notebook, cell) as process:
        seen = read_until(process, b"ready")
        process.terminate()
        out, _ = process.communicate(timeout=20)  # Waiting for the lock would take for ever.
    assert process.returncode == 143
    ran = Ran(143, seen + out, "")
    assert [step for batch in ran.said("metrics") for step in batch["step"]] == [41, 42]
    assert ran.messages[-1].kind == "end"
    assert ran.said("end")[0]["ok"] is False


def test_a_handler_of_the_cell_takes_sigterm_over(notebook: Notebook) -> None:
    cell = """
        import signal, sys, threading
        over = threading.Event()
        signal.signal(signal.SIGTERM, lambda *_: over.set())
        print("ready")
        while not over.wait(0.05): ...
        "saved"
    """
    with running(notebook, cell) as process:
        seen = read_until(process, b"ready")
        process.terminate()
        out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert b" end 0/1 " in seen + out


def test_forked_children_say_nothing_and_die_of_sigterm(notebook: Notebook) -> None:
    cell = """
        import os, signal, time
        report(step=1, loss=1)
        child = os.fork()
        if child == 0:
            report(step=2, loss=2)
            time.sleep(60)
        time.sleep(0.6)
        os.kill(child, signal.SIGTERM)
        os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    """
    ran = notebook.job(textwrap.dedent(cell))
    assert ran.result == -signal.SIGTERM
    assert [step for batch in ran.said("metrics") for step in batch["step"]] == [1]


def test_a_log_that_nobody_reads_does_not_hold_up_the_end(notebook: Notebook) -> None:
    cell = """
        import sys
        for i in range(20_000): report(step=i, loss=i * 0.37)
        sys.stderr.write("done\\n")
    """
    with running(notebook, cell) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == b"done\n"
        assert process.wait(timeout=12) == 0  # Only now is anything read.
        assert process.stdout is not None
        out = process.stdout.read()
    frames = [decode(line) for line in out.split(b"\n") if line]
    assert None not in frames
    assert len(frames) > 3


def test_a_closed_log_does_not_end_the_training(notebook: Notebook) -> None:
    cell = """
        import os, time
        os.close(1)
        for i in range(10):
            report(step=i, loss=1)
            time.sleep(0.05)
        open("finished", "w").close()
    """
    ran = notebook.job(textwrap.dedent(cell))
    assert ran.code == 0
