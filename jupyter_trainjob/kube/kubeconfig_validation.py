"""Validate a kubeconfig, and name the file, the field and the value that are wrong.

Both functions raise `errors.UsageError` for the first fault: `load_kubeconfig` validates the structure of a file,
`check_context` the entries that one context refers to.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NoReturn
from urllib.parse import urlsplit

from jupyter_trainjob import errors

KINDS: Final = {"clusters": "cluster", "contexts": "context", "users": "user"}
"""The lists of a kubeconfig, and the field of their entries with the content."""
_FILES: Final = {
    "cluster": ("certificate-authority",),
    "user": ("client-certificate", "client-key", "tokenFile"),
}
"""Fields with paths of files; the field with the suffix ``-data`` contains the content itself, in base64."""
_TYPES: Final = {dict: "a mapping", list: "a list", str: "a string", bool: "true or false", type(None): "empty"}


def load_kubeconfig(path: Path) -> dict[str, Any]:
    """Return the content of a file, empty if it does not exist. Raises `errors.UsageError` if it is no kubeconfig."""
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except UnicodeDecodeError as error:
        _refuse(path, f"it is not UTF-8 text (byte {error.start})", error)
    except OSError as error:
        _refuse(path, f"it cannot be read ({error.strerror})", error)
    content = _parse_yaml(path, text)
    if not isinstance(content, dict):
        _refuse(path, f"it is {_describe_type(content)}, not a mapping with clusters, contexts and users")
    for kind, field in KINDS.items():
        entries = content.get(kind)
        if entries is None:
            continue
        if not isinstance(entries, list):
            _refuse(path, f"{kind} is {_describe_type(entries)}, not a list")
        for index, entry in enumerate(entries):
            _check_entry(path, f"{kind}[{index}]", field, entry)
    current = content.get("current-context")
    if current is not None and not isinstance(current, str):
        _refuse(path, f"current-context is {_describe_type(current)}, not a string")
    return content


def check_context(paths: str, content: Mapping[str, Any], name: str) -> None:
    """Raise `errors.UsageError` if a context refers to missing or invalid entries of the merged `content`."""
    context = entry_content(content, "contexts", name) or {}
    for kind in ("cluster", "user"):
        names = [entry["name"] for entry in content.get(f"{kind}s") or ()]
        reference = context.get(kind)
        where = f"the context {name!r}"
        if not reference and kind == "user":
            continue
        if not reference:
            _refuse(paths, f"{where} names no cluster")
        if reference not in names:
            _refuse(
                paths,
                f"{where} names the {kind} {reference!r}, which does not exist.{errors.listed(str(reference), names)}",
            )
        entry_body = entry_content(content, f"{kind}s", reference) or {}
        problem = next(_iter_faults(kind, entry_body), "")
        if problem:
            _refuse(paths, f"the {kind} {reference!r} {problem}")


def entry_content(content: Mapping[str, Any], kind: str, name: Any) -> dict[str, Any] | None:
    """Return the content of an entry by its list and name; None if it does not exist."""
    return next((entry.get(KINDS[kind]) for entry in content.get(kind) or () if entry["name"] == name), None)


def _iter_faults(kind: str, entry: Mapping[str, Any]) -> Iterator[str]:
    if kind == "cluster":
        server = entry.get("server")
        if not server:
            yield "has no server"
        elif not isinstance(server, str) or urlsplit(server).scheme not in ("http", "https"):
            yield f"has the server {server!r}, which is not an address such as https://10.0.0.1:6443"
    for field in _FILES[kind]:
        data = entry.get(f"{field}-data")
        if data is not None and not _is_base64(data):
            yield f"has a {field}-data that is not base64: it was cut, or changed by an editor"
        if entry.get(field) is not None and not isinstance(entry[field], str):
            yield f"has a {field} that is {_describe_type(entry[field])}, not the path of a file"
    for field in ("exec", "auth-provider"):
        if entry.get(field) is not None and not isinstance(entry[field], dict):
            yield f"has a field {field} that is {_describe_type(entry[field])}, not a mapping"
    command = (entry.get("exec") or {}).get("command", "")
    if not isinstance(command, str):
        yield f"has an exec.command that is {_describe_type(command)}, not the name of a program"
    if "token" in entry and not isinstance(entry["token"], str):
        yield f"has a token that is {_describe_type(entry['token'])}, not a string: put it in quotes"


def _check_entry(path: Path, where: str, field: str, entry: Any) -> None:
    if not isinstance(entry, dict):
        _refuse(path, f"{where} is {_describe_type(entry)}, not a mapping with name and {field}")
    if not isinstance(entry.get("name"), str):
        _refuse(path, f"{where}.name is {_describe_type(entry.get('name'))}, not a string")
    inner = entry.get(field)
    if inner is not None and not isinstance(inner, dict):
        _refuse(path, f"{where}.{field} (of {entry['name']!r}) is {_describe_type(inner)}, not a mapping")


def _parse_yaml(path: Path, text: str) -> Any:
    import yaml

    try:
        content = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        position = f"line {mark.line + 1}, column {mark.column + 1}" if mark else "its text"
        tab = "; indent with spaces, not tabs" if error.problem and "\\t" in error.problem else ""
        _refuse(path, f"{position} is not valid YAML ({error.problem}){tab}", error)
    except yaml.YAMLError as error:
        _refuse(path, "it contains characters that YAML does not allow", error)
    except ValueError as error:  # An invalid date or number.
        _refuse(path, f"it contains an invalid value ({error})", error)
    if content is None:
        _refuse(path, "it is empty")
    return content


def _is_base64(value: Any) -> bool:
    try:
        return isinstance(value, str) and bool(base64.b64decode(value, validate=False))
    except (binascii.Error, ValueError):
        return False


def _describe_type(value: Any) -> str:
    return _TYPES.get(type(value), f"{value!r}")


def _refuse(where: Path | str, problem: str, error: Exception | None = None) -> NoReturn:
    problem = problem if problem.endswith(".") else f"{problem}."
    raise errors.UsageError(
        f"The kubeconfig {where} cannot be used: {problem} Correct it there, or set KUBECONFIG to another file; "
        "`kubectl config view` shows its content."
    ) from error
