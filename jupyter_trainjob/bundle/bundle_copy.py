"""Copy a job's bundle for another job: the same cell and values under another name, with another key.

Takes the stored TrainJob and its Secrets, returns copies to create. Captured values are copied without unpickling; in
the archive only the job's name and key in the manifest change. What a job mounts is read from its own runtime patch,
which is what its pods got.
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

from jupyter_trainjob.api.resources import KubeObject
from jupyter_trainjob.bundle import storage_location as storages
from jupyter_trainjob.bundle.archive import read_manifest, readdress_archive
from jupyter_trainjob.bundle.delivery import (
    FOLDER_VOLUME,
    KEY_ENTRY,
    RECORD_ENTRY,
    STORAGE_VOLUME,
    VOLUME,
    secret_object,
    values_secret,
)
from jupyter_trainjob.bundle.serialization.payload import CAPTURES_FILE, PART_SIZE
from jupyter_trainjob.constants import JOB_ARCHIVE, PATCH_MANAGER
from jupyter_trainjob.errors import UsageError
from jupyter_trainjob.worker.manifest import Change, Manifest, Part
from jupyter_trainjob.worker.protocol import STORAGE_ENV
from jupyter_trainjob.worker.storage.fsspec_store import FsspecStore
from jupyter_trainjob.worker.storage.packed_modules import CODE

LIMIT = PART_SIZE // 2
"""Maximum size in bytes of changed values, which share a Secret with the archive."""


@dataclass(frozen=True)
class LinkedFiles:
    """Folders of jobs on this computer; captured values of the old folders are hard-linked into the new ones."""

    folders: dict[Path, Path] = field(default_factory=dict)
    """Old folders by new ones."""
    stored: tuple[str, str] | None = None
    """Old and new URL, if captured values are stored behind one."""

    def write_files(self) -> None:
        """Create the new folders with the captured values."""
        for new, old in self.folders.items():
            if not old.is_dir():
                raise missing_part_error(f"its folder {old}")
            new.mkdir(parents=True, mode=0o700)
            for name in (CAPTURES_FILE, CODE):
                if (old / name).is_file():
                    _link(old / name, new / name)

        if self.stored is not None:
            with storages.translate_errors(self.stored[1]):
                old_store, new_store = map(FsspecStore, self.stored)
                for name in {CAPTURES_FILE, CODE} & old_store.files().keys():
                    old_store.copy(name, new_store)

    def remove_files(self) -> None:
        """Remove the new folders."""
        if self.stored is not None:
            FsspecStore(self.stored[1]).remove_all()
        for new in self.folders:
            shutil.rmtree(new, ignore_errors=True)


@dataclass(frozen=True)
class BundleCopy:
    """The objects and files of a copied bundle."""

    secrets: list[KubeObject]
    spec: KubeObject
    """The spec of the TrainJob, with the new names."""
    files: LinkedFiles


def mounted_secrets(spec: KubeObject) -> list[str]:
    """Return the names of the Secrets with a job's bundle; empty if it was not sent by this package."""
    return [source["secret"]["name"] for source in _sources(spec)]


def local_folder(spec: KubeObject) -> Path | None:
    """Return the folder of a job on this computer, if it has one."""
    for volume in _volumes(spec):
        if volume["name"] == FOLDER_VOLUME and "hostPath" in volume:
            return Path(volume["hostPath"]["path"])
    return None


def manifest_of_secret(secret: KubeObject) -> Manifest | None:
    """Return the manifest of the archive in a Secret; None if it contains no archive."""
    data = (secret.get("data") or {}).get(JOB_ARCHIVE)
    return None if data is None else read_manifest(base64.b64decode(data))


def copy_bundle(
    spec: KubeObject,
    *,
    find_secret: Callable[[str], KubeObject | None],
    old: str,
    new: str,
    namespace: str,
    key: bytes,
    changes: bytes = b"",
    changed: Collection[str] = (),
    record: Callable[[bytes], bytes] = lambda data: data,
) -> BundleCopy:
    """Return the bundle of the job `old` for the job `new`; `find_secret` returns a Secret by its name, or None.

    `changes` is a pickled dict of values with the names `changed`, which replace captured ones; earlier changes that
    are completely replaced are dropped. `record` converts the old job's record to the new one's. Raises
    `errors.UsageError` if a part of the bundle is missing, or if all changes together are too large.
    """
    spec = copy.deepcopy(spec)
    secrets = []
    for source in _sources(spec):
        name = source["secret"]["name"]
        data = _secret_data(find_secret, name)
        renamed = f"{new}{name.removeprefix(old)}" if name.startswith(f"{old}-") else f"{new}-{name}"
        if RECORD_ENTRY in data:
            data[RECORD_ENTRY] = record(data[RECORD_ENTRY])
        if JOB_ARCHIVE in data:
            old_changes = read_manifest(data[JOB_ARCHIVE]).changes
            new_changes = _merge_changes(old_changes, changes, changed)
            data |= {
                JOB_ARCHIVE: readdress_archive(data[JOB_ARCHIVE], key=key, job=new, changes=new_changes),
                KEY_ENTRY: key,
            }
            files = {entry.part.file for entry in new_changes}
            for file in {entry.part.file for entry in old_changes} - files:
                del data[file]
            if changes:
                data[new_changes[-1].part.file] = changes
            items = source["secret"]["items"]
            items[:] = [entry for entry in items if entry["key"] in data]
            items += [{"key": file, "path": file} for file in sorted(files - {entry["key"] for entry in items})]
        secrets.append(secret_object(renamed, data, job=new, namespace=namespace))
        source["secret"]["name"] = renamed
    secrets += _copy_values(spec, find_secret=find_secret, old=old, new=new, namespace=namespace)
    old_storage = storages.storage_of_job(spec)
    _move_storage(spec, new)
    folders = {}
    for volume in _volumes(spec):
        if volume["name"] == FOLDER_VOLUME and "hostPath" in volume:
            path = Path(volume["hostPath"]["path"])
            folders[path.with_name(new)] = path
            volume["hostPath"]["path"] = str(path.with_name(new))
    addresses = None
    if not folders and old_storage is not None and old_storage.claim is None:
        addresses = old_storage.url, old_storage.parent().for_job(new).url
    return BundleCopy(secrets, spec, LinkedFiles(folders, addresses))


