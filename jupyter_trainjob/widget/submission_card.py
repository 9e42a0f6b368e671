"""A card that shows the steps of a submission until the job exists.

It is HTML without the widget, so it appears before anything slow is imported; the job's output replaces it by its
display id. In a terminal it is one line that is overwritten; if the output is neither, nothing is shown.
"""

from __future__ import annotations

import sys
import uuid
from html import escape
from typing import Final

from jupyter_trainjob.widget.display import Display

NOT_SENT: Final = "Not sent"
ARROW: Final = " → "
_FRAME: Final = (
    "border:1px solid rgba(128,128,128,.35);border-radius:6px;padding:10px 14px;font-family:var(--jp-ui-font-family,"
    "sans-serif);font-size:var(--jp-ui-font-size1,13px);display:flex;flex-wrap:wrap;gap:4px 12px;max-width:100%"
)


class SubmissionCard:
    """The steps of one submission."""

    def __init__(self, name: str, display: Display | None) -> None:
        self.id = uuid.uuid4().hex
        self._name = name
        self._display = display
        self._steps: dict[str, str] = {}
        self._open = False

    def show_step(self, step: str, text: str = "") -> None:
        """Add a step after the others, or change the text of one that is shown already."""
        self._steps[step] = f"{step} {text}".rstrip()
        self._show(list(self._steps.values()))

    def show_not_sent(self) -> None:
        """Show that nothing was sent; the reason is in the exception."""
        if self._open:
            self._show([NOT_SENT])
            self.clear_line()

    def clear_line(self) -> None:
        """Clear the line in a terminal, for other output; in a notebook the job's output replaces the card."""
        if self._display is None and sys.stdout.isatty():
            print("\r\x1b[2K", end="", flush=True)

    def _show(self, steps: list[str]) -> None:
        # Set first: an interrupt may come as soon as the card is displayed.
        update, self._open = self._open, True
        if self._display is not None:
            data = {"text/html": _html(self._name, steps), "text/plain": f"{self._name} · {ARROW.join(steps)}"}
            self._display(data, metadata={}, raw=True, display_id=self.id, update=update)
        elif sys.stdout.isatty():
            print(f"\r\x1b[2K{self._name} · {ARROW.join(steps)}", end="", flush=True)


def _html(name: str, steps: list[str]) -> str:
    *before, last = steps
    spans = "".join(f'<span style="opacity:.7">{escape(step)}{ARROW}</span>' for step in before)
    return (
        f'<div role="status" style="{_FRAME}"><span>◌ <b>{escape(name)}</b></span>'
        f"<span>{spans}<span>{escape(last)}</span></span></div>"
    )
