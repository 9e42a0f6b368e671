"""The proxy's rules: how requests map to RBAC, and which are forwarded."""

from __future__ import annotations

import pytest

from jupyter_trainjob import errors
from jupyter_trainjob.server.proxy_rules import DEFAULT, ResourceRequest, check_table, parse_request, refusal_reason

NS = "/api/v1/namespaces/default"
TRAINER = "/apis/trainer.kubeflow.org/v1alpha1"
REQUESTS: dict[str, tuple[str, str, ResourceRequest | None]] = {
    "all pods of a namespace": ("GET", f"{NS}/pods", ResourceRequest("list", "pods")),
    "all pods": ("GET", "/api/v1/pods", ResourceRequest("list", "pods")),
    "a pod": ("GET", f"{NS}/pods/p", ResourceRequest("get", "pods")),
    "pods as they change": ("GET", f"{NS}/pods?watch=true", ResourceRequest("watch", "pods", stream=True)),
    "a flag without a value is set": ("GET", f"{NS}/pods?watch", ResourceRequest("watch", "pods", stream=True)),
    "a flag that is off": ("GET", f"{NS}/pods?watch=False", ResourceRequest("list", "pods")),
    "a log": ("GET", f"{NS}/pods/p/log", ResourceRequest("get", "pods/log")),
    "a log as it grows": ("GET", f"{NS}/pods/p/log?follow=1", ResourceRequest("get", "pods/log", stream=True)),
    "a shell": ("POST", f"{NS}/pods/p/exec", ResourceRequest("create", "pods/exec")),
    "a shell by websocket": ("GET", f"{NS}/pods/p/exec", ResourceRequest("get", "pods/exec")),
    "namespaces": ("GET", "/api/v1/namespaces", ResourceRequest("list", "namespaces")),
    "a namespace": ("GET", NS, ResourceRequest("get", "namespaces")),
    "a pod called like a resource": ("GET", f"{NS}/pods/secrets", ResourceRequest("get", "pods")),
    "a namespace called like a resource": (
        "GET",
        "/api/v1/namespaces/pods/secrets",
        ResourceRequest("list", "secrets"),
    ),
    "jobs of a group": (
        "GET",
        f"{TRAINER}/namespaces/a/trainjobs",
        ResourceRequest("list", "trainjobs.trainer.kubeflow.org"),
    ),
    "patch of a job": (
        "PATCH",
        f"{TRAINER}/namespaces/a/trainjobs/j",
        ResourceRequest("patch", "trainjobs.trainer.kubeflow.org"),
    ),
    "deletion of all jobs": (
        "DELETE",
        f"{TRAINER}/namespaces/a/trainjobs",
        ResourceRequest("deletecollection", "trainjobs.trainer.kubeflow.org"),
    ),
    "an older way to watch": ("GET", "/api/v1/watch/pods", ResourceRequest("get", "watch")),
    "a version": ("GET", "/version", ResourceRequest("get", "")),
    "discovery of a group": ("GET", TRAINER, ResourceRequest("get", "")),
    "a write to a document": ("POST", "/version", None),
    "a path without resources": ("GET", "/metrics", None),
    "a proxy to the kubelet": ("GET", "/api/v1/nodes/n/proxy/pods", None),
    "an empty part": ("GET", "/api/v1//secrets", None),
    "a way up": ("GET", f"{NS}/pods/../secrets", None),
    "a part that is encoded twice": ("GET", f"{NS}/pods%2f..%2fsecrets", None),
    "a query within the path": ("GET", f"{NS}/pods\\?x", None),
    "a method that resources do not have": ("POST", f"{NS}/pods/p", None),
}


@pytest.mark.parametrize(("method", "path", "expected"), REQUESTS.values(), ids=REQUESTS)
def test_request_maps_to_the_verb_and_resource_of_rbac(
    method: str, path: str, expected: ResourceRequest | None
) -> None:
    path, _, flag = path.partition("?") if "\\" not in path else (path, "", "")
    name, _, value = flag.partition("=")
    assert parse_request(method, path, {name: value} if name else {}) == expected


RULES = {
    "jobs are watched": (ResourceRequest("watch", "trainjobs.trainer.kubeflow.org"), ""),
    "jobs are stopped": (ResourceRequest("patch", "trainjobs.trainer.kubeflow.org"), ""),
    "jobs are sent by kernels": (ResourceRequest("create", "trainjobs.trainer.kubeflow.org"), "not create trainjobs"),
    "jobs are not deleted all at once": (
        ResourceRequest("deletecollection", "trainjobs.trainer.kubeflow.org"),
        "allows get",
    ),
    "logs are read": (ResourceRequest("get", "pods/log"), ""),
    "the version is read": (ResourceRequest("get", ""), ""),
    "pods cannot be created": (ResourceRequest("create", "pods"), "not create pods"),
    "no Secret is read": (ResourceRequest("get", "secrets"), "never forwards"),
    "no Secret is listed": (ResourceRequest("list", "secrets"), "never forwards"),
    "no shell is opened": (ResourceRequest("create", "pods/exec"), "never forwards"),
    "no service is reached": (ResourceRequest("get", "services/proxy"), "never forwards"),
    "no token can be created": (ResourceRequest("create", "serviceaccounts/token"), "never forwards"),
    "configuration is not read": (ResourceRequest("get", "configmaps"), "allows nothing"),
    "other groups are not reached": (ResourceRequest("list", "roles.rbac.authorization.k8s.io"), "allows nothing"),
    "the same name in another group is another resource": (
        ResourceRequest("list", "pods.metrics.k8s.io"),
        "allows nothing",
    ),
    "an invalid request": (None, "not a request of the Kubernetes API"),
}


@pytest.mark.parametrize(("resource_request", "message"), RULES.values(), ids=RULES)
def test_request_is_forwarded_or_refused_with_a_reason(resource_request: ResourceRequest | None, message: str) -> None:
    reason = refusal_reason(resource_request, DEFAULT)
    assert message in reason
    assert bool(reason) == bool(message)


def test_no_table_allows_credentials() -> None:
    for resource in ("secrets", "secrets/status", "pods/exec", "serviceaccounts/token", "a.b.example.com/portforward"):
        assert "never" in refusal_reason(ResourceRequest("get", resource), {resource: ["get"]})
        with pytest.raises(errors.UsageError, match="which no setting allows"):
            check_table({resource: ["get"]})


@pytest.mark.parametrize("verbs", ["get", ["read"], ["get", "*"]], ids=str)
def test_table_with_unknown_verbs_is_refused(verbs: object) -> None:
    with pytest.raises(errors.UsageError, match="not verbs"):
        check_table({"pods": verbs})  # type: ignore[dict-item]


def test_default_table_is_valid() -> None:
    check_table(DEFAULT)