def _copy_values(
    spec: KubeObject, *, find_secret: Callable[[str], KubeObject | None], old: str, new: str, namespace: str
) -> list[KubeObject]:
    """Return the copy of the Secret with the values of ``--secret``, if any, and refer to it in `spec`."""
    references = [
        reference["valueFrom"]["secretKeyRef"]
        for reference in (spec.get("trainer") or {}).get("env") or ()
        if (reference.get("valueFrom") or {}).get("secretKeyRef", {}).get("name") == values_secret(old)
    ]
    if not references:
        return []
    data = _secret_data(find_secret, values_secret(old))
    for reference in references:
        reference["name"] = values_secret(new)
    return [secret_object(values_secret(new), data, job=new, namespace=namespace)]


def _secret_data(find_secret: Callable[[str], KubeObject | None], name: str) -> dict[str, bytes]:
    """Return the decoded data of the Secret `name`. Raises `errors.UsageError` if it does not exist."""
    secret = find_secret(name)
    if secret is None:
        raise missing_part_error(f"its Secret {name}")
    return {entry: base64.b64decode(value) for entry, value in (secret.get("data") or {}).items()}


def _move_storage(spec: KubeObject, new: str) -> None:
    """Change the folder of ``--storage`` to that of the job `new`."""
    storage = storages.storage_of_job(spec)
    if storage is None:
        return
    moved = storage.parent().for_job(new)
    for variable in spec["trainer"]["env"]:
        if variable["name"] == STORAGE_ENV:
            variable["value"] = moved.url
    for pod in _pods(spec):
        for container in pod.get("containers") or ():
            for mount in container.get("volumeMounts") or ():
                if mount["name"] == STORAGE_VOLUME and "subPath" in mount:
                    mount["subPath"] = moved.path


def _merge_changes(before: Sequence[Change], changes: bytes, changed: Collection[str]) -> list[Change]:
    if not changes:
        return [*before]
    remaining = [change for change in before if not {*change.names} <= {*changed}]
    number = next(
        number for number in itertools.count() if all(change.part.file != _changes_file(number) for change in remaining)
    )
    part = Part(_changes_file(number), len(changes), hashlib.sha256(changes).hexdigest())
    if (size := sum(change.part.size for change in remaining) + len(changes)) > LIMIT:
        earlier = f", with those of {len(remaining)} earlier forks" if remaining else ""
        raise UsageError(
            f"The changed values are too large for a fork: {size:,} bytes{earlier}, where {LIMIT:,} are possible. Run "
            "the job again from the notebook, with checkpoint_dir() of the older job. Nothing was sent."
        )
    return [*remaining, Change(part, (*changed,))]


def _changes_file(number: int) -> str:
    return f"changes-{number}"


def _sources(spec: KubeObject) -> list[KubeObject]:
    volumes = [volume for volume in _volumes(spec) if volume["name"] == VOLUME]
    return [
        source
        for volume in volumes
        for source in (volume.get("projected") or {}).get("sources") or ()
        if "secret" in source
    ]


def _volumes(spec: KubeObject) -> Iterator[KubeObject]:
    """Yield the volumes in this package's runtime patch."""
    for pod in _pods(spec):
        yield from pod.get("volumes") or ()


def _pods(spec: KubeObject) -> Iterator[KubeObject]:
    """Yield the pod specs in this package's runtime patch."""
    for patch in spec.get("runtimePatches") or ():
        if patch.get("manager") == PATCH_MANAGER:
            with contextlib.suppress(KeyError):
                for job in patch["trainingRuntimeSpec"]["template"]["spec"]["replicatedJobs"]:
                    yield job["template"]["spec"]["template"]["spec"]


def _link(file: Path, new: Path) -> None:
    try:
        os.link(file, new)
    except OSError:  # Another file system, or one without hard links.
        shutil.copy2(file, new)


def missing_part_error(part: str) -> UsageError:
    """Return the error for a job a part of which was deleted."""
    return UsageError(
        f"The job cannot be sent again: {part} was deleted, probably together with the job. Run its cell, or call "
        "its function, again."
    )
