"""The notebook and the cell that sent a job."""

from __future__ import annotations

from pathlib import Path

import pytest

from jupyter_trainjob.server import cell_origin


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "train.ipynb").write_text("{}")
    (tmp_path / "other.ipynb").write_text("{}")
    (tmp_path / "link").symlink_to(folder)
    return folder


@pytest.mark.parametrize(
    ("recorded", "path"),
    [
        pytest.param("root/deep/train.ipynb", "deep/train.ipynb", id="a notebook below the server's folder"),
        pytest.param("link/deep/train.ipynb", "deep/train.ipynb", id="a symbolic link to the notebook"),
        pytest.param("root/gone.ipynb", "", id="a deleted notebook"),
        pytest.param("other.ipynb", "", id="a notebook outside the root"),
        pytest.param("root/../other.ipynb", "", id="a path that leaves the root"),
    ],
)
def test_notebook_path_is_relative_to_the_root_folder(root: Path, recorded: str, path: str) -> None:
    origin = cell_origin.origin_json(
        {"notebook": f"{root.parent}/{recorded}", "cell": {"source": "train()"}}, root=root
    )
    assert (origin["notebook"], origin["source"], bool(origin["why"])) == (path, "train()", path == "")


def test_job_without_a_record_has_no_notebook(root: Path) -> None:
    assert cell_origin.origin_json({}, root=root) == {"notebook": "", "source": "", "why": cell_origin.UNKNOWN}


def test_server_without_a_root_folder_has_no_path(root: Path) -> None:
    assert cell_origin.relative_path(root / "deep" / "train.ipynb", None) == ""
