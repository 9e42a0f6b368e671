"""Validation of job options, and names of jobs."""

from __future__ import annotations

from typing import Any, cast

import pytest

from jupyter_trainjob.client.context import Connection
from jupyter_trainjob.client.spec.assemble import size_trainer
from jupyter_trainjob.client.spec.job_names import nearest_name
from jupyter_trainjob.client.spec.options import JobOptions, job_options
from jupyter_trainjob.constants import EMBEDDED_CONTEXT
from jupyter_trainjob.errors import UsageError
from jupyter_trainjob.kube.client import Client

WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "no nodes": ({"nodes": 0}, "nodes must be a whole number of at least 1"),
    "more nodes than a Job has pods": ({"nodes": 10**6}, "1,000,000 nodes are too many: .* at most 100,000 pods"),
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
    "a variable that is a number": ({"env": {"D": 3}}, "write 'D': '3'"),
    "a list of variables": ({"env": ["A=1"]}, "env must be a mapping"),
    "a variable that each rank has": ({"env": {"RANK": "7"}}, "each rank has a RANK of its own"),
    "one text for files": ({"files": "nope.txt"}, r"files must be a list, such as \['nope.txt'\]"),
    "one text for names": ({"out": "weights"}, "out must be a list"),
    "a variable with an equals sign": ({"env": {"A=B": "1"}}, "environment variable"),
}


@pytest.mark.parametrize(("options", "message"), WRONG.values(), ids=WRONG)
def test_invalid_option_is_rejected_on_construction(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        job_options(**options)


@pytest.mark.parametrize(
    ("text", "name"),
    [("train-me", "train_me"), ("8th", "job_8th"), ("class", "class_"), ("ünï", "uni"), ("数", "job"), ("", "job")],
)
def test_nearest_name(text: str, name: str) -> None:
    assert nearest_name(text) == name
    job_options(name=name)


TOO_MUCH_HERE = {
    "nodes": (job_options(nodes=251), "251 nodes are too many for this computer, which runs at most 250"),
    "processes": (job_options(procs_per_node=10**6), "1,000,000 ranks are too many for this computer"),
}


@pytest.mark.parametrize(("options", "message"), TOO_MUCH_HERE.values(), ids=TOO_MUCH_HERE)
def test_job_too_large_for_the_computer_is_rejected_before_any_request(options: JobOptions, message: str) -> None:
    connection = Connection(EMBEDDED_CONTEXT, cast("Client", None), "default")
    with pytest.raises(UsageError, match=message):
        size_trainer(connection, options, {})
