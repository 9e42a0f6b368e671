from __future__ import annotations

import pytest

from jupyter_trainjob.metrics import log_lines
from jupyter_trainjob.worker.protocol import encode

FRAME = encode(attempt=1, rank=0, seq=0, kind="end", body=b'{"time":1.0,"ok":true}')[0]


def stamped(text: bytes, stamp: bytes = b"2026-01-02T03:04:05.000000001Z") -> list[bytes]:
    return [stamp + b" " + line for line in text.removesuffix(b"\n").split(b"\n")]


CASES = {
    "the empty line that a frame brings is dropped": (b"a\n" + FRAME + b"b\n", [b"a", b"b"]),
    "an empty line that was printed stays": (b"a\n\n" + FRAME + b"b\n", [b"a", b"", b"b"]),
    "an empty line at the end stays": (b"a\n\n", [b"a", b""]),
    "a line that was begun before a frame is kept": (b"begun" + FRAME + b"b\n", [b"begun", b"b"]),
    "of a line in which a program went back the last text is read": (b"1%\r 50%\r100%\n", [b"100%"]),
    "line ends of Windows are no text": (b"a\r\nb\r\n", [b"a", b"b"]),
    "bytes that are not UTF-8 are kept": (b"\xff\xfe\r\xfd\n", [b"\xfd\xfe"]),
}


@pytest.mark.parametrize(("log", "expected"), CASES.values(), ids=CASES)
def test_lines_are_parsed_unchanged(log: bytes, expected: list[bytes]) -> None:
    lines = list(log_lines.parse_lines(stamped(log)))
    assert [line.text for line in lines if line.frame is None] == expected
    assert sum(line.frame is not None for line in lines) == log.count(FRAME)


def test_lines_with_one_timestamp_are_numbered() -> None:
    places = [line.position for line in log_lines.parse_lines(stamped(b"a\nb\nc\n"))]
    assert len(set(places)) == 3
    assert places == sorted(places)


def test_row_update_has_name_and_state() -> None:
    log = b"~abcdef.1\r10%   \n=abcdef.1\r100%\nordinary\n"
    rows = [(line.row, line.open, line.text) for line in log_lines.parse_lines(stamped(log))]
    assert rows == [("abcdef.1", True, b"10%"), ("abcdef.1", False, b"100%"), ("", False, b"ordinary")]
