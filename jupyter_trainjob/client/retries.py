"""A job's own copy of its runtime: for ``--retries N``, and for a job run again whose runtime is another by now.

A TrainJob has no field for restarts; JobSet has (``failurePolicy.maxRestarts``), and a JobSet comes from a runtime. The
copy is a namespaced TrainingRuntime
with the job's name, made before the TrainJob, which names it, and owned by it afterwards, so that it goes with the job.
"""

from __future__ import annotations

import copy
import time

from jupyter_trainjob import errors
from jupyter_trainjob.api.resources import TRAININGRUNTIMES, TRAINJOBS, Object
from jupyter_trainjob.constants import BUNDLE_LABEL, MANAGED_BY, MANAGED_BY_LABEL
from jupyter_trainjob.kube.client import Client

SEEN_WITHIN = 10.0
"""Seconds in which a webhook sees a runtime that was just created; it looks at a copy that follows the API server."""
LOOK_AGAIN = 0.1


def own_copy(runtime: Object, *, job: str, namespace: str, retries: int = 0) -> Object:
    """Return the copy of `runtime` for the TrainJob `job`, which starts again so often, or as `runtime` says."""
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


def create(client: Client, runtime: Object) -> None:
    """Create the copy; `errors.UsageError` says so where the right to is missing."""
    namespace = runtime["metadata"]["namespace"]
    try:
        client.create(TRAININGRUNTIMES, runtime)
    except errors.Forbidden as error:
        raise errors.UsageError(
            f"--retries needs the right to create {TRAININGRUNTIMES.qualified} in namespace {namespace}, and so does "
            "running a job again whose runtime has changed since: such a job has a runtime of its own. The server "
            f"says: {error}. Ask for that right, or leave --retries out. Nothing was sent."
        ) from error


def create_trainjob(client: Client, trainjob: Object) -> Object:
    """Create a TrainJob whose runtime was created just before: Kubeflow's webhook may refuse it until it sees that."""
    until = time.monotonic() + SEEN_WITHIN
    while True:
        try:
            return client.create(TRAINJOBS, trainjob)
        except errors.Forbidden as error:
            unseen = f'"{trainjob["spec"]["runtimeRef"]["name"]}" not found' in str(error)
            if not unseen or time.monotonic() > until:
                raise
        time.sleep(LOOK_AGAIN)


def is_copy(runtime: Object) -> bool:
    """Whether a runtime is the copy of one job, and no runtime to choose."""
    return BUNDLE_LABEL in (runtime["metadata"].get("labels") or {})
