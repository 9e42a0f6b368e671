"""Signed files: written data is read back, and modified data is never returned."""

from __future__ import annotations

import io
import random
from pathlib import Path

import pytest

from jupyter_trainjob.worker.results.signed_file import (
    CHUNK,
    FileSeal,
    InvalidSignature,
    SignedFileReader,
    SignedFileWriter,
)

KEY = b"k" * 32
RECORD = CHUNK + 32
"""Bytes that a chunk takes in the file."""


def content(size: int) -> bytes:
    return random.Random(size).randbytes(size)


def sealed(path: Path, data: bytes, *pieces: int) -> FileSeal:
    sealer, start = SignedFileWriter(path, key=KEY), 0
    for piece in pieces:
        sealer.write(data[start : start + piece])
        start += piece
    sealer.write(data[start:])
    return sealer.close()


def unsealed(file: bytes, seal: FileSeal, key: bytes = KEY) -> bytes:
    return SignedFileReader(io.BytesIO(file), seal, key=key).read()


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK, 3 * CHUNK + 7])
@pytest.mark.parametrize("pieces", [(), (1, 2, 3), (CHUNK,), (CHUNK + 5, 9)], ids=str)
def test_data_written_in_pieces_of_any_size_is_read(tmp_path: Path, size: int, pieces: tuple[int, ...]) -> None:
    data = content(size)
    seal = sealed(tmp_path / "f", data, *pieces)
    assert seal.size == size
    assert unsealed((tmp_path / "f").read_bytes(), seal) == data


def test_data_is_read_in_pieces_of_any_size(tmp_path: Path) -> None:
    data = b"a line\n" + content(4 * CHUNK)
    seal = sealed(tmp_path / "f", data)
    file = SignedFileReader(io.BytesIO((tmp_path / "f").read_bytes()), seal, key=KEY)
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
    "truncated within a chunk": lambda file: file[: RECORD + 10],
    "truncated between chunks": lambda file: file[:RECORD],
    "two chunks change places": lambda file: file[RECORD : 2 * RECORD] + file[:RECORD] + file[2 * RECORD :],
    "a chunk is left out": lambda file: file[RECORD:],
    "empty": lambda file: b"",
}


@pytest.mark.parametrize("damage", BROKEN.values(), ids=BROKEN.keys())
def test_modified_data_is_not_returned(tmp_path: Path, damage: object) -> None:
    assert callable(damage)
    data = content(2 * CHUNK + 100)
    seal = sealed(tmp_path / "f", data)
    file = SignedFileReader(io.BytesIO(damage((tmp_path / "f").read_bytes())), seal, key=KEY)
    genuine = bytearray()

    def read() -> None:
        while piece := file.read(CHUNK):
            genuine.extend(piece)

    with pytest.raises(InvalidSignature):
        read()
    assert data.startswith(genuine)


def test_file_of_another_key_or_an_earlier_attempt_is_rejected(tmp_path: Path) -> None:
    seal = sealed(tmp_path / "f", b"one")
    earlier = (tmp_path / "f").read_bytes()
    with pytest.raises(InvalidSignature):
        unsealed(earlier, seal, key=b"x" * 32)
    again = sealed(tmp_path / "f", b"one")
    with pytest.raises(InvalidSignature):
        unsealed(earlier, again)


def test_buffer_with_unverified_data_is_cleared(tmp_path: Path) -> None:
    seal = sealed(tmp_path / "f", content(CHUNK))
    file = SignedFileReader(io.BytesIO(b"x" * RECORD), seal, key=KEY)
    target = bytearray(CHUNK)
    with pytest.raises(InvalidSignature):
        file.readinto(target)
    assert not any(target)


def test_file_is_created_atomically(tmp_path: Path) -> None:
    path = tmp_path / "results" / "f"
    killed = SignedFileWriter(path, key=KEY)
    killed.write(content(2 * CHUNK))
    assert not path.exists()
    next_one = SignedFileWriter(path, key=KEY)
    assert len(list(path.parent.iterdir())) == 1, "the draft of the attempt before is gone"
    killed.discard()
    next_one.write(b"x")
    next_one.close()
    assert [file.name for file in path.parent.iterdir()] == ["f"]
    assert path.stat().st_mode & 0o777 == 0o600
    given_up = SignedFileWriter(path, key=KEY)
    given_up.write(b"y")
    given_up.discard()
    assert [file.name for file in path.parent.iterdir()] == ["f"]
