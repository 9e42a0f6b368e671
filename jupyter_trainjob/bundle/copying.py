"""A job's bundle for another job: the same cell, values and versions under another name, with another key.

In: the TrainJob as it is stored, and its Secrets. Out: their copies, to be created. Captured values are copied as they
are and never unpickled; of the archive only the two lines of its manifest change that name the job and its key. What a
job mounts is read off its own patch, since that is what its pods got.
"""

from __future__ import annotations

import base64
import contextlib
import copy
import hashlib
import itertools
import os
import shutil
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from jupyter_trainjob.api.resources import Object
from jupyter_trainjob.bundle import storage as storages
from jupyter_trainjob.bundle.archive import read_manifest, readdressed
from jupyter_trainjob.bundle.delivery import (
    FOLDER_VOLUME,
    KEY_ENTRY,
    RECORD_ENTRY,
    STORAGE_VOLUME,
    VOLUME,
    secret_object,
    values_secret,
)
from jupyter_trainjob.bundle.payload import CAPTURES_FILE, PART_SIZE
from jupyter_trainjob.constants import JOB_ARCHIVE, PATCH_MANAGER
from jupyter_trainjob.errors import UsageError
from jupyter_trainjob.worker.files import CODE
from jupyter_trainjob.worker.manifest import Change, Manifest, Part
from jupyter_trainjob.worker.protocol import STORAGE_ENV
from jupyter_trainjob.worker.stores import Store

LIMIT = PART_SIZE // 2
"""Bytes of changed values, which lie beside the archive in one Secret."""


@dataclass(frozen=True)
class LinkedFiles:
    """Folders of jobs on this computer. Of the old ones only the captured values come along, and share their bytes."""

    folders: dict[Path, Path] = field(default_factory=dict)
    """The old folder by the new one."""
    stored: tuple[str, str] | None = None
    """Old and new URL, where captured values lie behind one."""

    def write_files(self) -> None:
        """Make the new folders, and let captured values lie there as well."""
        for new, old in self.folders.items():
            if not old.is_dir():
                raise gone(f"the folder {old} that it came with")
            new.mkdir(parents=True, mode=0o700)
            for name in (CAPTURES_FILE, CODE):
                if (old / name).is_file():
                    _link(old / name, new / name)

        if self.stored is not None:
            with storages.explained(self.stored[1]):
                old_store, new_store = map(Store, self.stored)
                for name in {CAPTURES_FILE, CODE} & old_store.files().keys():
                    old_store.copy(name, new_store)

    def remove_files(self) -> None:
        """Remove the new folders again."""
        if self.stored is not None:
            Store(self.stored[1]).remove_all()
        for new in self.folders:
            shutil.rmtree(new, ignore_errors=True)


@dataclass(frozen=True)
class Copied:
    """What carries a bundle that is sent again."""

    secrets: list[Object]
    spec: Object
    """Of the TrainJob, with the new names."""
    files: LinkedFiles


def mounted(spec: Object) -> list[str]:
    """Return the names of the Secrets that hold the bundle of a job; none if it has no bundle of ours."""
    return [source["secret"]["name"] for source in _sources(spec)]


def folder(spec: Object) -> Path | None:
    """Return the folder of a job that has one on this computer."""
    for volume in _volumes(spec):
        if volume["name"] == FOLDER_VOLUME and "hostPath" in volume:
            return Path(volume["hostPath"]["path"])
    return None


def manifest(secret: Object) -> Manifest | None:
    """Return what the archive in a Secret says of itself; None if there is no archive in it."""
    data = (secret.get("data") or {}).get(JOB_ARCHIVE)
    return None if data is None else read_manifest(base64.b64decode(data))


def copied(
    spec: Object,
    *,
    find: Callable[[str], Object | None],
    old: str,
    new: str,
    namespace: str,
    key: bytes,
    changes: bytes = b"",
    changed: Collection[str] = (),
    record: Callable[[bytes], bytes] = lambda data: data,
) -> Copied:
    """Return the bundle of the job `old` for the job `new`; `find` gets a Secret by its name.

    `changes` is a pickled dict of values, called `changed`, that take the place of captured ones; earlier ones of which
    nothing is left stay behind. `record` makes the new job's record of the old one's. Raises `errors.UsageError` where
    a part of the bundle is gone, or all changes together are too large.
    """
    spec = copy.deepcopy(spec)
    secrets = []
    for source in _sources(spec):
        name = source["secret"]["name"]
        data = _data(find, name)
        renamed = f"{new}{name.removeprefix(old)}" if name.startswith(f"{old}-") else f"{new}-{name}"
        if RECORD_ENTRY in data:
            data[RECORD_ENTRY] = record(data[RECORD_ENTRY])
        if JOB_ARCHIVE in data:
            had = read_manifest(data[JOB_ARCHIVE]).changes
            now = _changes(had, changes, changed)
            data |= {JOB_ARCHIVE: readdressed(data[JOB_ARCHIVE], key=key, job=new, changes=now), KEY_ENTRY: key}
            files = {each.part.file for each in now}
            for file in {each.part.file for each in had} - files:
                del data[file]
            if changes:
                data[now[-1].part.file] = changes
            items = source["secret"]["items"]
            items[:] = [each for each in items if each["key"] in data]
            items += [{"key": file, "path": file} for file in sorted(files - {each["key"] for each in items})]
        secrets.append(secret_object(renamed, data, job=new, namespace=namespace))
        source["secret"]["name"] = renamed
    secrets += _values(spec, find=find, old=old, new=new, namespace=namespace)
    before = storages.of(spec)
    _move_storage(spec, new)
    folders = {}
    for volume in _volumes(spec):
        if volume["name"] == FOLDER_VOLUME and "hostPath" in volume:
            path = Path(volume["hostPath"]["path"])
            folders[path.with_name(new)] = path
            volume["hostPath"]["path"] = str(path.with_name(new))
    addresses = None
    if not folders and before is not None and before.claim is None:
        addresses = before.url, before.above().of_job(new).url
    return Copied(secrets, spec, LinkedFiles(folders, addresses))


