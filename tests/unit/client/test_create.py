"""What goes again, and what stays, when a job cannot be created, or may have been."""

from __future__ import annotations

from typing import Any, cast

import pytest

from jupyter_trainjob import errors
from jupyter_trainjob.api.resources import SECRETS, TRAINJOBS, Object, Resource
from jupyter_trainjob.client.context import Connection
from jupyter_trainjob.client.create import create
from jupyter_trainjob.kube.client import Client

NAME = "a-12345"
JOB: Object = {"metadata": {"name": NAME, "namespace": "default"}, "spec": {}}
SECRET: Object = {"metadata": {"name": f"{NAME}-bundle", "namespace": "default"}}


class Files:
    """Files of the job."""

    def __init__(self) -> None:
        self.there = False
        self.removed = False

    def write_files(self) -> None:
        self.there = True

    def remove_files(self) -> None:
        self.there, self.removed = False, True


class Server:
    """An API server that answers a request for a TrainJob as told."""

    def __init__(self, *answers: Exception | None, lost: bool = False) -> None:
        self.objects: dict[tuple[Resource, str], Object] = {}
        self._answers = [*answers]
        self._lost = lost

    def create(self, resource: Resource, obj: Object) -> Object:
        place = resource, obj["metadata"]["name"]
        if place in self.objects:
            raise errors.AlreadyExists(409, "AlreadyExists", "already exists")
        answer = self._answers.pop(0) if resource is TRAINJOBS and self._answers else None
        stored = {**obj, "metadata": {**obj["metadata"], "uid": "u"}, "apiVersion": "v1", "kind": resource.kind}
        if answer is None or self._lost:
            self.objects[place] = stored
        if answer is not None:
            raise answer
        return stored

    def find(self, resource: Resource, name: str, **_: Any) -> Object | None:
        return self.objects.get((resource, name))

    def delete(self, resource: Resource, name: str, **_: Any) -> None:
        del self.objects[resource, name]

    def patch(self, *_: Any, **__: Any) -> None: ...

    def list(self, *_: Any, **__: Any) -> Any:
        raise errors.ClusterError("not asked here")


def send(server: Server, files: Files) -> Object:
    connection = Connection("c", cast("Client", server), "default")
    return create(connection, JOB, secrets=[SECRET], files=files, again=(0.0, 0.0))


@pytest.mark.parametrize("error", [errors.ClusterError("timed out"), errors.ServerError(504, "Timeout", "late")])
def test_a_job_that_was_created_although_no_answer_came_goes_on(error: Exception) -> None:
    server, files = Server(error, lost=True), Files()
    assert send(server, files)["metadata"]["name"] == NAME
    assert files.there
    assert server.find(SECRETS, f"{NAME}-bundle")


def test_a_job_that_was_not_created_is_sent_once_more() -> None:
    server, files = Server(errors.ClusterError("ended"), errors.ClusterError("ended")), Files()
    assert send(server, files)["metadata"]["name"] == NAME
    assert files.there


def test_where_no_answer_ever_comes_everything_stays_and_it_says_so() -> None:
    server, files = Server(*[errors.ClusterError("timed out")] * 3), Files()
    with pytest.raises(errors.ClusterError, match=f"Whether {NAME} was created cannot be told"):
        send(server, files)
    assert files.there
    assert server.find(SECRETS, f"{NAME}-bundle")


def test_a_job_that_is_refused_leaves_nothing() -> None:
    server, files = Server(errors.Invalid(422, "Invalid", "no")), Files()
    with pytest.raises(errors.Invalid):
        send(server, files)
    assert files.removed
    assert not server.objects


@pytest.mark.parametrize("resource", [TRAINJOBS, SECRETS])
def test_what_another_job_of_that_name_has_stays(resource: Resource) -> None:
    server, files = Server(), Files()
    name = NAME if resource is TRAINJOBS else f"{NAME}-bundle"
    server.create(resource, {"metadata": {"name": name}})
    with pytest.raises(errors.TrainJobError):
        send(server, files)
    assert not files.removed
    assert list(server.objects) == [(resource, name)]


def test_what_goes_wrong_on_the_way_back_does_not_hide_the_first_error(monkeypatch: pytest.MonkeyPatch) -> None:
    server, files = Server(errors.Invalid(422, "Invalid", "no")), Files()

    def fail() -> None:
        raise ImportError("no s3fs")

    monkeypatch.setattr(files, "remove_files", fail)
    with pytest.raises(errors.Invalid):
        send(server, files)
