from __future__ import annotations

from pathlib import Path

from jupyter_trainjob.metrics.history import MAX_LINES, History
from jupyter_trainjob.metrics.loglines import Line, parse
from jupyter_trainjob.worker.protocol import encode

FRAME = encode(attempt=1, rank=0, seq=0, kind="end", body=b'{"time":1.0,"ok":true}')[0].strip(b"\n")
STAMP = b"2026-01-02T03:04:05.000000001Z "


def test_two_readers_of_one_log_keep_it_once(tmp_path: Path) -> None:
    log = [STAMP + b"same", STAMP + b"same", STAMP + FRAME]
    for history in (History(tmp_path / "h.db"), History(tmp_path / "h.db")):
        history.add("job", "pod", 0, parse(log))
        assert [line.text for _, _, line in history.lines("job")] == [b"same", b"same"]
        assert len(history.frames("job")) == 1
        history.close()


def test_text_is_bounded_to_the_newest_lines(tmp_path: Path) -> None:
    history = History(tmp_path / "h.db")
    history.add("job", "pod", 0, (Line(f"{i:09}", 0, b"x") for i in range(MAX_LINES + 100)))
    kept = history.lines("job")
    assert len(kept) <= MAX_LINES + 1
    assert kept[-1][2].stamp == f"{MAX_LINES + 99:09}"
    history.close()


def test_a_job_that_is_forgotten_leaves_the_others(tmp_path: Path) -> None:
    history = History(tmp_path / "h.db")
    for job in ("one", "two"):
        history.add(job, "pod", 0, parse([STAMP + b"text", STAMP + FRAME]))
    history.forget("one")
    assert not history.lines("one")
    assert not history.frames("one")
    assert history.lines("two")
    history.close()
