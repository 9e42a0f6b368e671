"""Label and field selectors select what they say."""

from __future__ import annotations

import pytest

from jupyter_trainjob import errors
from jupyter_trainjob.api.resources import CONFIGMAPS, EVENTS, NODES, PODS
from jupyter_trainjob.cluster.apiserver.selectors import fields_of, predicate

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
    wanted = predicate(PODS, labels=selector)
    assert wanted is not None
    assert wanted(KEY, labels, {}) is matches


@pytest.mark.parametrize("selector", ["a=b=c", "a in b", "a in (b", ",", "a b", "=b", "a>x", "a/b/c=d", "!", "a=b,"])
def test_label_selectors_that_say_nothing_are_refused(selector: str) -> None:
    with pytest.raises(errors.BadRequest):
        predicate(PODS, labels=selector)


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
    wanted = predicate(PODS, fields=selector)
    assert wanted is not None
    assert wanted(KEY, {}, fields) is matches


def test_absent_fields_have_their_defaults() -> None:
    assert fields_of(NODES, {"spec": {}}) == {}
    schedulable = predicate(NODES, fields="spec.unschedulable=false")
    assert schedulable is not None
    assert schedulable(KEY, {}, {})
    assert not schedulable(KEY, {}, fields_of(NODES, {"spec": {"unschedulable": True}}))


def test_events_are_found_by_what_they_are_about() -> None:
    fields = fields_of(
        EVENTS, {"involvedObject": {"kind": "Pod", "name": "p", "uid": "1"}, "source": {"component": "k"}}
    )
    wanted = predicate(EVENTS, fields="involvedObject.name=p,involvedObject.uid=1,source=k")
    assert wanted is not None
    assert wanted(KEY, {}, fields)


@pytest.mark.parametrize("selector", ["spec.other=x", "spec.nodeName=n", "x"])
def test_fields_that_a_kind_is_not_selected_by_are_refused(selector: str) -> None:
    with pytest.raises(errors.BadRequest):
        predicate(CONFIGMAPS, fields=selector)


def test_no_selector_is_no_predicate() -> None:
    assert predicate(PODS, labels=" ", fields="") is None
