"""What the store knows of one resource's objects without reading them: newest rows, and who has which label or field.

`store` keeps one of each resource. A list that asks for a name, a label or a field by ``=`` looks only at those objects
that have it, so that the ten thousand that are finished do not slow down a question about the one that runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Set
from typing import Final, Protocol

from jupyter_trainjob.cluster.changelog import Entry, Key

Term = tuple[str, str, str]
"""``label`` or ``field``, its name, its value."""

INDEXED_FIELDS: Final = frozenset({"involvedObject.uid", "involvedObject.name", "spec.nodeName", "status.phase"})
"""The fields by which clients ask for few among many; the others would cost more memory than they save time."""


class Predicate(Protocol):
    """Whether an object is wanted."""

    @property
    def name(self) -> str | None:
        """Return the only name that is wanted, if there is one."""

    @property
    def terms(self) -> Iterable[Term]:
        """Return what every wanted object has."""

    def __call__(self, key: Key, labels: Mapping[str, str], fields: Mapping[str, str], /) -> bool:
        """Return whether an object with this key, these labels and these fields is wanted."""


class ObjectIndex:
    """The objects of one resource. Not thread-safe: the store's lock is around it."""

    def __init__(self, entries: Mapping[Key, Entry] | None = None) -> None:
        self._entries: dict[Key, Entry] = {}
        self._having: dict[Term, set[Key]] = {}
        for key, entry in (entries or {}).items():
            self.put(key, entry)

    def get(self, key: Key) -> Entry | None:
        """Return what is known of one object."""
        return self._entries.get(key)

    def oldest(self) -> list[tuple[int, Key]]:
        """Return all objects, row and key, in the order of their last writing."""
        return sorted((entry.id, key) for key, entry in self._entries.items())

    def put(self, key: Key, entry: Entry) -> None:
        """Take in a new or changed object."""
        before = self._entries.get(key)
        self._entries[key] = entry
        if before is None:
            self._add(key, _terms(entry))
        elif before.labels != entry.labels or before.fields != entry.fields:
            had, has = set(_terms(before)), set(_terms(entry))
            self._discard(key, had - has)
            self._add(key, has - had)

    def drop(self, key: Key) -> None:
        """Forget an object that is gone."""
        self._discard(key, _terms(self._entries.pop(key)))

    def candidates(self, namespace: str | None, wanted: Predicate | None) -> list[tuple[Key, Entry]]:
        """Return the objects among which are all that are wanted: a list of the caller's own."""
        if wanted is None:
            return list(self._entries.items())
        indexed = [term for term in wanted.terms if term[0] == "label" or term[1] in INDEXED_FIELDS]
        keys: list[Set[Key]] = [self._having.get(term, frozenset()) for term in indexed]
        if wanted.name is not None and namespace is not None:
            keys.append({(namespace, wanted.name)})
        if not keys:
            return list(self._entries.items())
        return [(key, self._entries[key]) for key in min(keys, key=len) if key in self._entries]

    def _add(self, key: Key, terms: Iterable[Term]) -> None:
        for term in terms:
            self._having.setdefault(term, set()).add(key)

    def _discard(self, key: Key, terms: Iterable[Term]) -> None:
        for term in terms:
            keys = self._having[term]
            keys.discard(key)
            if not keys:
                del self._having[term]


def _terms(entry: Entry) -> Iterator[Term]:
    yield from (("label", name, value) for name, value in entry.labels.items())
    yield from (("field", name, value) for name, value in entry.fields.items() if name in INDEXED_FIELDS)
