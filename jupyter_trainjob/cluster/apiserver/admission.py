"""The one place where what comes in is completed and checked by the rules of its kind.

Comes from `writes`, before an object is stored; goes out with defaults, or as a 422 that names every broken rule.
"""

from __future__ import annotations

from jupyter_trainjob.api.resources import Object, Resource
from jupyter_trainjob.cluster.apiserver import metadata, status, strategy


def admit(resource: Resource, new: Object, old: Object | None) -> Object:  # noqa: ARG001
    """Return `new` as it is to be stored; `old` is what it replaces."""
    complete = strategy.normal(resource, new)
    causes = list(metadata.causes(resource, complete))
    if causes:
        raise status.invalid(resource, str(complete["metadata"].get("name") or ""), causes)
    return complete
