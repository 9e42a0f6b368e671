"""Container logs: complete lines with timestamps, a bounded size, and every frame."""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from jupyter_trainjob import errors
from jupyter_trainjob.api.resources import PODS
from jupyter_trainjob.cluster.agent.containers import container_logs
from jupyter_trainjob.cluster.agent.containers.shim_spec import FRAME
from jupyter_trainjob.cluster.agent.shim.log_writer import MAX_LINE_BYTES, LogWriter
from jupyter_trainjob.cluster.agent.volumes.dir_watch import DirWatch
from tests.unit.cluster.agent.cluster import Cluster
from tests.waiting import patience

MARK = FRAME.encode()


def log(folder: Path, *, size: int = 1000, files: int = 3, kept_size: int = 1 << 20) -> LogWriter:
    return LogWriter(str(folder), size=size, files=files, frame=FRAME, kept_size=kept_size)


def texts(folder: Path) -> list[bytes]:
    """Return the lines of a log folder as the endpoint gives them."""
    reader, lines, converted = (
        container_logs.LogReader(folder),
        container_logs.LineFilter(timestamps=False),
        list[bytes](),
    )
    while raw := reader.read():
        converted += lines.convert(raw)
    reader.close()
    return [line[:-1] for line in converted]


def test_lines_have_strictly_increasing_timestamps(tmp_path: Path) -> None:
    writer = log(tmp_path, size=1 << 20)
    writer.write_output(b"stdout", b"line\n" * 1000)
    writer.write_output(b"stderr", b"line\n" * 1000)
    writer.close()
    stamps = [line.split()[0] for line in (tmp_path / "00000001").read_bytes().splitlines()]
    assert len(stamps[0]) == len(b"2026-01-01T00:00:00.000000000Z")
    assert stamps == sorted(set(stamps))


def test_line_written_in_pieces_is_read_whole(tmp_path: Path) -> None:
    writer = log(tmp_path, size=1 << 30)
    long = b"x" * (MAX_LINE_BYTES * 2 + 5)
    for start in range(0, len(long), 1000):
        writer.write_output(b"stdout", long[start : start + 1000])
    writer.write_output(b"stdout", b"\nshort\n" + long + b"\nunended")
    writer.close()
    written = (tmp_path / "00000001").read_bytes().splitlines()
    assert max(map(len, written)) < MAX_LINE_BYTES + 100
    assert [line.split(b" ", 3)[2] for line in written] == [b"P", b"P", b"F", b"F", b"P", b"P", b"F", b"F"]
    assert texts(tmp_path) == [long, b"short", long, b"unended"]


def test_lines_stay_in_the_current_file_if_no_further_file_can_be_created(tmp_path: Path) -> None:
    folder = tmp_path / "log"
    writer = log(folder)
    folder.rename(tmp_path / "aside")  # so that no further file can be made
    for _ in range(4):
        writer.write_output(b"stdout", b"x" * 1200 + b"\n")
    folder.mkdir()
    writer.write_output(b"stdout", b"y\n")
    writer.write_output(b"stdout", b"z\n")
    writer.close()
    assert texts(tmp_path / "aside") == [b"x" * 1200] * 4 + [b"y"]
    assert [line.split(b" ", 3)[3] for line in (folder / "00000002").read_bytes().splitlines()] == [b"z"]


def test_carriage_returns_and_spaces_are_kept(tmp_path: Path) -> None:
    writer = log(tmp_path)
    writer.write_output(b"stdout", b"10%\r20%\r\n\n  two  words  \n")
    writer.close()
    assert texts(tmp_path) == [b"10%\r20%\r", b"", b"  two  words  "]


def test_old_files_are_deleted_and_frames_are_kept(tmp_path: Path) -> None:
    writer = log(tmp_path)
    for number in range(200):
        writer.write_output(b"stdout", b"some text %d\n" % number)
        writer.write_output(b"stdout", b"\n%bframe-%d\n" % (MARK, number))
    writer.close()
    files = [path for path in tmp_path.iterdir() if path.name != "kept"]
    assert len(files) == 3
    assert all(path.stat().st_size < 1200 for path in files)
    lines = texts(tmp_path)
    assert [line for line in lines if line.startswith(MARK)] == [MARK + b"frame-%d" % number for number in range(200)]
    assert b"some text 0" not in lines
    assert b"some text 199" in lines


def test_kept_frames_are_bounded(tmp_path: Path) -> None:
    writer = log(tmp_path, kept_size=500)
    for number in range(500):
        writer.write_output(b"stdout", b"%bframe-%d\n" % (MARK, number))
    writer.close()
    assert (tmp_path / "kept").stat().st_size <= 500


