"""How a bundle reaches the pods: Secrets, the patch that mounts them, the command that runs them.

Comes after `archive`; goes into the TrainJob that the client creates. Nothing of the user's code is ever put into a
command line or an environment variable, so it arrives byte for byte. Values beyond `payload.INLINE_LIMIT` travel as a
file where pods can see this computer's files, that is on the embedded cluster, and elsewhere through ``--storage URL``.
"""

from __future__ import annotations

import base64
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from jupyter_trainjob.api.resources import SECRETS, Object
from jupyter_trainjob.bundle.capture import Capture
from jupyter_trainjob.bundle.payload import INLINE_LIMIT, PART_SIZE, Payload
from jupyter_trainjob.bundle.storage import Storage, explained
from jupyter_trainjob.constants import (
    ANCESTOR_LABEL,
    ANCESTOR_TRAINER,
    BUNDLE_LABEL,
    BUNDLE_MOUNT,
    FILES_MOUNT,
    FOLDER_MOUNT,
    FRAMEWORK_LABEL,
    JOB_ARCHIVE,
    MANAGED_BY,
    MANAGED_BY_LABEL,
    NODE_CONTAINER,
    NODE_JOB,
    PATCH_MANAGER,
    PYTHON_ANNOTATION,
    WORKDIR_ANNOTATION,
)
from jupyter_trainjob.errors import UsageError
from jupyter_trainjob.worker.protocol import CAPTURES_ENV, FOLDER_ENV, STORAGE_ENV
from jupyter_trainjob.worker.stores import Store

KEY_ENTRY: Final = "key"
"""Entry of the bundle's Secret with the key that signs results; it is not mounted."""
RECORD_ENTRY: Final = "record"
"""Entry of the same Secret with the record of how the job was made; it is not mounted either."""
VOLUME: Final = "trainjob"
FOLDER_VOLUME: Final = "trainjob-folder"
STORAGE_VOLUME: Final = "trainjob-storage"
_KEPT: Final = (KEY_ENTRY, RECORD_ENTRY)
TORCHRUN: Final = "torchrun"
LARGEST: Final = 5
"""How many values an error over the limit names."""


@dataclass(frozen=True)
class Delivery:
    """All that carries one bundle."""

    secrets: list[Object]
    command: list[str]
    env: list[Object]
    """For ``spec.trainer.env``."""
    patch: Object
    """For ``spec.runtimePatches``."""
    files: dict[Path, Payload] = field(default_factory=dict)
    """What lies in this computer's files instead of Secrets."""
    folder: Path | None = None
    """The folder of the job, where that is one of this computer."""
    uploads: dict[str, Payload] = field(default_factory=dict)
    """What lies in the folder behind `url` instead of Secrets."""
    url: str = ""

    def write_files(self) -> None:
        """Make `folder` and put `files` in their places, for the user's eyes only, each whole or not at all."""
        if self.folder is not None:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for path, payload in self.files.items():
            payload.move_to(path)
        if self.uploads:
            with explained(self.url):
                store = Store(self.url)
                for name, payload in self.uploads.items():
                    payload.hand_over(lambda file, name=name: store.put(file, name))  # type: ignore[misc]

    def remove_files(self) -> None:
        """Remove all of it again."""
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)
        if self.uploads:
            Store(self.url).remove_all()


def values_secret(job: str) -> str:
    """Return the name of the Secret with the values of ``--secret`` of a job."""
    return f"{job}-secrets"


def bundle_secret(job: str) -> str:
    """Return the name of the Secret with a job's archive and key."""
    return f"{job}-bundle"


def deliver(
    capture: Capture,
    *,
    job_archive: bytes,
    key: bytes,
    name: str,
    namespace: str,
    runtime: Object,
    folder: Path | None = None,
    storage: Storage | None = None,
    python: str | None = None,
    working_dir: str | None = None,
    env: Mapping[str, str] | None = None,
    record: bytes = b"",
) -> Delivery:
    """Address a bundle to the pods of the TrainJob `name`.

    `folder` is one of this job alone that its pods can mount, None on a cluster that does not see this computer's
    files. `storage` is where the ranks get their folder instead, that of this job alone. `python` and `working_dir`
    tell the embedded cluster which interpreter and folder the notebook has. Raises `errors.UsageError` if the bundle
    is too large.
    """
    if len(job_archive) > PART_SIZE:
        raise UsageError(
            f"The cell is too large: its text makes an archive of {_megabytes(len(job_archive))}, and a Secret holds "
            f"1 MB. Move data out of the text of the cell, into a variable or a file."
        )
    remote = storage if folder is None and storage is not None and storage.claim is None else None
    if not capture.payload.carried or (folder is None and remote is None and not capture.payload.inline):
        raise UsageError(_too_large(capture))
    stored: dict[str, dict[str, bytes]] = {bundle_secret(name): {JOB_ARCHIVE: job_archive, KEY_ENTRY: key}}
    if record:
        stored[bundle_secret(name)][RECORD_ENTRY] = record
    payloads = [capture.payload, *([capture.code] if capture.code is not None else [])]
    for payload in payloads:
        if payload.inline:
            stored |= {f"{name}-{part}": {part: data} for part, data in payload.pieces()}
    variables = dict(env or {})
    if folder is not None or storage is not None:
        variables[FOLDER_ENV] = FOLDER_MOUNT
    if storage is not None:
        variables[STORAGE_ENV] = storage.url
    own: dict[str, bytes] = {each.env: each.value.encode() for each in capture.secrets}
    large = [payload for payload in payloads if not payload.inline]
    if large:
        variables[CAPTURES_ENV] = FOLDER_MOUNT if storage is None or remote is not None else FILES_MOUNT
    said = {PYTHON_ANNOTATION: python, WORKDIR_ANNOTATION: working_dir}
    annotations = {key: value for key, value in said.items() if value}
    return Delivery(
        secrets=[
            secret_object(secret, data, job=name, namespace=namespace)
            for secret, data in (*stored.items(), *([(values_secret(name), own)] if own else []))
        ],
        command=[launcher(runtime), f"{BUNDLE_MOUNT}/{JOB_ARCHIVE}"],
        env=[
            *({"name": variable, "value": as_literal(value)} for variable, value in variables.items()),
            *(
                {"name": variable, "valueFrom": {"secretKeyRef": {"name": values_secret(name), "key": variable}}}
                for variable in own
            ),
        ],
        patch=_patch(runtime, stored, _folders(folder, storage), annotations),
        files={folder / payload.name: payload for payload in large if folder is not None},
        folder=folder,
        uploads={payload.name: payload for payload in large if folder is None},
        url=remote.url if remote is not None else "",
    )


