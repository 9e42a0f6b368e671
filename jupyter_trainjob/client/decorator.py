"""``@trainjob(nodes=8)``: a function whose calls are jobs."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, overload

from jupyter_trainjob.client.handle import TrainJob
from jupyter_trainjob.client.submit import submit


class Trainable:
    """A function that runs as a job: calling it returns the job's handle. ``.function`` is the function itself."""

    def __init__(self, function: Callable[..., Any], options: dict[str, Any]) -> None:
        functools.update_wrapper(self, function)
        self.function = function
        self._options = options

    def __call__(self, *args: Any, **kwargs: Any) -> TrainJob:
        """Send the function with these arguments and return the handle of the job."""
        return submit(self.function, *args, kwargs=kwargs, **self._options)

    def __reduce__(self) -> tuple[Any, ...]:
        # Inside of a job, where only the standard library is sure to be, it is the function: a job starts no jobs.
        return functools.partial, (self.function,)


@overload
def trainjob(function: Callable[..., Any], /) -> Trainable: ...
@overload
def trainjob(**options: Any) -> Callable[[Callable[..., Any]], Trainable]: ...
def trainjob(function: Callable[..., Any] | None = None, /, **options: Any) -> Any:
    """Make the calls of a function jobs: ``@trainjob``, or ``@trainjob(nodes=8)`` with the options of `submit`."""
    if function is None:
        return lambda function: Trainable(function, options)
    return Trainable(function, options)
