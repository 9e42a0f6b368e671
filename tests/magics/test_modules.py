"""Modules next to the notebook and files are sent with a job in their current state."""

from __future__ import annotations

import sys
import traceback
from pathlib import Path

import pytest
from IPython.core.error import UsageError

from jupyter_trainjob.cluster.state.state_dir import StateDir
from tests.magics.conftest import Shell
from tests.waiting import patience

pytestmark = pytest.mark.timeout(120)

HELPER = """
from pathlib import Path

class Box:
    def __init__(self, value):
        self.value = value

def greeting():
    return Path(__file__).with_name("words.txt").read_text()

def fails():
    raise ValueError("in the module")
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the notebook's folder, which contains a package."""
    (tmp_path / "own_helpers").mkdir()
    (tmp_path / "own_helpers" / "__init__.py").write_text(HELPER)
    (tmp_path / "own_helpers" / "words.txt").write_text("hello")
    (tmp_path / "table.csv").write_text("1,2")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "own_helpers", raising=False)
    return tmp_path


@pytest.mark.journey
def test_package_is_sent_with_its_data_in_its_state_at_submission(
    cluster: StateDir, shell: Shell, project: Path
) -> None:
    shell.run("import own_helpers\nfrom own_helpers import Box, greeting")
    shell.run("%%trainjob first --runtime plain\n(greeting(), Box(3), own_helpers.__file__)")
    (project / "own_helpers" / "words.txt").write_text("changed")
    text, box, path = shell.names["first"].result(timeout=patience(60))
    assert (text, type(box), box.value) == ("hello", shell.names["Box"], 3)
    assert not path.startswith(str(project))
    again = shell.names["first"].rerun()
    assert again.result(timeout=patience(60))[0] == "hello"


def test_module_imported_by_the_cell_only_is_sent(cluster: StateDir, shell: Shell, project: Path) -> None:
    shell.run("%%trainjob only --runtime plain --file table.csv\nfrom own_helpers import greeting\ngreeting()")
    assert shell.names["only"].result(timeout=patience(60)) == "hello"


def test_traceback_shows_lines_of_a_sent_module(cluster: StateDir, shell: Shell, project: Path) -> None:
    shell.run("%%trainjob bad --runtime plain\nimport own_helpers\nown_helpers.fails()")
    with pytest.raises(ValueError, match="in the module") as raised:
        shell.names["bad"].result(timeout=patience(60))
    last = traceback.extract_tb(raised.value.__traceback__)[-1]
    assert (last.filename, last.lineno) == ("own_helpers/__init__.py", 12)
    assert last.line == 'raise ValueError("in the module")'


def test_working_folder_of_a_job_has_the_sent_files_only(cluster: StateDir, shell: Shell, project: Path) -> None:
    shell.run("import os")
    cell = "sorted(os.listdir()), open('table.csv').read(), os.listdir('own_helpers')"
    shell.run(f"%%trainjob own --runtime plain --file table.csv --file own_helpers/words.txt\n{cell}")
    assert shell.names["own"].result(timeout=patience(60)) == (["own_helpers", "table.csv"], "1,2", ["words.txt"])


def test_unsent_file_is_named_with_a_remedy(cluster: StateDir, shell: Shell, project: Path) -> None:
    with pytest.raises(UsageError, match=r"names table\.csv, which would be missing.*--file table\.csv"):
        shell.run("%%trainjob lost --runtime plain --file own_helpers\nopen('table.csv').read()")
    shell.run("def rows():\n    return open('table.csv').read()")
    with pytest.raises(UsageError, match=r"names table\.csv, which would be missing"):
        shell.run("%%trainjob lost --runtime plain --file own_helpers\nrows()")
    shell.run("%%trainjob found --runtime plain\nopen('table.csv').read()")
    assert shell.names["found"].result(timeout=patience(60)) == "1,2"


def test_dry_run_lists_modules_and_files(
    cluster: StateDir, shell: Shell, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shell.run("import numpy as np, own_helpers")
    shell.run("%%trainjob --dry-run --file table.csv\n(np.zeros(1), own_helpers.greeting())")
    output = capsys.readouterr().out
    assert "module own_helpers: 2 file(s)" in output
    assert "file table.csv: 3 B" in output
    assert "by name, where it runs: numpy " in output
