"""The magics that ``%load_ext jupyter_trainjob`` registers; other modules are imported when a magic runs."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import cast

from IPython.core.error import UsageError as IPythonUsageError
from IPython.core.inputtransformer2 import cell_magic
from IPython.core.interactiveshell import InteractiveShell
from IPython.core.magic import Magics, line_cell_magic, magics_class

from jupyter_trainjob import errors
from jupyter_trainjob.constants import MAGIC
from jupyter_trainjob.magics import arguments, magic_completion, preload


@magics_class
class TrainJobMagics(Magics):  # type: ignore[misc]
    """The magics ``%%trainjob`` and ``%trainjob``."""

    @line_cell_magic  # type: ignore[untyped-decorator]
    def trainjob(self, line: str, cell: str | None = None) -> None:
        """Train this cell on many nodes, or manage jobs."""
        from jupyter_trainjob.magics import cell_magic as cells
        from jupyter_trainjob.magics import line_magic as lines

        __tracebackhide__ = True

        def run() -> None:
            __tracebackhide__ = True
            if cell is None:
                lines.run(line)
            else:
                cells.run(cast("InteractiveShell", self.shell), line, cell)

        translate_usage_errors(run)


TrainJobMagics.trainjob.__doc__ = f"{arguments.cell_parser().format_help()}\n{arguments.line_parser().format_help()}"


def translate_usage_errors(action: Callable[[], None]) -> None:
    """Run `action`; print requested help, and turn `errors.UsageError` into IPython's one-line error."""
    __tracebackhide__ = True
    try:
        action()
    except arguments.HelpRequested as help_text:
        print(help_text)
    except errors.UsageError as error:
        raise IPythonUsageError(str(error)) from None


def add_missing_body(lines: list[str]) -> list[str]:
    """Add an empty line to a cell that is only ``%%trainjob …``.

    IPython refuses a cell magic without a body before calling it. With a body, ``--help`` works, and the error message
    is our own.
    """
    alone = len(lines) == 1 and re.match(rf"{re.escape(MAGIC)}(?!\w|\?)", lines[0])
    return [lines[0].rstrip("\n") + "\n", "\n"] if alone else lines


# IPython applies transformers without side effects to find out if a cell is complete. With the empty line, a terminal
# would run the first line of a cell at once.
setattr(add_missing_body, "has_side_effects", True)  # noqa: B010 - mypy knows no attributes of functions


def register(shell: InteractiveShell) -> None:
    """Register the magics, their completion, and the background imports."""
    shell.register_magics(TrainJobMagics)
    transforms = shell.input_transformer_manager.cleanup_transforms
    if add_missing_body not in transforms:
        transforms.insert(
            transforms.index(cell_magic) if cell_magic in transforms else len(transforms), add_missing_body
        )
    magic_completion.install(shell)
    preload.install(shell)
