"""Deliver a bundle to the pods: Secrets, the patch that mounts them, the command that runs them.

The user's code is never part of a command line or an environment variable, so that it arrives unchanged. Values beyond
`payload.INLINE_LIMIT` are sent as a file on the embedded cluster, whose pods can mount this computer's folders, and
through ``--storage URL`` on others.
"""

from __future__ import annotations

import base64
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from jupyter_trainjob.api.resources import SECRETS, KubeObject
from jupyter_trainjob.bundle.capture import Capture
from jupyter_trainjob.bundle.serialization.payload import INLINE_LIMIT, PART_SIZE, Payload
from jupyter_trainjob.bundle.storage_location import StorageLocation, translate_errors
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
from jupyter_trainjob.worker.storage.fsspec_store import FsspecStore

KEY_ENTRY: Final = "key"
"""Entry of the bundle's Secret with the key that signs results; it is not mounted."""
RECORD_ENTRY: Final = "record"
"""Entry of the same Secret with the record of how the job was created; it is not mounted either."""
VOLUME: Final = "trainjob"
FOLDER_VOLUME: Final = "trainjob-folder"
STORAGE_VOLUME: Final = "trainjob-storage"
_NOT_MOUNTED: Final = (KEY_ENTRY, RECORD_ENTRY)
TORCHRUN: Final = "torchrun"
NAMED: Final = 5
"""Number of values that the error about the limit names."""


@dataclass(frozen=True)
class Delivery:
    """The objects and files that deliver one bundle."""

    secrets: list[KubeObject]
    command: list[str]
    env: list[KubeObject]
    """For ``spec.trainer.env``."""
    patch: KubeObject
    """For ``spec.runtimePatches``."""
    files: dict[Path, Payload] = field(default_factory=dict)
    """Files on this computer that replace Secrets."""
    folder: Path | None = None
    """The folder of the job, if it is on this computer."""
    uploads: dict[str, Payload] = field(default_factory=dict)
    """Files behind `url` that replace Secrets."""
    url: str = ""

    def write_files(self) -> None:
        """Create `folder`, readable by the user only, and write `files` and `uploads`, each atomically."""
        if self.folder is not None:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for path, payload in self.files.items():
            payload.move_to(path)
        if self.uploads:
            with translate_errors(self.url):
                store = FsspecStore(self.url)
                for name, payload in self.uploads.items():
                    payload.upload(lambda file, name=name: store.put(file, name))  # type: ignore[misc]

    def remove_files(self) -> None:
        """Remove the folder and the uploads."""
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)
        if self.uploads:
            FsspecStore(self.url).remove_all()


def values_secret(job: str) -> str:
    """Return the name of the Secret with the values of ``--secret`` of a job."""
    return f"{job}-secrets"


def bundle_secret(job: str) -> str:
    """Return the name of the Secret with a job's archive and key."""
    return f"{job}-bundle"


def build_delivery(
    capture: Capture,
    *,
    job_archive: bytes,
    key: bytes,
    name: str,
    namespace: str,
    runtime: KubeObject,
    folder: Path | None = None,
    storage: StorageLocation | None = None,
    python: str | None = None,
    working_dir: str | None = None,
    env: Mapping[str, str] | None = None,
    record: bytes = b"",
) -> Delivery:
    """Build what delivers a bundle to the pods of the TrainJob `name`.

    `folder` is the job's own folder on this computer, None on a cluster whose pods cannot mount it. `storage` is the
    job's own location of ``--storage``. `python` and `working_dir` are the notebook's interpreter and folder, for the
    embedded cluster. Raises `errors.UsageError` if the bundle is too large.
    """
    if len(job_archive) > PART_SIZE:
        raise UsageError(
            f"The code is too large: its archive has {_megabytes(len(job_archive))}, and a Secret is limited to 1 MB. "
            f"Move data out of the text, into a variable or a file."
        )
    remote = storage if folder is None and storage is not None and storage.claim is None else None
    if not capture.payload.deliverable or (folder is None and remote is None and not capture.payload.inline):
        raise UsageError(_too_large(capture))
    secrets: dict[str, dict[str, bytes]] = {bundle_secret(name): {JOB_ARCHIVE: job_archive, KEY_ENTRY: key}}
    if record:
        secrets[bundle_secret(name)][RECORD_ENTRY] = record
    payloads = [capture.payload, *([capture.code] if capture.code is not None else [])]
    for payload in payloads:
        if payload.inline:
            secrets |= {f"{name}-{part}": {part: data} for part, data in payload.pieces()}
    variables = dict(env or {})
    if folder is not None or storage is not None:
        variables[FOLDER_ENV] = FOLDER_MOUNT
    if storage is not None:
        variables[STORAGE_ENV] = storage.url
    secret_values: dict[str, bytes] = {
        secret_value.env: secret_value.value.encode() for secret_value in capture.secrets
    }
    large = [payload for payload in payloads if not payload.inline]
    if large:
        variables[CAPTURES_ENV] = FOLDER_MOUNT if storage is None or remote is not None else FILES_MOUNT
    values_by_annotation = {PYTHON_ANNOTATION: python, WORKDIR_ANNOTATION: working_dir}
    annotations = {key: value for key, value in values_by_annotation.items() if value}
    return Delivery(
        secrets=[
            secret_object(secret, data, job=name, namespace=namespace)
            for secret, data in (*secrets.items(), *([(values_secret(name), secret_values)] if secret_values else []))
        ],
        command=[launch_command(runtime), f"{BUNDLE_MOUNT}/{JOB_ARCHIVE}"],
        env=[
            *({"name": variable, "value": escape_env(value)} for variable, value in variables.items()),
            *(
                {"name": variable, "valueFrom": {"secretKeyRef": {"name": values_secret(name), "key": variable}}}
                for variable in secret_values
            ),
        ],
        patch=_patch(runtime, secrets, _folders(folder, storage), annotations),
        files={folder / payload.name: payload for payload in large if folder is not None},
        folder=folder,
        uploads={payload.name: payload for payload in large if folder is None},
        url=remote.url if remote is not None else "",
    )