def secret_object(name: str, data: Mapping[str, bytes], *, job: str, namespace: str) -> Object:
    """Return the Secret `name` of the bundle of `job`."""
    return {
        "apiVersion": SECRETS.api_version,
        "kind": SECRETS.kind,
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": {BUNDLE_LABEL: job, MANAGED_BY_LABEL: MANAGED_BY},
        },
        "type": "Opaque",
        "data": {entry: base64.b64encode(value).decode("ascii") for entry, value in data.items()},
    }


def launcher(runtime: Object) -> str:
    """Return the program that starts a node of a job in a runtime."""
    framework = (runtime["metadata"].get("labels") or {}).get(FRAMEWORK_LABEL)
    return TORCHRUN if framework == "torch" else "python"


def _patch(
    runtime: Object,
    stored: Mapping[str, Mapping[str, bytes]],
    folders: list[tuple[Object, Object]],
    annotations: Mapping[str, str],
) -> Object:
    sources = [
        {"secret": {"name": secret, "items": [{"key": entry, "path": entry} for entry in data if entry not in _KEPT]}}
        for secret, data in stored.items()
    ]
    volumes: list[Object] = [{"name": VOLUME, "projected": {"sources": sources}}]
    mounts: list[Object] = [{"name": VOLUME, "mountPath": BUNDLE_MOUNT, "readOnly": True}]
    for volume, mount in folders:
        volumes.append(volume)
        mounts.append(mount)
    pod: Object = {"spec": {"volumes": volumes, "containers": [{"name": NODE_CONTAINER, "volumeMounts": mounts}]}}
    if annotations:
        pod["metadata"] = {"annotations": dict(annotations)}
    replicated = [{"name": trainer_job(runtime), "template": {"spec": {"template": pod}}}]
    return {
        "manager": PATCH_MANAGER,
        "trainingRuntimeSpec": {"template": {"spec": {"replicatedJobs": replicated}}},
    }


def _folders(folder: Path | None, storage: Storage | None) -> list[tuple[Object, Object]]:
    """Return volumes and mounts of the folder of the job, and of that on this computer if it is another one."""
    found: list[tuple[Object, Object]] = []
    if folder is not None:
        volume: Object = {"name": FOLDER_VOLUME, "hostPath": {"path": str(folder), "type": "Directory"}}
        found.append((volume, {"name": FOLDER_VOLUME, "mountPath": FOLDER_MOUNT if storage is None else FILES_MOUNT}))
    if storage is not None:
        mount = {"name": STORAGE_VOLUME, "mountPath": FOLDER_MOUNT}
        if storage.claim is not None:
            volume = {"name": STORAGE_VOLUME, "persistentVolumeClaim": {"claimName": storage.claim}}
            mount["subPath"] = storage.path
        else:
            volume = {"name": STORAGE_VOLUME, "emptyDir": {}}
        found.append((volume, mount))
    return found


def trainer_job(runtime: Object) -> str:
    """Return the name of the runtime's replicated job that trains: the one that says so, else ``node``."""
    for job in runtime["spec"]["template"]["spec"].get("replicatedJobs") or ():
        labels = (job["template"].get("metadata") or {}).get("labels") or {}
        if labels.get(ANCESTOR_LABEL) == ANCESTOR_TRAINER:
            return str(job["name"])
    return NODE_JOB


def as_literal(value: str) -> str:
    """Return a value of an environment variable as Kubernetes hands it on unchanged.

    It reads ``$(NAME)`` as a reference and ``$$`` as an escaped dollar sign, and leaves every other one alone.
    """
    return re.sub(r"\$(?=[$(])", "$$", value)


def as_handed_on(value: str) -> str:
    """Return a value of a TrainJob as a program gets it from Kubernetes, which reads ``$$`` as one dollar sign."""
    return value.replace("$$", "$")


def _too_large(capture: Capture) -> str:
    largest = sorted(capture.names, key=lambda value: value.size, reverse=True)[:LARGEST]
    named = ", ".join(f"{value.name} ({value.type}, {_megabytes(value.size)})" for value in largest)
    return (
        f"The values that the cell uses are too large for this cluster: {_megabytes(capture.payload.size)} together, "
        f"and at most {_megabytes(INLINE_LIMIT)} travel with a job. The largest: {named}. Send "
        f"the job with --storage and the URL of a bucket, or load large data inside the cell. Nothing was sent."
    )


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"
