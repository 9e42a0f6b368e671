"""The environment of a program: a clean base, then what the container says, as kubelet builds it.

The daemon's own environment does not leak: only names that a process of this user needs anywhere (home, language,
temporary folder, certificates, proxies) are passed on, and the pod's interpreter comes first on PATH.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from jupyter_trainjob.api.resources import CONFIGMAPS, SECRETS, Object, Resource
from jupyter_trainjob.cluster.agent.contents import Asker, data_of
from jupyter_trainjob.cluster.agent.fields import amount, container_named, field
from jupyter_trainjob.cluster.agent.waiting import LookUp, NotYet, Refused

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

_REFERENCE = re.compile(r"\$\$|\$\(([^()]*)\)")


def base(python: str, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return what every program gets: the passed-on names, and PATH with the folder of `python` first."""
    env = {name: value for name, value in environ.items() if name in PASSED_ON or name.startswith("LC_")}
    own = str(Path(python).parent)
    rest = [folder for folder in environ.get("PATH", DEFAULT_PATH).split(":") if folder and folder != own]
    return env | {"PATH": ":".join([own, *rest])}


def of_container(asker: Asker, container: Object) -> dict[str, str]:
    """Return the container's own variables, ``$(NAME)`` expanded with those before it."""
    env: dict[str, str] = {}
    for source in container.get("envFrom") or ():
        env |= _all_of(source, asker.look_up)
    for variable in container.get("env") or ():
        name = variable["name"]
        if "valueFrom" in variable:
            value = _value_from(asker, container, variable)
            if value is not None:
                env[name] = value
        else:
            env[name] = expand(variable.get("value") or "", env)
    return env


def expand(text: str, env: Mapping[str, str]) -> str:
    """Replace ``$(NAME)`` by the variable; ``$$`` is one dollar sign, unknown names stay as they are."""

    def replaced(match: re.Match[str]) -> str:
        if match[0] == "$$":
            return "$"
        return env.get(match[1], match[0])

    return _REFERENCE.sub(replaced, text)


def unknown(text: str, env: Mapping[str, str]) -> list[str]:
    """Return the names that `text` refers to and that have no value."""
    names = {match[1] for match in _REFERENCE.finditer(text) if match[0] != "$$"}
    return sorted(name for name in names if not env.get(name))


def _value_from(asker: Asker, container: Object, variable: Object) -> str | None:
    source = variable["valueFrom"]
    if "fieldRef" in source:
        return field(asker.pod, source["fieldRef"]["fieldPath"])
    if "resourceFieldRef" in source:
        reference = source["resourceFieldRef"]
        named = container_named(asker.pod, reference.get("containerName") or container["name"])
        return amount(named or container, reference, asker.allocatable)
    for kind, resource in (("secretKeyRef", SECRETS), ("configMapKeyRef", CONFIGMAPS)):
        if kind in source:
            return _key(resource, source[kind], asker.look_up)
    raise Refused(
        "CreateContainerConfigError",
        f"env {variable['name']}: {', '.join(source)} is not supported; use value, fieldRef, resourceFieldRef, "
        "secretKeyRef or configMapKeyRef",
    )


def _key(resource: Resource, reference: Object, look_up: LookUp) -> str | None:
    name, key, optional = reference.get("name") or "", reference["key"], reference.get("optional")
    obj = look_up(resource, name)
    data = data_of(obj) if obj else {}
    if key in data:
        return data[key].decode(errors="replace")
    if optional:
        return None
    what = resource.singular
    message = f'couldn\'t find key {key} in {what} "{name}"' if obj else f'{what} "{name}" not found'
    raise NotYet("CreateContainerConfigError", message, resource=resource, name=name)


def _all_of(source: Object, look_up: LookUp) -> dict[str, str]:
    for kind, resource in (("secretRef", SECRETS), ("configMapRef", CONFIGMAPS)):
        if kind in source:
            name = source[kind].get("name") or ""
            obj = look_up(resource, name)
            if obj is None and not source[kind].get("optional"):
                message = f'{resource.singular} "{name}" not found'
                raise NotYet("CreateContainerConfigError", message, resource=resource, name=name)
            prefix = source.get("prefix") or ""
            return {prefix + key: value.decode(errors="replace") for key, value in data_of(obj or {}).items()}
    return {}
