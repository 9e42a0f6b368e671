"""The runtime of a TrainJob, held still: a copy that later edits of the runtime do not reach (Kubeflow's KEP-2599).

The first time the reconciler builds a job, the live runtime is copied into the ConfigMap ``<job>-runtime-snapshot``;
from then on the copy is used. Creating the copy shows whether it is the first time: for a new job that is one write and
no read.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache

import yaml

from jupyter_trainjob import errors
from jupyter_trainjob.api.resources import (
    CLUSTERTRAININGRUNTIMES,
    CONFIGMAPS,
    TRAININGRUNTIMES,
    KubeObject,
    Resource,
    controller_of,
    owner_reference,
)
from jupyter_trainjob.constants import SNAPSHOT_KEY, SNAPSHOT_SUFFIX, TRAINER_GROUP
from jupyter_trainjob.controller.framework.pipeline_errors import BuildError, Unsupported
from jupyter_trainjob.kube.client import Client
from jupyter_trainjob.kube.informer import Informer

_DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_RESOURCES = {resource.kind: resource for resource in (CLUSTERTRAININGRUNTIMES, TRAININGRUNTIMES)}


class RuntimeSnapshots:
    """Returns the runtimes of TrainJobs. `informers` have the live runtimes, by kind."""

    def __init__(self, client: Client, informers: Mapping[str, Informer]) -> None:
        self._client = client
        self._informers = informers

    def runtime_of(self, train_job: KubeObject, *, new: bool) -> KubeObject:
        """Return the runtime that `train_job` is bound to; `new`: it probably has no snapshot yet.

        Raises `Unsupported` for an unknown kind of runtime, `BuildError` if the runtime does not exist or the snapshot
        does not belong to this job.
        """
        resource = _resource(train_job)
        snapshot = None if new else self._snapshot(train_job)
        if snapshot is None:
            live = self._live(resource, train_job)
            if live is not None and self._create(train_job, live):
                return live
            snapshot = self._snapshot(train_job)
        if snapshot is None:
            raise BuildError(_missing_message(resource, train_job))
        return _runtime_in(snapshot, resource, train_job)

    def _create(self, train_job: KubeObject, runtime: KubeObject) -> bool:
        try:
            self._client.create(CONFIGMAPS, _config_map(train_job, runtime))
        except errors.AlreadyExists:
            return False
        return True

    def _snapshot(self, train_job: KubeObject) -> KubeObject | None:
        return self._client.find(CONFIGMAPS, _name(train_job), namespace=_namespace(train_job))

    def _live(self, resource: Resource, train_job: KubeObject) -> KubeObject | None:
        name = train_job["spec"]["runtimeRef"]["name"]
        namespace = _namespace(train_job) if resource.namespaced else ""
        # A runtime that was created together with the job may not be in the cache yet.
        cached = self._informers[resource.kind].get(name, namespace)
        return cached or self._client.find(resource, name, namespace=namespace or None)


def runtime_reference(train_job: KubeObject) -> tuple[str, str, str]:
    """Return group, kind and name of the runtime that a TrainJob refers to, with the API's defaults."""
    ref = train_job["spec"]["runtimeRef"]
    return ref.get("apiGroup", TRAINER_GROUP), ref.get("kind", CLUSTERTRAININGRUNTIMES.kind), ref["name"]


def _resource(train_job: KubeObject) -> Resource:
    group, kind, _ = runtime_reference(train_job)
    if group != TRAINER_GROUP or kind not in _RESOURCES:
        raise Unsupported(f"unsupported runtime: {kind}.{group}")
    return _RESOURCES[kind]


def _runtime_in(config_map: KubeObject, resource: Resource, train_job: KubeObject) -> KubeObject:
    problem = None
    owner = controller_of(config_map)
    text = (config_map.get("data") or {}).get(SNAPSHOT_KEY)
    if owner is None or owner["uid"] != train_job["metadata"]["uid"]:
        problem = "it belongs to another object"
    elif text is None:
        problem = f"it has no key {SNAPSHOT_KEY!r}"
    else:
        runtime = _parse(text)
        if runtime is None:
            problem = f"its key {SNAPSHOT_KEY!r} is not the YAML of a runtime"
        elif _identity(runtime) != (resource.group, resource.kind, train_job["spec"]["runtimeRef"]["name"]):
            problem = "it holds another runtime than spec.runtimeRef names"
        else:
            return runtime
    raise BuildError(
        f"the runtime snapshot in ConfigMap {_name(train_job)!r} cannot be used: {problem}. Delete the ConfigMap to "
        "have it created again from the live runtime."
    )


def _identity(runtime: KubeObject) -> tuple[str, str, str]:
    group = str(runtime.get("apiVersion", "")).partition("/")[0]
    return group, str(runtime.get("kind")), str((runtime.get("metadata") or {}).get("name"))


def _config_map(train_job: KubeObject, runtime: KubeObject) -> KubeObject:
    metadata = {
        "name": _name(train_job),
        "namespace": _namespace(train_job),
        "ownerReferences": [owner_reference(train_job)],
    }
    return {"metadata": metadata, "data": {SNAPSHOT_KEY: _text(runtime)}}


def _text(runtime: KubeObject) -> str:
    return _yaml(json.dumps(runtime, sort_keys=True))


@lru_cache(maxsize=32)
def _yaml(text: str) -> str:
    """Convert JSON to YAML; cached, as many jobs share a runtime and this is the slowest part of a build."""
    return str(yaml.dump(json.loads(text), Dumper=_DUMPER))


@lru_cache(maxsize=32)
def _parse(text: str) -> KubeObject | None:
    try:
        loaded = yaml.load(text, Loader=_LOADER)  # noqa: S506 - a safe loader, in C where there is one
    except yaml.YAMLError:
        return None
    return loaded if isinstance(loaded, dict) else None


def _missing_message(resource: Resource, train_job: KubeObject) -> str:
    name = train_job["spec"]["runtimeRef"]["name"]
    where = f" in namespace {_namespace(train_job)!r}" if resource.namespaced else ""
    return (
        f"TrainingRuntime specified in TrainJob is not found: there is no {resource.kind} {name!r}{where}. Create it."
    )


def _name(train_job: KubeObject) -> str:
    return f"{train_job['metadata']['name']}{SNAPSHOT_SUFFIX}"


def _namespace(train_job: KubeObject) -> str:
    return str(train_job["metadata"]["namespace"])
