"""Defaults and validation of Pods and pod templates (core/v1 defaults, ``ValidatePodSpec``).

Only fields that the embedded node uses are validated.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from typing import Any, Final

from jupyter_trainjob.api import name_validation, quantity
from jupyter_trainjob.api.kinds import affinity, downward_fields
from jupyter_trainjob.api.resources import KubeObject
from jupyter_trainjob.api.schemas import schema
from jupyter_trainjob.api.schemas.schema import FieldError
from jupyter_trainjob.constants import JOB_COMPLETION_INDEX
from jupyter_trainjob.worker.protocol import TERMINATION_LOG

_ENV_NAME: Final = re.compile(r"[^\x00-\x1f=\x7f-\uffff]+")
_POLICIES: Final = ("Always", "OnFailure", "Never")
_MODES: Final = ("secret", "configMap", "projected", "downwardAPI")
_MUTABLE: Final = ("activeDeadlineSeconds", "terminationGracePeriodSeconds", "tolerations", "schedulingGates")


def set_defaults(pod: KubeObject) -> None:
    """Set, in place, the defaults of a Pod. Requests default to the limits."""
    spec = pod.setdefault("spec", {})
    set_spec_defaults(spec)
    if spec["terminationGracePeriodSeconds"] < 0:
        spec["terminationGracePeriodSeconds"] = 1
    for container in _containers(spec):
        resources = container["resources"]
        if resources.get("limits"):
            resources["requests"] = {**resources["limits"], **(resources.get("requests") or {})}


def set_spec_defaults(spec: KubeObject) -> None:
    """Set, in place, the defaults of the spec of a Pod or pod template."""
    spec.setdefault("restartPolicy", "Always")
    spec.setdefault("terminationGracePeriodSeconds", 30)
    spec.setdefault("dnsPolicy", "ClusterFirst")
    spec.setdefault("schedulerName", "default-scheduler")
    spec.setdefault("securityContext", {})
    for container in _containers(spec):
        _set_container_defaults(container)
    for volume in _items(spec.get("volumes")):
        _set_volume_defaults(volume)


def validate(pod: KubeObject, old: KubeObject | None = None) -> Iterator[FieldError]:
    """Yield the errors in a Pod; `old` is the Pod that it replaces."""
    yield from validate_spec(pod.get("spec") or {}, "spec")
    if old is not None and _fixed(pod) != _fixed(old):
        allowed = ",".join(f"`spec.{field}`" for field in ("containers[*].image", *_MUTABLE))
        yield FieldError("spec", schema.FORBIDDEN, f"Forbidden: pod updates may not change fields other than {allowed}")


def validate_spec(spec: KubeObject, path: str) -> Iterator[FieldError]:
    """Yield the errors in the pod spec at `path`."""
    if not spec.get("containers"):
        yield FieldError(f"{path}.containers", schema.REQUIRED, "Required value")
    if spec.get("restartPolicy", "Always") not in _POLICIES:
        yield unsupported_error(f"{path}.restartPolicy", spec["restartPolicy"], _POLICIES)
    yield from affinity.validate(spec, path)
    volumes = yield from _check_names(spec.get("volumes"), f"{path}.volumes")
    for index, volume in enumerate(_items(spec.get("volumes"))):
        yield from downward_fields.validate_volume(volume, f"{path}.volumes[{index}]")
    used_names: set[str] = set()
    for field in ("initContainers", "containers"):
        names = yield from _check_names(spec.get(field), f"{path}.{field}")
        for name in sorted(names & used_names):
            yield FieldError(f"{path}.{field}", schema.DUPLICATE, f'Duplicate value: "{name}"')
        used_names |= names
        for index, container in enumerate(_items(spec.get(field))):
            yield from _check_container(container, volumes, f"{path}.{field}[{index}]")


def completion_index(pod: KubeObject) -> int | None:
    """Return the completion index of a pod of an Indexed Job, None if it has none."""
    metadata = pod["metadata"]
    for metadata_map in (metadata.get("annotations") or {}, metadata.get("labels") or {}):
        text = metadata_map.get(JOB_COMPLETION_INDEX, "")
        if text.isdigit():
            return int(text)
    return None


def negative_error(path: str, value: Any) -> FieldError:
    """Return the error about a negative number."""
    return FieldError(path, schema.INVALID, f"Invalid value: {value}: must be greater than or equal to 0")


def unsupported_error(path: str, value: Any, supported: tuple[str, ...]) -> FieldError:
    """Return the error about an unsupported value of an enumeration."""
    choices = ", ".join(f'"{choice}"' for choice in supported)
    return FieldError(path, schema.UNSUPPORTED, f'Unsupported value: "{value}": supported values: {choices}')


def _set_container_defaults(container: KubeObject) -> None:
    container.setdefault("terminationMessagePath", TERMINATION_LOG)
    container.setdefault("terminationMessagePolicy", "File")
    image = str(container.get("image") or "")
    tag = image.rsplit("/", 1)[-1].partition("@")[0].partition(":")[2]
    latest = tag in {"", "latest"} and "@" not in image
    container.setdefault("imagePullPolicy", "Always" if latest else "IfNotPresent")
    container.setdefault("resources", {})
    for port in _items(container.get("ports")):
        port.setdefault("protocol", "TCP")
    for variable in _items(container.get("env")):
        reference = (variable.get("valueFrom") or {}).get("fieldRef")
        if reference is not None:
            reference.setdefault("apiVersion", "v1")


def _set_volume_defaults(volume: KubeObject) -> None:
    if set(volume) <= {"name"}:
        volume["emptyDir"] = {}
    for source in _MODES:
        if source in volume:
            volume[source].setdefault("defaultMode", 420)
    if "hostPath" in volume:
        volume["hostPath"].setdefault("type", "")


def _check_names(items: list[KubeObject] | None, path: str) -> Generator[FieldError, None, set[str]]:
    """Yield the errors in the names of a list's items; the generator's value is the set of names."""
    used_names: set[str] = set()
    for index, item in enumerate(_items(items)):
        name = str(item.get("name") or "")
        where = f"{path}[{index}].name"
        if not name:
            yield FieldError(where, schema.REQUIRED, "Required value")
        elif problem := name_validation.label_name_problem(name):
            yield FieldError(where, schema.INVALID, f'Invalid value: "{name}": {problem}')
        elif name in used_names:
            yield FieldError(where, schema.DUPLICATE, f'Duplicate value: "{name}"')
        used_names.add(name)
    return used_names - {""}


def _check_container(container: KubeObject, volumes: set[str], path: str) -> Iterator[FieldError]:
    if not container.get("image"):
        yield FieldError(f"{path}.image", schema.REQUIRED, "Required value")
    for index, variable in enumerate(_items(container.get("env"))):
        where, name = f"{path}.env[{index}].name", str(variable.get("name") or "")
        if not name:
            yield FieldError(where, schema.REQUIRED, "Required value")
        elif _ENV_NAME.fullmatch(name) is None:
            message = (
                f"Invalid value: \"{name}\": a valid environment variable name must hold printable ASCII but no '='"
            )
            yield FieldError(where, schema.INVALID, message)
        reference = (variable.get("valueFrom") or {}).get("fieldRef")
        if reference is not None:
            where = f"{path}.env[{index}].valueFrom.fieldRef"
            yield from downward_fields.validate_field_ref(reference, where, downward_fields.ENV_FIELDS)
        if "value" in variable and variable["value"] and "valueFrom" in variable:
            message = 'Invalid value: "": may not be specified when `value` is not empty'
            yield FieldError(f"{path}.env[{index}].valueFrom", schema.INVALID, message)
    paths: set[str] = set()
    for index, mount in enumerate(_items(container.get("volumeMounts"))):
        where = f"{path}.volumeMounts[{index}]"
        if str(mount.get("name") or "") not in volumes:
            yield FieldError(f"{where}.name", "FieldValueNotFound", f'Not found: "{mount.get("name") or ""}"')
        target = str(mount.get("mountPath") or "")
        if not target:
            yield FieldError(f"{where}.mountPath", schema.REQUIRED, "Required value")
        elif target in paths:
            message = f'Invalid value: "{target}": must be unique'
            yield FieldError(f"{where}.mountPath", schema.INVALID, message)
        paths.add(target)
    yield from _check_resources(container.get("resources") or {}, f"{path}.resources")


def _check_resources(resources: KubeObject, path: str) -> Iterator[FieldError]:
    parsed: dict[str, quantity.Amounts] = {"limits": {}, "requests": {}}
    for kind, amounts in parsed.items():
        for name, text in (resources.get(kind) or {}).items():
            try:
                amounts[name] = quantity.parse_quantity(text)
            except ValueError:
                message = f'Invalid value: "{text}": must be a quantity such as 2, 500m or 4Gi'
                yield FieldError(f"{path}.{kind}[{name}]", schema.INVALID, message)
                continue
            if amounts[name] < 0:
                message = f'Invalid value: "{text}": must be greater than or equal to 0'
                yield FieldError(f"{path}.{kind}[{name}]", schema.INVALID, message)
    for name, amount in parsed["requests"].items():
        if name in parsed["limits"] and amount > parsed["limits"][name]:
            request, limit = resources["requests"][name], resources["limits"][name]
            message = f'Invalid value: "{request}": must be less than or equal to {name} limit of {limit}'
            yield FieldError(f"{path}.requests", schema.INVALID, message)


def _fixed(pod: KubeObject) -> KubeObject:
    """Return the immutable part of a pod's spec."""
    spec = {name: value for name, value in (pod.get("spec") or {}).items() if name not in _MUTABLE}
    for field in ("containers", "initContainers"):
        if field in spec:
            spec[field] = [{**container, "image": ""} for container in _items(spec[field])]
    return spec


def _containers(spec: KubeObject) -> list[KubeObject]:
    return [*_items(spec.get("initContainers")), *_items(spec.get("containers"))]


def _items(items: list[KubeObject] | None) -> list[KubeObject]:
    return items or []
