"""The same job once more: its stored TrainJob and bundle under a new name, with a new key.

Works from any kernel, and for jobs that were written in YAML: nothing of the notebook is needed. What a controller or a
stop wrote on the old job does not come along.
"""

from __future__ import annotations

import copy
import re
import secrets

from jupyter_trainjob.api.names import suffix
from jupyter_trainjob.api.resources import SECRETS, TRAININGRUNTIMES, TRAINJOBS, Object
from jupyter_trainjob.api.trainjobs import timeless
from jupyter_trainjob.bundle import copying
from jupyter_trainjob.client.context import Connection
from jupyter_trainjob.client.create import create
from jupyter_trainjob.client.options import LONGEST_NAME
from jupyter_trainjob.constants import (
    BUNDLE_LABEL,
    RERUN_ANNOTATION,
    RUNTIME_ANNOTATION,
    STOPPED_BY_ANNOTATION,
    VARIABLE_ANNOTATION,
)

APPLIED_ANNOTATION = "kubectl.kubernetes.io/last-applied-configuration"
NOT_COPIED = frozenset({STOPPED_BY_ANNOTATION, APPLIED_ANNOTATION})
QUEUEING = "kueue.x-k8s.io/"
"""Manager of the patches with which a queue placed the old job."""
_SUFFIX = re.compile(r"-[a-z0-9]{5}\Z")


def rerun(connection: Connection, trainjob: Object) -> Object:
    """Create the copy of a job and return its TrainJob as stored.

    Raises `errors.UsageError` if what the job came with is gone.
    """
    client, namespace, old = connection.client, trainjob["metadata"]["namespace"], trainjob["metadata"]["name"]
    now = client.find(TRAINJOBS, old, namespace=namespace)
    if now is not None and now["metadata"]["uid"] == trainjob["metadata"]["uid"]:
        trainjob = now
    name = f"{base_name(trainjob)}-{suffix()}"
    bundle = copying.copied(
        trainjob["spec"],
        find=lambda secret: client.find(SECRETS, secret, namespace=namespace),
        old=old,
        new=name,
        namespace=namespace,
        key=secrets.token_bytes(32),
    )
    runtime = _own_runtime(connection, trainjob, name)
    again = renamed(trainjob, bundle.spec, name=name, own_runtime=runtime is not None)
    return create(connection, again, secrets=bundle.secrets, files=bundle.files, runtime=runtime)


def base_name(trainjob: Object) -> str:
    """Return what the names of a job and of its copies begin with."""
    metadata = trainjob["metadata"]
    name = str(metadata["name"])
    if {VARIABLE_ANNOTATION, RERUN_ANNOTATION} & set(metadata.get("annotations") or {}):
        name = _SUFFIX.sub("", name)
    return name[:LONGEST_NAME].rstrip("-.")


def renamed(trainjob: Object, spec: Object, *, name: str, own_runtime: bool) -> Object:
    """Return the TrainJob to create: `trainjob` as its user asked for it, with the names in `spec`."""
    metadata = trainjob["metadata"]
    annotations = {key: value for key, value in (metadata.get("annotations") or {}).items() if key not in NOT_COPIED}
    spec = {key: value for key, value in copy.deepcopy(spec).items() if key != "suspend"}
    patches = [
        timeless(patch)
        for patch in spec.pop("runtimePatches", None) or ()
        if not str(patch.get("manager")).startswith(QUEUEING)
    ]
    if patches:
        spec["runtimePatches"] = patches
    if own_runtime:
        spec["runtimeRef"]["name"] = name
    made: Object = {"name": name, "namespace": metadata["namespace"]}
    if metadata.get("labels"):
        made["labels"] = dict(metadata["labels"])
    made["annotations"] = {**annotations, RERUN_ANNOTATION: metadata["name"]}
    return {"apiVersion": trainjob["apiVersion"], "kind": trainjob["kind"], "metadata": made, "spec": spec}


def _own_runtime(connection: Connection, trainjob: Object, name: str) -> Object | None:
    """Return the copy of the job's own runtime, where ``--retries`` gave it one."""
    metadata = trainjob["metadata"]
    if RUNTIME_ANNOTATION not in (metadata.get("annotations") or {}):
        return None
    own = trainjob["spec"]["runtimeRef"]["name"]
    found = connection.client.find(TRAININGRUNTIMES, own, namespace=metadata["namespace"])
    if found is None:
        raise copying.gone(f"its runtime {own}")
    labels = {**(found["metadata"].get("labels") or {}), BUNDLE_LABEL: name}
    return {
        "apiVersion": found["apiVersion"],
        "kind": found["kind"],
        "metadata": {"name": name, "namespace": metadata["namespace"], "labels": labels},
        "spec": found["spec"],
    }
