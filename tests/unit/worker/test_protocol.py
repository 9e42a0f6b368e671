"""Frames of messages in a log: encoding, checksums and reassembly."""

from __future__ import annotations

import base64
import os
import random
import zlib
from typing import Any

import pytest

from jupyter_trainjob.worker.protocol import LINE_LIMIT, Assembler, Message, decode, dumps, encode, loads

ATTEMPT = 1_763_852_718_123


def lines_of(body: bytes, seq: int = 0, rank: int = 0, limit: int = LINE_LIMIT) -> list[bytes]:
    return encode(attempt=ATTEMPT, rank=rank, seq=seq, kind="metrics", body=body, limit=limit)


def read(log: bytes, assembler: Assembler | None = None) -> list[Message]:
    assembler = assembler or Assembler()
    frames = [frame for line in log.split(b"\n") if (frame := decode(line)) is not None]
    return [message for frame in frames if (message := assembler.feed(frame)) is not None]


BODIES: dict[str, bytes] = {
    "short JSON": dumps({"time": 1.5}),
    "JSON with spaces, emoji and quotation marks": dumps({"a b": 'x "y" 🚀\n$HOME `ls`'}),
    "JSON that does not fit into a line": dumps({"loss": [random.Random(1).random() for _ in range(5000)]}),
    "bytes that no compression helps": random.Random(2).randbytes(2**20),
    "bytes that look like plain JSON but hold a space": b"{ }",
    "nothing": b"",
    "a brace that never closes": b"{" * 100,
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
@pytest.mark.parametrize("limit", [LINE_LIMIT, 512])
def test_message_is_decoded_from_its_frames(body: bytes, limit: int) -> None:
    lines = lines_of(body, limit=limit)
    (message,) = read(b"".join(lines))
    assert message == Message(ATTEMPT, 0, 0, "metrics", body)


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
def test_frame_is_one_printable_line_of_limited_length(body: bytes) -> None:
    for line in lines_of(body):
        assert line.startswith(b"\n@trainjob/1 ")
        assert line.endswith(b"\n")
        assert len(line) <= LINE_LIMIT
        assert line[1:-1].isascii()
        assert line[1:-1].decode().isprintable()


def test_parts_of_a_message_have_consecutive_numbers() -> None:
    lines = lines_of(BODIES["bytes that no compression helps"], seq=7)
    frames = [decode(line.strip()) for line in lines]
    assert [frame.seq for frame in frames if frame] == list(range(7, 7 + len(lines)))
    assert read(b"".join(lines))[0].seq == 7


def test_shuffled_and_repeated_frames_give_each_message_once() -> None:
    bodies = {rank: random.Random(rank).randbytes(20_000) for rank in range(4)}
    lines = [line for rank, body in bodies.items() for line in lines_of(body, rank=rank)] * 2
    random.Random(3).shuffle(lines)
    messages = read(b"".join(lines))
    assert {message.rank: message.body for message in messages} == bodies
    assert len(messages) == 4


def test_incomplete_message_is_dropped_and_the_next_one_is_read() -> None:
    first, second = lines_of(os.urandom(9_000)), lines_of(b"{}", seq=3)
    assert len(first) == 3
    assert [message.body for message in read(b"".join([first[0], first[2], *second]))] == [b"{}"]


def test_log_that_is_read_again_gives_no_message_twice() -> None:
    log = b"".join(lines_of(b"{}") + lines_of(os.urandom(9_000), seq=1))
    assembler = Assembler()
    assert len(read(log, assembler)) == 2
    assert read(log, assembler) == []


def good() -> bytes:
    return lines_of(b'{"a":1}')[0].strip()


def checked(rest: bytes) -> bytes:
    """Return a frame of these fields with a valid checksum."""
    head, _, payload = rest.rpartition(b" ")
    return b"@trainjob/1 " + head + b" %08x " % zlib.crc32(head + b" " + payload) + payload


NO_FRAMES: dict[str, bytes] = {
    "an ordinary line": b"epoch 1 loss 0.5",
    "an empty line": b"",
    "a frame after other text": b"hello " + good(),
    "a cut frame": good()[:-1],
    "a changed payload": good().replace(b'"a":1', b'"a":2'),
    "a changed rank": good().replace(b" 0 0 metrics", b" 1 0 metrics"),
    "another version": good().replace(b"trainjob/1", b"trainjob/2"),
    "two frames in a line": good() + good(),
    "a part beyond the parts": checked(b"1 0 0 metrics 2/2 {}"),
    "no parts": checked(b"1 0 0 metrics 0/0 {}"),
    "more parts than any message has": checked(b"1 0 0 metrics 0/99999 {}"),
    "a negative number": checked(b"1 -1 0 metrics 0/1 {}"),
    "bytes that are no text": b"@trainjob/1 \xff\xfe",
}


@pytest.mark.parametrize("line", NO_FRAMES.values(), ids=NO_FRAMES.keys())
def test_invalid_frame_is_not_decoded(line: bytes) -> None:
    assert decode(line) is None


def test_helper_computes_valid_checksums() -> None:
    assert decode(checked(b"1 0 0 metrics 0/1 {}")) is not None


def test_carriage_return_at_the_end_is_ignored() -> None:
    assert decode(good() + b"\r\n") == decode(good())


def test_decompressed_size_is_limited() -> None:
    bomb = base64.b64encode(zlib.compress(bytes(64 * 2**20), 9))
    lines = [
        checked(b"1 0 %d metrics %d/%d %s" % (part, part, 30, bomb[part * 3000 : (part + 1) * 3000]))
        for part in range(30)
    ]
    assert len(bomb) < 90_000
    assert read(b"\n".join(lines)) == []


def test_invalid_base64_is_dropped() -> None:
    assert read(checked(b"1 0 0 metrics 0/1 !!!!")) == []


@pytest.mark.parametrize("value", [{"x": float("inf"), "y": -0.0}, [1, None, "a\tb c\u2028"], {"é": {"": []}}])
def test_json_round_trip(value: Any) -> None:
    text = dumps(value)
    assert b" " not in text
    assert loads(Message(0, 0, 0, "metrics", text)) == value
