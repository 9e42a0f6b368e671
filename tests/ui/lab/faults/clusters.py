"""Unusable clusters of several kinds, and a real API server with a user of few permissions."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from jupyter_trainjob.api.resources import NAMESPACES, TRAINJOBS, Resource
from jupyter_trainjob.kube.client import Client
from jupyter_trainjob.kube.transport import Request, Transport
from tests.ui.lab.server import free_port

HOSTILE = "<img src=x onerror=window.pwned=1>"
ACCOUNTS = Resource("", "v1", "ServiceAccount", "serviceaccounts", namespaced=True)
ROLES = Resource("rbac.authorization.k8s.io", "v1", "Role", "roles", namespaced=True)
BINDINGS = Resource("rbac.authorization.k8s.io", "v1", "RoleBinding", "rolebindings", namespaced=True)
RULES = [
    {"apiGroups": ["trainer.kubeflow.org"], "resources": ["trainjobs"], "verbs": ["get", "list", "watch"]},
    {"apiGroups": [""], "resources": ["pods", "pods/log", "events"], "verbs": ["get", "list", "watch"]},
    {"apiGroups": ["batch", "jobset.x-k8s.io"], "resources": ["*"], "verbs": ["get", "list", "watch"]},
]


def reader(transport: Transport, namespace: str) -> str:
    """Create a namespace with a job, and an account with read permission; return its token."""
    client = Client(transport)
    client.create(NAMESPACES, {"metadata": {"name": namespace}})
    spec = {"runtimeRef": {"name": "plain"}, "trainer": {"numNodes": 1}}
    client.create(TRAINJOBS, {"metadata": {"name": "theirs"}, "spec": spec}, namespace=namespace)
    client.create(ACCOUNTS, {"metadata": {"name": "reader"}}, namespace=namespace)
    client.create(ROLES, {"metadata": {"name": "reader"}, "rules": RULES}, namespace=namespace)
    bound = {
        "metadata": {"name": "reader"},
        "roleRef": {"apiGroup": ROLES.group, "kind": "Role", "name": "reader"},
        "subjects": [{"kind": "ServiceAccount", "name": "reader", "namespace": namespace}],
    }
    client.create(BINDINGS, bound, namespace=namespace)
    token_request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    path = f"{ACCOUNTS.path(namespace)}/reader/token"
    answer = transport.send(Request("POST", path, {}, json.dumps(token_request).encode()))
    return str(json.loads(answer.read())["status"]["token"])


def kubeconfig(path: Path, real: Path, *, token: str, namespace: str) -> Path:
    """Write a kubeconfig of contexts: `reader`, and those that cannot be used."""
    content: dict[str, Any] = json.loads(real.read_text())
    server = content["clusters"][0]["cluster"]
    helper = path.parent / "helper.py"
    helper.write_text("import sys\nsys.exit('the single sign-on has ended')\n")
    exec_of = {"apiVersion": "client.authentication.k8s.io/v1", "interactiveMode": "Never"}
    users = {
        "reader": {"token": token},
        "expired": {"token": "of-yesterday"},
        "helper-fails": {"exec": {**exec_of, "command": sys.executable, "args": [str(helper)]}},
        "helper-missing": {"exec": {**exec_of, "command": "no-such-helper"}},
        "nobody": {"token": "any"},
        HOSTILE: {"token": "any"},
    }
    unreachable = {"server": f"https://127.0.0.1:{free_port()}", "insecure-skip-tls-verify": True}
    clusters = {"real": server, "away": unreachable}
    path.write_text(
        json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "reader",
                "clusters": [{"name": name, "cluster": entry} for name, entry in clusters.items()],
                "users": [{"name": name, "user": entry} for name, entry in users.items()],
                "contexts": [
                    {
                        "name": name,
                        "context": {
                            "user": name,
                            "cluster": "away" if name in {"nobody", HOSTILE} else "real",
                            "namespace": namespace,
                        },
                    }
                    for name in users
                ],
            }
        )
    )
    return path
