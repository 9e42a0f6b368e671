"""The permissions that docs/how-to/controller.md lists are enough, and none is missing."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from jupyter_trainjob.api.resources import JOBS, JOBSETS, TRAINJOBS, KubeObject, Resource
from jupyter_trainjob.controller.plugins.trainjob_status import status_path, token_audience
from jupyter_trainjob.kube.transport import Request
from tests.paths import ROOT

from . import service_account_tokens as tokens
from .conftest import Cluster, Start, Webhooks
from .controller import eventually
from .test_status_server import TIME, StatusServer

pytestmark = pytest.mark.timeout(180)

RBAC = "rbac.authorization.k8s.io/v1"
ROW = re.compile(r"^\| ([a-z/]+(?:[, ].*)?) \| ((?:get|list|watch|create|patch|delete|, )+) \|$", re.MULTILINE)


def documented_rules() -> list[KubeObject]:
    page = (ROOT / "docs" / "how-to" / "controller.md").read_text()
    rows = ROW.findall(page.partition("## Permissions")[2])
    assert len(rows) == 12
    return [
        {
            "apiGroups": ["*"],
            "resources": re.sub(r"\([^)]*\)|, in the namespace.*", "", resources).replace(" ", "").split(","),
            "verbs": verbs.split(", "),
        }
        for resources, verbs in rows
    ]


def restricted_kubeconfig(cluster: Cluster, pod: KubeObject, folder: Path) -> Path:
    """Return a kubeconfig with the documented permissions, for the service account of a pod."""
    client = cluster.client
    name = f"controller-{cluster.namespace}"
    role = {"metadata": {"name": name}, "rules": documented_rules()}
    binding = {
        "metadata": {"name": name},
        "subjects": [{"kind": "ServiceAccount", "name": "default", "namespace": cluster.namespace}],
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name},
    }
    for kind, body in (("clusterroles", role), ("clusterrolebindings", binding)):
        client.raw(Request("POST", f"/apis/{RBAC}/{kind}", {}, json.dumps(body).encode())).read()
    config = json.loads(cluster.kubeconfig.read_text())
    config["users"][0]["user"] = {"token": tokens.request_token(client, pod, "")}
    path = folder / "restricted-kubeconfig"
    path.write_text(json.dumps(config))
    return path


def test_documented_permissions_are_enough(cluster: Cluster, start: Start, webhooks: Webhooks, tmp_path: Path) -> None:
    client, namespace = cluster.client, cluster.namespace

    def get(resource: Resource, name: str) -> KubeObject:
        return client.get(resource, name, namespace=namespace)

    server = StatusServer(webhooks.port, webhooks.certificates)
    pod = tokens.create_pod(client, namespace, "controller")
    process = start(*server.options, kubeconfig=restricted_kubeconfig(cluster, pod, tmp_path))
    cluster.create("digits")
    eventually(lambda: cluster.find(JOBS, "digits-node-0"))
    token = tokens.request_token(client, pod, token_audience(namespace, "digits"))
    assert server.send(status_path(namespace, "digits"), {"trainerStatus": TIME}, token=token)[0] == 200
    client.patch(TRAINJOBS, "digits", {"spec": {"suspend": True}}, namespace=namespace)
    eventually(lambda: get(JOBS, "digits-node-0")["spec"]["suspend"])
    client.patch(TRAINJOBS, "digits", {"spec": {"suspend": False}}, namespace=namespace)
    eventually(lambda: not get(JOBS, "digits-node-0")["spec"]["suspend"])
    cluster.create("late", activeDeadlineSeconds=1)
    eventually(lambda: get(TRAINJOBS, "late")["status"]["conditions"][-1]["reason"] == "DeadlineExceeded")
    cluster.create("parallel", runtimeRef={"name": "deepspeed-distributed"})
    eventually(lambda: cluster.find(JOBSETS, "parallel"))  # after its Secret and ConfigMap
    process.stop()
    log = process.log.read_text()
    assert not [line for line in log.splitlines() if "forbidden" in line or "Forbidden" in line]