def _values(spec: Object, *, find: Callable[[str], Object | None], old: str, new: str, namespace: str) -> list[Object]:
    """Return the copy of the Secret with the values of ``--secret``, where there is one, and let `spec` name it."""
    references = [
        each["valueFrom"]["secretKeyRef"]
        for each in (spec.get("trainer") or {}).get("env") or ()
        if (each.get("valueFrom") or {}).get("secretKeyRef", {}).get("name") == values_secret(old)
    ]
    if not references:
        return []
    data = _data(find, values_secret(old))
    for each in references:
        each["name"] = values_secret(new)
    return [secret_object(values_secret(new), data, job=new, namespace=namespace)]


def _data(find: Callable[[str], Object | None], name: str) -> dict[str, bytes]:
    """Return what is in the Secret `name`. Raises `errors.UsageError` if it is gone."""
    found = find(name)
    if found is None:
        raise gone(f"the Secret {name} that it came with")
    return {entry: base64.b64decode(value) for entry, value in (found.get("data") or {}).items()}


def _move_storage(spec: Object, new: str) -> None:
    """Let the folder of ``--storage`` be that of the job `new`."""
    storage = storages.of(spec)
    if storage is None:
        return
    moved = storage.above().of_job(new)
    for each in spec["trainer"]["env"]:
        if each["name"] == STORAGE_ENV:
            each["value"] = moved.url
    for pod in _pods(spec):
        for container in pod.get("containers") or ():
            for mount in container.get("volumeMounts") or ():
                if mount["name"] == STORAGE_VOLUME and "subPath" in mount:
                    mount["subPath"] = moved.path


def _changes(before: Sequence[Change], changes: bytes, changed: Collection[str]) -> list[Change]:
    if not changes:
        return [*before]
    kept = [each for each in before if not {*each.names} <= {*changed}]
    number = next(number for number in itertools.count() if all(each.part.file != _file(number) for each in kept))
    part = Part(_file(number), len(changes), hashlib.sha256(changes).hexdigest())
    if (size := sum(each.part.size for each in kept) + len(changes)) > LIMIT:
        earlier = f", with those of {len(kept)} earlier forks" if kept else ""
        raise UsageError(
            f"The changed values are too large for a fork: {size:,} bytes{earlier}, where {LIMIT:,} are possible. Run "
            "the cell again, with checkpoint_dir() of the older job. Nothing was sent."
        )
    return [*kept, Change(part, (*changed,))]


def _file(number: int) -> str:
    return f"changes-{number}"


def _sources(spec: Object) -> list[Object]:
    volumes = [volume for volume in _volumes(spec) if volume["name"] == VOLUME]
    return [
        source
        for volume in volumes
        for source in (volume.get("projected") or {}).get("sources") or ()
        if "secret" in source
    ]


def _volumes(spec: Object) -> Iterator[Object]:
    """Yield the volumes of our patch."""
    for pod in _pods(spec):
        yield from pod.get("volumes") or ()


def _pods(spec: Object) -> Iterator[Object]:
    """Yield the specs of pods in our patch."""
    for patch in spec.get("runtimePatches") or ():
        if patch.get("manager") == PATCH_MANAGER:
            with contextlib.suppress(KeyError):
                for job in patch["trainingRuntimeSpec"]["template"]["spec"]["replicatedJobs"]:
                    yield job["template"]["spec"]["template"]["spec"]


def _link(file: Path, new: Path) -> None:
    try:
        os.link(file, new)
    except OSError:  # Another file system, or one without links.
        shutil.copy2(file, new)


def gone(what: str) -> UsageError:
    """Return the error for a job of which something that it needs is gone."""
    return UsageError(
        f"The job cannot be sent again: {what} is gone, most likely deleted together with the job. Run its cell, or "
        "call its function, once more."
    )
