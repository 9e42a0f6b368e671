"""Create a new job that continues from another job's checkpoints, with some options changed.

The cell, the captured values and the options are those of the older job, as in `rerun`. Its checkpoints up to a step
are copied, as reflinks where the file system supports them. Hard links would not do: a ``torch.save`` to an existing
name would overwrite the older job's checkpoint as well.
"""

from __future__ import annotations

import fcntl
import functools
import io
import secrets
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jupyter_trainjob import errors
from jupyter_trainjob.api.kinds.trainjobs import sender_patches
from jupyter_trainjob.api.resources import SECRETS, KubeObject
from jupyter_trainjob.bundle import bundle_copy, storage_location
from jupyter_trainjob.bundle.bundle_copy import LinkedFiles
from jupyter_trainjob.bundle.capture import ARGUMENT, THE_CALL
from jupyter_trainjob.bundle.delivery import escape_env
from jupyter_trainjob.bundle.serialization import unpicklable
from jupyter_trainjob.bundle.serialization.notebook_pickler import NotebookPickler, pickling_error
from jupyter_trainjob.client.context import Connection
from jupyter_trainjob.client.creation.create import create_job
from jupyter_trainjob.client.reproduce import provenance
from jupyter_trainjob.client.results import job_folder
from jupyter_trainjob.client.spec import runtimes
from jupyter_trainjob.client.spec.assemble import assemble
from jupyter_trainjob.client.spec.job_names import new_trainjob_name
from jupyter_trainjob.client.spec.options import TABLE, JobOptions, job_options, stored_options
from jupyter_trainjob.client.spec.stored_job import StoredJob
from jupyter_trainjob.constants import RERUN_ANNOTATION
from jupyter_trainjob.worker.manifest import FUNCTION, Manifest
from jupyter_trainjob.worker.protocol import BUNDLE_ENV, CHECKPOINTS_FOLDER
from jupyter_trainjob.worker.storage.fsspec_store import FORK, checkpoint_of
from jupyter_trainjob.worker.storage.job_dirs import CheckpointEntry, list_checkpoints, step_of

_CLONE = 0x40049409
"""``FICLONE``; Python has a constant for it since 3.14."""


@dataclass(frozen=True)
class ForkedFiles:
    """The folder of the new job, with checkpoints of the old one."""

    files: LinkedFiles
    checkpoints: Mapping[Path, Path]
    """The checkpoints on this computer: old paths by new paths."""
    stored: StoredFiles | None = None
    """The checkpoints in an object store."""

    def write_files(self) -> None:
        """Create the folder and copy the checkpoints into it."""
        self.files.write_files()
        if self.stored is not None:
            self.stored.write_files()
        for new, old in self.checkpoints.items():
            new.parent.mkdir(exist_ok=True)
            if old.is_symlink():
                new.symlink_to(old.readlink())
            elif old.is_dir():
                shutil.copytree(old, new, copy_function=_copy, symlinks=True)
            else:
                _copy(str(old), str(new))

    def remove_files(self) -> None:
        """Remove the folder."""
        self.files.remove_files()
        if self.stored is not None:
            self.stored.remove_files()


@dataclass(frozen=True)
class StoredFiles:
    """Checkpoints in an object store, copied within that store."""

    old: job_folder.StoredFolder
    new: job_folder.StoredFolder
    names: frozenset[str]

    def write_files(self) -> None:
        """Copy the checkpoints, with the completeness marks of those that have several files."""
        source, target = self.old.store(), self.new.store()
        units: dict[str, dict[str, int]] = {}
        with storage_location.translate_errors(self.new.url):
            for path, entry in source.complete_files(CHECKPOINTS_FOLDER).items():
                if path.split("/")[1] in self.names:
                    source.copy(path, target)
                    if (unit := checkpoint_of(path)) is not None:
                        units.setdefault(unit, {})[path] = entry.size
            for name, files in units.items():
                target.mark(name, files, by=FORK)
            for path, to in source.links().items():
                folder_name, name = path.split("/")[:2]
                if folder_name == CHECKPOINTS_FOLDER and {name, Path(to).parts[0]} & self.names:
                    target.link(path, to)

    def remove_files(self) -> None:
        """Remove the copies."""
        self.new.store().remove_all()


