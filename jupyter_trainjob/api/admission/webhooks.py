"""The rules of the validating webhooks of JobSet v0.12 and Kubeflow Trainer v2.3.

On a cluster with Trainer these run as services beside the API server, which answers 403 with their message. They
validate objects after their schemas have. `NAMES` lists the webhook of each kind.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from jupyter_trainjob.api.kinds import jobset_rules, runtime_rules, trainjobs
from jupyter_trainjob.api.kinds.runtime_rules import FindObject
from jupyter_trainjob.api.resources import (
    CLUSTERTRAININGRUNTIMES,
    JOBSETS,
    TRAININGRUNTIMES,
    TRAINJOBS,
    KubeObject,
    Resource,
)
from jupyter_trainjob.api.schemas.schema import FieldError

NAMES: Final = {
    JOBSETS: "vjobset.kb.io",
    TRAINJOBS: "validator.trainjob.trainer.kubeflow.org",
    TRAININGRUNTIMES: "validator.trainingruntime.trainer.kubeflow.org",
    CLUSTERTRAININGRUNTIMES: "validator.clustertrainingruntime.trainer.kubeflow.org",
}

VALIDATION_LABEL: Final = "trainer.kubeflow.org/webhook-validation"
"""A runtime with this label of value `VALIDATION_DISABLED` is not validated: the webhooks' object selector skips it."""
VALIDATION_DISABLED: Final = "disabled"
RUNTIMES: Final = frozenset({TRAININGRUNTIMES, CLUSTERTRAININGRUNTIMES})


def is_exempt(resource: Resource, new: KubeObject, old: KubeObject | None) -> bool:
    """Whether the object selector of a kind's webhook skips the object: on an update both of its states."""
    states = (new,) if old is None else (new, old)
    return resource in RUNTIMES and all(
        (state["metadata"].get("labels") or {}).get(VALIDATION_LABEL) == VALIDATION_DISABLED for state in states
    )


def denial_message(resource: Resource, new: KubeObject, old: KubeObject | None, *, find: FindObject | None) -> str:
    """Return why the webhook of a kind denies `new`, which replaces `old` if given; empty if it does not.

    Without `find` a TrainJob is not validated against its runtime and other objects.
    """
    lines = [f"{field}: {message}" if field else message for field, _, message in iter_denials(resource, new, old)]
    if resource == TRAINJOBS and find is not None and not lines:
        lines = [f"{field}: {message}" for field, _, message in runtime_rules.validate(new, old, find=find)]
    return lines[0] if len(lines) == 1 else f"[{', '.join(lines)}]" if lines else ""


def iter_denials(resource: Resource, new: KubeObject, old: KubeObject | None) -> Iterator[FieldError]:
    """Yield the errors that the webhook of a kind finds without other objects."""
    if old is not None and new.get("spec") == old.get("spec"):
        return
    if resource == JOBSETS:
        yield from jobset_rules.validate(new, old)
    elif resource == TRAINJOBS:
        yield from trainjobs.validate(new, old)
    elif resource in RUNTIMES:
        yield from trainjobs.validate_runtime(new, old)
