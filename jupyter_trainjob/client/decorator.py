"""``@trainjob(nodes=8)``: calls of the function become jobs."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, overload

from jupyter_trainjob.client.spec.options import JobOptions, show_options
from jupyter_trainjob.client.submit import submit
from jupyter_trainjob.client.trainjob import TrainJob
from jupyter_trainjob.worker.pickling.stdlib_reducers import identity

if TYPE_CHECKING:
    from typing_extensions import Unpack


class Trainable:
    """A function that runs as a job: calling it returns the job's handle. ``.function`` is the function itself."""

    def __init__(self, function: Callable[..., Any], options: JobOptions) -> None:
        functools.update_wrapper(self, function)
        self.function = function
        self._options = options

    def __call__(self, *args: Any, **kwargs: Any) -> TrainJob:
        """Send the function with these arguments and return the handle of the job."""
        return submit(self.function, *args, kwargs=kwargs, **self._options)

    def __get__(self, instance: object, owner: type | None = None) -> Trainable:
        """Bind the function to an instance or a class, as Python binds methods."""
        bind = getattr(self.function, "__get__", None)
        return self if bind is None else Trainable(bind(instance, owner), self._options)

    def __reduce__(self) -> tuple[Any, ...]:
        return identity, (self.function,)  # Inside a job, call the function itself: a job does not start jobs.


@overload
def trainjob(function: Callable[..., Any], /) -> Trainable: ...
@overload
def trainjob(**options: Unpack[JobOptions]) -> Callable[[Callable[..., Any]], Trainable]: ...
@show_options
def trainjob(function: Callable[..., Any] | None = None, /, **options: Unpack[JobOptions]) -> Any:
    """Make each call of a function a job: ``@trainjob``, or ``@trainjob(nodes=8)`` with the options of `submit`.

    Example::

        @trainjob(nodes=2)
        def train(lr): ...

        job = train(0.1)
    """
    if function is None:
        return lambda function: Trainable(function, options)
    return Trainable(function, options)
