from __future__ import annotations

import sqlite3
from pathlib import Path

from jupyter_trainjob.metrics.history import MAX_LINES, History
from jupyter_trainjob.metrics.log_lines import PodLogLine, parse_lines
from jupyter_trainjob.worker.protocol import encode

FRAME = encode(attempt=1, rank=0, seq=0, kind="end", body=b'{"time":1.0,"ok":true}')[0].strip(b"\n")
STAMP = b"2026-01-02T03:04:05.000000001Z "


def test_log_read_by_two_readers_is_stored_once(tmp_path: Path) -> None:
    log = [STAMP + b"same", STAMP + b"same", STAMP + FRAME]
    for history in (History(tmp_path / "h.db"), History(tmp_path / "h.db")):
        history.add("job", "pod", 0, parse_lines(log))
        assert [line.text for _, _, line in history.lines("job")] == [b"same", b"same"]
        assert len(history.frames("job")) == 1
        history.close()


def test_only_the_newest_lines_are_stored(tmp_path: Path) -> None:
    history = History(tmp_path / "h.db")
    history.add("job", "pod", 0, (PodLogLine(f"{i:09}", 0, b"x") for i in range(MAX_LINES + 100)))
    stored = history.lines("job")
    assert len(stored) <= MAX_LINES + 1
    assert stored[-1][2].stamp == f"{MAX_LINES + 99:09}"
    history.close()


def test_discarded_lines_are_counted_once_for_all_readers(tmp_path: Path) -> None:
    readers = [History(tmp_path / "h.db"), History(tmp_path / "h.db")]
    lines = [PodLogLine(f"{i:09}", 0, b"x") for i in range(MAX_LINES + 100)]
    readers[0].add("job", "pod", 1, lines[:3000])
    assert readers[0].dropped_lines("job") == {}
    readers[0].add("job", "pod", 1, lines[3000:])
    readers[1].add("job", "pod", 1, lines[:4000])
    readers[1].add("job", "pod", 1, lines[4000:])
    readers[1].add("job", "other", 2, [*lines[:3], _bar("5", b"10%"), _bar("6", b"20%")])
    stored_count = sum(pod == "pod" for pod, _, _ in readers[0].lines("job"))
    for reader in readers:
        assert reader.dropped_lines("job") == {("pod", 1): len(lines) - stored_count}
        assert reader.dropped_lines("another") == {}
    readers[0].delete_job("job")
    assert readers[1].dropped_lines("job") == {}
    for reader in readers:
        reader.close()


def test_deletion_of_a_job_keeps_the_other_jobs(tmp_path: Path) -> None:
    history = History(tmp_path / "h.db")
    for job in ("one", "two"):
        history.add(job, "pod", 0, parse_lines([STAMP + b"text", STAMP + FRAME]))
    history.delete_job("one")
    assert not history.lines("one")
    assert not history.frames("one")
    assert history.lines("two")
    history.close()


def _bar(stamp: str, text: bytes) -> PodLogLine:
    return PodLogLine(stamp, 0, text, None, "abcdef.1", open=True)


def test_overwritten_row_is_one_line(tmp_path: Path) -> None:
    history = History(tmp_path / "h.db")
    history.add("job", "pod", 0, [PodLogLine("1", 0, b"before"), _bar("2", b"10%"), _bar("3", b"20%")])
    history.add("job", "pod", 0, [_bar("5", b"30%"), PodLogLine("4", 0, b"after")])
    assert [line.text for _, _, line in history.lines("job")] == [b"before", b"after", b"30%"]
    history.add("job", "other", 1, [_bar("6", b"of another pod")])
    assert len(history.lines("job")) == 4
    history.close()


def test_reader_that_starts_again_does_not_restore_an_older_state(tmp_path: Path) -> None:
    history = History(tmp_path / "h.db")
    history.add("job", "pod", 0, [_bar("2", b"10%"), _bar("3", b"20%"), _bar("9", b"100%")])
    history.add("job", "pod", 0, [_bar("2", b"10%")])
    history.add("job", "pod", 0, [_bar("3", b"20%")])
    assert [line.text for _, _, line in history.lines("job")] == [b"100%"]
    history.add("job", "pod", 0, [_bar("91", b"")])
    history.add("job", "pod", 0, [_bar("9", b"100%")])
    assert history.lines("job") == []
    assert list(history.newest_lines("job")) == []
    history.close()


def test_updates_of_a_progress_bar_do_not_displace_lines(tmp_path: Path) -> None:
    history = History(tmp_path / "h.db")
    history.add("job", "pod", 0, [PodLogLine("0", 0, b"first")])
    for start in range(0, MAX_LINES + 500, 500):
        history.add("job", "pod", 0, [_bar(f"{start + i:09}", b"x") for i in range(500)])
    assert [line.text for _, _, line in history.lines("job")] == [b"first", b"x"]
    history.close()


def test_newest_lines_of_all_or_some_pods(tmp_path: Path) -> None:
    history = History(tmp_path / "h.db")
    for node in range(3):
        history.add("job", f"pod-{node}", node, [PodLogLine(f"{i:05}", 0, b"%d.%d" % (i, node)) for i in range(700)])
    texts = [line.text for _, _, line in history.newest_lines("job")]
    assert texts == [b"%d.%d" % (i, node) for i in reversed(range(700)) for node in (2, 1, 0)]
    assert [pod for pod, _, _ in history.newest_lines("job", nodes=[1])] == ["pod-1"] * 700
    before = list(history.newest_lines("job", before=("00002", 0, "pod-1")))
    assert [line.text for _, _, line in before] == [b"2.0", b"1.2", b"1.1", b"1.0", b"0.2", b"0.1", b"0.0"]
    history.close()


def test_lines_of_another_version_are_dropped_and_frames_are_not(tmp_path: Path) -> None:
    database = sqlite3.connect(tmp_path / "h.db")
    database.executescript(
        "CREATE TABLE lines (job, pod, stamp, number, node, text); INSERT INTO lines VALUES (1, 2, 3, 4, 5, 6);"
    )
    database.close()
    history = History(tmp_path / "h.db")
    assert history.lines("1") == []
    history.add("job", "pod", 0, [PodLogLine("1", 0, b"text")])
    history.close()
    history = History(tmp_path / "h.db")
    assert len(history.lines("job")) == 1
    history.close()
