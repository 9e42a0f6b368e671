from __future__ import annotations

import json
from pathlib import Path

import pytest

from jupyter_trainjob import errors
from jupyter_trainjob.cluster.settings import FILE, Settings, load


def test_nothing_set_means_two_weeks_ten_gibibytes_and_half_an_hour() -> None:
    assert load(environ={}, folders=[]) == Settings(keep_days=14, keep_gib=10, idle_minutes=30, fork_servers=3)


def test_the_environment_counts_before_the_user_and_the_user_before_the_system(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("missing", "user", "system")]
    for folder, content in zip(
        folders[1:], ({"keep_gib": 2, "idle_minutes": 5}, {"keep_gib": 3, "keep_days": 7}), strict=True
    ):
        folder.mkdir()
        (folder / FILE).write_text(json.dumps(content))
    found = load(environ={"TRAINJOB_IDLE_MINUTES": "0.5", "TRAINJOB_KEEP_DAYS": ""}, folders=folders)
    assert (found.idle_minutes, found.keep_gib, found.keep_days) == (0.5, 2, 7)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param('{"keep_days": "soon"}', "keep_days in", id="a word for a number"),
        pytest.param('{"keep_days": true}', "keep_days in", id="a truth for a number"),
        pytest.param('{"keep_days": -1}', "0 or more", id="a negative number"),
        pytest.param('{"keep_gib": Infinity}', "0 or more", id="no number that ends"),
        pytest.param('{"keep": 1}', "the settings are keep_days", id="an unknown setting"),
        pytest.param("[1]", "is not an object", id="a list"),
        pytest.param("{", "not JSON", id="half a file"),
    ],
)
def test_a_mistake_in_the_file_is_named_with_its_place(tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / FILE).write_text(content)
    with pytest.raises(errors.UsageError, match=said) as caught:
        load(environ={}, folders=[tmp_path])
    assert str(tmp_path / FILE) in str(caught.value)


def test_a_mistake_in_the_environment_names_the_variable() -> None:
    with pytest.raises(errors.UsageError, match="TRAINJOB_KEEP_GIB is 'much'"):
        load(environ={"TRAINJOB_KEEP_GIB": "much"}, folders=[])
