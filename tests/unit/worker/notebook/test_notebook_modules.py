"""Progress bars, display and prompts of a notebook in a job: they write to its log or raise an error."""

from __future__ import annotations

import sys

import pytest

import jupyter_trainjob
from jupyter_trainjob.bundle.capture import capture_function
from tests.unit.worker.conftest import Notebook, launch


@pytest.mark.parametrize(
    "line", ["from tqdm.notebook import tqdm, trange", "from tqdm import tqdm_notebook as tqdm, tnrange as trange"]
)
@pytest.mark.parametrize("before", [True, False], ids=["earlier", "in the cell"])
def test_notebook_progress_bars_are_written_to_the_log(notebook: Notebook, line: str, before: bool) -> None:
    notebook.run(line if before else "")
    ran = notebook.job(f"{'' if before else line}\nsum(tqdm(range(4))) + sum(trange(2))")
    assert ran.result == 7
    assert "4/4" in ran.stderr
    assert "2/2" in ran.stderr


def test_several_values_are_shown_one_below_the_other(notebook: Notebook) -> None:
    notebook.run("from IPython.display import display as show")
    ran = notebook.job(
        "from IPython.display import display\nshow(1, 'a')\ndisplay(2, 'b')\n"
        "handle = show('c', display_id=True)\nhandle.update(3)"
    )
    assert ran.code == 0, ran.stderr
    assert ran.stdout.split() == ["1", "'a'", "2", "'b'", "'c'", "3"]


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("from getpass import getpass\ngetpass()", "getpass('Password: '): a job cannot read input. .*--secret TOKEN"),
        ("ask('Key: ')", "getpass('Key: '): a job cannot read input"),
        ("input('Name?')", "input('Name?'): a job cannot read input"),
        ("import cmd\ncmd.Cmd().cmdloop()", "input('(Cmd) '): a job cannot read input"),
    ],
)
def test_prompt_raises_because_there_is_no_input(notebook: Notebook, cell: str, message: str) -> None:
    notebook.run("import getpass as g\nask = g.getpass")
    ran = notebook.job(cell)
    assert ran.code == 1
    assert ran.error["type"] == "RuntimeError"
    assert message.partition(" .*")[0] in ran.error["message"]


def test_returned_functions_are_those_of_the_notebook(notebook: Notebook) -> None:
    ran = notebook.job("[get_ipython, report, checkpoint_dir, get_ipython()]")
    get = notebook.names["get_ipython"] = lambda: 5
    main, sys.modules["__main__"] = sys.modules["__main__"], notebook.module
    try:
        result = ran.result
    finally:
        sys.modules["__main__"] = main
    assert result[0] is get
    assert result[1:] == [jupyter_trainjob.report, jupyter_trainjob.checkpoint_dir, 5]


def test_numbers_of_any_type_are_reported_without_warnings(notebook: Notebook) -> None:
    ran = notebook.job(
        "import warnings, numpy as np, torch\nwarnings.simplefilter('error')\n"
        "report(step=np.array([1]), loss=np.array([0.5]), a=torch.ones(1, requires_grad=True), b=np.float32(2))"
    )
    assert (ran.code, ran.stderr) == (0, "")


@pytest.mark.parametrize("how", ["box.add", "Box.of", "Box.plain"])
def test_methods_of_every_kind_can_be_submitted(notebook: Notebook, how: str) -> None:
    notebook.run("""
from jupyter_trainjob import trainjob
class Box:
    base = 10
    def __init__(self, value):
        self.value = value
    @trainjob(nodes=2)
    def add(self, x):
        return self.value + x
    @trainjob
    @classmethod
    def of(cls, x):
        return cls.base + x
    @staticmethod
    @trainjob
    def plain(x):
        return x
    def twice(self, x):
        return self.add(self.add(x))
box = Box(10)
""")
    method = eval(how, notebook.names)
    captured = capture_function(method.function, (2,))
    folder = notebook.put(captured).parent
    assert launch([sys.executable, str(folder / "job.pyz")], folder).result == (2 if how == "Box.plain" else 12)
    assert notebook.job("box.twice(1)").result == 21
