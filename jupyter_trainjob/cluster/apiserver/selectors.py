"""Label and field selectors: text from a query in, a predicate over the store's index out.

Labels follow apimachinery's grammar (``a=b,c!=d,e in (f,g),h notin (i),j,!k,l>3``). Fields are the few that Kubernetes
selects by; `fields_of` reads them off an object when it is written, so that no selector ever parses an object.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from jupyter_trainjob.api import names
from jupyter_trainjob.api.resources import EVENTS, JOBS, NAMESPACES, NODES, PODS, SECRETS, Object, Resource
from jupyter_trainjob.cluster.apiserver import status
from jupyter_trainjob.cluster.changelog import Key
from jupyter_trainjob.cluster.objectindex import Term

Labels = Mapping[str, str]


class Requirement(NamedTuple):
    """One part of a label selector."""

    met: Callable[[Labels], bool]
    term: Term | None = None
    """The label that it asks for by ``=``."""


@dataclass(frozen=True, slots=True)
class Selector:
    """A `Predicate` of labels and fields."""

    requirements: Sequence[Requirement]
    wanted: Sequence[tuple[str, str, bool]]
    """Fields: name, value, and whether it is to be equal."""

    @property
    def name(self) -> str | None:
        """Return the only name that is wanted, if there is one."""
        return next((value for name, value, equal in self.wanted if equal and name == "metadata.name"), None)

    @property
    def terms(self) -> Iterator[Term]:
        """Yield what every wanted object has."""
        yield from (each.term for each in self.requirements if each.term is not None)
        for name, value, equal in self.wanted:
            if equal and not name.startswith("metadata.") and value not in {"", _ABSENT.get(name)}:
                yield "field", name, value

    def __call__(self, key: Key, has: Labels, holds: Mapping[str, str], /) -> bool:
        """Return whether an object with this key, these labels and these fields is wanted."""
        return all(each.met(has) for each in self.requirements) and all(
            (_field(name, key, holds) == value) is equal for name, value, equal in self.wanted
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
_ABSENT: Final = {
    "spec.unschedulable": "false",
    "spec.hostNetwork": "false",
    "status.successful": "0",
}

_TOKEN = re.compile(r"\s*(==|!=|[=!,()<>]|[^\s=!,()<>]+)")


def fields_of(resource: Resource, obj: Object) -> dict[str, str]:
    """Return the selectable fields of an object, those at their defaults left out."""
    found = {}
    for name in FIELDS.get(resource, ()):
        text = _text(_dig(obj, _PATHS.get(name, name)))
        if text not in {"", _ABSENT.get(name)}:
            found[name] = text
    return found


def predicate(resource: Resource, *, labels: str = "", fields: str = "") -> Selector | None:
    """Return what both selectors ask for, None if they ask for nothing."""
    requirements = parse_labels(labels)
    wanted = _parse_fields(resource, fields)
    return Selector(requirements, wanted) if requirements or wanted else None


def parse_labels(text: str) -> list[Requirement]:
    """Return the requirements of a label selector; 400 if it cannot be read."""
    if not text.strip():
        return []
    try:
        return _Labels(text).requirements()
    except ValueError as error:
        raise status.bad_request(f"unable to parse requirement: {error}") from error


class _Labels:
    """A parser of label selectors: one token ahead is enough."""

    def __init__(self, text: str) -> None:
        self._tokens = _TOKEN.findall(text)
        self._at = 0
        if _TOKEN.sub("", text).strip():
            raise ValueError(f"found characters that belong to no selector in {text!r}")

    def requirements(self) -> list[Requirement]:
        found = [self._requirement()]
        while self._peek() == ",":
            self._next()
            found.append(self._requirement())
        if self._peek():
            raise ValueError(f"found {self._peek()!r}, expected: ',' or end")
        return found

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
        problem = names.label_key_problem(key)
        if problem:
            raise ValueError(f"key: Invalid value: {key!r}: {problem}")
        return key

    def _value(self) -> str:
        value = "" if self._peek() in {"", ","} else self._next()
        problem = names.label_value_problem(value)
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
        found = self._next()
        if found != token:
            raise ValueError(f"found {found!r}, expected: {token!r}")

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
    known = {"metadata.name", *(["metadata.namespace"] if resource.namespaced else []), *FIELDS.get(resource, ())}
    wanted = []
    for term in filter(None, (term.strip() for term in text.split(","))):
        found = re.fullmatch(r"([^=!]+?)(!=|==|=)(.*)", term)
        if found is None:
            raise status.bad_request(f"invalid selector: '{text}'; can't understand '{term}'")
        name, sign, value = found.groups()
        if name not in known:
            raise status.bad_request(f"field label not supported: {name}")
        wanted.append((name, value, sign != "!="))
    return wanted


def _field(name: str, key: Key, holds: Mapping[str, str]) -> str:
    if name == "metadata.name":
        return key[1]
    if name == "metadata.namespace":
        return key[0]
    return holds.get(name, _ABSENT.get(name, ""))


def _dig(obj: Any, path: str) -> Any:
    for part in path.split("."):
        if not isinstance(obj, dict):
            return None
        obj = obj.get(part)
    return obj


def _text(value: Any) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)
