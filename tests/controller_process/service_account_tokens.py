"""Tokens of service accounts, as pods have them: from the API server, or signed with its key and wrong."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from joserfc import jwt
from joserfc.jwk import ECKey

from jupyter_trainjob.api.resources import PODS, KubeObject
from jupyter_trainjob.controller.plugins.trainjob_status import token_audience
from jupyter_trainjob.kube.client import Client
from jupyter_trainjob.kube.transport import Request

ISSUER = "https://kubernetes.default.svc"


def create_pod(client: Client, namespace: str, name: str) -> KubeObject:
    """Create a pod and its service account, since no controllers run."""
    metadata = {"name": "default", "namespace": namespace}
    _post(client, f"/api/v1/namespaces/{namespace}/serviceaccounts", {"metadata": metadata})
    spec = {"serviceAccountName": "default", "containers": [{"name": "node", "image": "image"}]}
    return client.create(PODS, {"metadata": {"name": name, "namespace": namespace}, "spec": spec})


def request_token(client: Client, pod: KubeObject, audience: str) -> str:
    """Return a token that is bound to a pod, as the kubelet requests it for a projected volume."""
    namespace, name = pod["metadata"]["namespace"], pod["metadata"]["name"]
    bound = {"kind": "Pod", "apiVersion": "v1", "name": name, "uid": pod["metadata"]["uid"]}
    spec = {"audiences": [audience] if audience else [], "expirationSeconds": 3600, "boundObjectRef": bound}
    created = _post(client, f"/api/v1/namespaces/{namespace}/serviceaccounts/default/token", {"spec": spec})
    return str(created["status"]["token"])


def sign_token(key: ECKey, namespace: str, job: str, **claims: Any) -> str:
    """Return a token for a job's status as the API server would sign it, with some claims changed."""
    now = int(time.time())
    default = {
        "iss": ISSUER,
        "aud": [token_audience(namespace, job)],
        "exp": now + 3600,
        "nbf": now,
        "kubernetes.io": {"namespace": namespace},
    }
    key.ensure_kid()
    return jwt.encode({"alg": "ES256", "kid": claims.pop("kid", key.kid)}, {**default, **claims}, key)


def signing_key(kubeconfig: Path) -> ECKey:
    """Return the key of the API server of the tests."""
    key: ECKey = ECKey.import_key((kubeconfig.parent / "sa.key").read_bytes())
    return key


def _post(client: Client, path: str, body: KubeObject) -> KubeObject:
    created: KubeObject = json.loads(client.raw(Request("POST", path, {}, json.dumps(body).encode())).read())
    return created
