"""Creating a TrainJob with its Secrets and files: refusals, lost answers, cancellation and cleanup."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from itertools import count
from typing import Any, cast

import pytest

from jupyter_trainjob import errors
from jupyter_trainjob.api.resources import SECRETS, TRAINJOBS, KubeObject, Resource
from jupyter_trainjob.client.context import Connection
from jupyter_trainjob.client.creation import submission_steps
from jupyter_trainjob.client.creation.create import create_job
from jupyter_trainjob.kube.client import Client
from tests.waiting import wait_for

NAME = "a-12345"
JOB: KubeObject = {"metadata": {"name": NAME, "namespace": "default"}, "spec": {}}
SECRET: KubeObject = {"metadata": {"name": f"{NAME}-bundle", "namespace": "default"}}


class Files:
    """Files of the job."""

    def __init__(self) -> None:
        self.written = False
        self.removed = False

    def write_files(self) -> None:
        self.written = True

    def remove_files(self) -> None:
        self.written, self.removed = False, True


class Server:
    """An API server whose answers to requests for TrainJobs are given in advance."""

    def __init__(self, *answers: Exception | None, lost: bool = False) -> None:
        self.objects: dict[tuple[Resource, str], KubeObject] = {}
        self.on_trainjob: Callable[[], object] = lambda: None
        """Called after the TrainJob was stored."""
        self._answers = [*answers]
        self._lost = lost

    def create(self, resource: Resource, obj: KubeObject) -> KubeObject:
        key = resource, obj["metadata"]["name"]
        if key in self.objects:
            raise errors.AlreadyExists(409, "AlreadyExists", "already exists")
        answer = self._answers.pop(0) if resource is TRAINJOBS and self._answers else None
        stored = {**obj, "metadata": {**obj["metadata"], "uid": "u"}, "apiVersion": "v1", "kind": resource.kind}
        if answer is None or self._lost:
            self.objects[key] = stored
        if resource is TRAINJOBS:
            self.on_trainjob()
        if answer is not None:
            raise answer
        return stored

    def find(self, resource: Resource, name: str, **_: Any) -> KubeObject | None:
        return self.objects.get((resource, name))

    def delete(self, resource: Resource, name: str, **_: Any) -> None:
        del self.objects[resource, name]

    def patch(self, *_: Any, **__: Any) -> None: ...

    def list(self, *_: Any, **__: Any) -> Any:
        raise errors.ClusterError("not asked here")


def send(server: Server, files: Files) -> KubeObject:
    connection = Connection("c", cast("Client", server), "default")
    return create_job(connection, JOB, secrets=[SECRET], files=files, again=(0.0, 0.0))


def test_invalid_job_is_rejected_before_any_request() -> None:
    server = Server()
    job = {**JOB, "spec": {"trainer": {"numNodes": -2}}}
    with pytest.raises(errors.UsageError, match=r"a-12345 could never run: spec\.trainer\.numNodes is -2; it must be"):
        create_job(Connection("c", cast("Client", server), "default"), job, secrets=[SECRET])
    assert server.objects == {}


@pytest.mark.parametrize("error", [errors.ClusterError("timed out"), errors.ServerError(504, "Timeout", "late")])
def test_created_job_is_found_after_a_lost_answer(error: Exception) -> None:
    server, files = Server(error, lost=True), Files()
    assert send(server, files)["metadata"]["name"] == NAME
    assert files.written
    assert server.find(SECRETS, f"{NAME}-bundle")


def test_creation_is_retried_after_a_connection_error() -> None:
    server, files = Server(errors.ClusterError("ended"), errors.ClusterError("ended")), Files()
    assert send(server, files)["metadata"]["name"] == NAME
    assert files.written


def test_unknown_outcome_keeps_all_objects_and_raises() -> None:
    server, files = Server(*[errors.ClusterError("timed out")] * 3), Files()
    with pytest.raises(errors.ClusterError, match=f"It is unknown whether {NAME} was created"):
        send(server, files)
    assert files.written
    assert server.find(SECRETS, f"{NAME}-bundle")


def test_rejected_job_leaves_no_objects_and_files() -> None:
    server, files = Server(errors.Invalid(422, "Invalid", "no")), Files()
    with pytest.raises(errors.Invalid):
        send(server, files)
    assert files.removed
    assert not server.objects


@pytest.mark.parametrize("resource", [TRAINJOBS, SECRETS])
def test_objects_of_another_job_with_the_same_name_are_kept(resource: Resource) -> None:
    server, files = Server(), Files()
    name = NAME if resource is TRAINJOBS else f"{NAME}-bundle"
    server.create(resource, {"metadata": {"name": name}})
    with pytest.raises(errors.TrainJobError):
        send(server, files)
    assert not files.removed
    assert list(server.objects) == [(resource, name)]


@pytest.mark.parametrize("steps", range(4))
def test_job_cancelled_between_two_requests_leaves_no_objects_and_files(steps: int) -> None:
    server, files, checks = Server(), Files(), count()
    connection = Connection("c", cast("Client", server), "default")
    with pytest.raises(submission_steps.Cancelled):
        create_job(connection, JOB, secrets=[SECRET], files=files, cancelled=lambda: next(checks) >= steps)
    assert not files.written
    assert not server.objects


def test_ctrl_c_during_creation_removes_the_job() -> None:
    server, files = Server(), Files()
    connection = Connection("c", cast("Client", server), "default")

    def create(cancelled: Callable[[], bool]) -> KubeObject:
        def interrupt() -> None:
            os.kill(os.getpid(), signal.SIGINT)
            wait_for(cancelled)

        server.on_trainjob = interrupt
        return create_job(connection, JOB, secrets=[SECRET], files=files, cancelled=cancelled)

    with pytest.raises(submission_steps.NotSent, match="nothing was sent"):
        submission_steps.cancellable(create)
    assert not files.written
    assert not server.objects


def test_error_during_cleanup_does_not_hide_the_first_error(monkeypatch: pytest.MonkeyPatch) -> None:
    server, files = Server(errors.Invalid(422, "Invalid", "no")), Files()

    def fail() -> None:
        raise ImportError("no s3fs")

    monkeypatch.setattr(files, "remove_files", fail)
    with pytest.raises(errors.Invalid):
        send(server, files)
