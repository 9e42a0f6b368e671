"""The object index: equality selectors read only objects that have the name, label or field."""

from __future__ import annotations

import random

import pytest

from jupyter_trainjob.api.resources import PODS
from jupyter_trainjob.cluster.apiserver.requests.selectors import parse_selectors
from jupyter_trainjob.cluster.store.changelog import Entry, Key
from jupyter_trainjob.cluster.store.object_index import ObjectIndex

SELECTORS = [
    ("app=a", ""),
    ("app=a,tier!=x", ""),
    ("app in (a,b),tier=x", ""),
    ("app", ""),
    ("!app", ""),
    ("app=", ""),
    ("", "status.phase=Running"),
    ("", "status.phase!=Running"),
    ("", "spec.hostNetwork=false"),
    ("", "spec.nodeName="),
    ("app=b", "status.phase=Running,metadata.name=p3"),
    ("", "metadata.name=p3"),
    ("", "metadata.namespace=x"),
]


def entry(number: int, rng: random.Random) -> Entry:
    labels = {name: rng.choice(["a", "b", "x", ""]) for name in ("app", "tier") if rng.random() < 0.7}
    fields = {"status.phase": rng.choice(["Running", "Failed"])} if rng.random() < 0.8 else {}
    return Entry(number, labels, fields | ({"spec.hostNetwork": "true"} if rng.random() < 0.3 else {}))


@pytest.mark.parametrize("namespace", [None, "x"])
@pytest.mark.parametrize(("labels", "fields"), SELECTORS)
def test_candidates_include_every_match_after_random_changes(labels: str, fields: str, namespace: str | None) -> None:
    rng = random.Random(1)
    index, entries_by_key = ObjectIndex(), dict[Key, Entry]()
    for number in range(1, 400):
        key = (rng.choice("xy"), f"p{rng.randrange(40)}")
        if key in entries_by_key and rng.random() < 0.3:
            index.remove(key)
            del entries_by_key[key]
        else:
            entries_by_key[key] = entry(number, rng)
            index.put(key, entries_by_key[key])
    selector = parse_selectors(PODS, labels=labels, fields=fields)
    assert selector is not None

    def matches(entries: dict[Key, Entry]) -> dict[Key, Entry]:
        return {
            key: value
            for key, value in entries.items()
            if namespace in {None, key[0]} and selector(key, value.labels, value.fields)
        }

    assert matches(dict(index.candidates(namespace, selector))) == matches(entries_by_key)


def test_candidates_are_few_among_many_objects() -> None:
    index = ObjectIndex()
    for number in range(1000):
        index.put(("x", f"p{number}"), Entry(number + 1, {"job": f"j{number // 4}", "all": "same"}, {}))
    assert len(index.candidates("x", parse_selectors(PODS, labels="all=same,job=j7"))) == 4
    assert len(index.candidates("x", parse_selectors(PODS, fields="metadata.name=p7"))) == 1
    assert len(index.candidates("x", parse_selectors(PODS, labels="job=none"))) == 0


def test_removed_objects_leave_nothing_in_the_index() -> None:
    index = ObjectIndex({("x", "p"): Entry(1, {"a": "b"}, {"f": "g"})})
    index.put(("x", "p"), Entry(2, {"a": "c"}, {}))
    index.remove(("x", "p"))
    assert vars(index) == vars(ObjectIndex())
