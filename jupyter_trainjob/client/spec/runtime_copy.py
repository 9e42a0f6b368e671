"""Copy a runtime for one job: for ``--retries N``, and for a rerun whose runtime has changed.

A TrainJob has no field for restarts; JobSet has (``failurePolicy.maxRestarts``), and a JobSet comes from a runtime. The
copy is a namespaced TrainingRuntime with the job's name. It is created before the TrainJob, which refers to it and then
owns it, so that it is deleted with the job.
"""

from __future__ import annotations

import copy
import time

from jupyter_trainjob import errors
from jupyter_trainjob.api.resources import TRAININGRUNTIMES, TRAINJOBS, KubeObject
from jupyter_trainjob.constants import BUNDLE_LABEL, MANAGED_BY, MANAGED_BY_LABEL
from jupyter_trainjob.kube.client import Client

SEEN_WITHIN = 10.0
"""Seconds until a webhook sees a new runtime in its cache."""
LOOK_AGAIN = 0.1


def own_copy(runtime: KubeObject, *, job: str, namespace: str, retries: int = 0) -> KubeObject:
    """Return the copy of `runtime` for the TrainJob `job`, with `retries` restarts, or as many as `runtime` has."""
    spec = copy.deepcopy(runtime["spec"])
    if retries:
        template = spec["template"]["spec"]
        template["failurePolicy"] = {**(template.get("failurePolicy") or {}), "maxRestarts": retries}
    return {
        "apiVersion": TRAININGRUNTIMES.api_version,
        "kind": TRAININGRUNTIMES.kind,
        "metadata": {
            "name": job,
            "namespace": namespace,
            "labels": {
                **(runtime["metadata"].get("labels") or {}),
                BUNDLE_LABEL: job,
                MANAGED_BY_LABEL: MANAGED_BY,
            },
        },
        "spec": spec,
    }


def create(client: Client, runtime: KubeObject) -> None:
    """Create the copy; raise `errors.UsageError` without permission."""
    namespace = runtime["metadata"]["namespace"]
    try:
        client.create(TRAININGRUNTIMES, runtime)
    except errors.Forbidden as error:
        raise errors.UsageError(
            f"--retries needs the permission to create {TRAININGRUNTIMES.qualified} in namespace {namespace}, and so "
            "does running a job again whose runtime has changed since: such a job uses its own copy of the runtime. "
            f"The server answered: {error}. Ask for that permission, or omit --retries. Nothing was sent."
        ) from error


def create_trainjob(client: Client, trainjob: KubeObject) -> KubeObject:
    """Create a TrainJob with a new runtime; Kubeflow's webhook rejects it until its cache has the runtime."""
    until = time.monotonic() + SEEN_WITHIN
    while True:
        try:
            return client.create(TRAINJOBS, trainjob)
        except errors.Forbidden as error:
            unseen = f'"{trainjob["spec"]["runtimeRef"]["name"]}" not found' in str(error)
            if not unseen or time.monotonic() > until:
                raise
        time.sleep(LOOK_AGAIN)


def is_copy(runtime: KubeObject) -> bool:
    """Whether a runtime is the copy of one job, which others cannot choose."""
    return BUNDLE_LABEL in (runtime["metadata"].get("labels") or {})
