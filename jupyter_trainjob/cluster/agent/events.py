"""Events of a pod, as ``kubectl describe`` shows them."""

from __future__ import annotations

import contextlib
import uuid

from jupyter_trainjob import errors
from jupyter_trainjob.api.resources import EVENTS, PODS, Object
from jupyter_trainjob.cluster.agent.status import now
from jupyter_trainjob.kube.client import Client

COMPONENT = "jupyter-trainjob-agent"


def record(client: Client, pod: Object, *, node: str, kind: str, reason: str, message: str) -> None:
    """Write an event of type `kind` (Normal or Warning) about `pod`. An event that cannot be written is lost."""
    metadata = pod["metadata"]
    stamp = now()
    event = {
        "metadata": {"name": f"{metadata['name']}.{uuid.uuid4().hex[:16]}", "namespace": metadata["namespace"]},
        "involvedObject": {
            "apiVersion": PODS.api_version,
            "kind": PODS.kind,
            "name": metadata["name"],
            "namespace": metadata["namespace"],
            "uid": metadata["uid"],
        },
        "type": kind,
        "reason": reason,
        "message": message,
        "source": {"component": COMPONENT, "host": node},
        "reportingComponent": COMPONENT,
        "reportingInstance": node,
        "firstTimestamp": stamp,
        "lastTimestamp": stamp,
        "count": 1,
    }
    with contextlib.suppress(errors.TrainJobError):
        client.create(EVENTS, event)
