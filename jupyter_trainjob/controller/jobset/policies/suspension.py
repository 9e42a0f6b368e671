"""Suspend and resume the Jobs of a JobSet.

While a JobSet is suspended, queueing systems may set node selectors and tolerations; on resume they are merged into the
Jobs' templates.
"""

from __future__ import annotations

from jupyter_trainjob.api.resources import KubeObject
from jupyter_trainjob.controller.jobset import jobset_fields

REASON = "SuspendedJobs"
MESSAGE = "jobset is suspended"
RESUMED_REASON = "ResumeJobs"
RESUMED_MESSAGE = "jobset is resumed"


def suspend_patch(job: KubeObject) -> KubeObject | None:
    """Return the merge patch that suspends a Job; None if it is suspended already."""
    return None if jobset_fields.is_suspended(job) else {"spec": {"suspend": True}}


def resume_patch(job: KubeObject, replicated_job: KubeObject) -> KubeObject | None:
    """Return the merge patch that resumes a Job with its replicated job's template; None if it is running."""
    if not jobset_fields.is_suspended(job):
        return None
    wanted, present = replicated_job["template"]["spec"]["template"], job["spec"]["template"]
    metadata = {
        name: value
        for name in ("labels", "annotations")
        if (value := _missing_keys(present.get("metadata") or {}, wanted.get("metadata") or {}, name))
    }
    spec: KubeObject = {}
    if selector := _missing_keys(present["spec"], wanted["spec"], "nodeSelector"):
        spec["nodeSelector"] = selector
    for name in ("tolerations", "schedulingGates"):
        has = present["spec"].get(name) or []
        more = [item for item in wanted["spec"].get(name) or () if item not in has]
        if more:
            spec[name] = [*has, *more]
    template = {name: value for name, value in (("metadata", metadata), ("spec", spec)) if value}
    patch: KubeObject = {"spec": {"suspend": False}}
    if template:
        patch["spec"]["template"] = template
    return patch


def _missing_keys(present: KubeObject, wanted: KubeObject, name: str) -> KubeObject:
    has = present.get(name) or {}
    return {key: value for key, value in (wanted.get(name) or {}).items() if has.get(key) != value}
