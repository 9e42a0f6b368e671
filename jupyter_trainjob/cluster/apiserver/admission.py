"""The one place where what comes in is completed and checked by the rules of its kind.

Comes from `writes`, before an object is stored; goes out with its defaults, or as a 422 that names every broken rule.
On a real server this is decoding with defaults, the kind's strategy, and the webhooks of JobSet and Trainer.
"""

from __future__ import annotations

from copy import deepcopy

from jupyter_trainjob.api import crds, defaults, schema, validation
from jupyter_trainjob.api.resources import Object, Resource
from jupyter_trainjob.cluster.apiserver import metadata, status, strategy
from jupyter_trainjob.cluster.apiserver.status import Cause


def admit(resource: Resource, new: Object, old: Object | None) -> Object:
    """Return `new` as it is to be stored; `old` is what it replaces. Uses `new` up."""
    complete = defaults.apply(resource, strategy.normal(resource, new), old)
    causes = [*metadata.causes(resource, complete), *strategy.causes(resource, complete, old)]
    causes += [Cause(*error) for error in validation.validate(resource, complete, old)]
    if causes:
        raise status.invalid(resource, str(complete["metadata"].get("name") or ""), causes)
    return metadata.counted(resource, complete, old)


def check_known(resource: Resource, sent: Object) -> None:
    """Refuse an object with fields that its kind does not know (``fieldValidation=Strict``), where a schema says so."""
    shape = crds.schema(resource)
    if shape is None:
        return
    body = {name: deepcopy(value) for name, value in sent.items() if name not in {"apiVersion", "kind", "metadata"}}
    unknown = schema.prune(shape, body)
    if unknown:
        about = f'{resource.kind} in version "{resource.version}" cannot be handled as a {resource.kind}'
        fields = ", ".join(f'unknown field "{path}"' for path in unknown)
        raise status.bad_request(f"{about}: strict decoding error: {fields}")
