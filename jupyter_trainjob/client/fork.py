"""A new job that goes on from an older one's checkpoints, with some things changed.

The cell, the captured values and the options are those of the older job, as in `rerun`; of its checkpoints come those
up to a step. They are copies, sharing their blocks on disk where the file system can do that: with hard links, a
``torch.save`` to a name that is there already would overwrite the older job's checkpoint as well.
"""

from __future__ import annotations

import dataclasses
import fcntl
import io
import secrets
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jupyter_trainjob import errors
from jupyter_trainjob.api.resources import SECRETS, Object
from jupyter_trainjob.bundle import copying, culprit, storage
from jupyter_trainjob.bundle.capture import ARGUMENT, THE_CALL
from jupyter_trainjob.bundle.copying import LinkedFiles
from jupyter_trainjob.bundle.delivery import as_handed_on, as_literal
from jupyter_trainjob.bundle.pickling import NotebookPickler, failure
from jupyter_trainjob.client import exports, folder, record, runtimes
from jupyter_trainjob.client.assemble import assemble, new_name
from jupyter_trainjob.client.context import Connection
from jupyter_trainjob.client.create import create
from jupyter_trainjob.client.options import Options
from jupyter_trainjob.constants import PATCH_MANAGER, RERUN_ANNOTATION
from jupyter_trainjob.worker.folder import Entry, entries, step_of
from jupyter_trainjob.worker.manifest import FUNCTION, Manifest
from jupyter_trainjob.worker.protocol import CAPTURES_ENV, CHECKPOINTS_FOLDER, FOLDER_ENV, STORAGE_ENV
from jupyter_trainjob.worker.stores import FORK, folder_of

_OPTIONS = frozenset(each.name for each in dataclasses.fields(Options)) - {
    "context",
    "namespace",
    *record.OF_THE_BUNDLE,
}
_CLONE = 0x40049409
"""``FICLONE``, which Python has no name for before 3.14."""


@dataclass(frozen=True)
class ForkedFiles:
    """The folder of the new job, with checkpoints of the old one."""

    files: LinkedFiles
    checkpoints: Mapping[Path, Path]
    """The old ones by the new ones."""
    stored: StoredFiles | None = None
    """Those behind a URL."""

    def write_files(self) -> None:
        """Make the folder, and copy the checkpoints into it."""
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
        """Remove the folder again."""
        self.files.remove_files()
        if self.stored is not None:
            self.stored.remove_files()


@dataclass(frozen=True)
class StoredFiles:
    """Checkpoints behind a URL, which are copied there."""

    old: folder.StoredFolder
    new: folder.StoredFolder
    names: frozenset[str]

    def write_files(self) -> None:
        """Copy them, those of several files with what says that they are whole."""
        source, target = self.old.store(), self.new.store()
        units: dict[str, dict[str, int]] = {}
        with storage.explained(self.new.url):
            for path, entry in source.whole(CHECKPOINTS_FOLDER).items():
                if path.split("/")[1] in self.names:
                    source.copy(path, target)
                    if (unit := folder_of(path)) is not None:
                        units.setdefault(unit, {})[path] = entry.size
            for name, files in units.items():
                target.mark(name, files, by=FORK)
            for path, to in source.links().items():
                folder_name, name = path.split("/")[:2]
                if folder_name == CHECKPOINTS_FOLDER and {name, Path(to).parts[0]} & self.names:
                    target.link(path, to)

    def remove_files(self) -> None:
        """Remove the copies again."""
        self.new.store().remove_all()


def fork(connection: Connection, trainjob: Object, *, from_step: int | None, changes: Mapping[str, Any]) -> Object:
    """Create the new job and return its TrainJob as stored. Raises `errors.UsageError` before anything is sent."""
    metadata = trainjob["metadata"]
    old, namespace = str(metadata["name"]), str(metadata["namespace"])
    manifest = exports.manifest_of(connection, trainjob)
    if manifest is None:
        raise errors.UsageError(f"{old} was not sent by a cell or a function, so there is nothing to change in it.")
    asked = {name: value for name, value in changes.items() if name in _OPTIONS}
    values = {name: value for name, value in changes.items() if name not in _OPTIONS}
    _check_names(values, manifest)
    options = _options(connection, trainjob, asked)
    name = new_name(options)
    runtime = runtimes.find(connection, options.runtime, namespace)
    there = folder.of(connection, trainjob)
    chosen = _up_to(_entries(there), from_step, job=old)
    bundle = copying.copied(
        trainjob["spec"],
        find=lambda secret: connection.client.find(SECRETS, secret, namespace=namespace),
        old=old,
        new=name,
        namespace=namespace,
        key=secrets.token_bytes(32),
        changes=_pickled(values),
        changed=frozenset(values),
        record=lambda data: record.again(data, of=old, runtime=runtime, options=record.asked(options)),
    )
    trainer = bundle.spec["trainer"]
    ours = [
        each
        for each in trainer.get("env") or ()
        if each["name"] in (CAPTURES_ENV, FOLDER_ENV, STORAGE_ENV) or "valueFrom" in each
    ]
    made = assemble(
        connection,
        options,
        runtime,
        name=name,
        namespace=namespace,
        command=trainer["command"],
        env=[*({"name": key, "value": as_literal(value)} for key, value in options.env.items()), *ours],
        patches=[patch for patch in bundle.spec["runtimePatches"] if patch.get("manager") == PATCH_MANAGER],
        annotations={RERUN_ANNOTATION: old},
    )
    checkpoints = {
        new / CHECKPOINTS_FOLDER / entry.name: source / CHECKPOINTS_FOLDER / entry.name
        for new, source in bundle.files.folders.items()
        for entry in chosen
        if there is not None and there.local is not None
    }
    stored = None
    if isinstance(there, folder.StoredFolder) and (to := storage.of(bundle.spec)) is not None:
        stored = StoredFiles(there, folder.StoredFolder(to.url), frozenset(entry.name for entry in chosen))
    files = ForkedFiles(bundle.files, checkpoints, stored)
    return create(connection, made.trainjob, secrets=bundle.secrets, files=files, runtime=made.runtime)


