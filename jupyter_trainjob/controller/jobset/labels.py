"""The labels and annotations that JobSet puts on each Job and on its pod template.

Pods find their place in the whole by them, and so does everybody who looks for the pods of a JobSet.
"""

from __future__ import annotations

import hashlib

from jupyter_trainjob import constants
from jupyter_trainjob.api.resources import Object
from jupyter_trainjob.controller.jobset import fields

DEFAULT_GROUP = "default"


def mark(obj: Object, jobset: Object, replicated_job: Object, index: int) -> None:
    """Label and annotate a Job or a pod template as the `index`-th Job of a replicated job."""
    metadata = obj.setdefault("metadata", {})
    marks = _marks(jobset, replicated_job, index)
    metadata["labels"] = {**(metadata.get("labels") or {}), **marks}
    topology = _exclusive_topology(jobset, replicated_job)
    metadata["annotations"] = {**(metadata.get("annotations") or {}), **marks, **topology}


def job_key(namespace: str, name: str) -> str:
    """Return the label value that stands for one Job of the cluster: a hash, since names can be too long."""
    return hashlib.sha1(f"{namespace}/{name}".encode(), usedforsecurity=False).hexdigest()


def coordinator_endpoint(jobset: Object) -> str | None:
    """Return the host name of the coordinator pod, if the JobSet names one."""
    coordinator = jobset["spec"].get("coordinator")
    if not coordinator:
        return None
    place = f"{coordinator.get('jobIndex', 0)}-{coordinator.get('podIndex', 0)}"
    return f"{jobset['metadata']['name']}-{coordinator['replicatedJob']}-{place}.{fields.subdomain(jobset)}"


def _marks(jobset: Object, replicated_job: Object, index: int) -> dict[str, str]:
    metadata = jobset["metadata"]
    everything = fields.replicated_jobs(jobset)
    group = _group(replicated_job)
    same_group = [job for job in everything if _group(job) == group]
    marks = {
        constants.JOBSET_NAME: metadata["name"],
        constants.JOBSET_UID: metadata["uid"],
        constants.JOBSET_REPLICATEDJOB_NAME: replicated_job["name"],
        constants.JOBSET_RESTART_ATTEMPT: str(fields.restarts(jobset)),
        constants.JOBSET_REPLICATEDJOB_REPLICAS: str(fields.replicas(replicated_job)),
        constants.JOBSET_GLOBAL_REPLICAS: str(fields.total_replicas(everything)),
        constants.JOBSET_JOB_INDEX: str(index),
        constants.JOBSET_JOB_KEY: job_key(metadata["namespace"], fields.job_name(jobset, replicated_job, index)),
        constants.JOBSET_GLOBAL_INDEX: str(_before(everything, replicated_job) + index),
        constants.JOBSET_GROUP_NAME: group,
        constants.JOBSET_GROUP_REPLICAS: str(fields.total_replicas(same_group)),
        constants.JOBSET_JOB_GROUP_INDEX: str(_before(same_group, replicated_job) + index),
    }
    coordinator = coordinator_endpoint(jobset)
    if coordinator is not None:
        marks[constants.JOBSET_COORDINATOR] = coordinator
    return marks


def _group(replicated_job: Object) -> str:
    return str(replicated_job.get("groupName") or DEFAULT_GROUP)


def _before(jobs: list[Object], replicated_job: Object) -> int:
    names = [job["name"] for job in jobs]
    return fields.total_replicas(jobs[: names.index(replicated_job["name"])])


def _exclusive_topology(jobset: Object, replicated_job: Object) -> dict[str, str]:
    key = constants.JOBSET_EXCLUSIVE_TOPOLOGY
    for metadata in (replicated_job["template"].get("metadata") or {}, jobset["metadata"]):
        annotations = metadata.get("annotations") or {}
        if key in annotations:
            return {key: annotations[key]}
    return {}
