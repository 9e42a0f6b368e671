from __future__ import annotations

from typing import Any

import pytest

from jupyter_trainjob.client.options import Options, identifier
from jupyter_trainjob.errors import UsageError

WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "no nodes": ({"nodes": 0}, "nodes must be a whole number of at least 1"),
    "a truth value for a number": ({"nodes": True}, "nodes"),
    "less than no GPU": ({"gpus": -1}, "gpus must be a whole number of at least 0"),
    "half a GPU": ({"gpus": 0.5}, "gpus"),
    "no process": ({"procs_per_node": 0}, "procs_per_node must be"),
    "less than no retry": ({"retries": -1}, "retries must be"),
    "an amount of memory without unit": ({"memory": "4"}, "write 4Gi"),
    "no CPU": ({"cpus": 0}, "cpus must be"),
    "a deadline without unit": ({"deadline": "90"}, "90m or 90s"),
    "an empty image": ({"image": ""}, "docker pull"),
    "an image with a space": ({"image": "torch :1"}, "docker pull"),
    "a variable with an equals sign": ({"env": {"A=B": "1"}}, "environment variable"),
}


@pytest.mark.parametrize(("wishes", "words"), WRONG.values(), ids=WRONG)
def test_a_wish_that_cannot_be_meant_is_refused_when_it_is_said(wishes: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        Options(**wishes)


@pytest.mark.parametrize(
    ("text", "name"),
    [("train-me", "train_me"), ("8th", "job_8th"), ("class", "class_"), ("ü", "job"), ("", "job")],
)
def test_any_text_has_a_nearest_name(text: str, name: str) -> None:
    assert identifier(text) == name
    Options(name=name)
