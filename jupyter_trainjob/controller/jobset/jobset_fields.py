"""Fields of JobSets and Jobs with the defaults that JobSet's webhook gives them, for objects that never met it."""

from __future__ import annotations

from collections.abc import Iterable

from jupyter_trainjob.api.resources import KubeObject
from jupyter_trainjob.constants import JOBSET_REPLICATEDJOB_NAME


def replicated_jobs(jobset: KubeObject) -> list[KubeObject]:
    """Return the replicated jobs of a JobSet, in order."""
    return list(jobset["spec"].get("replicatedJobs") or ())


def replicas(replicated_job: KubeObject) -> int:
    """Return the number of Jobs of a replicated job."""
    return int(replicated_job.get("replicas", 1))


def total_replicas(jobs: Iterable[KubeObject]) -> int:
    """Return the number of Jobs of several replicated jobs."""
    return sum(replicas(job) for job in jobs)


def job_name(jobset: KubeObject, replicated_job: KubeObject, index: int) -> str:
    """Return the name of one Job."""
    return f"{jobset['metadata']['name']}-{replicated_job['name']}-{index}"


def replicated_job_of(job: KubeObject) -> str | None:
    """Return the name of the replicated job that a Job belongs to."""
    name: str | None = (job["metadata"].get("labels") or {}).get(JOBSET_REPLICATEDJOB_NAME)
    return name


def restarts(jobset: KubeObject) -> int:
    """Return how often a JobSet was restarted as a whole."""
    return int((jobset.get("status") or {}).get("restarts", 0))


def is_suspended(obj: KubeObject) -> bool:
    """Return whether a JobSet or a Job is suspended."""
    return bool(obj["spec"].get("suspend"))


def has_hostnames(jobset: KubeObject) -> bool:
    """Return whether pods get resolvable host names."""
    return (jobset["spec"].get("network") or {}).get("enableDNSHostnames") is not False
