"""Parse label and field selectors into predicates over the store's index.

Label selectors follow apimachinery's grammar (``a=b,c!=d,e in (f,g),h notin (i),j,!k,l>3``). The selectable fields are
those of Kubernetes; `fields_of` extracts them when an object is written, so that selectors never parse objects.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from jupyter_trainjob.api import name_validation
from jupyter_trainjob.api.resources import EVENTS, JOBS, NAMESPACES, NODES, PODS, SECRETS, KubeObject, Resource
from jupyter_trainjob.cluster.apiserver import status_errors
from jupyter_trainjob.cluster.store.changelog import Key
from jupyter_trainjob.cluster.store.object_index import Term

Labels = Mapping[str, str]


class Requirement(NamedTuple):
    """One requirement of a label selector."""

    matches: Callable[[Labels], bool]
    term: Term | None = None
    """The label that it requires with ``=``."""


@dataclass(frozen=True, slots=True)
class Selector:
    """A `Predicate` over labels and fields."""

    requirements: Sequence[Requirement]
    field_requirements: Sequence[tuple[str, str, bool]]
    """Field requirements: name, value, and whether it must be equal."""

    @property
    def name(self) -> str | None:
        """Return the required object name, if there is one."""
        return next(
            (value for name, value, equal in self.field_requirements if equal and name == "metadata.name"), None
        )

    @property
    def terms(self) -> Iterator[Term]:
        """Yield the equality requirements that the index supports."""
        yield from (requirement.term for requirement in self.requirements if requirement.term is not None)
        for name, value, equal in self.field_requirements:
            if equal and not name.startswith("metadata.") and value not in {"", _DEFAULTS.get(name)}:
                yield "field", name, value

    def __call__(self, key: Key, labels: Labels, fields: Mapping[str, str], /) -> bool:
        """Return whether an object with this key, labels and fields matches."""
        return all(requirement.matches(labels) for requirement in self.requirements) and all(
            (_field(name, key, fields) == value) is equal for name, value, equal in self.field_requirements
        )


FIELDS: Final[Mapping[Resource, tuple[str, ...]]] = {
    PODS: (
        "spec.nodeName",
        "spec.restartPolicy",
        "spec.schedulerName",
        "spec.serviceAccountName",
        "spec.hostNetwork",
        "status.phase",
        "status.podIP",
        "status.nominatedNodeName",
    ),
    EVENTS: (
        "involvedObject.kind",
        "involvedObject.namespace",
        "involvedObject.name",
        "involvedObject.uid",
        "involvedObject.apiVersion",
        "involvedObject.resourceVersion",
        "involvedObject.fieldPath",
        "reason",
        "reportingComponent",
        "source",
        "type",
    ),
    SECRETS: ("type",),
    NODES: ("spec.unschedulable",),
    NAMESPACES: ("status.phase",),
    JOBS: ("status.successful",),
}
_PATHS: Final = {"source": "source.component", "status.successful": "status.succeeded"}
_DEFAULTS: Final = {
    "spec.unschedulable": "false",
    "spec.hostNetwork": "false",
    "status.successful": "0",
}

_TOKEN = re.compile(r"\s*(==|!=|[=!,()<>]|[^\s=!,()<>]+)")


def fields_of(resource: Resource, obj: KubeObject) -> dict[str, str]:
    """Return the selectable fields of an object, without those at their defaults."""
    fields = {}
    for name in FIELDS.get(resource, ()):
        text = _to_text(_get_path(obj, _PATHS.get(name, name)))
        if text not in {"", _DEFAULTS.get(name)}:
            fields[name] = text
    return fields


def parse_selectors(resource: Resource, *, labels: str = "", fields: str = "") -> Selector | None:
    """Return the predicate of both selectors, None if both are empty; raises 400 if one is invalid."""
    requirements = parse_labels(labels)
    field_requirements = _parse_fields(resource, fields)
    return Selector(requirements, field_requirements) if requirements or field_requirements else None


def parse_labels(text: str) -> list[Requirement]:
    """Return the requirements of a label selector; raises 400 if it is invalid."""
    if not text.strip():
        return []
    try:
        return _LabelParser(text).requirements()
    except ValueError as error:
        raise status_errors.bad_request(f"unable to parse requirement: {error}") from error


class _LabelParser:
    """A recursive-descent parser of label selectors, with one token of lookahead."""

    def __init__(self, text: str) -> None:
        self._tokens = _TOKEN.findall(text)
        self._at = 0
        if _TOKEN.sub("", text).strip():
            raise ValueError(f"found invalid characters in {text!r}")

    def requirements(self) -> list[Requirement]:
        result = [self._requirement()]
        while self._peek() == ",":
            self._next()
            result.append(self._requirement())
        if self._peek():
            raise ValueError(f"found {self._peek()!r}, expected: ',' or end")
        return result

    def _requirement(self) -> Requirement:
        if self._peek() == "!":
            self._next()
            absent = self._key()
            return Requirement(lambda labels: absent not in labels)
        key = self._key()
        match self._peek():
            case "" | ",":
                return Requirement(lambda labels: key in labels)
            case "=" | "==":
                self._next()
                value = self._value()
                return Requirement(lambda labels: labels.get(key) == value, ("label", key, value))
            case "!=":
                self._next()
                value = self._value()
                return Requirement(lambda labels: labels.get(key) != value)
            case "in":
                self._next()
                values = self._values()
                return Requirement(lambda labels: labels.get(key) in values)
            case "notin":
                self._next()
                values = self._values()
                return Requirement(lambda labels: labels.get(key) not in values)
            case "<" | ">" as sign:
                self._next()
                return Requirement(_comparison(key, sign, int(self._value())))
            case other:
                raise ValueError(f"found {other!r}, expected: in, notin, =, ==, !=, gt, lt")

    def _key(self) -> str:
        key = self._next()
        problem = name_validation.label_key_problem(key)
        if problem:
            raise ValueError(f"key: Invalid value: {key!r}: {problem}")
        return key

    def _value(self) -> str:
        value = "" if self._peek() in {"", ","} else self._next()
        problem = name_validation.label_value_problem(value)
        if problem:
            raise ValueError(f"values: Invalid value: {value!r}: {problem}")
        return value

    def _values(self) -> frozenset[str]:
        self._expect("(")
        values = {"" if self._peek() in {",", ")"} else self._next()}
        while self._peek() == ",":
            self._next()
            values.add("" if self._peek() in {",", ")"} else self._next())
        self._expect(")")
        return frozenset(values)

    def _expect(self, token: str) -> None:
        token_ = self._next()
        if token_ != token:
            raise ValueError(f"found {token_!r}, expected: {token!r}")

    def _peek(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def _next(self) -> str:
        token = self._peek()
        if not token:
            raise ValueError("found the end, expected: identifier")
        self._at += 1
        return str(token)


def _comparison(key: str, sign: str, bound: int) -> Callable[[Labels], bool]:
    def holds(labels: Labels) -> bool:
        try:
            value = int(labels[key])
        except (KeyError, ValueError):
            return False
        return value > bound if sign == ">" else value < bound

    return holds


def _parse_fields(resource: Resource, text: str) -> list[tuple[str, str, bool]]:
    supported = {"metadata.name", *(["metadata.namespace"] if resource.namespaced else []), *FIELDS.get(resource, ())}
    result = []
    for term in filter(None, (term.strip() for term in text.split(","))):
        match = re.fullmatch(r"([^=!]+?)(!=|==|=)(.*)", term)
        if match is None:
            raise status_errors.bad_request(f"invalid selector: '{text}'; can't understand '{term}'")
        name, sign, value = match.groups()
        if name not in supported:
            raise status_errors.bad_request(f"field label not supported: {name}")
        result.append((name, value, sign != "!="))
    return result


def _field(name: str, key: Key, fields: Mapping[str, str]) -> str:
    if name == "metadata.name":
        return key[1]
    if name == "metadata.namespace":
        return key[0]
    return fields.get(name, _DEFAULTS.get(name, ""))


def _get_path(obj: Any, path: str) -> Any:
    for part in path.split("."):
        if not isinstance(obj, dict):
            return None
        obj = obj.get(part)
    return obj


def _to_text(value: Any) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)
