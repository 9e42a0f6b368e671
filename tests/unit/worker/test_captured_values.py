"""Captured values in a job: verification of their parts, missing modules and names, and Python versions."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from jupyter_trainjob.bundle.capture import capture_function
from jupyter_trainjob.worker.protocol import EXIT_SETUP

from .conftest import Notebook, launch


def test_modified_or_missing_part_is_not_unpickled(notebook: Notebook) -> None:
    notebook.run("data = [1, 2, 3]")
    path = notebook.put(notebook.capture("data"))
    part = path.with_name("captures-000")
    part.write_bytes(part.read_bytes()[:-1] + b"x")
    ran = launch([sys.executable, str(path)], path.parent.parent)
    assert ran.code == EXIT_SETUP
    assert "differs from what was sent" in ran.error["message"]
    part.unlink()
    ran = launch([sys.executable, str(path)], path.parent.parent)
    assert ran.code == EXIT_SETUP
    assert "captures-000: No such file or directory" in ran.stderr


def test_large_captures_are_read_from_the_folder_in_trainjob_captures(notebook: Notebook, tmp_path: Path) -> None:
    notebook.run("data = bytes(17 * 2**20)\nsame = [data]")
    path = notebook.put(notebook.capture("(len(data), same[0] is data)"))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    path.with_name("captures").rename(elsewhere / "captures")
    ran = launch([sys.executable, str(path)], tmp_path, {"TRAINJOB_CAPTURES": str(elsewhere)})
    assert ran.result == (17 * 2**20, True)


def test_missing_module_is_named(notebook: Notebook, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    installed = tmp_path / "site-packages"
    installed.mkdir()
    (installed / "only_here.py").write_text("class Thing: ...\n")
    monkeypatch.syspath_prepend(installed)
    notebook.run("import only_here\nthing = only_here.Thing()")
    ran = notebook.job("thing")
    assert ran.code == EXIT_SETUP
    assert "The notebook's 'thing' (only_here.Thing) cannot be loaded here" in ran.error["message"]
    assert "has no module 'only_here'" in ran.error["message"]


def test_other_python_version_is_rejected_only_with_captured_code(
    notebook: Notebook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platform.python_version_tuple", lambda: ("3", "9", "1"))
    notebook.run("data = [1]\ndef helper(): ...")
    ran = notebook.job("helper()")
    assert ran.code == EXIT_SETUP
    assert "the notebook has 3.9" in ran.stderr
    assert notebook.job("data").result == [1]


@pytest.mark.parametrize("cell", ["pickle.loads(data)", "exec('from __main__ ' + 'import Net')"])
def test_error_names_the_name_that_only_the_notebook_has(notebook: Notebook, cell: str) -> None:
    notebook.run("class Net: pass\nimport pickle\ndata = b'c__main__\\nNet\\n.'")
    ran = notebook.job(cell)
    assert ran.error["type"] == "NameError"
    assert "Net is defined in the notebook and was not sent" in ran.error["message"]
    assert "To send it, write Net on a line of its own" in ran.error["message"]


def test_error_about_missing_names_mentions_the_function(notebook: Notebook) -> None:
    notebook.run("class Net: pass\nimport sys\ndef train(): return sys.modules['__main__'].Net")
    ran = launch([sys.executable, str(notebook.put(capture_function(notebook.names["train"])))], notebook.folder)
    assert "the function does not name it. To send it, write Net on a line of its own" in ran.error["message"]
    assert "cell" not in ran.error["message"]


def test_names_imported_from_main_exist(notebook: Notebook) -> None:
    notebook.run(
        "class Net:\n    rate = 3\ndef helper(): return Net.rate\ndef timed():\n    import timeit\n"
        "    return timeit.timeit('helper()', setup='from __main__ import helper', number=1) > 0"
    )
    cell = "from __main__ import helper\nimport __main__\nhelper(), __main__.Net.rate, timed()"
    assert notebook.job(cell).result == (3, 3, True)


def test_submodules_imported_by_the_notebook_exist(notebook: Notebook) -> None:
    notebook.run(
        "import concurrent.futures, logging.handlers, xml.dom.minidom as dom, xml as x, xml.etree.ElementTree\n"
        "def names(): return [part for part in [lambda: x.etree.ElementTree.Element('a').tag]]\n"
        "class Log:\n    def handler(self): return logging.handlers.MemoryHandler(1).capacity"
    )
    cell = """
class Here:
    kind = concurrent.futures.ThreadPoolExecutor.__name__
(Here.kind, [name() for name in names()], Log().handler(), dom.parseString("<b/>").documentElement.tagName)
"""
    assert notebook.job(cell).result == ("ThreadPoolExecutor", ["a"], 1, "b")
