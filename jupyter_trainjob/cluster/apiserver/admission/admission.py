"""Default and validate incoming objects by the rules of their kinds.

Called by `writes` before an object is stored. Returns the object with defaults, or raises a 422 with all invalid
fields. On a real server this is defaulting at decoding, the kind's strategy, and the webhooks of JobSet and Trainer.
"""

from __future__ import annotations

from collections.abc import Callable

from jupyter_trainjob.api.admission import defaults, deprecation_warnings, validation, webhooks
from jupyter_trainjob.api.kinds.runtime_rules import FindObject
from jupyter_trainjob.api.resources import KubeObject, Resource
from jupyter_trainjob.cluster.apiserver import status_errors
from jupyter_trainjob.cluster.apiserver.admission import kind_strategies, metadata
from jupyter_trainjob.cluster.apiserver.status_errors import Cause


def admit(
    resource: Resource,
    new: KubeObject,
    old: KubeObject | None,
    *,
    find: FindObject | None = None,
    warn: Callable[[str], object] = lambda _: None,
) -> KubeObject:
    """Return `new` as it is to be stored; `old` is the object that it replaces. Modifies `new`.

    With `find`, TrainJobs are validated against their runtimes and other objects too. `warn` is called with each
    warning for the client, even if the object is refused.
    Raises `errors.ApiError` (422, 403).
    """
    complete = defaults.apply_defaults(resource, kind_strategies.without_write_only_fields(resource, new), old)
    causes = [*metadata.metadata_causes(resource, complete), *kind_strategies.field_causes(resource, complete, old)]
    has_blocking_cause = any(cause.reason in validation.BLOCKING for cause in causes)
    causes += [Cause(*error) for error in validation.validate(resource, complete, old, blocked=has_blocking_cause)]
    if causes:
        raise status_errors.invalid(resource, str(complete["metadata"].get("name") or ""), causes)
    if webhooks.is_exempt(resource, complete, old):
        return metadata.increment_generation(resource, complete, old)
    for warning in deprecation_warnings.admission_warnings(resource, complete, old, find=find):
        warn(warning)
    if denial := webhooks.denial_message(resource, complete, old, find=find):
        raise status_errors.denied(webhooks.NAMES[resource], denial)
    return metadata.increment_generation(resource, complete, old)
