"""The same request gets the same response from the embedded server and a real one."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import pytest

from jupyter_trainjob.api.resources import (
    CONFIGMAPS,
    JOBS,
    PERSISTENTVOLUMECLAIMS,
    PODS,
    PRIORITYCLASSES,
    SECRETS,
    SERVICES,
    TRAINJOBS,
    KubeObject,
    Resource,
)
from jupyter_trainjob.kube.client import MERGE_PATCH

from .pair import Pair, object_of
from .server import JSON_PATCH, job, pod, trainjob

STRATEGIC = "application/strategic-merge-patch+json"


class Ask(NamedTuple):
    """One request about an object of the test's namespace."""

    says: str
    resource: Resource
    body: Any = None
    method: str = "POST"
    name: str | None = None
    query: Mapping[str, str] = MappingProxyType({})
    content_type: str = "application/json"
    own_words: bool = False
    """Whether the message of the refusal is ours."""


def training(name: str = "t", **spec: Any) -> KubeObject:
    return object_of(TRAINJOBS, trainjob(name, **spec))


def named(name: str = "a", **more: Any) -> KubeObject:
    """Return an object with a name; `metadata` is added to it."""
    return {**more, "metadata": {"name": name, **more.get("metadata", {})}}


def pod_with(**container: Any) -> KubeObject:
    return {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "m", "image": "x", **container}]}}


