"""Results: what rank 0 sends back, signed with the job's key.

The worker packs (`dump`), the notebook unpacks (`load`). A log can be written by anybody who runs in the pod, so
nothing in it is unpickled before the signature was checked: the key travels in the job's Secret only.
"""

from __future__ import annotations

import hmac
import io
import pickle
import sys
from collections.abc import Mapping
from typing import Any, Final

LIMIT: Final = 2**20
"""Bytes of a pickled result."""

_ANY_CLASS: Final = frozenset(
    {"__module__", "__doc__", "__annotations__", "__slotnames__", "__abstractmethods__", "_abc_impl"}
    | {"__firstlineno__", "__static_attributes__"}
)
"""What a class may have, or get on the way, that nobody has written into it."""
_DIGEST: Final = 32
_PURPOSE: Final = b"trainjob result\0"


class ResultError(Exception):
    """The result cannot be sent; the message says why and what to do."""


class ForgedResult(ValueError):
    """A result that was not signed with the job's key; nothing of it was unpickled."""


def sign(key: bytes, body: bytes) -> bytes:
    """Return `body` with its signature before it."""
    return hmac.digest(key, _PURPOSE + body, "sha256") + body


def verify(key: bytes, signed: bytes) -> bytes:
    """Return the body of what `sign` made; raise `ForgedResult` if it was made with another key."""
    digest, body = signed[:_DIGEST], signed[_DIGEST:]
    if not hmac.compare_digest(digest, hmac.digest(key, _PURPOSE + body, "sha256")):
        raise ForgedResult(
            "A result in the job's log does not carry the job's signature. Something else than the job's program wrote "
            "it, or it is damaged; it was not unpickled."
        )
    return body


def dump(value: Any, out: Mapping[str, Any], *, key: bytes) -> bytes:
    """Pack a result; raise `ResultError` if it cannot be pickled or is too large."""
    stream = _Counted()
    pickler = pickle.Pickler(stream) if _is_plain(value) and not out else _pickler(stream)
    pickler.dump(tuple(out))
    sizes: dict[str, int] = {}
    for what, item in [("the value of the last expression", value), *((f"--out {name}", out[name]) for name in out)]:
        before = stream.size
        try:
            pickler.dump(item)
        except Exception as error:
            raise ResultError(
                f"The result cannot be sent back: {what}, a {type(item).__qualname__}, cannot be pickled "
                f"({type(error).__name__}: {error}). End the cell with something that can: numbers, arrays, a "
                f"state_dict. If you need no result, end it with None."
            ) from error
        sizes[what] = stream.size - before
    if stream.size > LIMIT:
        largest = max(sizes, key=lambda what: sizes[what])
        raise ResultError(
            f"The result is too large to be sent back: {stream.size:,} bytes, where at most {LIMIT:,} are possible. "
            f"Its largest part is {largest} ({sizes[largest]:,} bytes). Save that to a file or a bucket inside the "
            f"cell and return its path. If you need no result, end the cell with None."
        )
    return sign(key, bytes(stream.kept))


def load(signed: bytes, *, key: bytes) -> tuple[Any, dict[str, Any]]:
    """Unpack a result: the value and the names of ``--out``. Raises `ForgedResult` before anything is unpickled."""
    stream = io.BytesIO(verify(key, signed))
    unpickler = pickle.Unpickler(stream)  # noqa: S301 - signed with the job's key
    names = unpickler.load()
    value = unpickler.load()
    return value, {name: unpickler.load() for name in names}


def restore_class(cls: type, state: tuple[dict[str, Any], Any]) -> type:
    """Fill in a class that came back, unless it is the reader's own: that one must stay as it is."""
    from cloudpickle import cloudpickle

    defined = state[0].keys() - _ANY_CLASS
    if defined and defined <= vars(cls).keys():
        return cls
    restored: type = cloudpickle._class_setstate(cls, state)  # noqa: SLF001 - what it would have called itself
    return restored


# In a pod this module has another name, but it is the notebook that looks the function up.
restore_class.__module__ = "jupyter_trainjob.worker.results"


class _Counted(io.RawIOBase):
    """Counts what is written and keeps no more than could be sent."""

    def __init__(self) -> None:
        super().__init__()
        self.kept = bytearray()
        self.size = 0

    def write(self, data: Any) -> int:
        view = memoryview(data)
        self.size += view.nbytes
        if self.size <= LIMIT:
            self.kept += view
        return view.nbytes


def _is_plain(value: Any) -> bool:
    # The usual results need no cloudpickle, whose import takes longer than all the rest of the way out.
    return value is None or type(value) in (bool, int, float, str)


def _pickler(stream: Any) -> Any:
    from cloudpickle import Pickler

    class ResultPickler(Pickler):  # type: ignore[misc]
        """Pickles by value what the notebook may not have, and brings tensors home from their device."""

        def reducer_override(self, obj: Any) -> Any:
            torch = sys.modules.get("torch")
            if torch is not None and type(obj) is torch.Tensor and obj.device.type != "cpu":
                return obj.detach().cpu().requires_grad_(obj.requires_grad).__reduce_ex__(pickle.DEFAULT_PROTOCOL)
            reduced = super().reducer_override(obj)
            if isinstance(obj, type) and isinstance(reduced, tuple) and len(reduced) == 6:
                return (*reduced[:5], restore_class)
            return reduced

    return ResultPickler(stream)
