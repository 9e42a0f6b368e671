"""Success policy: when a JobSet is complete."""

from __future__ import annotations

from jupyter_trainjob.api.resources import KubeObject
from jupyter_trainjob.controller.jobset import jobset_fields
from jupyter_trainjob.controller.jobset.child_jobs import ChildJobs

REASON = "AllJobsCompleted"
MESSAGE = "jobset completed successfully"


def has_succeeded(jobset: KubeObject, children: ChildJobs) -> bool:
    """Return whether all Jobs of the targeted replicated jobs succeeded, or any for the operator ``Any``."""
    if not children.successful:
        return False
    policy = jobset["spec"].get("successPolicy") or {}
    targets = policy.get("targetReplicatedJobs") or [job["name"] for job in jobset_fields.replicated_jobs(jobset)]
    matching = sum(jobset_fields.replicated_job_of(job) in targets for job in children.successful)
    if policy.get("operator", "All") == "Any":
        return matching >= 1
    return matching >= jobset_fields.total_replicas(
        job for job in jobset_fields.replicated_jobs(jobset) if job["name"] in targets
    )
