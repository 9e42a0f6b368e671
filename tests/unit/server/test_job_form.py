"""The messages of the form of a new job, which has labels in place of flags."""

from __future__ import annotations

from typing import cast

import pytest

from jupyter_trainjob.client.context import Connection
from jupyter_trainjob.client.spec import runtimes
from jupyter_trainjob.constants import EMBEDDED_CONTEXT
from jupyter_trainjob.kube.client import Client
from jupyter_trainjob.server import job_form

PROBLEMS = {
    "no number": ("nodes", "many", "Write a whole number, such as 2."),
    "a name of a variable": ("out", "1a", "Names to bring back 1a: '1a' is not a variable name."),
    "a name of a job": ("name", "ünï", "identifier of ASCII letters, digits and underscores, such as 'uni'."),
}


@pytest.fixture(autouse=True)
def _embedded(monkeypatch: pytest.MonkeyPatch) -> None:
    connection = Connection(EMBEDDED_CONTEXT, cast("Client", None), "default")
    monkeypatch.setattr(job_form, "connect_without_starting", lambda _: connection)
    monkeypatch.setattr(runtimes, "find_runtime", lambda *_: {})


@pytest.mark.parametrize(("field", "typed", "message"), PROBLEMS.values(), ids=PROBLEMS)
def test_problem_of_a_field(field: str, typed: str, message: str) -> None:
    (problem,) = job_form.draft_line({field: typed}, context=None, namespace=None)["problems"]
    assert problem["field"] == field
    assert message in problem["text"]


def test_job_that_does_not_fit() -> None:
    drafted = job_form.draft_line({"nodes": "300"}, context=None, namespace=None)
    assert drafted["fit"].endswith("Ask for fewer, or choose another cluster above.")
    assert drafted["line"] == "%%trainjob --nodes 300"
