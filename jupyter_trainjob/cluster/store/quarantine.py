"""Quarantine stored objects that the daemon cannot process, so that it can always start.

Runs after the store is opened and before the first controller. An object that cannot be parsed, or whose counts exceed
what the API server accepts, is moved from the store to a file in the folder ``set-aside``, with the reason; ``doctor``
reports it. Objects beyond the quota of the store (earlier versions had none) are removed too: pods first, which their
Jobs create again, then the newest objects.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

from jupyter_trainjob import errors
from jupyter_trainjob.api.resources import JOBS, JOBSETS, PODS, TRAINJOBS, KubeObject
from jupyter_trainjob.cluster.state.tls_credentials import write_private
from jupyter_trainjob.cluster.store.object_store import Key, Store
from jupyter_trainjob.constants import INDEXED_PODS_LIMIT

MAX_OBJECT_BYTES: Final = 8 << 20
"""Bytes of an object: more than the largest request body."""
INT32: Final = 2**31 - 1

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class QuarantinedObject:
    """An object that was moved out of the store."""

    resource: str
    namespace: str
    name: str
    reason: str


class StoredObject(NamedTuple):
    """An object with its row and its stored bytes."""

    resource: str
    key: Key
    row: int
    value: bytes


def quarantine_unusable(store: Store, folder: Path) -> int:
    """Move unusable objects from the store to `folder`; return how many. On a full disk they stay."""
    count = 0
    with suppress(errors.ClusterError, OSError):
        for resource in store.resources():
            for row, key in store.in_write_order(resource):
                value = store.value(row)
                if value is not None and (reason := _defect(resource, key, value)):
                    _quarantine(store, folder, StoredObject(resource, key, row, value), reason)
                    count += 1
        count += _enforce_quota(store, folder)
    return count


def list_quarantined(folder: Path) -> Iterator[QuarantinedObject]:
    """Yield the objects in the quarantine folder."""
    for path in sorted(folder.glob("*.json")):
        yield _read_quarantined(path)


def _read_quarantined(path: Path) -> QuarantinedObject:
    try:
        record = json.loads(path.read_bytes())
        return QuarantinedObject(*(str(record[name]) for name in ("resource", "namespace", "name", "reason")))
    except (OSError, ValueError, KeyError, TypeError):
        return QuarantinedObject("", "", path.name, "its file cannot be read")


def _defect(resource: str, key: Key, value: bytes) -> str:
    """Return why the daemon cannot process an object; empty if it can."""
    if len(value) > MAX_OBJECT_BYTES:
        return f"it has {len(value)} bytes; at most {MAX_OBJECT_BYTES} are stored"
    try:
        obj = json.loads(value)
        if (obj["metadata"].get("namespace") or "", obj["metadata"]["name"]) != key:
            return "it cannot be read: its name or namespace differ from those of its row"
        sizes = list(_sizes(resource, obj))
        out_of_range = next(((path, size) for path, size, most in sizes if not 0 <= size <= most), None)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        return f"it cannot be read: {type(error).__name__}: {error}"
    return f"{out_of_range[0]} is {out_of_range[1]}, which is out of range" if out_of_range else ""


def _sizes(resource: str, obj: KubeObject) -> Iterator[tuple[str, int, int]]:
    """Yield path, value and upper bound of each field that multiplies objects."""
    spec = obj.get("spec") or {}
    if resource == TRAINJOBS.qualified:
        yield from _present_counts(
            spec.get("trainer") or {}, "spec.trainer", {"numNodes": INT32, "numProcPerNode": INT32}
        )
    elif resource == JOBS.qualified:
        bound = INDEXED_PODS_LIMIT if spec.get("completionMode") == "Indexed" else INT32
        yield from _present_counts(spec, "spec", {"parallelism": bound, "completions": INT32})
    elif resource == JOBSETS.qualified:
        for index, job in enumerate(spec.get("replicatedJobs") or ()):
            path = f"spec.replicatedJobs[{index}]"
            yield from _present_counts(job, path, {"replicas": INT32})
            counts = {"parallelism": INT32, "completions": INT32}
            yield from _present_counts(job["template"].get("spec") or {}, f"{path}.template.spec", counts)


def _present_counts(obj: Mapping[str, Any], path: str, bounds: Mapping[str, int]) -> Iterator[tuple[str, int, int]]:
    for name, bound in bounds.items():
        if obj.get(name) is not None:
            yield f"{path}.{name}", int(obj[name]), bound


def _enforce_quota(store: Store, folder: Path) -> int:
    """Remove objects from a store beyond its quota until it is a tenth below; return how many."""
    if store.live_bytes <= store.quota_bytes:
        return 0
    target, count = store.quota_bytes * 9 // 10, 0
    pods = [(PODS.qualified, *row) for row in reversed(store.in_write_order(PODS.qualified))]
    others = sorted(
        (
            (resource, *row)
            for resource in store.resources()
            if resource != PODS.qualified
            for row in store.in_write_order(resource)
        ),
        key=lambda entry: -entry[1],
    )
    for resource, row, key in [*pods, *others]:
        if store.live_bytes <= target:
            break
        if resource == PODS.qualified:
            store.discard(resource, key, row)  # Its Job creates it again once there is room.
        else:
            reason = f"the cluster held more than its quota of {store.quota_bytes >> 20} MiB"
            _quarantine(store, folder, StoredObject(resource, key, row, store.value(row) or b""), reason)
        count += 1
    _log.warning("%d objects were removed: the cluster held more than %d MiB", count, store.quota_bytes >> 20)
    return count


def _quarantine(store: Store, folder: Path, stored: StoredObject, reason: str) -> None:
    folder.mkdir(exist_ok=True, mode=0o700)
    record = {"resource": stored.resource, "namespace": stored.key[0], "name": stored.key[1], "reason": reason}
    if len(stored.value) <= MAX_OBJECT_BYTES:
        record["object"] = stored.value.decode(errors="replace")
    write_private(folder / f"{stored.row}.json", json.dumps(record).encode())
    store.discard(stored.resource, stored.key, stored.row)
    _log.warning("%s %s/%s is quarantined: %s", stored.resource, *stored.key, reason)
