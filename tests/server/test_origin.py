"""Where a job was sent from, as a page can open it."""

from __future__ import annotations

from pathlib import Path

import pytest

from jupyter_trainjob.server import origin


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "train.ipynb").write_text("{}")
    (tmp_path / "other.ipynb").write_text("{}")
    (tmp_path / "link").symlink_to(folder)
    return folder


@pytest.mark.parametrize(
    ("named", "path"),
    [
        pytest.param("root/deep/train.ipynb", "deep/train.ipynb", id="a notebook below the server's folder"),
        pytest.param("link/deep/train.ipynb", "deep/train.ipynb", id="one that is reached by another way"),
        pytest.param("root/gone.ipynb", "", id="one that is gone"),
        pytest.param("other.ipynb", "", id="one that lies elsewhere"),
        pytest.param("root/../other.ipynb", "", id="one that pretends to lie there"),
    ],
)
def test_the_notebook_is_named_as_the_server_calls_it(root: Path, named: str, path: str) -> None:
    said = origin.placed({"notebook": f"{root.parent}/{named}", "cell": {"source": "train()"}}, root=root)
    assert (said["notebook"], said["source"], bool(said["why"])) == (path, "train()", path == "")


def test_a_job_that_no_notebook_sent_says_so(root: Path) -> None:
    assert origin.placed({}, root=root) == {"notebook": "", "source": "", "why": origin.UNKNOWN}


def test_a_server_without_a_folder_shows_none(root: Path) -> None:
    assert origin.below(root / "deep" / "train.ipynb", None) == ""
