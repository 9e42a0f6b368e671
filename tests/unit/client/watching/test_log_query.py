"""Queries of a job's log: stored lines, lines that only the pods have, and the count of missing lines."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest

from jupyter_trainjob import errors
from jupyter_trainjob.api.resources import KubeObject
from jupyter_trainjob.client.snapshot import LogLine
from jupyter_trainjob.client.watching.job_follower import JobFollower
from jupyter_trainjob.client.watching.log_buffer import to_log_line
from jupyter_trainjob.client.watching.log_query import LogQuery, read_log
from jupyter_trainjob.constants import JOB_COMPLETION_INDEX
from jupyter_trainjob.metrics.history import StoredLine
from jupyter_trainjob.metrics.log_lines import PodLogLine

CREATED = "2026-01-01T00:00:00Z"


def pod(index: int) -> KubeObject:
    return {
        "metadata": {
            "name": f"a-node-0-{index}",
            "uid": f"pod-{index}",
            "labels": {JOB_COMPLETION_INDEX: str(index)},
            "creationTimestamp": CREATED,
        },
        "spec": {"containers": [{"name": "node"}]},
    }


def stored(second: int, node: int, text: str) -> StoredLine:
    return f"pod-{node}", node, PodLogLine(f"2026-01-01T00:00:{second:02}.000000000Z", 0, text.encode())


class Stream:
    """The log of a pod."""

    def __init__(self, *lines: tuple[int, str]) -> None:
        self._lines = lines
        self.closed = False

    def __iter__(self) -> Iterator[bytes]:
        for second, text in self._lines:
            yield f"2026-01-01T00:00:{second:02}.000000000Z {text}".encode()

    def close(self) -> None:
        self.closed = True


class Watched:
    """A job of two nodes, as its follower knows it, with what its server has."""

    def __init__(self, *lines: StoredLine, left_out: dict[tuple[str, int], int], logs: dict[str, Stream]) -> None:
        self._stored = list(lines)
        self._left_out = left_out
        self._logs = logs
        self.connection = self.watcher = self.log = self
        self.nodes = 2

    def snapshot(self) -> Watched:
        return self

    def trainjob(self) -> KubeObject:
        return {"metadata": {"name": "a", "namespace": "default", "creationTimestamp": CREATED}}

    def stored_lines(self) -> list[StoredLine]:
        return self._stored

    def lines(self) -> list[LogLine]:
        return [to_log_line(node, line) for _, node, line in self._stored]

    def stream(self) -> Iterator[LogLine]:
        yield from self.lines()

    def dropped_counts(self) -> dict[tuple[str, int], int]:
        return self._left_out

    def present_pod_uids(self) -> set[str]:
        return {f"pod-{name[-1]}" for name in self._logs}

    @property
    def list(self) -> Callable[..., Any]:
        return lambda *_, **__: Items([pod(int(name[-1])) for name in self._logs])

    def logs(self, name: str, **_: Any) -> Stream:
        if not self._logs[name]._lines:
            raise errors.BadRequest(400, "BadRequest", "container is waiting to start")
        return self._logs[name]


class Items:
    """The answer to a list."""

    def __init__(self, items: list[KubeObject]) -> None:
        self.items = items


KEPT = (stored(3, 0, "c"), stored(4, 1, "d"), stored(5, 0, "e"))


def whole(watched: Watched, **query: Any) -> list[str]:
    return list(read_log(cast("JobFollower", watched), LogQuery(**query), name="a").lines)


def note_of(watched: Watched, **query: Any) -> str:
    return str(read_log(cast("JobFollower", watched), LogQuery(**query), name="a").note or "")


def test_all_lines_reads_the_pods_in_the_order_of_time() -> None:
    logs = {
        "a-node-0-0": Stream((1, "a"), (3, "c"), (5, "e"), (6, "f")),
        "a-node-0-1": Stream((2, "b"), (4, "d")),
    }
    watched = Watched(*KEPT, left_out={("pod-0", 0): 1, ("pod-1", 1): 1}, logs=logs)
    assert whole(watched) == ["0 | c", "1 | d", "0 | e"]
    assert whole(watched, all_lines=True) == ["0 | a", "1 | b", "0 | c", "1 | d", "0 | e", "0 | f"]
    assert whole(watched, all_lines=True, rank=1) == ["b", "d"]
    assert whole(watched, all_lines=True, pattern="A") == ["0 | a"]
    assert all(stream.closed for stream in logs.values())


def test_rotated_lines_and_lines_of_deleted_pods_come_from_the_history() -> None:
    logs = {"a-node-0-0": Stream((5, "e"), (6, "f"))}
    watched = Watched(*KEPT, left_out={}, logs=logs)
    assert whole(watched, all_lines=True) == ["0 | c", "1 | d", "0 | e", "0 | f"]


def test_pod_that_has_not_started_has_its_stored_lines() -> None:
    watched = Watched(*KEPT, left_out={}, logs={"a-node-0-0": Stream(), "a-node-0-1": Stream((4, "d"))})
    assert whole(watched, all_lines=True) == ["0 | c", "1 | d", "0 | e"]


def test_all_lines_has_the_last_text_of_an_overwritten_row() -> None:
    log = Stream((1, "~abcdef.1\r10%"), (2, "x"), (3, "=abcdef.1\r100%"), (4, "~abcdef.2\r5%"), (5, "~abcdef.3\r "))
    watched = Watched(left_out={}, logs={"a-node-0-0": log})
    assert whole(watched, all_lines=True, rank=0) == ["x", "100%", "5%"]


def test_note_counts_missing_lines_and_names_the_option_that_reads_them() -> None:
    logs = {"a-node-0-0": Stream((5, "e")), "a-node-0-1": Stream((4, "d"))}
    watched = Watched(*KEPT, left_out={("pod-0", 0): 12_000, ("pod-1", 1): 1}, logs=logs)
    assert note_of(watched).startswith(
        "12,001 earlier lines of a are left out: of each node the newest 5,000 are kept."
    )
    assert "`jupyter trainjob logs a --all`, `%trainjob logs a --all` or logs(all_lines=True)" in note_of(watched)
    assert note_of(watched, rank=1).startswith("1 earlier line of a is left out")
    assert note_of(watched, follow=True) == note_of(watched)
    assert "are left out and not searched: " in note_of(watched, pattern="x")
    assert note_of(watched, all_lines=True) == ""


def test_note_says_that_lines_of_deleted_pods_are_lost() -> None:
    left_out = {("pod-0", 0): 3, ("pod-1", 1): 4}
    without_pods = Watched(*KEPT, left_out=left_out, logs={})
    assert note_of(without_pods) == note_of(without_pods, all_lines=True)
    assert note_of(without_pods).endswith(
        "7 earlier lines of a are left out: of each node the newest 5,000 are kept, and its pods are gone."
    )
    one = Watched(*KEPT, left_out=left_out, logs={"a-node-0-0": Stream((5, "e"))})
    assert "--all" in note_of(one)
    assert note_of(one, all_lines=True).startswith("4 earlier lines of a are left out")
    assert note_of(Watched(*KEPT, left_out={}, logs={})) == ""


def test_all_lines_cannot_be_followed() -> None:
    with pytest.raises(errors.UsageError, match="read all lines first, then follow"):
        whole(Watched(*KEPT, left_out={}, logs={}), all_lines=True, follow=True)
