"""What ``%load_ext jupyter_trainjob`` registers. Everything else is imported when a magic runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from IPython.core.error import UsageError as IPythonUsageError
from IPython.core.interactiveshell import InteractiveShell
from IPython.core.magic import Magics, line_cell_magic, magics_class

from jupyter_trainjob import errors
from jupyter_trainjob.magics import arguments


@magics_class
class TrainJobMagics(Magics):  # type: ignore[misc]
    """The magics ``%%trainjob`` and ``%trainjob``."""

    @line_cell_magic  # type: ignore[untyped-decorator]
    def trainjob(self, line: str, cell: str | None = None) -> None:
        """Train this cell on many nodes, or look after jobs."""
        from jupyter_trainjob.magics import cell as cell_magic
        from jupyter_trainjob.magics import line as line_magic

        __tracebackhide__ = True

        def carry_out() -> None:
            __tracebackhide__ = True
            if cell is None:
                line_magic.run(line)
            else:
                cell_magic.run(cast("InteractiveShell", self.shell), line, cell)

        guarded(carry_out)


TrainJobMagics.trainjob.__doc__ = f"{arguments.cell_parser().format_help()}\n{arguments.line_parser().format_help()}"


def guarded(action: Callable[[], None]) -> None:
    """Run `action`; print help that was asked for, and turn wrong usage into IPython's one-line error."""
    __tracebackhide__ = True
    try:
        action()
    except arguments.HelpAsked as help_text:
        print(help_text)
    except errors.UsageError as error:
        raise IPythonUsageError(str(error)) from None


def register(shell: InteractiveShell) -> None:
    """Register the magics."""
    shell.register_magics(TrainJobMagics)