def test_reader_overtaken_by_rotation_misses_no_frame(tmp_path: Path) -> None:
    writer = log(tmp_path)
    reader, lines, converted = (
        container_logs.LogReader(tmp_path),
        container_logs.LineFilter(timestamps=False),
        list[bytes](),
    )
    for number in range(300):
        writer.write_output(b"stdout", b"text\n%bframe-%03d\n" % (MARK, number))
        if number % 100 == 50:
            converted += lines.convert(reader.read() or b"\n")
    writer.close()
    while raw := reader.read():
        converted += lines.convert(raw)
    reader.close()
    frames = [line for line in converted if line.startswith(MARK)]
    assert sorted(set(frames)) == [MARK + b"frame-%03d\n" % number for number in range(300)]
    assert frames == sorted(frames) or len(frames) > 300  # repeated at most


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_full_disk_loses_only_lines(tmp_path: Path) -> None:
    (tmp_path / "00000001").symlink_to("/dev/full")
    writer = log(tmp_path)
    writer.write_output(b"stdout", b"lost\n")
    writer.close()


OPTIONS: dict[str, tuple[dict[str, Any], str]] = {
    "the last lines": ({"tail_lines": 2}, "four\nfive\n"),
    "no lines": ({"tail_lines": 0}, ""),
    "the first bytes": ({"limit_bytes": 7}, "one\ntwo"),
    "everything since long ago": ({"since_time": "2020-01-01T00:00:00+02:00"}, "one\ntwo\nthree\nfour\nfive\n"),
    "nothing since a time to come": ({"since_time": "2090-01-01T00:00:00.5Z"}, ""),
    "a followed log that ended": ({"follow": True}, "one\ntwo\nthree\nfour\nfive\n"),
    "the tail of a followed log": ({"follow": True, "tail_lines": 1}, "five\n"),
}


def test_options_of_the_endpoint(cluster: Cluster) -> None:
    cluster.agent()
    cluster.script("print('one', 'two', 'three', 'four', 'five', sep=chr(10))")
    cluster.ended()
    for name, (options, wanted) in OPTIONS.items():
        assert cluster.log(**options) == wanted, name
    stamped = cluster.log(timestamps=True).splitlines()
    assert [line.partition(" ")[2] for line in stamped] == ["one", "two", "three", "four", "five"]
    assert cluster.log(since_time=stamped[3].partition(" ")[0]) == "four\nfive\n"


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "another container": ({"container": "other"}, "container other is not valid for pod pod"),
    "a previous container": ({"previous": True}, 'previous terminated container "node" in pod "pod" not found'),
    "a time that is none": ({"since_time": "yesterday"}, 'invalid sinceTime "yesterday"'),
}


def test_endpoint_rejects_invalid_requests(cluster: Cluster) -> None:
    cluster.agent()
    cluster.script("pass")
    cluster.ended()
    for options, message in REFUSED.values():
        with pytest.raises(errors.BadRequest, match=message) as refusal:
            cluster.log(**options)
        assert message in refusal.value.status["message"]
    cluster.run("true", name="later", volumes=[{"name": "v", "secret": {"secretName": "missing"}}])
    cluster.until("Pending", name="later")
    with pytest.raises(errors.BadRequest, match='container "node" in pod "later" is waiting to start'):
        cluster.log("later")


def test_followed_log_streams_and_ends_with_the_program(cluster: Cluster) -> None:
    cluster.agent()
    code = "import sys; print('one', flush=True); sys.stdout.flush(); import time; time.sleep(0.3); print('two')"
    cluster.script(code)
    cluster.until("Running")
    stream = cluster.stream(cluster.get(), follow=True)
    assert next(stream) == b"one\n"
    assert list(stream) == [b"two\n"]


def test_followed_log_ends_when_it_is_closed(cluster: Cluster) -> None:
    cluster.agent()
    cluster.script("import time; print('one', flush=True); time.sleep(300)")
    cluster.until_log("one")
    stream = cluster.stream(cluster.get(), follow=True)
    assert next(stream) == b"one\n"
    threading.Timer(0.1, stream.close).start()
    assert list(stream) == []


def test_flood_of_output_is_bounded_and_keeps_the_frames(cluster: Cluster) -> None:
    cluster.agent()
    code = f"""
import os, sys
frame = b"\\n{FRAME}first\\n"
os.write(1, frame)
block = b"y" * 99 + b"\\n"
for _ in range(800):
    os.write(1, block * 1000)
os.write(1, b"\\n{FRAME}last\\n")
"""
    cluster.script(code)
    assert cluster.ended()["exitCode"] == 0
    folder = cluster.newest().log
    assert sum(path.stat().st_size for path in folder.iterdir()) < 60 << 20
    frames = [line for line in cluster.log().splitlines() if line.startswith(FRAME)]
    assert frames == [FRAME + "first", FRAME + "last"]


def test_log_of_a_removed_pod_is_rejected(cluster: Cluster) -> None:
    cluster.agent()
    cluster.script("print('x')")
    cluster.ended()
    pod = cluster.get()
    cluster.client.delete(PODS, "pod", namespace="default")
    cluster.api.wait(lambda: not list((cluster.root / "pods").iterdir()))
    with pytest.raises(errors.BadRequest):
        cluster.stream(pod)


@pytest.mark.parametrize("platform", [sys.platform, "darwin"], ids=["as here", "as on macOS"])
def test_dir_watch_reports_changes(tmp_path: Path, platform: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    changes, changed = DirWatch(), threading.Event()
    forget = changes.add(tmp_path, changed.set)
    (tmp_path / "file").write_text("x")
    assert changed.wait(patience(60))
    forget()
    forget()
    changes.stop()
