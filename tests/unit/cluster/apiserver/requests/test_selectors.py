"""Label and field selectors."""

from __future__ import annotations

import pytest

from jupyter_trainjob import errors
from jupyter_trainjob.api.resources import CONFIGMAPS, EVENTS, NODES, PODS
from jupyter_trainjob.cluster.apiserver.requests.selectors import fields_of, parse_selectors

KEY = ("ns", "p")


@pytest.mark.parametrize(
    ("selector", "labels", "matches"),
    [
        ("a=b", {"a": "b"}, True),
        ("a=b", {"a": "c"}, False),
        ("a==b", {"a": "b"}, True),
        ("a=b", {}, False),
        ("a!=b", {}, True),
        ("a!=b", {"a": "b"}, False),
        ("a", {"a": ""}, True),
        ("a", {}, False),
        ("!a", {}, True),
        ("!a", {"a": "b"}, False),
        ("a in (b,c)", {"a": "c"}, True),
        ("a in (b, c)", {"a": "d"}, False),
        ("a in (b)", {}, False),
        ("a notin (b,c)", {"a": "c"}, False),
        ("a notin (b,c)", {}, True),
        ("a in (,b)", {"a": ""}, True),
        ("a=", {"a": ""}, True),
        ("a=,b", {"a": "", "b": "1"}, True),
        ("a=b,c!=d,e in (f,g),!h", {"a": "b", "e": "g"}, True),
        ("a=b,c!=d,e in (f,g),!h", {"a": "b", "e": "g", "h": ""}, False),
        ("example.com/a in (b)", {"example.com/a": "b"}, True),
        ("in in (in)", {"in": "in"}, True),
        ("a>3", {"a": "4"}, True),
        ("a<3", {"a": "x"}, False),
        (" a = b ", {"a": "b"}, True),
    ],
)
def test_label_selectors(selector: str, labels: dict[str, str], matches: bool) -> None:
    wanted = parse_selectors(PODS, labels=selector)
    assert wanted is not None
    assert wanted(KEY, labels, {}) is matches


@pytest.mark.parametrize("selector", ["a=b=c", "a in b", "a in (b", ",", "a b", "=b", "a>x", "a/b/c=d", "!", "a=b,"])
def test_invalid_label_selectors_are_rejected(selector: str) -> None:
    with pytest.raises(errors.BadRequest):
        parse_selectors(PODS, labels=selector)


@pytest.mark.parametrize(
    ("selector", "matches"),
    [
        ("metadata.name=p", True),
        ("metadata.name!=p", False),
        ("metadata.namespace=ns,metadata.name==p", True),
        ("metadata.namespace=other", False),
        ("spec.nodeName=n1", True),
        ("spec.nodeName=", False),
        ("status.phase=Running", True),
        ("status.phase!=Running", False),
        ("status.phase!=Pending,status.phase!=Failed", True),
    ],
)
def test_field_selectors(selector: str, matches: bool) -> None:
    fields = fields_of(PODS, {"spec": {"nodeName": "n1"}, "status": {"phase": "Running"}})
    wanted = parse_selectors(PODS, fields=selector)
    assert wanted is not None
    assert wanted(KEY, {}, fields) is matches


def test_absent_fields_have_their_defaults() -> None:
    assert fields_of(NODES, {"spec": {}}) == {}
    schedulable = parse_selectors(NODES, fields="spec.unschedulable=false")
    assert schedulable is not None
    assert schedulable(KEY, {}, {})
    assert not schedulable(KEY, {}, fields_of(NODES, {"spec": {"unschedulable": True}}))


def test_event_fields() -> None:
    fields = fields_of(
        EVENTS, {"involvedObject": {"kind": "Pod", "name": "p", "uid": "1"}, "source": {"component": "k"}}
    )
    wanted = parse_selectors(EVENTS, fields="involvedObject.name=p,involvedObject.uid=1,source=k")
    assert wanted is not None
    assert wanted(KEY, {}, fields)


@pytest.mark.parametrize("selector", ["spec.other=x", "spec.nodeName=n", "x"])
def test_unsupported_fields_are_rejected(selector: str) -> None:
    with pytest.raises(errors.BadRequest):
        parse_selectors(CONFIGMAPS, fields=selector)


def test_empty_selectors_have_no_predicate() -> None:
    assert parse_selectors(PODS, labels=" ", fields="") is None
