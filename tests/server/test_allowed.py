"""What goes through the proxy: requests as RBAC calls them, and what the table says of each."""

from __future__ import annotations

import pytest

from jupyter_trainjob import errors
from jupyter_trainjob.server.allowed import DEFAULT, Asked, asked, check, refusal

NS = "/api/v1/namespaces/default"
TRAINER = "/apis/trainer.kubeflow.org/v1alpha1"
READINGS: dict[str, tuple[str, str, Asked | None]] = {
    "all pods of a namespace": ("GET", f"{NS}/pods", Asked("list", "pods")),
    "all pods": ("GET", "/api/v1/pods", Asked("list", "pods")),
    "a pod": ("GET", f"{NS}/pods/p", Asked("get", "pods")),
    "pods as they change": ("GET", f"{NS}/pods?watch=true", Asked("watch", "pods", stream=True)),
    "a flag without a value is set": ("GET", f"{NS}/pods?watch", Asked("watch", "pods", stream=True)),
    "a flag that is off": ("GET", f"{NS}/pods?watch=False", Asked("list", "pods")),
    "a log": ("GET", f"{NS}/pods/p/log", Asked("get", "pods/log")),
    "a log as it grows": ("GET", f"{NS}/pods/p/log?follow=1", Asked("get", "pods/log", stream=True)),
    "a shell": ("POST", f"{NS}/pods/p/exec", Asked("create", "pods/exec")),
    "a shell by websocket": ("GET", f"{NS}/pods/p/exec", Asked("get", "pods/exec")),
    "namespaces": ("GET", "/api/v1/namespaces", Asked("list", "namespaces")),
    "a namespace": ("GET", NS, Asked("get", "namespaces")),
    "a pod called like a resource": ("GET", f"{NS}/pods/secrets", Asked("get", "pods")),
    "a namespace called like a resource": ("GET", "/api/v1/namespaces/pods/secrets", Asked("list", "secrets")),
    "jobs of a group": ("GET", f"{TRAINER}/namespaces/a/trainjobs", Asked("list", "trainjobs.trainer.kubeflow.org")),
    "a job's change": (
        "PATCH",
        f"{TRAINER}/namespaces/a/trainjobs/j",
        Asked("patch", "trainjobs.trainer.kubeflow.org"),
    ),
    "all jobs' end": (
        "DELETE",
        f"{TRAINER}/namespaces/a/trainjobs",
        Asked("deletecollection", "trainjobs.trainer.kubeflow.org"),
    ),
    "an older way to watch": ("GET", "/api/v1/watch/pods", Asked("get", "watch")),
    "a version": ("GET", "/version", Asked("get", "")),
    "what a group has": ("GET", TRAINER, Asked("get", "")),
    "a write to a document": ("POST", "/version", None),
    "what is no path of resources": ("GET", "/metrics", None),
    "the kubelet's own": ("GET", "/api/v1/nodes/n/proxy/pods", None),
    "an empty part": ("GET", "/api/v1//secrets", None),
    "a way up": ("GET", f"{NS}/pods/../secrets", None),
    "a part that is encoded twice": ("GET", f"{NS}/pods%2f..%2fsecrets", None),
    "a query within the path": ("GET", f"{NS}/pods\\?x", None),
    "a method that there is not": ("POST", f"{NS}/pods/p", None),
}


@pytest.mark.parametrize(("method", "path", "meant"), READINGS.values(), ids=READINGS)
def test_a_request_is_read_as_an_api_server_reads_it(method: str, path: str, meant: Asked | None) -> None:
    path, _, flag = path.partition("?") if "\\" not in path else (path, "", "")
    name, _, value = flag.partition("=")
    assert asked(method, path, {name: value} if name else {}) == meant


VERDICTS = {
    "jobs are watched": (Asked("watch", "trainjobs.trainer.kubeflow.org"), ""),
    "jobs are stopped": (Asked("patch", "trainjobs.trainer.kubeflow.org"), ""),
    "jobs are sent by kernels": (Asked("create", "trainjobs.trainer.kubeflow.org"), "To create trainjobs"),
    "jobs are not deleted all at once": (Asked("deletecollection", "trainjobs.trainer.kubeflow.org"), "allows get"),
    "logs are read": (Asked("get", "pods/log"), ""),
    "the version is told": (Asked("get", ""), ""),
    "pods are made by controllers": (Asked("create", "pods"), "To create pods"),
    "no Secret is read": (Asked("get", "secrets"), "never goes through"),
    "no Secret is listed": (Asked("list", "secrets"), "never goes through"),
    "no shell is opened": (Asked("create", "pods/exec"), "never goes through"),
    "no service is reached": (Asked("get", "services/proxy"), "never goes through"),
    "no token is made": (Asked("create", "serviceaccounts/token"), "never goes through"),
    "configuration is not read": (Asked("get", "configmaps"), "allows nothing"),
    "other groups are not reached": (Asked("list", "roles.rbac.authorization.k8s.io"), "allows nothing"),
    "a like resource of another group is another one": (Asked("list", "pods.metrics.k8s.io"), "allows nothing"),
    "what is no request": (None, "no request of the Kubernetes API"),
}


@pytest.mark.parametrize(("found", "why"), VERDICTS.values(), ids=VERDICTS)
def test_the_table_decides(found: Asked | None, why: str) -> None:
    told = refusal(found, DEFAULT)
    assert why in told
    assert bool(told) == bool(why)


def test_no_table_lets_secrets_through() -> None:
    for resource in ("secrets", "secrets/status", "pods/exec", "serviceaccounts/token", "a.b.example.com/portforward"):
        assert "never" in refusal(Asked("get", resource), {resource: ["get"]})
        with pytest.raises(errors.UsageError, match="which no setting allows"):
            check({resource: ["get"]})


@pytest.mark.parametrize("verbs", ["get", ["read"], ["get", "*"]], ids=str)
def test_a_table_with_other_verbs_is_refused(verbs: object) -> None:
    with pytest.raises(errors.UsageError, match="no verbs"):
        check({"pods": verbs})  # type: ignore[dict-item]


def test_the_table_of_today_makes_sense() -> None:
    check(DEFAULT)
