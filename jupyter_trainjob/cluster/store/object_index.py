"""Index of one resource's newest rows by key, label and field.

`object_store` keeps one for each resource. A list that selects a name, a label or a field by ``=`` reads only the
matching objects, so that ten thousand finished objects do not slow down a query for the running one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Set
from typing import Final, Protocol

from jupyter_trainjob.cluster.store.changelog import Entry, Key

Term = tuple[str, str, str]
"""An equality requirement: ``label`` or ``field``, its name, its value."""

INDEXED_FIELDS: Final = frozenset({"involvedObject.uid", "involvedObject.name", "spec.nodeName", "status.phase"})
"""Fields that select few objects among many; indexing the others would cost more memory than it saves time."""


class Predicate(Protocol):
    """A selector: decides whether an object matches."""

    @property
    def name(self) -> str | None:
        """Return the required name, if the selector requires one."""

    @property
    def terms(self) -> Iterable[Term]:
        """Return the equality requirements that every match fulfils."""

    def __call__(self, key: Key, labels: Mapping[str, str], fields: Mapping[str, str], /) -> bool:
        """Return whether an object with this key, labels and fields matches."""


class ObjectIndex:
    """The index of one resource. Not thread-safe: guarded by the store's lock."""

    def __init__(self, entries: Mapping[Key, Entry] | None = None) -> None:
        self._entries: dict[Key, Entry] = {}
        self._keys_by_term: dict[Term, set[Key]] = {}
        for key, entry in (entries or {}).items():
            self.put(key, entry)

    def get(self, key: Key) -> Entry | None:
        """Return the entry of one object, None if it does not exist."""
        return self._entries.get(key)

    def in_write_order(self) -> list[tuple[int, Key]]:
        """Return row and key of all objects, in the order of their last write."""
        return sorted((entry.id, key) for key, entry in self._entries.items())

    def put(self, key: Key, entry: Entry) -> None:
        """Add or replace the entry of an object."""
        previous = self._entries.get(key)
        self._entries[key] = entry
        if previous is None:
            self._add(key, _terms(entry))
        elif previous.labels != entry.labels or previous.fields != entry.fields:
            old_terms, new_terms = set(_terms(previous)), set(_terms(entry))
            self._discard(key, old_terms - new_terms)
            self._add(key, new_terms - old_terms)

    def remove(self, key: Key) -> None:
        """Remove the entry of a deleted object."""
        self._discard(key, _terms(self._entries.pop(key)))

    def candidates(self, namespace: str | None, predicate: Predicate | None) -> list[tuple[Key, Entry]]:
        """Return a new list of entries that includes every match of `predicate`, and may include others."""
        if predicate is None:
            return list(self._entries.items())
        indexed = [term for term in predicate.terms if term[0] == "label" or term[1] in INDEXED_FIELDS]
        keys: list[Set[Key]] = [self._keys_by_term.get(term, frozenset()) for term in indexed]
        if predicate.name is not None and namespace is not None:
            keys.append({(namespace, predicate.name)})
        if not keys:
            return list(self._entries.items())
        return [(key, self._entries[key]) for key in min(keys, key=len) if key in self._entries]

    def _add(self, key: Key, terms: Iterable[Term]) -> None:
        for term in terms:
            self._keys_by_term.setdefault(term, set()).add(key)

    def _discard(self, key: Key, terms: Iterable[Term]) -> None:
        for term in terms:
            keys = self._keys_by_term[term]
            keys.discard(key)
            if not keys:
                del self._keys_by_term[term]


def _terms(entry: Entry) -> Iterator[Term]:
    yield from (("label", name, value) for name, value in entry.labels.items())
    yield from (("field", name, value) for name, value in entry.fields.items() if name in INDEXED_FIELDS)
