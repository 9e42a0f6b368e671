"""Submit a cell or a function: capture, pack, deliver, create."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from secrets import randbits, token_bytes
from typing import TYPE_CHECKING, Any

from jupyter_trainjob import errors
from jupyter_trainjob.api.resources import KubeObject
from jupyter_trainjob.bundle import credential_scan, job_secrets
from jupyter_trainjob.bundle import storage_location as storages
from jupyter_trainjob.bundle.analysis import stale_modules
from jupyter_trainjob.bundle.archive import build_archive
from jupyter_trainjob.bundle.capture import THE_CALL, Capture, capture_cell, capture_function
from jupyter_trainjob.bundle.delivery import Delivery, build_delivery
from jupyter_trainjob.bundle.serialization.payload import SpillDir
from jupyter_trainjob.client import user_warnings
from jupyter_trainjob.client.context import Connection, connect, namespace_for
from jupyter_trainjob.client.creation import submission_steps
from jupyter_trainjob.client.creation.create import create_job
from jupyter_trainjob.client.creation.submission_steps import OnStep
from jupyter_trainjob.client.reproduce import provenance
from jupyter_trainjob.client.spec import cell_names, runtime_compatibility, runtimes, units
from jupyter_trainjob.client.spec import storage_checks as storing
from jupyter_trainjob.client.spec.assemble import assemble
from jupyter_trainjob.client.spec.job_names import nearest_name, new_trainjob_name
from jupyter_trainjob.client.spec.options import JobOptions, job_options, show_options
from jupyter_trainjob.client.trainjob import TrainJob
from jupyter_trainjob.cluster.daemon import launcher
from jupyter_trainjob.cluster.state.state_dir import state_dir

if TYPE_CHECKING:
    from typing_extensions import Unpack


@dataclass(frozen=True)
class Prepared:
    """A prepared job of which nothing is sent yet; ``--dry-run`` prints it."""

    connection: Connection
    capture: Capture
    delivery: Delivery
    trainjob: KubeObject
    runtime: KubeObject | None = None
    """The job's own copy of its runtime, where ``--retries`` needs one."""
    notes: tuple[str, ...] = ()
    """What its sender should know, where that is no error."""


@show_options
def submit(
    fn: Callable[..., Any], *args: Any, kwargs: Mapping[str, Any] | None = None, **options: Unpack[JobOptions]
) -> TrainJob:
    """Run ``fn(*args, **kwargs)`` on every rank of a new job and return its handle at once.

    ``job.result()`` is what `fn` returned on rank 0. The function is sent by value, with everything that it uses. The
    options are those of ``%%trainjob``, under the names of `options.JobOptions`; None means the default. Raises
    `errors.UsageError`, before anything is sent, for an invalid option and for a value that cannot be sent.

    Example::

        job = submit(train, 0.1, kwargs={"epochs": 3}, nodes=2, memory="4Gi")
        job.result()
    """
    if options.get("out"):
        raise errors.UsageError("out is an option of cells: the return value of a function is job.result().")
    name = options.get("name") or nearest_name(getattr(fn, "__name__", "job"))
    checked = job_options(**{**options, "name": name})
    variables = vars(sys.modules["__main__"])
    pending = provenance.begin_record(variables)
    capture = capture_function(
        fn,
        args,
        dict(kwargs or {}),
        files=checked["files"],
        secrets=job_secrets.read_values(checked["secrets"], variables),
        cells=cell_names.names_by_file(),
        spill_dir=_spill_dir(checked),
    )
    prepared = prepare(capture, checked, pending)
    for note in prepared.notes:
        user_warnings.warn(note, stacklevel=2)
    return send(prepared)


def prepare_cell(
    source: str,
    variables: dict[str, Any],
    *,
    filename: str,
    options: JobOptions,
    on_step: OnStep = submission_steps.ignore_step,
) -> Prepared:
    """Pack a cell with the notebook's `variables` that it uses, and build its TrainJob, without sending anything.

    `filename` names the cell in tracebacks; `on_step` is called with the name and detail of each step.
    """
    pending = provenance.begin_record(variables)
    capture = capture_cell(
        source,
        variables,
        filename=filename,
        out=options["out"],
        files=options["files"],
        secrets=job_secrets.read_values(options["secrets"], variables),
        cells=cell_names.names_by_file(),
        spill_dir=_spill_dir(options),
    )
    return prepare(capture, options, pending, on_step=on_step)


