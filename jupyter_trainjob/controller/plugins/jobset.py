"""JobSet: the object that carries the pods, built last, from what all other plugins left in the `Info`.

Takes part in the network phase (host names) and builds the one JobSet of a TrainJob, with its name. Reading the
JobSet's status back is `controller.trainjob_status`.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from jupyter_trainjob.api.resources import JOBSETS, KubeObject
from jupyter_trainjob.constants import (
    ANCESTOR_DATASET_INITIALIZER,
    ANCESTOR_MODEL_INITIALIZER,
    ANCESTOR_TRAINER,
    NODE_CONTAINER,
    NODE_JOB,
)
from jupyter_trainjob.controller.framework.info import Info, PodSet
from jupyter_trainjob.controller.framework.list_upserts import upsert_env, user_env

_INITIALIZERS = {ANCESTOR_DATASET_INITIALIZER: "dataset", ANCESTOR_MODEL_INITIALIZER: "model"}
STORAGE_URI = "STORAGE_URI"


class JobSet:
    """Knows the pods' host names, and builds the JobSet."""

    name = "JobSet"
    policies: frozenset[str] = frozenset()

    def identify_pod_network(self, info: Info) -> None:
        """Fill in each pod set's endpoints: ``<jobset>-<replicated job>-<replica>-<index>.<subdomain>``."""
        subdomain = (info.spec.get("network") or {}).get("subdomain") or info.name
        for job, pods in zip(info.spec.get("replicatedJobs") or (), info.pod_sets, strict=True):
            prefix = f"{info.name}-{pods.name}"
            pods.endpoints = partial(_endpoints, prefix, subdomain, replicas=job.get("replicas", 1), count=pods.count)

    def sync_parallel_count(self, info: Info) -> None:
        """Make parallelism and completions of each Job the count of its pod set."""
        for job, pods in zip(info.spec.get("replicatedJobs") or (), info.pod_sets, strict=True):
            job["template"]["spec"]["parallelism"] = pods.count
            job["template"]["spec"]["completions"] = pods.count

    def build(self, info: Info) -> list[KubeObject]:
        """Return the JobSet."""
        for job, pods in zip(info.spec.get("replicatedJobs") or (), info.pod_sets, strict=True):
            if pods.ancestor in _INITIALIZERS:
                job["replicas"] = 1
                _initializer(info, pods, pods.ancestor)
            elif pods.ancestor == ANCESTOR_TRAINER:
                job["replicas"] = 1
                _trainer(info, pods)
            elif pods.name == NODE_JOB and info.runs_launcher_as_node():
                _environment(info, pods)
            for field, additions in (("labels", info.pod_labels), ("annotations", info.pod_annotations)):
                if additions:
                    template = job["template"]["spec"]["template"].setdefault("metadata", {})
                    template[field] = {**(template.get(field) or {}), **additions}
        jobset = info.new_object(JOBSETS, info.name)
        if info.labels:
            jobset["metadata"]["labels"] = info.labels
        if info.annotations:
            jobset["metadata"]["annotations"] = info.annotations
        return [{**jobset, "spec": {**info.spec, "suspend": bool(info.train_job["spec"].get("suspend"))}}]


def _endpoints(prefix: str, subdomain: str, *, replicas: int, count: int) -> Iterator[str]:
    for replica in range(replicas):
        for index in range(count):
            yield f"{prefix}-{replica}-{index}.{subdomain}"


def _initializer(info: Info, pods: PodSet, ancestor: str) -> None:
    wanted = (info.train_job["spec"].get("initializer") or {}).get(_INITIALIZERS[ancestor])
    if not wanted:
        return
    for container in pods.pod_spec.get("containers") or ():
        if container["name"] == ancestor:
            if wanted.get("storageUri") is not None:
                upsert_env(container, [{"name": STORAGE_URI, "value": wanted["storageUri"]}])
            upsert_env(container, user_env(wanted.get("env") or ()))
            if wanted.get("secretRef"):
                source = {"secretRef": {"name": wanted["secretRef"].get("name", "")}}
                container["envFrom"] = [*(container.get("envFrom") or ()), source]


def _trainer(info: Info, pods: PodSet) -> None:
    for container in pods.pod_spec.get("containers") or ():
        if container["name"] == NODE_CONTAINER:
            for field in ("image", "command", "args"):
                if info.trainer.get(field) is not None:
                    container[field] = info.trainer[field]
    _environment(info, pods)


def _environment(info: Info, pods: PodSet) -> None:
    for container in pods.pod_spec.get("containers") or ():
        if container["name"] == NODE_CONTAINER:
            upsert_env(container, user_env(info.trainer.get("env") or ()))
