"""Handles of jobs: by name, by prefix, or all of a namespace."""

from __future__ import annotations

from jupyter_trainjob.api.resources import TRAINJOBS
from jupyter_trainjob.client import namespaces
from jupyter_trainjob.client.context import connect, namespace_for
from jupyter_trainjob.client.job_lookup import find_job, newest_first
from jupyter_trainjob.client.trainjob import TrainJob


def get(name: str, *, context: str | None = None, namespace: str | None = None) -> TrainJob:
    """Return the job called `name`, or else the newest one of the notebook variable `name`.

    A job's name is that of its variable with a suffix: ``digits-x7k2p``. If there is no such job, the newest whose name
    begins with `name` is returned. `context` and `namespace` default to the chosen ones, see `use`::

        digits = get("digits")

    Raises `errors.UsageError` if there is no such job; the message names the most similar ones.
    """
    job = find_job(name, context=context, namespace=namespace)
    return TrainJob(job.connection, job.trainjob)


def list_jobs(*, context: str | None = None, namespace: str | None = None) -> list[TrainJob]:
    """Return the jobs of a namespace, newest first.

    `context` and `namespace` default to the chosen ones, see `use`. Raises `errors.UsageError` if the namespace does
    not exist.
    """
    connection = connect(context)
    namespace = namespace_for(connection, namespace)
    items = connection.client.list(TRAINJOBS, namespace=namespace).items
    if not items:
        namespaces.check_namespace_exists(connection, namespace)
    return [TrainJob(connection, job) for job in newest_first(items)]
