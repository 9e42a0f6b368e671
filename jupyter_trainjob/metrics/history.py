"""What readers have seen of jobs, kept: a small SQLite database that kernels, servers and the daemon share.

Logs die with their pods (a failed job's other pods are deleted, a stopped job's all of them, and a node keeps only the
newest log file), so every reader writes what it reads under the job's uid. Frames are keyed by attempt, rank and
sequence number, lines by pod and timestamp: several readers of the same log write the same rows. Text is bounded to
the newest `MAX_LINES` lines a pod; frames are bounded by the worker.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable
from pathlib import Path

from jupyter_trainjob.api.pods import completion_index
from jupyter_trainjob.api.resources import TRAINJOBS, Object
from jupyter_trainjob.constants import JOBSET_NAME
from jupyter_trainjob.kube.client import Client
from jupyter_trainjob.metrics.loglines import Line, parse
from jupyter_trainjob.worker.protocol import Frame, decode

MAX_LINES = 5_000
BUSY_TIMEOUT = 10.0

_SCHEMA = """
CREATE TABLE IF NOT EXISTS frames (
  job TEXT, rank INTEGER, attempt INTEGER, seq INTEGER, line BLOB NOT NULL, PRIMARY KEY (job, rank, attempt, seq)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS lines (
  job TEXT, pod TEXT, stamp TEXT, number INTEGER, node INTEGER NOT NULL, text BLOB NOT NULL,
  PRIMARY KEY (job, pod, stamp, number)
) WITHOUT ROWID;
"""


class History:
    """The store of what was read. Thread-safe; any number of processes may have it open."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock = threading.Lock()
        self._database = sqlite3.connect(path, timeout=BUSY_TIMEOUT, check_same_thread=False, isolation_level=None)
        self._database.execute("PRAGMA journal_mode=WAL")
        self._database.execute("PRAGMA synchronous=NORMAL")
        self._database.executescript(_SCHEMA)

    def add(self, job: str, pod: str, node: int, lines: Iterable[Line]) -> None:
        """Keep lines of one pod, frames and text alike.

        `job` is the uid of the TrainJob, `pod` that of the pod, `node` the pod's completion index.
        """
        frames, texts = [], []
        for line in lines:
            if line.frame is not None:
                frame = line.frame
                frames.append((job, frame.rank, frame.attempt, frame.seq, line.text))
            else:
                texts.append((job, pod, line.stamp, line.number, node, line.text))
        with self._lock:
            self._database.execute("BEGIN IMMEDIATE")
            self._database.executemany("INSERT OR IGNORE INTO frames VALUES (?,?,?,?,?)", frames)
            self._database.executemany("INSERT OR IGNORE INTO lines VALUES (?,?,?,?,?,?)", texts)
            if texts:
                self._database.execute(
                    "DELETE FROM lines WHERE job = ?1 AND pod = ?2 AND stamp < "
                    "(SELECT stamp FROM lines WHERE job = ?1 AND pod = ?2 ORDER BY stamp DESC LIMIT 1 OFFSET ?3)",
                    (job, pod, MAX_LINES),
                )
            self._database.execute("COMMIT")

    def frames(self, job: str) -> list[Frame]:
        """Return all frames of a job, by rank, attempt and sequence."""
        query = "SELECT line FROM frames WHERE job = ? ORDER BY rank, attempt, seq"
        with self._lock:
            rows = self._database.execute(query, (job,)).fetchall()
        return [frame for (line,) in rows if (frame := decode(line)) is not None]

    def lines(self, job: str) -> list[tuple[str, int, Line]]:
        """Return the kept text of a job in time order: (pod uid, node, line)."""
        query = "SELECT pod, node, stamp, number, text FROM lines WHERE job = ? ORDER BY stamp, number"
        with self._lock:
            rows = self._database.execute(query, (job,)).fetchall()
        return [(pod, node, Line(stamp, number, text)) for pod, node, stamp, number, text in rows]

    def forget(self, job: str) -> None:
        """Drop everything of a job."""
        with self._lock:
            self._database.execute("DELETE FROM frames WHERE job = ?", (job,))
            self._database.execute("DELETE FROM lines WHERE job = ?", (job,))

    def close(self) -> None:
        """Close the database."""
        with self._lock:
            self._database.close()


class Keeper:
    """Keeps the log of a pod that is about to go: the agent of the embedded cluster calls it."""

    def __init__(self, history: History, client: Client) -> None:
        self._history = history
        self._client = client

    def keep(self, pod: Object, lines: Iterable[bytes]) -> None:
        """Keep the timestamped `lines` of `pod`, if its TrainJob is still there to be asked about."""
        metadata = pod["metadata"]
        # The JobSet has its TrainJob's name, and may be gone already where the TrainJob is not (a passed deadline).
        name = (metadata.get("labels") or {}).get(JOBSET_NAME)
        if name is None:
            return
        trainjob = self._client.find(TRAINJOBS, name, namespace=metadata["namespace"])
        if trainjob is None or trainjob["metadata"]["creationTimestamp"] > metadata["creationTimestamp"]:
            return
        self._history.add(trainjob["metadata"]["uid"], metadata["uid"], node_index(pod), parse(lines))


def node_index(pod: Object) -> int:
    """Return a pod's place among the nodes of its job; a pod without one is the only node."""
    return completion_index(pod) or 0
