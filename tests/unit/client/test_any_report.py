"""Whatever a rank reports, or prints in the form of a frame: every reader goes on, and shows all jobs."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from jupyter_trainjob.api.resources import TRAINJOBS, KubeObject
from jupyter_trainjob.cli import output
from jupyter_trainjob.client import context, job_lookup
from jupyter_trainjob.client.context import Connection
from jupyter_trainjob.cluster.apiserver.request_handler import ApiServer
from jupyter_trainjob.cluster.store.object_store import Store
from jupyter_trainjob.constants import STATE_DIR_ENV
from jupyter_trainjob.feed import view_state
from jupyter_trainjob.kube.client import Client
from jupyter_trainjob.metrics.log_lines import PodLogLine
from jupyter_trainjob.metrics.series import Series
from jupyter_trainjob.metrics.telemetry import Telemetry
from jupyter_trainjob.rendering import picture, tables, text
from jupyter_trainjob.rendering.csv_export import write_csv
from jupyter_trainjob.worker import report as module
from jupyter_trainjob.worker.output import messages
from jupyter_trainjob.worker.output.frame_writer import FrameWriter
from jupyter_trainjob.worker.protocol import decode, dumps, encode
from jupyter_trainjob.worker.report import report

pytestmark = pytest.mark.slow

HUGE = st.integers(0, 5_000).flatmap(lambda digits: st.sampled_from([10**digits, -(10**digits)]))
NUMBERS = st.one_of(st.floats(), st.integers(), HUGE, st.booleans(), st.fractions(max_denominator=10**6))
NAMES = st.one_of(st.sampled_from(["loss", "accuracy"]), st.text(), st.characters(categories=["Cs", "Cc", "Cf"]))
METRICS = st.dictionaries(NAMES.filter(lambda name: name not in messages.RESERVED | {"total"}), NUMBERS, max_size=4)
REPORTS = st.lists(st.tuples(st.none() | NUMBERS, st.none() | NUMBERS, METRICS), min_size=1, max_size=6)

JUNK = st.recursive(
    st.one_of(st.none(), st.floats(), st.integers(), HUGE.filter(lambda value: abs(value) < 10**4_000), st.text()),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(), inner, max_size=3)),
    max_leaves=4,
)
COLUMN = st.lists(st.one_of(st.none(), st.floats(), HUGE.filter(lambda value: abs(value) < 10**4_000)), max_size=3)
BODIES: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    messages.START: dict.fromkeys(["time", "world", "host", "pid", "python"], JUNK),
    messages.END: dict.fromkeys(["time", "ok"], JUNK),
    messages.ERROR: dict.fromkeys(["type", "module", "message", "where", "source", "traceback", "time"], JUNK),
    messages.CHECKPOINT: dict.fromkeys(["count", "name", "step", "time"], JUNK),
    messages.STALL: {
        **dict.fromkeys(["time", "quiet", "where", "source"], JUNK),
        "stack": st.lists(st.tuples(JUNK, JUNK, JUNK), max_size=2),
    },
    messages.USAGE: {
        **dict.fromkeys(["time", "cpu", "cpu_limit", "memory", "memory_limit"], JUNK),
        "gpus": st.lists(st.tuples(JUNK, JUNK, JUNK, JUNK), max_size=2),
    },
    messages.METRICS: {
        "time": COLUMN,
        "step": COLUMN,
        "total": JUNK,
        "metrics": st.dictionaries(st.sampled_from(["loss", "time", "rank", "\ud800"]), COLUMN, max_size=2),
        "left_out": JUNK,
    },
}
BODIES[messages.HISTORY] = BODIES[messages.METRICS]
FORGED = st.sampled_from(sorted(BODIES)).flatmap(
    lambda kind: st.tuples(st.just(kind), st.one_of(st.fixed_dictionaries(BODIES[kind]), JUNK))
)


class Namespace:
    """A namespace with two TrainJobs, one of which has a log."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.names = ("reporting", "other")
        for name in self.names:
            job: KubeObject = {"metadata": {"name": name}, "spec": {"runtimeRef": {"name": "plain"}, "trainer": {}}}
            created = connection.client.create(TRAINJOBS, job, namespace="default")
            if name == "reporting":
                self.uid = str(created["metadata"]["uid"])

    def read(self, lines: list[bytes]) -> None:
        """Store log lines as the history of a job, and render every view of it."""
        self.connection.history.delete_job(self.uid)
        frames = [(line.strip(b"\n"), decode(line.strip(b"\n"))) for line in lines]
        stored = [PodLogLine("2026-01-01T00:00:00Z", number, *decoded) for number, decoded in enumerate(frames)]
        self.connection.history.add(self.uid, "pod", 0, stored)
        for snapshots in (
            job_lookup.list_snapshots(context="test"),
            [job_lookup.read_snapshot(name, context="test") for name in self.names],
        ):
            assert {job.name for job in snapshots} == set(self.names)
            written = [tables.jobs(snapshots), *(tables.nodes(job.pods) for job in snapshots)]
            written += [form(job) for job in snapshots for form in (text.summary_line, text.summary)]
            written.append(json.dumps([form(job) for job in snapshots for form in FORMS], allow_nan=False))
            for form in output.FORMATS:
                output.print_values(form, [output.job_values(job) for job in snapshots], table=str)
            "".join(written).encode()
        record = Telemetry()
        for frame in self.connection.history.frames(self.uid):
            record.add(frame)
        assert len({len(column) for column in record.columns().values()}) == 1
        series = Series(record)
        for name in series.names():
            name.encode()
            series.times(series.band(name).x)
            series.lines(name)
        write_csv(series, series.names())
        for job in snapshots:
            picture.render_svg(job, series).encode()


