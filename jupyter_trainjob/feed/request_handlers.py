"""The requests that a front end may make about a job, each with its handler.

A handler gets the job and the arguments as the browser sent them, unchecked. It returns JSON values and binary buffers,
or raises `errors.TrainJobError` with a message for the user; any other exception is a bug and is reported as one.
Handlers run on the threads of a `channel.Channel`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from jupyter_trainjob import errors
from jupyter_trainjob.client.reproduce import details
from jupyter_trainjob.feed import curve_requests, log_pages
from jupyter_trainjob.rendering.job_source import Answer, JobSource
from jupyter_trainjob.rendering.text import sanitize

Handler = Callable[[JobSource, Mapping[str, Any]], Answer]


def _stop(job: JobSource, _: Mapping[str, Any]) -> Answer:
    job.stop()  # The front end has asked for confirmation and shown what will be lost.
    return {}, []


def _resume(job: JobSource, _: Mapping[str, Any]) -> Answer:
    job.resume()
    return {}, []


def _delete(job: JobSource, _: Mapping[str, Any]) -> Answer:
    job.delete()
    return {}, []


def _rerun(job: JobSource, _: Mapping[str, Any]) -> Answer:
    new, differences = job.rerun()
    return {"uid": new.uid, "name": sanitize(new.name), "differences": [sanitize(text) for text in differences]}, []


def _export(job: JobSource, arguments: Mapping[str, Any]) -> Answer:
    form = arguments.get("form")
    exporters = {"magic": job.to_magic, "yaml": job.to_yaml, "sdk": job.to_sdk}
    if form not in exporters:
        raise errors.UsageError(f"A job cannot be exported as {form!r}, only as {', '.join(exporters)}.")
    return {"text": exporters[form]()}, []


def _details(job: JobSource, _: Mapping[str, Any]) -> Answer:
    sections = [
        {"title": section.title, "rows": [[sanitize(cell) for cell in row] for row in section.rows]}
        for section in job.details()
    ]
    return {"sections": sections, "none": "" if sections else details.NO_BUNDLE}, []


ACTIONS: dict[str, Handler] = {"stop": _stop, "resume": _resume, "delete": _delete, "rerun": _rerun}
"""Requests that change a job. One that is repeated while it is handled is not handled twice: both get the answer."""
READS: dict[str, Handler] = {
    "text": _export,
    "details": _details,
    "page": log_pages.read_page,
    "find": log_pages.search,
    "window": curve_requests.read_window,
    "clock": curve_requests.read_clock,
    "earlier": curve_requests.list_comparable_jobs,
    "pin": curve_requests.read_other_curves,
    "csv": curve_requests.export_csv,
}
"""Requests that change nothing."""
