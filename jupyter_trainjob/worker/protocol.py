"""Frames, which carry a rank's messages through its pod's log, and names that worker and clients share.

The worker encodes messages (`encode`), readers of logs find frames among ordinary lines (`decode`) and join them
(`Assembler`). The log is the only channel that every cluster provides, and other programs write to it at the same time.
Therefore a frame is one line that fits into an atomic write to a pipe, is written with a line end before and after it,
and has a number and a checksum, so that a reader detects damaged and missing frames::

    @trainjob/1 <attempt> <rank> <seq> <kind> <part>/<parts> <crc32> <payload>

``attempt`` is the unix time in milliseconds at which that rank's worker started. ``seq`` counts the frames of one
attempt and rank from 0; the parts of one message have consecutive numbers. ``crc32`` (8 hex digits) covers the line
without itself and the prefix. ``payload`` is printable ASCII without spaces: the body itself if it is such JSON and
not longer, else base64 of its zlib compression. JSON objects start with ``{``, which is not in base64's alphabet.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import zlib
from typing import Any, Final, NamedTuple

PREFIX: Final = b"@trainjob/1 "
"""Prefix of a frame's line."""
LINE_LIMIT: Final = 4096
"""Bytes of a frame with both line ends: PIPE_BUF of Linux, up to which a write to a pipe is atomic."""
MESSAGE_LIMIT: Final = 8 * 2**20
"""Bytes of a message, far more than a worker writes; bounds what a reader decompresses of a forged frame."""
PARTS_LIMIT: Final = 2**15
PENDING_LIMIT: Final = 8
"""Incomplete messages that a reader keeps for each rank."""

PACKAGE: Final = "_trainjob_worker"
"""Name of this package inside ``job.pyz``; not its own name, which may be installed in the image too."""
MANIFEST: Final = "manifest.json"
TERMINATION_LOG: Final = "/dev/termination-log"
"""Default of a container's ``terminationMessagePath`` (Kubernetes)."""
TERMINATION_LOG_ENV: Final = "TRAINJOB_TERMINATION_LOG"
"""Path of the termination message on an embedded cluster whose kernel refuses namespaces."""
CAPTURES_ENV: Final = "TRAINJOB_CAPTURES"
"""Folder of the captured values if they are not next to ``job.pyz`` but in the folder of the job."""
FOLDER_ENV: Final = "TRAINJOB_FOLDER"
"""Path of the folder that all ranks of a job share, if it has one."""
STORAGE_ENV: Final = "TRAINJOB_STORAGE"
"""URL of ``--storage``, with which the worker syncs that folder, or ``pvc://…``."""
BUNDLE_ENV: Final = frozenset({CAPTURES_ENV, FOLDER_ENV, STORAGE_ENV})
"""Variables that belong to the bundle of a job, and not to its `--env`."""
LINGER_ENV: Final = "TRAINJOB_LINGER"
"""Seconds that threads and child processes of the cell may run on after its end (``--linger``)."""
CLAIM: Final = "pvc://"
CHECKPOINTS_FOLDER: Final = "checkpoints"
OUTPUT_FOLDER: Final = "output"
RESULTS_FOLDER: Final = "results"
"""Subfolder for results that are too large for frames."""
GROUP_PREFIX: Final = "trainjob-"
"""Prefix of the names of the embedded cluster's control groups, one for each pod with limits."""
EXIT_SETUP: Final = 78
"""Exit code of a worker that cannot start the cell (EX_CONFIG of sysexits.h)."""
EXIT_TERMINATED: Final = 143

_FRAME: Final = re.compile(
    rb"@trainjob/1 (\d{1,16}) (\d{1,7}) (\d{1,12}) ([a-z]{1,16}) (\d{1,5})/(\d{1,5}) ([0-9a-f]{8}) ([!-~]+)\Z"
)
_PLAIN: Final = re.compile(rb"\{[!-~]*\Z")


class Frame(NamedTuple):
    """One line of a rank; `payload` is still encoded."""

    attempt: int
    rank: int
    seq: int
    kind: str
    part: int
    parts: int
    payload: bytes


class Message(NamedTuple):
    """The decoded content of one or several frames; `seq` is that of the first frame."""

    attempt: int
    rank: int
    seq: int
    kind: str
    body: bytes


def encode(*, attempt: int, rank: int, seq: int, kind: str, body: bytes, limit: int = LINE_LIMIT) -> list[bytes]:
    """Return the lines of a message of at most `limit` bytes each; write each line in one call.

    The `seq` of the next message is `seq` plus the number of lines.
    """
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
    r"""Return the frame in `line`; None for an ordinary line and for a damaged frame.

    >>> (line,) = encode(attempt=1, rank=0, seq=7, kind="end", body=b"{}")
    >>> decode(line.strip())
    Frame(attempt=1, rank=0, seq=7, kind='end', part=0, parts=1, payload=b'{}')
    >>> decode(b"epoch 1: loss 0.5") is None
    True
    """
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
    """Joins frames into messages, in any order, with gaps and repetitions.

    A message is returned once, even if the log is read again from an earlier point, and only if it is complete.
    """

    def __init__(self) -> None:
        self._streams: dict[tuple[int, int], _Stream] = {}

    def feed(self, frame: Frame) -> Message | None:
        """Add a frame; return the message that it completes, if any."""
        stream = self._streams.setdefault((frame.attempt, frame.rank), _Stream())
        payload = stream.join(frame)
        body = _body(payload) if payload is not None else None
        if body is None:
            return None
        return Message(frame.attempt, frame.rank, frame.seq - frame.part, frame.kind, body)


class _Stream:
    """The frames received from one attempt of one rank."""

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
    r"""Return `value` as compact JSON in ASCII without spaces; NaN and infinities are written as in JavaScript.

    >>> dumps({"where": "Cell [1]", "loss": float("nan")})
    b'{"where":"Cell\\u0020[1]","loss":NaN}'
    """
    # In compact JSON spaces occur inside strings only.
    return json.dumps(value, separators=(",", ":")).replace(" ", "\\u0020").encode("ascii")


def loads(message: Message) -> Any:
    """Return the parsed body of a message of any kind but ``result`` and ``raised``; ValueError if it is not JSON."""
    return json.loads(message.body)


def _payload(body: bytes) -> bytes:
    compressed = base64.b64encode(zlib.compress(body, 6))
    return body if len(body) <= len(compressed) and _PLAIN.match(body) else compressed


def _body(payload: bytes) -> bytes | None:
    if payload.startswith(b"{"):
        return payload
    decompressor = zlib.decompressobj()
    try:
        body = decompressor.decompress(base64.b64decode(payload, validate=True), MESSAGE_LIMIT)
    except (binascii.Error, zlib.error):
        return None
    return body if decompressor.eof else None
