"""Fields of JobSets and Jobs with the defaults that JobSet's webhook gives them, for objects that never met it."""

from __future__ import annotations

from collections.abc import Iterable

from jupyter_trainjob.api.resources import Object
from jupyter_trainjob.constants import JOBSET_REPLICATEDJOB_NAME


def replicated_jobs(jobset: Object) -> list[Object]:
    """Return the replicated jobs of a JobSet, in order."""
    return list(jobset["spec"].get("replicatedJobs") or ())


def replicas(replicated_job: Object) -> int:
    """Return how many Jobs a replicated job has."""
    return int(replicated_job.get("replicas", 1))


def total_replicas(jobs: Iterable[Object]) -> int:
    """Return how many Jobs several replicated jobs have."""
    return sum(replicas(job) for job in jobs)


def job_name(jobset: Object, replicated_job: Object, index: int) -> str:
    """Return the name of one Job."""
    return f"{jobset['metadata']['name']}-{replicated_job['name']}-{index}"


def replicated_job_of(job: Object) -> str | None:
    """Return the name of the replicated job that a Job belongs to."""
    name: str | None = (job["metadata"].get("labels") or {}).get(JOBSET_REPLICATEDJOB_NAME)
    return name


def restarts(jobset: Object) -> int:
    """Return how often a JobSet was restarted as a whole."""
    return int((jobset.get("status") or {}).get("restarts", 0))


def suspended(obj: Object) -> bool:
    """Say whether a JobSet or a Job is suspended."""
    return bool(obj["spec"].get("suspend"))


def subdomain(jobset: Object) -> str:
    """Return the subdomain of the pods' host names, which is the name of the headless Service."""
    return str((jobset["spec"].get("network") or {}).get("subdomain") or jobset["metadata"]["name"])


def has_hostnames(jobset: Object) -> bool:
    """Say whether pods get host names that others can resolve."""
    return (jobset["spec"].get("network") or {}).get("enableDNSHostnames") is not False
