from __future__ import annotations

import json
from pathlib import Path

import pytest

from jupyter_trainjob import errors
from jupyter_trainjob.cluster.state.cluster_settings import FILE_NAME, Settings, load_settings


def test_defaults() -> None:
    assert load_settings(environ={}, folders=[]) == Settings(keep_days=14, keep_gib=10, idle_minutes=30, fork_servers=3)


def test_environment_overrides_user_file_overrides_system_file(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("missing", "user", "system")]
    for folder, content in zip(
        folders[1:], ({"keep_gib": 2, "idle_minutes": 5}, {"keep_gib": 3, "keep_days": 7}), strict=True
    ):
        folder.mkdir()
        (folder / FILE_NAME).write_text(json.dumps(content))
    settings = load_settings(environ={"TRAINJOB_IDLE_MINUTES": "0.5", "TRAINJOB_KEEP_DAYS": ""}, folders=folders)
    assert (settings.idle_minutes, settings.keep_gib, settings.keep_days) == (0.5, 2, 7)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param('{"keep_days": "soon"}', "keep_days in", id="text"),
        pytest.param('{"keep_days": true}', "keep_days in", id="a boolean"),
        pytest.param('{"keep_days": -1}', "0 or more", id="a negative number"),
        pytest.param('{"keep_gib": Infinity}', "0 or more", id="infinity"),
        pytest.param('{"keep": 1}', "the settings are keep_days", id="an unknown setting"),
        pytest.param("[1]", "is not an object", id="a list"),
        pytest.param("{", "not JSON", id="truncated JSON"),
    ],
)
def test_invalid_file_is_a_usage_error_naming_the_file(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / FILE_NAME).write_text(content)
    with pytest.raises(errors.UsageError, match=message) as caught:
        load_settings(environ={}, folders=[tmp_path])
    assert str(tmp_path / FILE_NAME) in str(caught.value)


def test_invalid_environment_variable_is_named() -> None:
    with pytest.raises(errors.UsageError, match="TRAINJOB_KEEP_GIB is 'much'"):
        load_settings(environ={"TRAINJOB_KEEP_GIB": "much"}, folders=[])
