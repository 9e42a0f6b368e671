"""Merge the runtime patches of a TrainJob into the template of its runtime.

Upstream: ``mergeRuntimePatches`` in
https://github.com/kubeflow/trainer/blob/v2.3.0/pkg/runtime/core/trainingruntime.go
"""

from __future__ import annotations

import copy
from typing import Any

from jupyter_trainjob.api.resources import KubeObject
from jupyter_trainjob.api.strategic_merge_patch import apply_strategic_merge_patch


def merge_runtime_patches(spec: KubeObject, patches: list[KubeObject]) -> KubeObject:
    """Return a JobSetSpec with the ``template.spec`` of each patch merged; replicated jobs keep the runtime's order."""
    order = {job["name"]: position for position, job in enumerate(spec.get("replicatedJobs") or ())}
    merged = spec
    for patch in patches:
        template = (patch.get("trainingRuntimeSpec") or {}).get("template") or {}
        if template.get("spec"):
            merged = apply_strategic_merge_patch(merged, _without_empty(template["spec"]))
    merged = copy.deepcopy(merged)
    if merged.get("replicatedJobs"):
        merged["replicatedJobs"].sort(key=lambda job: order.get(job["name"], 0))
    return merged


def _without_empty(patch: Any) -> Any:
    """Drop nulls and empty lists: Go's ``omitempty`` leaves them out of the patch, so they clear nothing."""
    if isinstance(patch, dict):
        cleaned = {field: _without_empty(value) for field, value in patch.items()}
        return {field: value for field, value in cleaned.items() if value is not None and value != []}
    if isinstance(patch, list):
        return [_without_empty(item) for item in patch]
    return patch
