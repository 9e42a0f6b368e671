"""The error message of a wait that has timed out."""

from __future__ import annotations

from jupyter_trainjob.client.snapshot import State
from jupyter_trainjob.client.trainjob import _timeout_message


def test_message_about_a_running_job_has_a_remedy() -> None:
    message = "digits is still Running after 5 s. It keeps running: wait() again, or stop() it."
    assert _timeout_message("digits", State.RUNNING, 5) == message


def test_message_about_a_finished_job_names_its_unread_log() -> None:
    message = "digits is Complete, but its log could not be read to the end within 1.5 s: wait() again."
    assert _timeout_message("digits", State.COMPLETE, 1.5) == message
