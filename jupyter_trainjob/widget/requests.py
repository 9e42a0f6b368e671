"""What a front end may ask of a job: the table of requests, each with the function that answers it.

A request comes in as its job and its arguments, as they came from the browser: nothing about them is certain. Out goes
an answer, as JSON values and binary buffers. What cannot be done raises `errors.TrainJobError` in words for people; any
other exception is a bug and is told as one. Handlers run on a thread of the view (see `channel`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from jupyter_trainjob import errors
from jupyter_trainjob.client import details
from jupyter_trainjob.widget import curves, logs
from jupyter_trainjob.widget.source import Answer, Source
from jupyter_trainjob.widget.text import clean

Handler = Callable[[Source, Mapping[str, Any]], Answer]


def _stop(job: Source, _: Mapping[str, Any]) -> Answer:
    job.halt()  # The question before it said what is lost.
    return {}, []


def _resume(job: Source, _: Mapping[str, Any]) -> Answer:
    job.resume()
    return {}, []


def _delete(job: Source, _: Mapping[str, Any]) -> Answer:
    job.delete()
    return {}, []


def _rerun(job: Source, _: Mapping[str, Any]) -> Answer:
    again, differences = job.again()
    return {"uid": again.uid, "name": clean(again.name), "differences": [clean(each) for each in differences]}, []


def _text(job: Source, arguments: Mapping[str, Any]) -> Answer:
    form = arguments.get("form")
    forms = {"magic": job.to_magic, "yaml": job.to_yaml, "sdk": job.to_sdk}
    if form not in forms:
        raise errors.UsageError(f"A job cannot be written as {form!r}, only as {', '.join(forms)}.")
    return {"text": forms[form]()}, []


def _details(job: Source, _: Mapping[str, Any]) -> Answer:
    sections = [
        {"title": section.title, "rows": [[clean(cell) for cell in row] for row in section.rows]}
        for section in job.details()
    ]
    return {"sections": sections, "none": "" if sections else details.NO_BUNDLE}, []


ACTIONS: dict[str, Handler] = {"stop": _stop, "resume": _resume, "delete": _delete, "rerun": _rerun}
"""What changes a job. Asked again while it is being done, it is not done twice: both get the one answer."""
READS: dict[str, Handler] = {
    "text": _text,
    "details": _details,
    "page": logs.page,
    "window": curves.window,
    "clock": curves.clock,
    "earlier": curves.earlier,
    "pin": curves.pin,
    "csv": curves.csv,
}
"""What only tells."""