def variable(field: str) -> KubeObject:
    return pod_with(env=[{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": field}}}])


def amounts(**limits: Any) -> KubeObject:
    return {"resourcesPerNode": {"limits": limits}}


def patched(says: str, resource: Resource, patch: Any, content_type: str = MERGE_PATCH, **more: Any) -> Ask:
    return Ask(says, resource, patch, "PATCH", "there", content_type=content_type, **more)


def listed(says: str, query: dict[str, str], resource: Resource = TRAINJOBS, **more: Any) -> Ask:
    return Ask(says, resource, None, "GET", query=query, **more)


ASKS = [
    # Kinds and names
    Ask("a core object says neither kind nor version", CONFIGMAPS, named(data={"a": "b"})),
    Ask("a Job says neither", JOBS, job("j")),
    Ask("a TrainJob must say its kind", TRAINJOBS, trainjob("t")),
    Ask("and its version", TRAINJOBS, {**trainjob("t"), "kind": "TrainJob"}),
    Ask("another kind", CONFIGMAPS, named(kind="Secret", apiVersion="v1")),
    Ask("another version", CONFIGMAPS, named(kind="ConfigMap", apiVersion="v2")),
    Ask("a kind that is a number", CONFIGMAPS, named(kind=3)),
    Ask("a ConfigMap without a name", CONFIGMAPS, {}),
    Ask("a TrainJob without a name", TRAINJOBS, {**training(), "metadata": {}}),
    Ask("a TrainJob without metadata", TRAINJOBS, {**training(), "metadata": None}),
    Ask("metadata that is text", TRAINJOBS, {**training(), "metadata": "x"}),
    Ask("metadata of a ConfigMap that is text", CONFIGMAPS, {"metadata": "x"}),
    Ask("text that ends too early", TRAINJOBS, b"{"),
    Ask("no text at all", CONFIGMAPS, b""),
    # Numbers and quantities
    Ask("numNodes 2.0 is a whole number", TRAINJOBS, training(trainer={"numNodes": 2.0, **amounts(cpu=1.0)})),
    Ask("numNodes 2.5 is none", TRAINJOBS, training(trainer={"numNodes": 2.5}), own_words=True),
    Ask("cpu 0.5 is no amount of a TrainJob", TRAINJOBS, training(trainer=amounts(cpu=0.5)), own_words=True),
    Ask("a Job's parallelism 2.0 is none", JOBS, job("j", parallelism=2.0)),
    Ask("nor is text", JOBS, job("j", parallelism="2")),
    Ask("a number beyond 32 bits", JOBS, job("j", parallelism=1 << 31)),
    Ask("numNodes beyond 32 bits", TRAINJOBS, training(trainer={"numNodes": 1 << 31})),
    Ask("numNodes beyond 64 bits", TRAINJOBS, training(trainer={"numNodes": 1 << 64}), own_words=True),
    Ask("numNodes below 32 bits", TRAINJOBS, training(trainer={"numNodes": -(1 << 31) - 1})),
    Ask("numNodes -2", TRAINJOBS, training(trainer={"numNodes": -2})),
    Ask("an amount that is none", PODS, pod_with(resources={"limits": {"cpu": "many"}})),
    # Nothing
    Ask("null in labels, annotations and data", CONFIGMAPS, named(data={"x": None}, metadata={"labels": {"a": None}})),
    Ask("null in a TrainJob's labels", TRAINJOBS, {**training(), "metadata": {"name": "t", "labels": {"a": None}}}),
    Ask("null in a Secret", SECRETS, named(data={"a": None}, stringData={"b": "x", "c": None})),
    Ask("null for a list and for a map", CONFIGMAPS, named(data=None, metadata={"finalizers": None, "labels": None})),
    Ask("a label that is a number", CONFIGMAPS, named(metadata={"labels": {"a": 1}})),
    Ask("a TrainJob's label that is a number", TRAINJOBS, {**training(), "metadata": {"labels": {"a": 1}}}),
    Ask("annotations beyond 256 KiB", CONFIGMAPS, named(metadata={"annotations": {"a": "y" * (256 << 10)}})),
    # Secrets and ConfigMaps
    patched("a Secret's type is fixed", SECRETS, {"type": "other"}),
    Ask("a TLS Secret has its keys", SECRETS, named(type="kubernetes.io/tls")),
    Ask("a login has a name or a password", SECRETS, named(type="kubernetes.io/basic-auth")),
    Ask(
        "a Docker login is JSON",
        SECRETS,
        named(type="kubernetes.io/dockerconfigjson", data={".dockerconfigjson": "Yg=="}),
        own_words=True,
    ),
    Ask("bytes are base64", SECRETS, named(data={"a": "???"})),
    Ask("to the last byte", SECRETS, named(data={"a": "YQ="})),
    Ask("one key in data and binaryData", CONFIGMAPS, named(data={"a": "b"}, binaryData={"a": "Yg=="})),
    Ask("a key with a slash", CONFIGMAPS, named(data={"a/b": "c"})),
    # Unknown fields
    Ask(
        "unknown fields of metadata, strictly",
        CONFIGMAPS,
        named(metadata={"foo": 1}, bar=2),
        query={"fieldValidation": "Strict"},
    ),
    Ask("unknown fields of a TrainJob, strictly", TRAINJOBS, training(foo=1), query={"fieldValidation": "Strict"}),
    Ask("unknown fields warn", CONFIGMAPS, named(metadata={"foo": 1}, bar=2)),
    Ask("unknown fields of a TrainJob warn", TRAINJOBS, training(foo=1)),
    Ask("unknown fields are ignored", CONFIGMAPS, named(bar=2), query={"fieldValidation": "Ignore"}),
    Ask("a field validation that is not known", CONFIGMAPS, named(), query={"fieldValidation": "Nope"}),
    Ask("a dry run that is not known", CONFIGMAPS, named(), query={"dryRun": "Nope"}),
    patched("a patch with unknown fields warns", TRAINJOBS, {"spec": {"foo": 1}}),
    patched("a patch of a ConfigMap warns", CONFIGMAPS, {"foo": 1}),
    patched("a strategic patch warns", CONFIGMAPS, {"foo": 1}, STRATEGIC),
    patched("a patch is strict", TRAINJOBS, {"spec": {"foo": 1}}, query={"fieldValidation": "Strict"}, own_words=True),
    # Fields of a pod
    Ask("a field that no pod has", PODS, variable("metadata.nope")),
    Ask("a field that no variable can have", PODS, variable("status.phase")),
    Ask("no field", PODS, variable("")),
    # Patches
    patched("a wrong type in a patch", CONFIGMAPS, {"data": 3}, own_words=True),
    patched("a wrong type in a TrainJob's patch", TRAINJOBS, {"spec": 3}),
    patched("a patch that is a list", TRAINJOBS, [1]),
    patched("a patch that is no JSON", TRAINJOBS, b"{"),
    patched("a test that fails", CONFIGMAPS, [{"op": "test", "path": "/data/a", "value": "no"}], JSON_PATCH),
    patched(
        "a member that is not there is replaced",
        CONFIGMAPS,
        [{"op": "replace", "path": "/data/z", "value": "n"}],
        JSON_PATCH,
    ),
    patched("a member that is not there is removed", CONFIGMAPS, [{"op": "remove", "path": "/z"}], JSON_PATCH),
    patched("an operation that is not known", CONFIGMAPS, [{"op": "jump", "path": "/z"}], JSON_PATCH),
    patched("an operation without its name", CONFIGMAPS, [{"path": "/data/q"}], JSON_PATCH),
    patched("an operation that is a number", CONFIGMAPS, [3], JSON_PATCH),
    patched("a name that is a number", CONFIGMAPS, [{"op": 3}], JSON_PATCH),
    patched("operations that are no list", CONFIGMAPS, {"op": "test"}, JSON_PATCH),
    patched("a JSON patch leaves no object", CONFIGMAPS, [{"op": "replace", "path": "", "value": 1}], JSON_PATCH),
    # Lists
    listed("a version that is no number", {"resourceVersion": "abc"}),
    listed("a version of the future", {"resourceVersion": "99999999999"}),
    listed("a match alone", {"resourceVersionMatch": "Exact"}),
    listed("a match that is not known", {"resourceVersionMatch": "Nope", "resourceVersion": "1"}),
    listed("an exact match of any version", {"resourceVersionMatch": "Exact", "resourceVersion": "0"}),
    listed("initial events of a list", {"sendInitialEvents": "true"}),
    listed("a limit that is no number", {"limit": "x"}),
    listed("a timeout that is no number", {"timeoutSeconds": "x"}),
    listed("a field that is not indexed", {"fieldSelector": "nope=1"}),
    listed("a watch with a match alone", {"watch": "true", "resourceVersionMatch": "Exact"}),
    Ask("one object of the future", CONFIGMAPS, None, "GET", "there", {"resourceVersion": "99999999999"}),
    # What is not there
    Ask("no such object", PODS, None, "GET", "absent"),
    Ask("no such subresource", CONFIGMAPS, None, "GET", "there/nope"),
    Ask("a patch of nothing", TRAINJOBS, {}, "PATCH", "absent", content_type=MERGE_PATCH),
    Ask("a deletion in a way that is not known", CONFIGMAPS, {"propagationPolicy": "Nope"}, "DELETE", "there"),
    Ask("a deletion whose grace is text", CONFIGMAPS, {"gracePeriodSeconds": "x"}, "DELETE", "there", own_words=True),
    # Other kinds
    Ask("a claim whose modes are text", PERSISTENTVOLUMECLAIMS, named(spec={"accessModes": "ReadWriteOnce"})),
    Ask("a service whose ports are a map", SERVICES, named(spec={"ports": {}})),
    Ask("a priority that is text", PRIORITYCLASSES, named(value="1")),
]


@pytest.mark.parametrize("ask", [pytest.param(ask, id=ask.says) for ask in ASKS])
def test_both_servers_give_the_same_response(both: Pair, ask: Ask) -> None:
    both.send("POST", both.path(CONFIGMAPS), named("there", data={"a": "b"}))
    both.send("POST", both.path(SECRETS), named("there", data={"a": "Yg=="}))
    both.send("POST", both.path(TRAINJOBS), training("there"))
    path = both.path(ask.resource, ask.name)
    embedded, real = both.send(ask.method, path, ask.body, query=ask.query, content_type=ask.content_type)
    assert embedded.refusal == real.refusal
    assert embedded.warnings == real.warnings
    if real.status >= 400:
        assert "details" not in real.body or "details" in embedded.body
        if not ask.own_words:
            assert embedded.body["message"] == real.body["message"]
    elif ask.resource not in {PODS, JOBS}:  # a real server completes fields of pods that nothing here reads
        assert embedded.body == real.body


def test_version_document_has_the_fields_of_a_real_server(both: Pair) -> None:
    embedded, real = both.send("GET", "/version")
    assert set(embedded.body) == set(real.body)
    assert all(isinstance(value, str) for value in embedded.body.values())


def test_amounts_of_a_pod_are_stored_in_their_shortest_form(both: Pair) -> None:
    sent = pod_with(resources={"limits": {"cpu": 1.0, "memory": "1024Mi"}, "requests": {"cpu": 0.5, "memory": "1e6"}})
    containers = [answer.body["spec"]["containers"] for answer in both.send("POST", both.path(PODS), sent)]
    assert containers[0] == containers[1]
    assert containers[0][0]["resources"]["requests"] == {"cpu": "500m", "memory": "1e6"}


def test_empty_values_are_not_stored(both: Pair) -> None:
    sent = pod("p")
    sent["metadata"] |= {"labels": {}, "finalizers": []}
    sent["spec"] |= {"hostNetwork": False, "nodeSelector": {}, "automountServiceAccountToken": False}
    sent["spec"]["containers"][0] |= {"args": [], "env": [{"name": "A", "value": ""}], "stdin": False}
    embedded, real = both.send("POST", both.path(PODS), sent)
    for part in ("labels", "finalizers"):
        assert part not in embedded.body["metadata"]
        assert part not in real.body["metadata"]
    assert embedded.body["spec"]["containers"] == real.body["spec"]["containers"]
    for field in ("hostNetwork", "nodeSelector", "automountServiceAccountToken"):
        assert embedded.body["spec"].get(field) == real.body["spec"].get(field)
