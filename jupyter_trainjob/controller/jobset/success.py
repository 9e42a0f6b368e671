"""Success policy: when a JobSet is complete."""

from __future__ import annotations

from jupyter_trainjob.api.resources import Object
from jupyter_trainjob.controller.jobset import fields
from jupyter_trainjob.controller.jobset.children import Children

REASON = "AllJobsCompleted"
MESSAGE = "jobset completed successfully"


def succeeded(jobset: Object, children: Children) -> bool:
    """Say whether all Jobs of the targeted replicated jobs succeeded, or any of them, as the operator wants."""
    if not children.successful:
        return False
    policy = jobset["spec"].get("successPolicy") or {}
    targets = policy.get("targetReplicatedJobs") or [job["name"] for job in fields.replicated_jobs(jobset)]
    matching = sum(fields.replicated_job_of(job) in targets for job in children.successful)
    if policy.get("operator", "All") == "Any":
        return matching >= 1
    return matching >= fields.total_replicas(job for job in fields.replicated_jobs(jobset) if job["name"] in targets)
