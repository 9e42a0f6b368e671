"""Values bound to one process are rejected with a remedy before anything is sent."""

from __future__ import annotations

import queue
import socket
import sqlite3
import threading
from collections.abc import Callable
from typing import Any

import pytest

from jupyter_trainjob.bundle.capture import capture_cell
from jupyter_trainjob.errors import CaptureError
from tests import needs


def _foreign(module: str) -> Any:
    """Return an object of a library that need not be installed."""

    def refuse(_: object) -> None:
        raise TypeError("cannot pickle this")

    return type("Client", (), {"__module__": module, "__reduce__": refuse})()


@pytest.mark.parametrize(
    ("make", "remedy"),
    [
        (threading.Lock, "create it inside the cell"),
        (threading.Thread, "create it inside the cell"),
        (queue.Queue, "create it inside the cell"),
        (lambda: (number for number in range(3)), "make a list of it"),
        (lambda: _foreign("sqlalchemy.engine.base"), "Connect to the database inside the cell"),
        (lambda: _foreign("psycopg"), "Connect to the database inside the cell"),
        (lambda: _foreign("ipywidgets.widgets.widget"), "assign the value that it shows"),
        (lambda: _foreign("jupyter_trainjob.client.trainjob"), "such as its result()"),
        (lambda: _foreign("pyspark.sql.session"), "collect the data"),
        (lambda: _foreign("distributed.client"), "collect the data"),
        (lambda: _foreign("somebody"), "leave it out in the __getstate__"),
    ],
)
def test_error_has_a_remedy_for_the_type_of_value(make: Callable[[], Any], remedy: str) -> None:
    with pytest.raises(CaptureError, match="Nothing was sent") as caught:
        capture_cell("print(thing)", {"thing": {"inner": make()}}, filename="Cell [1]")
    assert "thing['inner']" in str(caught.value)
    assert remedy in str(caught.value)


def test_open_connections_are_rejected_with_a_remedy() -> None:
    with sqlite3.connect(":memory:") as database, socket.socket() as connection:
        for thing, remedy in ((database, "Connect to the database"), (connection, "Open the connection inside")):
            with pytest.raises(CaptureError, match=remedy):
                capture_cell("print(thing)", {"thing": thing}, filename="Cell [1]")
    database.close()


def test_tensors_on_a_device_are_rejected_with_a_remedy() -> None:
    torch = needs.module("torch")

    class OnCuda(torch.Tensor):  # type: ignore[misc, name-defined]
        """A tensor that reports a CUDA device."""

        device = property(lambda _: torch.device("cuda", 1))

    model = torch.nn.Linear(2, 1)
    model.register_buffer("mean", torch.zeros(2).as_subclass(OnCuda))
    with pytest.raises(CaptureError, match=r"state\['net'\]\S* cannot be sent.*lies on cuda:1.*\.cpu\(\)"):
        capture_cell("state", {"state": {"net": model, "lr": 0.1}}, filename="Cell [1]")
    model.mean = torch.zeros(2, device="meta")
    capture_cell("state", {"state": {"net": model, "lr": 0.1}}, filename="Cell [1]")
