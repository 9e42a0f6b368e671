"""Build the environment of a program: a clean base, then the container's variables, as kubelet does.

Of the daemon's environment only general variables (home, language, temporary folder, certificates, proxies) are passed
on, and the pod's interpreter comes first on PATH.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from jupyter_trainjob.api.resources import CONFIGMAPS, SECRETS, KubeObject, Resource
from jupyter_trainjob.cluster.agent.start_errors import FindObject, MissingReference, StartRefused
from jupyter_trainjob.cluster.agent.variable_expansion import expand_variables
from jupyter_trainjob.cluster.agent.volumes.downward_api import field_value, find_container, resource_field_value
from jupyter_trainjob.cluster.agent.volumes.volume_contents import PodContext, object_data

PROXIES = ("http_proxy", "https_proxy", "no_proxy", "all_proxy")
PASSED_ON = frozenset(
    (
        *("HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TZ", "TMPDIR"),
        *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
        *PROXIES,
        *(name.upper() for name in PROXIES),
    )
)
DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def base_env(python: str, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the variables of every program: those passed on, and PATH with the folder of `python` first."""
    env = {name: value for name, value in environ.items() if name in PASSED_ON or name.startswith("LC_")}
    own = str(Path(python).parent)
    rest = [folder for folder in environ.get("PATH", DEFAULT_PATH).split(":") if folder and folder != own]
    return env | {"PATH": ":".join([own, *rest])}


def container_env(context: PodContext, container: KubeObject) -> dict[str, str]:
    """Return the container's variables; ``$(NAME)`` is expanded with earlier ones."""
    env: dict[str, str] = {}
    for source in container.get("envFrom") or ():
        env |= _env_from(source, context.find_object)
    for variable in container.get("env") or ():
        name = variable["name"]
        if "valueFrom" in variable:
            value = _value_from(context, container, variable)
            if value is not None:
                env[name] = value
        else:
            env[name] = expand_variables(variable.get("value") or "", env)
    return env


def _value_from(context: PodContext, container: KubeObject, variable: KubeObject) -> str | None:
    source = variable["valueFrom"]
    if "fieldRef" in source:
        return field_value(context.pod, source["fieldRef"]["fieldPath"])
    if "resourceFieldRef" in source:
        reference = source["resourceFieldRef"]
        named = find_container(context.pod, reference.get("containerName") or container["name"])
        return resource_field_value(named or container, reference, context.allocatable)
    for kind, resource in (("secretKeyRef", SECRETS), ("configMapKeyRef", CONFIGMAPS)):
        if kind in source:
            return _key(resource, source[kind], context.find_object)
    raise StartRefused(
        "CreateContainerConfigError",
        f"env {variable['name']}: {', '.join(source)} is not supported; use value, fieldRef, resourceFieldRef, "
        "secretKeyRef or configMapKeyRef",
    )


def _key(resource: Resource, reference: KubeObject, find_object: FindObject) -> str | None:
    name, key, optional = reference.get("name") or "", reference["key"], reference.get("optional")
    obj = find_object(resource, name)
    data = object_data(obj) if obj else {}
    if key in data:
        return data[key].decode(errors="replace")
    if optional:
        return None
    kind = resource.singular
    message = f'couldn\'t find key {key} in {kind} "{name}"' if obj else f'{kind} "{name}" not found'
    raise MissingReference("CreateContainerConfigError", message, resource=resource, name=name)


def _env_from(source: KubeObject, find_object: FindObject) -> dict[str, str]:
    for kind, resource in (("secretRef", SECRETS), ("configMapRef", CONFIGMAPS)):
        if kind in source:
            name = source[kind].get("name") or ""
            obj = find_object(resource, name)
            if obj is None and not source[kind].get("optional"):
                message = f'{resource.singular} "{name}" not found'
                raise MissingReference("CreateContainerConfigError", message, resource=resource, name=name)
            prefix = source.get("prefix") or ""
            return {prefix + key: value.decode(errors="replace") for key, value in object_data(obj or {}).items()}
    return {}
