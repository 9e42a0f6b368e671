"""An answer of an API server, for transports of tests."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any


class Answer:
    status = 200

    def __init__(self, body: Any) -> None:
        self.headers: dict[str, str] = {}
        self._body = json.dumps(body).encode()

    def read(self) -> bytes:
        return self._body

    def __iter__(self) -> Iterator[bytes]:
        return iter([self._body])

    def close(self) -> None:
        pass
