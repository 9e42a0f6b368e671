"""The labels and annotations that JobSet puts on each Job and on its pod template.

Pods read their position in the JobSet from them, and selectors find the pods of a JobSet by them.
"""

from __future__ import annotations

import hashlib

from jupyter_trainjob import constants
from jupyter_trainjob.api.kinds import jobsets
from jupyter_trainjob.api.resources import KubeObject
from jupyter_trainjob.controller.jobset import jobset_fields

DEFAULT_GROUP = "default"


def add_labels(obj: KubeObject, jobset: KubeObject, replicated_job: KubeObject, index: int) -> None:
    """Label and annotate a Job or a pod template as the `index`-th Job of a replicated job."""
    metadata = obj.setdefault("metadata", {})
    values = _label_values(jobset, replicated_job, index)
    metadata["labels"] = {**(metadata.get("labels") or {}), **values}
    topology = _exclusive_topology(jobset, replicated_job)
    metadata["annotations"] = {**(metadata.get("annotations") or {}), **values, **topology}


def job_key(namespace: str, name: str) -> str:
    """Return the label value that identifies a Job in the cluster: a hash, since names can be too long."""
    return hashlib.sha1(f"{namespace}/{name}".encode(), usedforsecurity=False).hexdigest()


def _label_values(jobset: KubeObject, replicated_job: KubeObject, index: int) -> dict[str, str]:
    metadata = jobset["metadata"]
    everything = jobset_fields.replicated_jobs(jobset)
    group = _group(replicated_job)
    same_group = [job for job in everything if _group(job) == group]
    values = {
        constants.JOBSET_NAME: metadata["name"],
        constants.JOBSET_UID: metadata["uid"],
        constants.JOBSET_REPLICATEDJOB_NAME: replicated_job["name"],
        constants.JOBSET_RESTART_ATTEMPT: str(jobset_fields.restarts(jobset)),
        constants.JOBSET_REPLICATEDJOB_REPLICAS: str(jobset_fields.replicas(replicated_job)),
        constants.JOBSET_GLOBAL_REPLICAS: str(jobset_fields.total_replicas(everything)),
        constants.JOBSET_JOB_INDEX: str(index),
        constants.JOBSET_JOB_KEY: job_key(metadata["namespace"], jobset_fields.job_name(jobset, replicated_job, index)),
        constants.JOBSET_GLOBAL_INDEX: str(_before(everything, replicated_job) + index),
        constants.JOBSET_GROUP_NAME: group,
        constants.JOBSET_GROUP_REPLICAS: str(jobset_fields.total_replicas(same_group)),
        constants.JOBSET_JOB_GROUP_INDEX: str(_before(same_group, replicated_job) + index),
    }
    coordinator = jobsets.coordinator_endpoint(jobset)
    if coordinator is not None:
        values[constants.JOBSET_COORDINATOR] = coordinator
    return values


def _group(replicated_job: KubeObject) -> str:
    return str(replicated_job.get("groupName") or DEFAULT_GROUP)


def _before(jobs: list[KubeObject], replicated_job: KubeObject) -> int:
    names = [job["name"] for job in jobs]
    return jobset_fields.total_replicas(jobs[: names.index(replicated_job["name"])])


def _exclusive_topology(jobset: KubeObject, replicated_job: KubeObject) -> dict[str, str]:
    key = constants.JOBSET_EXCLUSIVE_TOPOLOGY
    for metadata in (replicated_job["template"].get("metadata") or {}, jobset["metadata"]):
        annotations = metadata.get("annotations") or {}
        if key in annotations:
            return {key: annotations[key]}
    return {}