def fork(
    connection: Connection, trainjob: KubeObject, *, from_step: int | None, changes: Mapping[str, Any]
) -> KubeObject:
    """Create the new job and return its TrainJob as stored. Raises `errors.UsageError` before anything is sent."""
    metadata = trainjob["metadata"]
    old, namespace = str(metadata["name"]), str(metadata["namespace"])
    job = StoredJob(connection, trainjob)
    manifest = job.manifest
    if manifest is None:
        raise errors.UsageError(f"{old} was not sent by a cell or a function, so there is nothing to change in it.")
    forkable = _forkable()
    option_changes = {name: value for name, value in changes.items() if name in forkable}
    values = {name: value for name, value in changes.items() if name not in forkable}
    _check_names(values, manifest)
    options = _options(job, option_changes)
    name = new_trainjob_name(options["name"])
    runtime = runtimes.find_runtime(connection, options["runtime"], namespace)
    folder = job_folder.find_job_folder(connection, trainjob)
    chosen = _up_to(_entries(folder), from_step, job=old)
    bundle = bundle_copy.copy_bundle(
        trainjob["spec"],
        find_secret=lambda secret: connection.client.find(SECRETS, secret, namespace=namespace),
        old=old,
        new=name,
        namespace=namespace,
        key=secrets.token_bytes(32),
        changes=_pickled(values),
        changed=frozenset(values),
        record=lambda data: provenance.record_of_rerun(
            data, of=old, runtime=runtime, options=provenance.given_options(options)
        ),
    )
    trainer = bundle.spec["trainer"]
    bundle_env = [
        variable for variable in trainer.get("env") or () if variable["name"] in BUNDLE_ENV or "valueFrom" in variable
    ]
    assembled = assemble(
        connection,
        options,
        runtime,
        name=name,
        namespace=namespace,
        command=trainer["command"],
        env=[*({"name": key, "value": escape_env(value)} for key, value in options["env"].items()), *bundle_env],
        patches=sender_patches(bundle.spec),
        annotations={RERUN_ANNOTATION: old},
        labels=metadata.get("labels"),
    )
    checkpoints = {
        new / CHECKPOINTS_FOLDER / entry.name: source / CHECKPOINTS_FOLDER / entry.name
        for new, source in bundle.files.folders.items()
        for entry in chosen
        if folder is not None and folder.local is not None
    }
    stored = None
    if isinstance(folder, job_folder.StoredFolder) and (to := storage_location.storage_of_job(bundle.spec)) is not None:
        stored = StoredFiles(folder, job_folder.StoredFolder(to.url), frozenset(entry.name for entry in chosen))
    files = ForkedFiles(bundle.files, checkpoints, stored)
    return create_job(connection, assembled.trainjob, secrets=bundle.secrets, files=files, runtime=assembled.runtime)


def _entries(folder: job_folder.LocalFolder | job_folder.StoredFolder | None) -> list[CheckpointEntry]:
    if folder is None:
        return []
    if folder.local is not None:
        return list(list_checkpoints(folder.local / CHECKPOINTS_FOLDER))
    times: dict[str, float] = {}
    for path, file in folder.list(CHECKPOINTS_FOLDER).items():
        name = path.split("/")[1]
        times[name] = max(times.get(name, 0.0), file.modified)
    return [CheckpointEntry(name, step_of(name), time) for name, time in times.items()]


def _options(job: StoredJob, changes: Mapping[str, Any]) -> JobOptions:
    options = {name: value for name, value in stored_options(job).items() if TABLE[name].forkable}
    if "env" in changes:
        changes = {**changes, "env": {**options["env"], **changes["env"]}}
    return job_options(**{**options, **changes})


def _forkable() -> list[str]:
    return [name for name, option in TABLE.items() if option.forkable]


def _check_names(values: Mapping[str, Any], manifest: Manifest) -> None:
    if manifest.kind == FUNCTION:
        known = [value.name.removeprefix(ARGUMENT) for value in manifest.values if value.name.startswith(ARGUMENT)]
        known = [name for name in known if name.isidentifier()]
    else:
        known = [value.name for value in manifest.values if value.name != THE_CALL]
    by_place = ""
    if any(value.name.removeprefix(ARGUMENT).isdigit() for value in manifest.values):
        by_place = (
            " Positional arguments of the function have no name: send it with submit(…, kwargs={…}) to "
            "change them by name."
        )
    unknown = [name for name in values if name not in known]
    if unknown:
        raise errors.UsageError(
            f"fork({unknown[0]}=…): that is neither an option nor a captured value of the job."
            f"{errors.did_you_mean(unknown[0], [*_forkable(), *known])} Options: {', '.join(_forkable())}. "
            f"Values: {', '.join(known) or 'none'}.{by_place}"
        )


def _up_to(entries: Sequence[CheckpointEntry], step: int | None, *, job: str) -> list[CheckpointEntry]:
    """Return the checkpoints up to `step`, all if it is None; those without a step by their time."""
    if step is None:
        return list(entries)
    steps = sorted({entry.step for entry in entries if entry.step is not None})
    if step not in steps:
        numbers = ", ".join(map(str, steps))
        available = f"available are steps {numbers}" if steps else "it has none with a step in its name"
        raise errors.UsageError(f"{job} has no checkpoint of step {step}: {available}. Nothing was sent.")
    newest = max(entry.time for entry in entries if entry.step == step)
    return [entry for entry in entries if (entry.step <= step if entry.step is not None else entry.time <= newest)]


def _pickled(values: Mapping[str, Any]) -> bytes:
    if not values:
        return b""
    namespace = vars(sys.modules["__main__"])
    stream = io.BytesIO()
    try:
        NotebookPickler(stream, namespace).dump(dict(values))
    except Exception as error:
        for name, value in values.items():
            if (cause := pickling_error(value, namespace)) is not None:
                tried = functools.partial(pickling_error, namespace=namespace)
                raise unpicklable.unpicklable_error(name, value, cause, tried, code="the job") from error
        raise
    return stream.getvalue()


def _copy(old: str, new: str) -> str:
    with Path(old).open("rb") as source, Path(new).open("wb") as target:
        try:
            fcntl.ioctl(target, _CLONE, source.fileno())
        except OSError:  # The file system does not support it.
            shutil.copyfileobj(source, target, 2**20)
    shutil.copystat(old, new)
    return new
