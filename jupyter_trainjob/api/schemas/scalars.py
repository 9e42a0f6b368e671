"""Decode scalar values of Kubernetes' own kinds as Go does: strings, numbers, bytes, quantities, times.

`decoding` handles structs, lists and maps with these decoders, and passes a `Report` that collects the errors. Types
in `SPECIAL` have their own decoders (``UnmarshalJSON`` in apimachinery's resource, intstr and metav1 packages).
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any, Final

from jupyter_trainjob.api import quantity
from jupyter_trainjob.api.schemas import builtin_types
from jupyter_trainjob.api.schemas.builtin_types import Schema

Decoder = Callable[[Any, str, "Report"], Any]
"""Takes a value, its path and a report; returns the decoded value, or `ZERO` for Go's zero value."""

_NUMBERS: Final = ("int32", "int64", "float64")
_SIZES: Final = {"int32": 31, "int64": 63}
_JSON_TYPES: Final[dict[type, str]] = {str: "string", list: "array", dict: "object"}
_INDEX: Final = re.compile(r"\[\d+\]")
_BASE64: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_RFC3339: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
_QUANTITY_RULE: Final = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"


class Report:
    """Problems of one request body: the first value of a wrong type, and all unknown fields."""

    def __init__(self) -> None:
        self.error = ""
        self.unknown: list[str] = []
        self.struct = ""
        """The Go struct whose fields are being decoded."""

    def wrong_type(self, value: Any, path: str, go_type: str) -> None:
        """Record the error of a value that does not match its Go type (``json.UnmarshalTypeError``)."""
        field = _INDEX.sub("", path)
        where = f"struct field {self.struct}.{field}" if field else "value"
        shown = f"number {json.dumps(value)}" if _is_number(value) and go_type in _NUMBERS else json_type(value)
        self.invalid(f"json: cannot unmarshal {shown} into Go {where} of type {go_type}")

    def invalid(self, message: str) -> None:
        """Record an error, if it is the first."""
        self.error = self.error or message


class _Zero:
    """Go's zero value of a field; it is encoded only if the field has no ``omitempty``."""


ZERO: Final = _Zero()


def plain_decoder(schema: Schema, kinds: tuple[type, ...]) -> Decoder:
    """Return a decoder for strings, booleans or floats."""
    go_type = builtin_types.go_type(schema).lstrip("*")

    def decode_plain(value: Any, path: str, report: Report) -> Any:
        if value is None:
            return ZERO
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            report.wrong_type(value, path, go_type)
            return ZERO
        return value or ZERO

    return decode_plain


def integer_decoder(schema: Schema) -> Decoder:
    """Return a decoder for integers of 32 or 64 bits."""
    go_type = builtin_types.go_type(schema).lstrip("*")
    limit = 1 << _SIZES.get(str(schema.get("format")), 63)

    def decode_integer(value: Any, path: str, report: Report) -> Any:
        if value is None:
            return ZERO
        if not isinstance(value, int) or isinstance(value, bool) or not -limit <= value < limit:
            report.wrong_type(value, path, go_type)
            return ZERO
        return value or ZERO

    return decode_integer


def decode_bytes(value: Any, path: str, report: Report) -> Any:
    """Decode bytes from base64."""
    if value is None:
        return ZERO
    if isinstance(value, list) and all(isinstance(item, int) and 0 <= item < 256 for item in value):
        return base64.b64encode(bytes(value)).decode()
    if not isinstance(value, str):
        report.wrong_type(value, path, "[]uint8")
        return ZERO
    packed = value.replace("\r", "").replace("\n", "")
    try:
        return base64.b64encode(base64.b64decode(packed, validate=True)).decode()
    except (binascii.Error, ValueError):
        report.invalid(f"illegal base64 data at input byte {_first_illegal(packed)}")
        return ZERO


def _first_illegal(text: str) -> int:
    """Return the index of the first invalid byte of base64 text, as Go's decoder reports it."""
    letters = len(text) - len(text.lstrip(_BASE64))
    quantum_position = letters % 4
    if letters == len(text):
        return letters - quantum_position
    if text[letters] != "=" or quantum_position < 2:
        return letters
    padded = letters + 4 - quantum_position
    if quantum_position == 2 and text[letters + 1 : letters + 2] != "=":
        return letters + 1 if len(text) > letters + 1 else len(text)
    return padded


def _quantity(value: Any, _path: str, report: Report) -> Any:
    if value is None:
        return "0"
    text = value if isinstance(value, str) else json.dumps(value)
    try:
        return quantity.canonicalize(text.strip())
    except ValueError:
        report.invalid(_QUANTITY_RULE if text.strip() else "quantities must not be empty")
        return "0"


def _int_or_string(value: Any, _path: str, report: Report) -> Any:
    if value is None:
        return ZERO
    if isinstance(value, str):
        return value
    if not isinstance(value, int) or isinstance(value, bool) or not -(1 << 31) <= value < 1 << 31:
        shown = f"number {json.dumps(value)}" if _is_number(value) else json_type(value)
        report.invalid(f"json: cannot unmarshal {shown} into Go value of type int32")
        return ZERO
    return value


def _time(digits: int) -> Decoder:
    def decode_time(value: Any, _path: str, report: Report) -> Any:
        if value is None:
            return ZERO
        if not isinstance(value, str):
            report.invalid(f"json: cannot unmarshal {json_type(value)} into Go value of type string")
            return ZERO
        moment = _moment(value)
        if moment is None:
            report.invalid(f'parsing time "{value}" as "2006-01-02T15:04:05Z07:00": cannot parse "{value}" as "2006"')
            return ZERO
        fraction = f".{moment.microsecond:06d}"[: digits + 1] if digits else ""
        return moment.strftime("%Y-%m-%dT%H:%M:%S") + fraction + "Z"

    return decode_time


def _moment(text: str) -> datetime | None:
    match = _RFC3339.fullmatch(text)
    if match is None:
        return None
    fraction = f"{match[1] or '.'}000000"[1:7]
    try:
        whole = datetime.fromisoformat(text[:19] + match[2].replace("Z", "+00:00"))
    except ValueError:
        return None
    return whole.astimezone(timezone.utc).replace(microsecond=int(fraction))


def _anything(value: Any, _path: str, _report: Report) -> Any:
    return ZERO if value is None else value


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def json_type(value: Any) -> str:
    """Return the name of a JSON value's type in Go's errors."""
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, (int, float)):
        return "number"
    return _JSON_TYPES.get(type(value), "null")


SPECIAL: Final[dict[str, Decoder]] = {
    "io.k8s.apimachinery.pkg.api.resource.Quantity": _quantity,
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": _int_or_string,
    "io.k8s.apimachinery.pkg.apis.meta.v1.Time": _time(0),
    "io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime": _time(6),
    "io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1": _anything,
}
"""Decoders by Go type, for types with their own ``UnmarshalJSON``."""
SPECIAL_ZERO: Final[dict[str, Any]] = {
    "io.k8s.apimachinery.pkg.api.resource.Quantity": "0",
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": 0,
}
