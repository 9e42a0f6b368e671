"""Sealed files: what was written comes back, and of anything else nothing."""

from __future__ import annotations

import io
import random
from pathlib import Path

import pytest

from jupyter_trainjob.worker.sealed import CHUNK, BrokenSeal, Seal, Sealer, Unsealer

KEY = b"k" * 32
RECORD = CHUNK + 32
"""Bytes that a chunk takes in the file."""


def content(size: int) -> bytes:
    return random.Random(size).randbytes(size)


def sealed(path: Path, data: bytes, *pieces: int) -> Seal:
    sealer, start = Sealer(path, key=KEY), 0
    for piece in pieces:
        sealer.write(data[start : start + piece])
        start += piece
    sealer.write(data[start:])
    return sealer.close()


def unsealed(file: bytes, seal: Seal, key: bytes = KEY) -> bytes:
    return Unsealer(io.BytesIO(file), seal, key=key).read()


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK, 3 * CHUNK + 7])
@pytest.mark.parametrize("pieces", [(), (1, 2, 3), (CHUNK,), (CHUNK + 5, 9)], ids=str)
def test_what_is_written_in_whatever_pieces_is_read(tmp_path: Path, size: int, pieces: tuple[int, ...]) -> None:
    data = content(size)
    seal = sealed(tmp_path / "f", data, *pieces)
    assert seal.size == size
    assert unsealed((tmp_path / "f").read_bytes(), seal) == data


def test_it_is_read_in_whatever_pieces(tmp_path: Path) -> None:
    data = b"a line\n" + content(4 * CHUNK)
    seal = sealed(tmp_path / "f", data)
    file = Unsealer(io.BytesIO((tmp_path / "f").read_bytes()), seal, key=KEY)
    big = bytearray(2 * CHUNK)
    read = [file.readline(), file.read(5), file.read(CHUNK)]
    assert file.readinto(big) == len(big)
    assert b"".join([*read, big, file.read()]) == data
    assert file.read(1) == b""
    assert file.readinto(big) == 0


BROKEN = {
    "a bit of the first chunk is changed": lambda file: bytes([file[0] ^ 1]) + file[1:],
    "a bit of the last chunk is changed": lambda file: file[:-40] + bytes([file[-40] ^ 1]) + file[-39:],
    "a signature is changed": lambda file: file[:-1] + bytes([file[-1] ^ 1]),
    "it is cut in a chunk": lambda file: file[: RECORD + 10],
    "it is cut between chunks": lambda file: file[:RECORD],
    "two chunks change places": lambda file: file[RECORD : 2 * RECORD] + file[:RECORD] + file[2 * RECORD :],
    "a chunk is left out": lambda file: file[RECORD:],
    "it is empty": lambda file: b"",
}


@pytest.mark.parametrize("damage", BROKEN.values(), ids=BROKEN.keys())
def test_what_is_not_genuine_is_not_handed_out(tmp_path: Path, damage: object) -> None:
    assert callable(damage)
    data = content(2 * CHUNK + 100)
    seal = sealed(tmp_path / "f", data)
    file = Unsealer(io.BytesIO(damage((tmp_path / "f").read_bytes())), seal, key=KEY)
    genuine = bytearray()

    def read() -> None:
        while piece := file.read(CHUNK):
            genuine.extend(piece)

    with pytest.raises(BrokenSeal):
        read()
    assert data.startswith(genuine)


def test_the_file_of_another_key_or_of_an_earlier_attempt_is_not_read(tmp_path: Path) -> None:
    seal = sealed(tmp_path / "f", b"one")
    earlier = (tmp_path / "f").read_bytes()
    with pytest.raises(BrokenSeal):
        unsealed(earlier, seal, key=b"x" * 32)
    again = sealed(tmp_path / "f", b"one")
    with pytest.raises(BrokenSeal):
        unsealed(earlier, again)


def test_a_buffer_that_got_what_is_not_genuine_is_wiped(tmp_path: Path) -> None:
    seal = sealed(tmp_path / "f", content(CHUNK))
    file = Unsealer(io.BytesIO(b"x" * RECORD), seal, key=KEY)
    target = bytearray(CHUNK)
    with pytest.raises(BrokenSeal):
        file.readinto(target)
    assert not any(target)


def test_a_file_appears_whole_or_never(tmp_path: Path) -> None:
    path = tmp_path / "results" / "f"
    killed = Sealer(path, key=KEY)
    killed.write(content(2 * CHUNK))
    assert not path.exists()
    next_one = Sealer(path, key=KEY)
    assert len(list(path.parent.iterdir())) == 1, "the draft of the attempt before is gone"
    killed.discard()
    next_one.write(b"x")
    next_one.close()
    assert [each.name for each in path.parent.iterdir()] == ["f"]
    assert path.stat().st_mode & 0o777 == 0o600
    given_up = Sealer(path, key=KEY)
    given_up.write(b"y")
    given_up.discard()
    assert [each.name for each in path.parent.iterdir()] == ["f"]
