"""Generated valid, unusual and invalid objects of every served kind get equal responses from both servers."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jupyter_trainjob.api.resources import ALL, EVENTS, KubeObject, Resource

from . import generated
from .pair import Pair, Reply, object_of

KINDS = [pytest.param(resource, id=resource.kind) for resource in ALL]
SETTINGS = settings(
    max_examples=40,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def answers(both: Pair, resource: Resource, obj: KubeObject) -> tuple[Reply, Reply]:
    about = obj.get("involvedObject")
    if resource == EVENTS and isinstance(about, dict):
        obj = {**obj, "involvedObject": {"namespace": both.namespace, **about}}
    path = resource.path(both.namespace if resource.namespaced else None)
    return both.send("POST", path, obj, query={"dryRun": "All"})


def refused_by_webhook(reply: Reply) -> bool:
    """Return whether a webhook that the real server lacks rejects the object."""
    return reply.status == 403 and str(reply.body.get("message")).startswith("admission webhook")


@pytest.mark.parametrize("resource", KINDS)
def test_valid_object_of_each_kind_is_accepted(both: Pair, resource: Resource) -> None:
    embedded, real = answers(both, resource, object_of(resource, generated.VALID[resource]))
    assert (embedded.status, real.status) == (201, 201), (embedded.body, real.body)


@pytest.mark.parametrize("resource", KINDS)
@SETTINGS
@given(data=st.data())
def test_both_servers_reject_the_same_misshapen_objects(both: Pair, resource: Resource, data: st.DataObject) -> None:
    obj = data.draw(generated.misshapen(resource))
    embedded, real = answers(both, resource, obj)
    if not refused_by_webhook(embedded):
        assert embedded.fields == real.fields
        assert embedded.warnings == real.warnings


@pytest.mark.parametrize("resource", KINDS)
@SETTINGS
@given(data=st.data())
def test_both_servers_treat_unusual_objects_equally(both: Pair, resource: Resource, data: st.DataObject) -> None:
    obj = data.draw(generated.odd(resource))
    embedded, real = answers(both, resource, obj)
    if not refused_by_webhook(embedded):
        assert embedded.fields == real.fields
