"""The Jobs of a JobSet, made from the templates of its replicated jobs."""

from __future__ import annotations

import copy
from itertools import islice
from typing import Final

from jupyter_trainjob.api.kinds import jobsets
from jupyter_trainjob.api.resources import JOBS, KubeObject, owner_reference
from jupyter_trainjob.controller.jobset import jobset_fields
from jupyter_trainjob.controller.jobset.child_jobs import ChildJobs
from jupyter_trainjob.controller.jobset.labels import add_labels
from jupyter_trainjob.controller.jobset.policies.volume_claim_policy import add_volumes

MOST_ACTIVE: Final = 1_000
"""Maximum of unfinished Jobs of a JobSet. JobSet creates all at once; here each takes memory of the user's computer."""


def missing_jobs(jobset: KubeObject, replicated_job: KubeObject, children: ChildJobs) -> list[KubeObject]:
    """Return the missing Jobs of a replicated job, so that at most `MOST_ACTIVE` Jobs are unfinished.

    A Job of an earlier attempt that still exists blocks its name, and with ``BlockingRecreate`` all other Jobs, too.
    """
    strategy = (jobset["spec"].get("failurePolicy") or {}).get("restartStrategy")
    if children.previous and strategy == "BlockingRecreate":
        return []
    names = children.names
    free = (
        index
        for index in range(jobset_fields.replicas(replicated_job))
        if jobset_fields.job_name(jobset, replicated_job, index) not in names
    )
    return [
        new_job(jobset, replicated_job, index) for index in islice(free, max(0, MOST_ACTIVE - len(children.active)))
    ]


def new_job(jobset: KubeObject, replicated_job: KubeObject, index: int) -> KubeObject:
    """Return one Job, with host names for its pods: completion mode Indexed gives the host, ``subdomain`` the rest."""
    template = copy.deepcopy(replicated_job["template"])
    template_metadata = template.get("metadata") or {}
    metadata = {name: template_metadata[name] for name in ("labels", "annotations") if template_metadata.get(name)}
    job: KubeObject = {
        "apiVersion": JOBS.api_version,
        "kind": JOBS.kind,
        "metadata": {
            **metadata,
            "name": jobset_fields.job_name(jobset, replicated_job, index),
            "namespace": jobset["metadata"]["namespace"],
            "ownerReferences": [owner_reference(jobset)],
        },
        "spec": template["spec"],
    }
    spec = job["spec"]
    spec.setdefault("completionMode", "Indexed")
    spec["suspend"] = jobset_fields.is_suspended(jobset)
    pod = spec["template"]
    pod["spec"].setdefault("restartPolicy", "OnFailure")
    if jobset_fields.has_hostnames(jobset):
        pod["spec"]["subdomain"] = jobsets.subdomain(jobset)
    add_labels(job, jobset, replicated_job, index)
    add_labels(pod, jobset, replicated_job, index)
    add_volumes(pod, jobset)
    return job