def secret_object(name: str, data: Mapping[str, bytes], *, job: str, namespace: str) -> KubeObject:
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


def launch_command(runtime: KubeObject) -> str:
    """Return the program that starts a node of a job in a runtime."""
    framework = (runtime["metadata"].get("labels") or {}).get(FRAMEWORK_LABEL)
    return TORCHRUN if framework == "torch" else "python"


def _patch(
    runtime: KubeObject,
    secrets: Mapping[str, Mapping[str, bytes]],
    folders: list[tuple[KubeObject, KubeObject]],
    annotations: Mapping[str, str],
) -> KubeObject:
    sources = [
        {
            "secret": {
                "name": secret,
                "items": [{"key": entry, "path": entry} for entry in data if entry not in _NOT_MOUNTED],
            }
        }
        for secret, data in secrets.items()
    ]
    volumes: list[KubeObject] = [{"name": VOLUME, "projected": {"sources": sources}}]
    mounts: list[KubeObject] = [{"name": VOLUME, "mountPath": BUNDLE_MOUNT, "readOnly": True}]
    for volume, mount in folders:
        volumes.append(volume)
        mounts.append(mount)
    pod: KubeObject = {"spec": {"volumes": volumes, "containers": [{"name": NODE_CONTAINER, "volumeMounts": mounts}]}}
    if annotations:
        pod["metadata"] = {"annotations": dict(annotations)}
    replicated = [{"name": trainer_job_name(runtime), "template": {"spec": {"template": pod}}}]
    return {
        "manager": PATCH_MANAGER,
        "trainingRuntimeSpec": {"template": {"spec": {"replicatedJobs": replicated}}},
    }


def _folders(folder: Path | None, storage: StorageLocation | None) -> list[tuple[KubeObject, KubeObject]]:
    """Return volumes and mounts of the job's folder, and of that on this computer if it is another one."""
    folders: list[tuple[KubeObject, KubeObject]] = []
    if folder is not None:
        volume: KubeObject = {"name": FOLDER_VOLUME, "hostPath": {"path": str(folder), "type": "Directory"}}
        folders.append((volume, {"name": FOLDER_VOLUME, "mountPath": FOLDER_MOUNT if storage is None else FILES_MOUNT}))
    if storage is not None:
        mount = {"name": STORAGE_VOLUME, "mountPath": FOLDER_MOUNT}
        if storage.claim is not None:
            volume = {"name": STORAGE_VOLUME, "persistentVolumeClaim": {"claimName": storage.claim}}
            mount["subPath"] = storage.path
        else:
            volume = {"name": STORAGE_VOLUME, "emptyDir": {}}
        folders.append((volume, mount))
    return folders


def trainer_job_name(runtime: KubeObject) -> str:
    """Return the name of the runtime's replicated job with the trainer's ancestor label, else ``node``."""
    for job in runtime["spec"]["template"]["spec"].get("replicatedJobs") or ():
        labels = (job["template"].get("metadata") or {}).get("labels") or {}
        if labels.get(ANCESTOR_LABEL) == ANCESTOR_TRAINER:
            return str(job["name"])
    return NODE_JOB


def escape_env(value: str) -> str:
    """Escape the value of an environment variable, so that Kubernetes passes it on unchanged.

    Kubernetes expands ``$(NAME)`` and reads ``$$`` as an escaped dollar sign (`expansion.Expand` of
    k8s.io/kubernetes/third_party/forked/golang/expansion); every other dollar sign stays.

    >>> escape_env("$(HOME) $5 $$")
    '$$(HOME) $5 $$$'
    """
    return re.sub(r"\$(?=[$(])", "$$", value)


def unescape_env(value: str) -> str:
    """Return the value of an environment variable of a TrainJob as a program gets it.

    >>> unescape_env("$$(HOME)")
    '$(HOME)'
    """
    return value.replace("$$", "$")


def _too_large(capture: Capture) -> str:
    largest = sorted(capture.names, key=lambda value: value.size, reverse=True)[:NAMED]
    named = ", ".join(f"{value.name} ({value.type}, {_megabytes(value.size)})" for value in largest)
    return (
        f"The captured values are too large for this cluster: {_megabytes(capture.payload.size)} together, and at "
        f"most {_megabytes(INLINE_LIMIT)} can be sent with a job. The largest: {named}. Send the job with --storage "
        f"and the URL of a bucket, or load large data inside the job. Nothing was sent."
    )


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"
