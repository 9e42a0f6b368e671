"""From a cell or a function to a TrainJob: capture, pack, deliver, create, in that order."""

from __future__ import annotations

import os
import shlex
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from secrets import randbits, token_bytes
from typing import Any

from jupyter_trainjob import errors
from jupyter_trainjob.api.resources import Object
from jupyter_trainjob.bundle import changed, credentials, secret
from jupyter_trainjob.bundle import storage as storages
from jupyter_trainjob.bundle.archive import archive
from jupyter_trainjob.bundle.capture import Capture, capture_cell, capture_function
from jupyter_trainjob.bundle.delivery import Delivery, deliver
from jupyter_trainjob.bundle.payload import Place
from jupyter_trainjob.client import cells, fitting, record, runtimes
from jupyter_trainjob.client import storage as storing
from jupyter_trainjob.client.assemble import assemble, new_name
from jupyter_trainjob.client.context import Connection, connect, namespace_for
from jupyter_trainjob.client.create import create
from jupyter_trainjob.client.handle import TrainJob
from jupyter_trainjob.client.options import Options, identifier
from jupyter_trainjob.cluster.state import state_dir
from jupyter_trainjob.constants import DEFAULT_RUNTIME


@dataclass(frozen=True)
class Prepared:
    """A job as it would be sent, with nothing sent yet: what ``--dry-run`` shows."""

    connection: Connection
    capture: Capture
    delivery: Delivery
    trainjob: Object
    runtime: Object | None = None
    """The job's own copy of its runtime, where ``--retries`` needs one."""
    notes: tuple[str, ...] = ()
    """What its sender should know, where that is no error."""


def submit(
    fn: Callable[..., Any],
    *args: Any,
    kwargs: Mapping[str, Any] | None = None,
    name: str | None = None,
    nodes: int = 1,
    gpus: int | None = None,
    cpus: str | float | None = None,
    memory: str | int | None = None,
    procs_per_node: int | None = None,
    runtime: str = DEFAULT_RUNTIME,
    image: str | None = None,
    env: Mapping[str, str] | None = None,
    deadline: str | float | timedelta | None = None,
    retries: int = 0,
    files: Sequence[str] = (),
    secrets: Sequence[str] = (),
    storage: str | None = None,
    context: str | None = None,
    namespace: str | None = None,
) -> TrainJob:
    """Run ``fn(*args, **kwargs)`` on every rank of a new job and return its handle at once.

    ``job.result()`` is what `fn` returned on rank 0. The function travels by value with everything that it uses.
    The options are those of ``%%trainjob``; see `options.Options`. Raises `errors.UsageError` before anything is sent
    if the request is wrong or a value cannot travel.
    """
    options = Options(
        name=name or identifier(getattr(fn, "__name__", "job")),
        nodes=nodes,
        gpus=gpus,
        cpus=cpus,
        memory=memory,
        procs_per_node=procs_per_node,
        runtime=runtime,
        image=image,
        env=dict(env or {}),
        deadline=deadline,
        retries=retries,
        files=files,
        secrets=secrets,
        storage=storage,
        context=context,
        namespace=namespace,
    )
    variables = vars(sys.modules["__main__"])
    begun = record.begin(variables)
    capture = capture_function(
        fn,
        args,
        dict(kwargs or {}),
        files=options.files,
        secrets=secret.read(options.secrets, variables),
        cells=cells.names(),
        place=_place(options),
    )
    prepared = prepare(capture, options, begun)
    for note in prepared.notes:
        warnings.warn(note, stacklevel=2)
    return send(prepared)


def prepare_cell(source: str, variables: dict[str, Any], *, filename: str, options: Options) -> Prepared:
    """Pack a cell with the notebook's `variables` that it uses, and make its TrainJob, without sending anything.

    `filename` is what tracebacks call the cell.
    """
    begun = record.begin(variables)
    capture = capture_cell(
        source,
        variables,
        filename=filename,
        out=options.out,
        files=options.files,
        secrets=secret.read(options.secrets, variables),
        cells=cells.names(),
        place=_place(options),
    )
    return prepare(capture, options, begun)


def prepare(capture: Capture, options: Options, begun: record.Begun) -> Prepared:
    """Make the Secrets and the TrainJob that carry `capture`, without sending anything."""
    return prepare_on(connect(options.context), capture, options, begun)


def prepare_on(
    connection: Connection, capture: Capture, options: Options, begun: record.Begun = record.NOTHING
) -> Prepared:
    """Prepare for one cluster, whatever context `options` name."""
    _check_files(capture, options, embedded=connection.embedded)
    secret.check_places(capture.secrets, capture.source, capture.filename, options.env)
    namespace = namespace_for(connection, options.namespace)
    runtime = runtimes.find(connection, options.runtime, namespace)
    misfit = fitting.check_here(runtime) if connection.embedded else fitting.check(runtime, capture)
    name = new_name(options)
    key, seed = token_bytes(32), randbits(31)
    kept = record.gather(capture, options, begun=begun, runtime=runtime, seed=seed)
    stored = storages.parse(options.storage).of_job(name) if options.storage else None
    if stored is not None:
        storing.check(connection, stored, namespace)
    delivery = deliver(
        capture,
        job_archive=archive(capture, key=key, job=name, compiled=connection.embedded, seed=seed),
        record=record.packed(kept),
        key=key,
        name=name,
        namespace=namespace,
        runtime=runtime,
        folder=state_dir().jobs / namespace / name if connection.embedded else None,
        storage=stored,
        python=sys.executable if connection.embedded else None,
        working_dir=os.getcwd() if connection.embedded else None,  # noqa: PTH109 - as the kernel sees it
        env=options.env,
    )
    made = assemble(
        connection,
        options,
        runtime,
        name=name,
        namespace=namespace,
        command=delivery.command,
        env=delivery.env,
        patches=[delivery.patch],
    )
    lost = storing.note(capture, shared=connection.embedded or stored is not None)
    told = credentials.notes(capture, options.env)
    notes = tuple(filter(None, (made.note, misfit, lost, changed.note(capture.modules), *told)))
    return Prepared(connection, capture, delivery, made.trainjob, runtime=made.runtime, notes=notes)


def send(prepared: Prepared) -> TrainJob:
    """Create everything and return the handle of the job. What was created goes again if the TrainJob is refused."""
    stored = create(
        prepared.connection,
        prepared.trainjob,
        secrets=prepared.delivery.secrets,
        files=prepared.delivery,
        runtime=prepared.runtime,
    )
    return TrainJob(prepared.connection, stored)


def _check_files(capture: Capture, options: Options, *, embedded: bool) -> None:
    """Refuse a job that would look for files which stay at home. On this computer, without ``--file``, none do."""
    missed = capture.missed() if options.files or not embedded else ()
    if missed:
        add = " ".join(f"--file {shlex.quote(name)}" for name in missed)
        where = "in a folder of its own, which holds just the files of --file" if embedded else "on another computer"
        raise errors.UsageError(
            f"The code names {', '.join(missed)}, which would be missing: the job runs {where}. Add {add}, or "
            "write the name in another way if it means something else. Nothing was sent."
        )


def _place(options: Options) -> Place:
    """Return where captured values lie that are too large for Secrets: nowhere, if nothing takes them to the pods."""
    stored = options.storage is not None and storages.parse(options.storage).claim is None
    return lambda: state_dir().jobs if stored or connect(options.context).embedded else None