def prepare(
    capture: Capture,
    options: JobOptions,
    pending: provenance.PendingRecord,
    *,
    on_step: OnStep = submission_steps.ignore_step,
) -> Prepared:
    """Build the Secrets and the TrainJob of a `capture`, without sending anything."""
    names = sum(name.name != THE_CALL for name in capture.names)
    if names:
        on_step(
            submission_steps.PACKING,
            f"{names} {'name' if names == 1 else 'names'}, {units.format_bytes(capture.payload.size)}",
        )
    connection = connect(options["context"])
    if connection.embedded and launcher.running_daemon(state_dir()) is None:
        on_step(submission_steps.STARTING, "")
    return prepare_on(connection, capture, options, pending)


def prepare_on(
    connection: Connection,
    capture: Capture,
    options: JobOptions,
    pending: provenance.PendingRecord = provenance.NOTHING,
) -> Prepared:
    """Build the Secrets and the TrainJob for one cluster, whichever context `options` names."""
    _check_files(capture, options, embedded=connection.embedded)
    job_secrets.check_not_exposed(capture.secrets, capture.source, capture.filename, options["env"])
    namespace = namespace_for(connection, options["namespace"])
    runtime = runtimes.find_runtime(connection, options["runtime"], namespace)
    runtime_compatibility.check_launch(runtime)
    misfit = (
        runtime_compatibility.check_local_runtime(runtime)
        if connection.embedded
        else runtime_compatibility.check_runtime(runtime, capture)
    )
    name = new_trainjob_name(options["name"])
    key, seed = token_bytes(32), randbits(31)
    record = provenance.gather_record(capture, options, pending=pending, runtime=runtime, seed=seed)
    stored = storages.parse_storage(options["storage"]).for_job(name) if options["storage"] else None
    if stored is not None:
        storing.check_claim_exists(connection, stored, namespace)
    delivery = build_delivery(
        capture,
        job_archive=build_archive(capture, key=key, job=name, compiled=connection.embedded, seed=seed),
        record=provenance.pack_record(record),
        key=key,
        name=name,
        namespace=namespace,
        runtime=runtime,
        folder=state_dir().jobs / namespace / name if connection.embedded else None,
        storage=stored,
        python=sys.executable if connection.embedded else None,
        working_dir=os.getcwd() if connection.embedded else None,  # noqa: PTH109 - as the kernel sees it
        env=options["env"],
    )
    assembled = assemble(
        connection,
        options,
        runtime,
        name=name,
        namespace=namespace,
        command=delivery.command,
        env=delivery.env,
        patches=[delivery.patch],
    )
    lost = storing.lost_files_note(capture, shared=connection.embedded or stored is not None)
    leaked = credential_scan.credential_notes(capture.credentials, capture.leaks, options["env"])
    notes = tuple(
        filter(
            None,
            (assembled.note, misfit, lost, stale_modules.stale_modules_note(capture.modules), *leaked, *capture.notes),
        )
    )
    return Prepared(connection, capture, delivery, assembled.trainjob, runtime=assembled.runtime, notes=notes)


def send(prepared: Prepared) -> TrainJob:
    """Create all objects and return the handle of the job. If the TrainJob is rejected, they are deleted again.

    Raises `submission_steps.NotSent`, a `KeyboardInterrupt`, after Ctrl-C.
    """

    def created(cancelled: Callable[[], bool]) -> KubeObject:
        return create_job(
            prepared.connection,
            prepared.trainjob,
            secrets=prepared.delivery.secrets,
            files=prepared.delivery,
            runtime=prepared.runtime,
            cancelled=cancelled,
        )

    return TrainJob(prepared.connection, submission_steps.cancellable(created))


def _check_files(capture: Capture, options: JobOptions, *, embedded: bool) -> None:
    """Raise for a job whose code names files that are not sent, unless it runs in the notebook's folder."""
    missed = capture.find_missing_files() if options["files"] or not embedded else ()
    if missed:
        add = " ".join(f"--file {shlex.quote(name)}" for name in missed)
        where = "in a folder of its own, which holds just the files of --file" if embedded else "on another computer"
        raise errors.UsageError(
            f"The code names {', '.join(missed)}, which would be missing: the job runs {where}. Add {add}, or "
            "write the name in another way if it means something else. Nothing was sent."
        )


def _spill_dir(options: JobOptions) -> SpillDir:
    """Return the folder for captured values that are too large for Secrets, or None if pods cannot read it."""
    stored = options["storage"] is not None and storages.parse_storage(options["storage"]).claim is None
    return lambda: state_dir().jobs if stored or connect(options["context"]).embedded else None
