"""Lookup of a job by its name, a notebook variable, or the start of its name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from jupyter_trainjob import errors, get
from jupyter_trainjob.api.resources import TRAINJOBS
from jupyter_trainjob.client import context
from jupyter_trainjob.client.context import Connection
from jupyter_trainjob.client.job_lookup import find_job, find_job_to_change, newest_first
from jupyter_trainjob.cluster.apiserver.request_handler import ApiServer
from jupyter_trainjob.cluster.store.object_store import Store
from jupyter_trainjob.constants import STATE_DIR_ENV
from jupyter_trainjob.kube.client import Client

CLUSTER = "test"


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    """Return a client of the cluster `CLUSTER`."""
    monkeypatch.setenv(STATE_DIR_ENV, str(tmp_path))
    store = Store(tmp_path / "store.db")
    connection = Connection(CLUSTER, Client(ApiServer(store, version="0.0.0")), "default")
    monkeypatch.setitem(context._connections, CLUSTER, connection)
    yield connection.client
    connection.history.close()
    store.close()


def create(client: Client, *names: str) -> None:
    for name in names:
        spec = {"runtimeRef": {"name": "plain"}, "trainer": {"numNodes": 1}}
        client.create(TRAINJOBS, {"metadata": {"name": name}, "spec": spec}, namespace="default")


def complete(client: Client, name: str) -> None:
    condition = {"type": "Complete", "status": "True", "reason": "x", "message": "y"}
    status = {"conditions": [{**condition, "lastTransitionTime": "2026-01-01T00:00:00Z"}]}
    client.patch(TRAINJOBS, name, {"status": status}, namespace="default", subresource="status")


def test_job_of_a_variable_is_preferred_to_a_longer_variable(client: Client) -> None:
    create(client, "q-bd6ks", "q2-x7k2p", "q-two-8w2lp")
    assert get("q", context=CLUSTER).name == "q-bd6ks"
    assert find_job_to_change("delete", "q", context=CLUSTER).name == "q-bd6ks"
    assert find_job("q_two", context=CLUSTER).name == "q-two-8w2lp"


def test_jobs_of_one_second_are_sorted_by_name() -> None:
    created = {"b": "2026-01-01T00:00:00Z", "c": "2026-01-01T00:00:01Z", "a": "2026-01-01T00:00:00Z"}
    jobs = [{"metadata": {"name": name, "creationTimestamp": time}} for name, time in created.items()]
    assert [job["metadata"]["name"] for job in newest_first(jobs)] == ["c", "a", "b"]


def test_ambiguous_name_is_refused_for_a_change(client: Client) -> None:
    create(client, "d-d9qmk", "digits-rcmlf", "dog-zzzzz")
    assert find_job_to_change("delete", "di", context=CLUSTER).name == "digits-rcmlf"
    assert find_job_to_change("delete", "d", context=CLUSTER).name == "d-d9qmk"
    create(client, "d-aaaaa")
    with pytest.raises(errors.UsageError, match=r"'d' can mean 2 jobs. Available: d-\w+, d-\w+. Write the full name"):
        find_job_to_change("delete", "d", context=CLUSTER)
    assert find_job_to_change("delete", "d-aaaaa", context=CLUSTER).name == "d-aaaaa"


def test_only_jobs_to_which_the_change_applies_count(client: Client) -> None:
    create(client, "long-7gndk", "long-qfnc9")
    complete(client, "long-7gndk")
    job = find_job_to_change("stop", "long", context=CLUSTER)
    assert job.name == "long-qfnc9"
    with pytest.raises(errors.UsageError, match="can mean 2 jobs"):
        find_job_to_change("resume", "long", context=CLUSTER)