FORMS = (view_state.head_json, view_state.row_json, view_state.nodes_json)


@pytest.fixture(scope="module")
def namespace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Namespace]:
    folder = tmp_path_factory.mktemp("namespace")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(STATE_DIR_ENV, str(folder))
        store = Store(folder / "store.db")
        connection = Connection("test", Client(ApiServer(store, version="0.0.0")), "default")
        patch.setitem(context._connections, "test", connection)
        yield Namespace(connection)
        connection.history.close()
        store.close()


def log_of(reports: list[tuple[Any, Any, dict[str, Any]]], folder: Path) -> list[bytes]:
    """Return the log of a rank that makes these reports."""
    path = folder / "log"
    log = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
    first = messages.START, dumps(messages.Start(time=1e9, world=1, host="h", pid=1, python="3"))
    writer = FrameWriter(rank=0, first=first, fd=log, on_terminate=lambda: None)
    writer.start()
    module.attach(writer.rows)
    try:
        for step, total, metrics in reports:
            report(step=step, total=total, **metrics)
    finally:
        module.detach()
    writer.finish([(messages.END, dumps(messages.End(time=1e9 + 5, ok=True)))])
    os.close(log)
    return path.read_bytes().splitlines()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(reports=REPORTS)
@example(reports=[(math.inf, None, {"loss": 1.0})])
@example(reports=[(1, math.inf, {"loss": 1.0}), (2, math.nan, {}), (10**400, 10**5_000, {"loss": 10**400})])
@example(reports=[(Fraction(1, 10**6), 1, {}), (5e-324, 2**53, {"loss": -math.inf}), (1e-320, 0, {})])
def test_readers_accept_any_report(namespace: Namespace, tmp_path: Path, reports: Any) -> None:
    lines = log_of(reports, tmp_path)
    namespace.read(lines)
    kinds = [frame.kind for line in lines if (frame := decode(line)) is not None]
    assert [kinds[0], kinds[-1]] == ["start", "end"], "all frames of the rank were read"


def test_invalid_step_and_total_are_left_out_with_one_note_each(tmp_path: Path) -> None:
    lines = log_of([(step, math.nan, {"loss": 0.5}) for step in (1, math.inf, 10**400, math.nan, 2)], tmp_path)
    notes = [line.decode() for line in lines if line.startswith(b"report()")]
    bound = "it must be a finite number, no larger than 2**53 (9007199254740992)."
    assert notes == [
        f"report(): a total is left out: {bound}",
        f"report(): a step is left out: {bound} The metrics of that report are kept.",
    ]
    record = Telemetry()
    for frame in filter(None, map(decode, lines)):
        record.add(frame)
    table = record.columns()
    assert table["loss"] == [0.5] * 5
    assert [step for step in table["step"] if not math.isnan(step)] == [1, 2]


@settings(max_examples=150, deadline=None)
@given(forged=st.lists(FORGED, min_size=1, max_size=4))
@example(forged=[(messages.START, {"time": 1.0, "world": 10**12, "host": "", "pid": 1, "python": ""})])
@example(forged=[(messages.END, {"time": math.inf, "ok": True})])
@example(forged=[(messages.CHECKPOINT, {"count": "many", "name": "\ud800", "step": 1e400, "time": 1.0})])
@example(forged=[(messages.METRICS, {"time": [1.0], "step": [1], "total": None, "metrics": {"rank": [3.0]}})])
def test_readers_accept_any_frame(namespace: Namespace, forged: Any) -> None:
    lines: list[bytes] = []
    for kind, body in forged:
        lines += encode(attempt=1, rank=0, seq=len(lines), kind=kind, body=dumps(body))
    namespace.read(lines)


def test_readers_accept_a_deeply_nested_body(namespace: Namespace) -> None:
    body = b'{"time":' + b"[" * 200_000
    namespace.read(encode(attempt=1, rank=0, seq=0, kind=messages.END, body=body))