def _entries(there: folder.Folder | folder.StoredFolder | None) -> list[Entry]:
    if there is None:
        return []
    if there.local is not None:
        return list(entries(there.local / CHECKPOINTS_FOLDER))
    times: dict[str, float] = {}
    for path, found in there.list(CHECKPOINTS_FOLDER).items():
        name = path.split("/")[1]
        times[name] = max(times.get(name, 0.0), found.modified)
    return [Entry(name, step_of(name), time) for name, time in times.items()]


def _options(connection: Connection, trainjob: Object, changed: Mapping[str, Any]) -> Options:
    asked = exports.asked_of(connection, trainjob)
    env = {name: as_handed_on(value) for name, value in asked.env.items()}
    known = {
        "name": asked.name,
        "runtime": asked.runtime,
        "nodes": asked.nodes or 1,
        "gpus": asked.gpus,
        "cpus": asked.cpus,
        "memory": asked.memory,
        "procs_per_node": asked.procs_per_node,
        "image": asked.image,
        "env": env,
        "deadline": asked.deadline,
        "retries": asked.retries,
    }
    if "env" in changed:
        changed = {**changed, "env": {**env, **changed["env"]}}
    return Options(**{**known, **changed})


def _check_names(values: Mapping[str, Any], manifest: Manifest) -> None:
    if manifest.kind == FUNCTION:
        known = [each.name.removeprefix(ARGUMENT) for each in manifest.values if each.name.startswith(ARGUMENT)]
        known = [name for name in known if name.isidentifier()]
    else:
        known = [each.name for each in manifest.values if each.name != THE_CALL]
    by_place = ""
    if any(each.name.removeprefix(ARGUMENT).isdigit() for each in manifest.values):
        by_place = " Arguments that the function got by their place have no name here: give them by name in submit()."
    unknown = [name for name in values if name not in known]
    if unknown:
        raise errors.UsageError(
            f"fork({unknown[0]}=…): that is neither an option nor a value that the job took along. Options: "
            f"{', '.join(sorted(_OPTIONS))}. Values: {', '.join(known) or 'none'}.{by_place}"
        )


def _up_to(found: Sequence[Entry], step: int | None, *, job: str) -> list[Entry]:
    """Return the checkpoints of the steps up to `step`, all without one; others only as old as that of the step."""
    if step is None:
        return list(found)
    steps = sorted({entry.step for entry in found if entry.step is not None})
    if step not in steps:
        numbers = ", ".join(map(str, steps))
        there = f"there are those of {numbers}" if steps else "it has none with a step in its name"
        raise errors.UsageError(f"{job} has no checkpoint of step {step}: {there}. Nothing was sent.")
    newest = max(entry.time for entry in found if entry.step == step)
    return [entry for entry in found if (entry.step <= step if entry.step is not None else entry.time <= newest)]


def _pickled(values: Mapping[str, Any]) -> bytes:
    if not values:
        return b""
    namespace = vars(sys.modules["__main__"])
    stream = io.BytesIO()
    try:
        NotebookPickler(stream, namespace).dump(dict(values))
    except Exception as error:
        for name, value in values.items():
            if (cause := failure(value, namespace)) is not None:
                blame = culprit.find(name, value, cause, lambda part: failure(part, namespace))
                raise errors.CaptureError(
                    f"{blame.path} cannot travel to the job: it is a {blame.type} ({blame.reason}). {blame.remedy} "
                    "Nothing was sent."
                ) from error
        raise
    return stream.getvalue()


def _copy(old: str, new: str) -> str:
    with Path(old).open("rb") as source, Path(new).open("wb") as target:
        try:
            fcntl.ioctl(target, _CLONE, source.fileno())
        except OSError:  # A file system that cannot.
            shutil.copyfileobj(source, target, 2**20)
    shutil.copystat(old, new)
    return new
