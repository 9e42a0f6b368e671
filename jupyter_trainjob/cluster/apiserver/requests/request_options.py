"""Query parameters of a request, validated as apimachinery does: ``ValidateCreateOptions``, ``ValidateListOptions``."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from jupyter_trainjob.cluster.apiserver import status_errors
from jupyter_trainjob.cluster.apiserver.status_errors import Cause

_FIELD_VALIDATIONS: Final = ("", "Ignore", "Strict", "Warn")
_MAX_MANAGER_LENGTH: Final = 128
_KINDS: Final = {"POST": "CreateOptions", "PUT": "UpdateOptions", "PATCH": "PatchOptions"}

Query = Mapping[str, str]


class WriteOptions(NamedTuple):
    """Query parameters of a write."""

    dry_run: bool
    field_validation: str
    """For unknown fields in the body: ``Strict`` rejects, ``Warn`` warns, ``Ignore`` ignores."""


def parse_write_options(method: str, query: Query) -> WriteOptions:
    """Return the options of a create, update or patch; raises 422 for invalid values."""
    causes = [*_manager_causes(query.get("fieldManager", "")), *dry_run_causes([query.get("dryRun", "")])]
    field_validation = query.get("fieldValidation", "")
    if field_validation not in _FIELD_VALIDATIONS:
        causes.append(_unsupported("fieldValidation", field_validation, _FIELD_VALIDATIONS))
    _raise_if_invalid(_KINDS[method], causes)
    return WriteOptions(dry_run=bool(query.get("dryRun")), field_validation=field_validation or "Warn")


def dry_run_causes(stages: Sequence[str]) -> Iterator[Cause]:
    """Yield the cause for unknown dry-run stages."""
    values = [stage for stage in stages if stage]
    if set(values) - {"All"}:
        yield _unsupported("dryRun", values, ("All",))


def check_list_options(query: Query, *, watch: bool) -> None:
    """Raise 422 for invalid or contradictory parameters of a list or watch."""
    _raise_if_invalid("ListOptions", list(_watch_causes(query) if watch else _list_causes(query)))


def _list_causes(query: Query) -> Iterator[Cause]:
    match, version = query.get("resourceVersionMatch", ""), query.get("resourceVersion", "")
    if match and not version:
        yield _forbidden("resourceVersionMatch", "resourceVersionMatch is forbidden unless resourceVersion is provided")
    if match and query.get("continue"):
        yield _forbidden("resourceVersionMatch", "resourceVersionMatch is forbidden when continue is provided")
    if match not in {"", "Exact", "NotOlderThan"}:
        yield _unsupported("resourceVersionMatch", match, ("Exact", "NotOlderThan", ""))
    if match == "Exact" and version == "0":
        text = 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"'
        yield _forbidden("resourceVersionMatch", text)
    if query.get("sendInitialEvents"):
        yield _forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list")


def _watch_causes(query: Query) -> Iterator[Cause]:
    match, initial = query.get("resourceVersionMatch", ""), query.get("sendInitialEvents", "")
    if initial:
        if match != "NotOlderThan":
            text = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
            yield _forbidden("resourceVersionMatch", text)
        text = "sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled"
        yield _forbidden("sendInitialEvents", text)
    if match and not initial:
        text = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"
        yield _forbidden("resourceVersionMatch", text)
    if match and match != "NotOlderThan":
        yield _unsupported("resourceVersionMatch", match, ("NotOlderThan",))
    if match and query.get("continue"):
        yield _forbidden("resourceVersionMatch", "resourceVersionMatch is forbidden when continue is provided")


def _manager_causes(manager: str) -> Iterator[Cause]:
    if len(manager) > _MAX_MANAGER_LENGTH:
        text = f"Too long: may not be more than {_MAX_MANAGER_LENGTH} bytes"
        yield Cause("fieldManager", "FieldValueTooLong", text)
    for position, letter in enumerate(manager):
        if not letter.isprintable():
            text = f'Invalid value: "{manager}": invalid character U+{ord(letter):04X} (at position {position})'
            yield Cause("fieldManager", "FieldValueInvalid", text)


def _raise_if_invalid(kind: str, causes: list[Cause]) -> None:
    if causes:
        raise status_errors.invalid_options(kind, causes)


def _forbidden(field: str, text: str) -> Cause:
    return Cause(field, "FieldValueForbidden", f"Forbidden: {text}")


def _unsupported(field: str, value: str | list[str], supported: Sequence[str]) -> Cause:
    choices = ", ".join(f'"{choice}"' for choice in supported)
    return Cause(
        field, "FieldValueNotSupported", f"Unsupported value: {json.dumps(value)}: supported values: {choices}"
    )
