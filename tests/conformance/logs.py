"""The log source of the embedded server in these tests, which have no agent."""

from __future__ import annotations

from collections.abc import Generator

from jupyter_trainjob.api.resources import KubeObject

LINES = (b"2026-01-01T00:00:00.000000000Z first\n", b"2026-01-01T00:00:01.000000000Z second\n")


class TwoLines:
    """A `LogSource` with the same two lines for every container."""

    def open(
        self,
        pod: KubeObject,
        *,
        container: str,
        follow: bool,
        timestamps: bool,
        tail_lines: int | None,
        since_time: str | None,
        limit_bytes: int | None,
        previous: bool,
    ) -> Generator[bytes, None, None]:
        lines = LINES[-tail_lines:] if tail_lines else LINES
        yield from (line if timestamps else line.partition(b" ")[2] for line in lines)
