"""Frames: how a rank speaks through its pod's log, and the in-pod names that both sides know.

The worker encodes messages (`encode`), readers of logs find frames among ordinary lines (`decode`) and join them
(`Assembler`). A log is all that every cluster gives us, and other programs write into it at the same time. Therefore a
frame is one line, short enough for a pipe to take it whole, written together with a line end before and after it, and
numbered and check-summed so that whatever arrives can be trusted, and whatever is missing is known::

    @trainjob/1 <attempt> <rank> <seq> <kind> <part>/<parts> <crc32> <payload>

``attempt`` is the unix time in milliseconds at which that rank's worker started. ``seq`` counts the frames of one
attempt and rank from 0; the parts of one message have consecutive numbers. ``crc32`` (8 hex digits) covers the line
without itself and the prefix. ``payload`` is printable ASCII without spaces: the body itself where it is such JSON and
that is shorter, else base64 of its zlib compression; JSON objects start with ``{``, which base64 does not know.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import zlib
from typing import Any, Final, NamedTuple

PREFIX: Final = b"@trainjob/1 "
"""How a frame's line begins."""
LINE_LIMIT: Final = 4096
"""Bytes of a frame with both line ends: PIPE_BUF of Linux, up to which a pipe takes a write as a whole."""
MESSAGE_LIMIT: Final = 8 * 2**20
"""Bytes of a message. Nothing that a worker writes comes near; a forged frame cannot make a reader unpack more."""
PARTS_LIMIT: Final = 2**15
PENDING_LIMIT: Final = 8
"""Incomplete messages that a reader keeps for each rank."""

PACKAGE: Final = "_trainjob_worker"
"""Name of this package inside ``job.pyz``: not ours, since the real one may be installed there too."""
MANIFEST: Final = "manifest.json"
TERMINATION_LOG: Final = "/dev/termination-log"
"""Where a container leaves its termination message, unless its spec says otherwise (Kubernetes)."""
TERMINATION_LOG_ENV: Final = "TRAINJOB_TERMINATION_LOG"
"""Path of the termination message on an embedded cluster whose kernel refuses namespaces."""
CAPTURES_ENV: Final = "TRAINJOB_CAPTURES"
"""Folder of the captured values where they do not lie next to ``job.pyz`` but in the folder of the job."""
FOLDER_ENV: Final = "TRAINJOB_FOLDER"
"""Path of the folder that all ranks of a job share, where it has one."""
STORAGE_ENV: Final = "TRAINJOB_STORAGE"
"""Address of that folder where ``--storage`` chose it: what the worker keeps it equal with, or ``pvc://…``."""
CLAIM: Final = "pvc://"
CHECKPOINTS_FOLDER: Final = "checkpoints"
OUTPUT_FOLDER: Final = "output"
RESULTS_FOLDER: Final = "results"
"""Folder in it for results that are too large for frames."""
GROUP_PREFIX: Final = "trainjob-"
"""How the names of control groups begin that the embedded cluster makes, one for each pod with limits."""
EXIT_SETUP: Final = 78
"""Exit code of a worker that cannot even start the cell (EX_CONFIG of sysexits.h)."""
EXIT_TERMINATED: Final = 143

_FRAME: Final = re.compile(
    rb"@trainjob/1 (\d{1,16}) (\d{1,7}) (\d{1,12}) ([a-z]{1,16}) (\d{1,5})/(\d{1,5}) ([0-9a-f]{8}) ([!-~]+)\Z"
)
_PLAIN: Final = re.compile(rb"\{[!-~]*\Z")


class Frame(NamedTuple):
    """One line of a rank. `payload` as it stands in the line."""

    attempt: int
    rank: int
    seq: int
    kind: str
    part: int
    parts: int
    payload: bytes


class Message(NamedTuple):
    """What one or several frames say. `seq` is that of the first of them."""

    attempt: int
    rank: int
    seq: int
    kind: str
    body: bytes


def encode(*, attempt: int, rank: int, seq: int, kind: str, body: bytes, limit: int = LINE_LIMIT) -> list[bytes]:
    """Return the lines of a message; each is to be written in one call. The next message has seq + their number."""
    payload = _payload(body)
    room = limit - len(f"\n@trainjob/1 {attempt} {rank} {seq + PARTS_LIMIT} {kind} 00000/00000 00000000 \n")
    chunks = [payload[start : start + room] for start in range(0, len(payload), room)]
    lines = []
    for part, chunk in enumerate(chunks):
        head = f"{attempt} {rank} {seq + part} {kind} {part}/{len(chunks)} ".encode()
        crc = b"%08x " % zlib.crc32(head + chunk)
        lines.append(b"\n" + PREFIX + head + crc + chunk + b"\n")
    return lines


def decode(line: bytes) -> Frame | None:
    """Return the frame that `line` is, or None: an ordinary line, or a damaged one."""
    if not line.startswith(PREFIX):
        return None
    match = _FRAME.match(line.rstrip(b"\r\n"))
    if match is None:
        return None
    attempt, rank, seq, kind, part, parts, crc, payload = match.groups()
    head = line[len(PREFIX) : match.start(7)]
    if zlib.crc32(head + payload) != int(crc, 16) or not int(part) < int(parts) <= PARTS_LIMIT:
        return None
    return Frame(int(attempt), int(rank), int(seq), kind.decode(), int(part), int(parts), payload)


class Assembler:
    """Joins frames into messages, whatever order, gaps and repetitions they arrive with.

    A log that is read again from an earlier point yields nothing twice; a message that misses a part never appears.
    """

    def __init__(self) -> None:
        self._streams: dict[tuple[int, int], _Stream] = {}

    def feed(self, frame: Frame) -> Message | None:
        """Take a frame; return the message that it completes."""
        stream = self._streams.setdefault((frame.attempt, frame.rank), _Stream())
        payload = stream.join(frame)
        body = _body(payload) if payload is not None else None
        if body is None:
            return None
        return Message(frame.attempt, frame.rank, frame.seq - frame.part, frame.kind, body)


class _Stream:
    """What has arrived of one attempt of one rank."""

    def __init__(self) -> None:
        self._done: set[int] = set()
        self._pending: dict[int, dict[int, bytes]] = {}

    def join(self, frame: Frame) -> bytes | None:
        first = frame.seq - frame.part
        if first in self._done:
            return None
        arrived = self._pending.setdefault(first, {})
        arrived[frame.part] = frame.payload
        if len(arrived) < frame.parts:
            if len(self._pending) > PENDING_LIMIT:
                del self._pending[next(iter(self._pending))]
            return None
        del self._pending[first]
        self._done.add(first)
        return b"".join(arrived[part] for part in sorted(arrived))


def dumps(value: Any) -> bytes:
    """Return `value` as compact JSON in ASCII without spaces; NaN and infinities are written as JavaScript does."""
    # In compact JSON a space can only stand inside a string.
    return json.dumps(value, separators=(",", ":")).replace(" ", "\\u0020").encode("ascii")


def loads(message: Message) -> Any:
    """Return what the body of a message says; every kind but ``result`` is JSON. ValueError if it is none."""
    return json.loads(message.body)


def _payload(body: bytes) -> bytes:
    packed = base64.b64encode(zlib.compress(body, 6))
    return body if len(body) <= len(packed) and _PLAIN.match(body) else packed


def _body(payload: bytes) -> bytes | None:
    if payload.startswith(b"{"):
        return payload
    unpacker = zlib.decompressobj()
    try:
        body = unpacker.decompress(base64.b64decode(payload, validate=True), MESSAGE_LIMIT)
    except (binascii.Error, zlib.error):
        return None
    return body if unpacker.eof else None
