"""The index of objects: a question about a name, a label or a field looks at those that have it, and at no others."""

from __future__ import annotations

import random

import pytest

from jupyter_trainjob.api.resources import PODS
from jupyter_trainjob.cluster.apiserver.selectors import predicate
from jupyter_trainjob.cluster.changelog import Entry, Key
from jupyter_trainjob.cluster.objectindex import ObjectIndex

ASKED = [
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


def entry(number: int, chance: random.Random) -> Entry:
    labels = {name: chance.choice(["a", "b", "x", ""]) for name in ("app", "tier") if chance.random() < 0.7}
    fields = {"status.phase": chance.choice(["Running", "Failed"])} if chance.random() < 0.8 else {}
    return Entry(number, labels, fields | ({"spec.hostNetwork": "true"} if chance.random() < 0.3 else {}))


@pytest.mark.parametrize("namespace", [None, "x"])
@pytest.mark.parametrize(("labels", "fields"), ASKED)
def test_candidates_hold_all_that_is_wanted_whatever_was_changed(
    labels: str, fields: str, namespace: str | None
) -> None:
    chance = random.Random(1)
    index, all_of_them = ObjectIndex(), dict[Key, Entry]()
    for number in range(1, 400):
        key = (chance.choice("xy"), f"p{chance.randrange(40)}")
        if key in all_of_them and chance.random() < 0.3:
            index.drop(key)
            del all_of_them[key]
        else:
            all_of_them[key] = entry(number, chance)
            index.put(key, all_of_them[key])
    wanted = predicate(PODS, labels=labels, fields=fields)
    assert wanted is not None

    def chosen(found: dict[Key, Entry]) -> dict[Key, Entry]:
        return {
            key: each
            for key, each in found.items()
            if namespace in {None, key[0]} and wanted(key, each.labels, each.fields)
        }

    assert chosen(dict(index.candidates(namespace, wanted))) == chosen(all_of_them)


def test_few_are_looked_at_among_many() -> None:
    index = ObjectIndex()
    for number in range(1000):
        index.put(("x", f"p{number}"), Entry(number + 1, {"job": f"j{number // 4}", "all": "same"}, {}))
    assert len(index.candidates("x", predicate(PODS, labels="all=same,job=j7"))) == 4
    assert len(index.candidates("x", predicate(PODS, fields="metadata.name=p7"))) == 1
    assert len(index.candidates("x", predicate(PODS, labels="job=none"))) == 0


def test_nothing_remains_of_objects_that_are_gone() -> None:
    index = ObjectIndex({("x", "p"): Entry(1, {"a": "b"}, {"f": "g"})})
    index.put(("x", "p"), Entry(2, {"a": "c"}, {}))
    index.drop(("x", "p"))
    assert vars(index) == vars(ObjectIndex())
