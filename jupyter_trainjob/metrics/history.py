"""What readers have seen of jobs, kept: a small SQLite database that kernels, servers and the daemon share.

Logs die with their pods (a failed job's other pods are deleted, a stopped job's all of them, and a node keeps only the
newest log file), so every reader writes what it reads under the job's uid. Frames are keyed by attempt, rank and
sequence number, lines by pod and timestamp: several readers of the same log write the same rows. Text is bounded to
the newest `MAX_LINES` lines a pod, of which a row that is overwritten is one; frames are bounded by the worker.
"""

from __future__ import annotations

import heapq
import logging
import sqlite3
import threading
import time
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from jupyter_trainjob import errors
from jupyter_trainjob.api.pods import completion_index
from jupyter_trainjob.api.resources import TRAINJOBS, Object
from jupyter_trainjob.constants import JOBSET_NAME, STATE_DIR_ENV
from jupyter_trainjob.kube.client import Client
from jupyter_trainjob.metrics.loglines import Line, parse
from jupyter_trainjob.worker.protocol import Frame, decode

MAX_LINES = 5_000
BUSY_TIMEOUT = 10.0
CHUNK = 500
"""Lines of a pod that are read at once."""
VERSION = 2
"""Of the table of lines. That of another version is dropped: text can be read again while there are logs."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS frames (
  job TEXT, rank INTEGER, attempt INTEGER, seq INTEGER, line BLOB NOT NULL, PRIMARY KEY (job, rank, attempt, seq)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS lines (
  job TEXT, pod TEXT, stamp TEXT, number INTEGER, node INTEGER NOT NULL, text BLOB NOT NULL, row TEXT NOT NULL,
  PRIMARY KEY (job, pod, stamp, number)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS overwritten ON lines (job, pod, row) WHERE row != '';
CREATE TABLE IF NOT EXISTS jobs (job TEXT PRIMARY KEY, read REAL NOT NULL) WITHOUT ROWID;
"""
_DROP_ROW = "DELETE FROM lines WHERE job = ? AND pod = ? AND row = ? AND (stamp, number) < (?, ?)"
_ADD_ROW = (
    "INSERT OR IGNORE INTO lines SELECT ?, ?, ?, ?, ?, ?, ? WHERE NOT EXISTS "
    "(SELECT 1 FROM lines WHERE job = ? AND pod = ? AND row = ? AND (stamp, number) > (?, ?))"
)
_NEWEST = (
    "SELECT pod, node, stamp, number, text, row FROM lines WHERE job = ? AND pod = ? AND (stamp, number) < (?, ?) "
    "ORDER BY stamp DESC, number DESC LIMIT ?"
)
_log = logging.getLogger(__name__)

Place = tuple[str, int, str]
"""What orders the lines of all pods: time stamp, number among the lines of that stamp, uid of the pod."""
Kept = tuple[str, int, Line]
"""The uid of a pod, the number of its node, and a line of its log."""


class History:
    """The store of what was read. Thread-safe; any number of processes may have it open."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock = threading.Lock()
        try:
            self._database = _open(path)
        except sqlite3.OperationalError as error:
            raise errors.ClusterError(
                f"The history of jobs in {path} cannot be opened: {error}. Free some space there, or set "
                f"{STATE_DIR_ENV} to a folder on another local disk."
            ) from error
        except sqlite3.DatabaseError:  # It only repeats what others know: begin a new one.
            aside = path.with_name(f"{path.name}.damaged")
            _log.warning("%s is damaged; it is %s now", path, aside)
            path.replace(aside)
            for name in (f"{path.name}-wal", f"{path.name}-shm"):
                path.with_name(name).unlink(missing_ok=True)
            self._database = _open(path)

    def add(self, job: str, pod: str, node: int, lines: Iterable[Line]) -> bool:
        """Keep lines of one pod, frames and text alike; False where the disk takes nothing (the log says so).

        `job` is the uid of the TrainJob, `pod` that of the pod, `node` the pod's completion index.
        """
        frames, texts = [], []
        rows: dict[str, Line] = {}
        for line in lines:
            if line.frame is not None:
                frame = line.frame
                frames.append((job, frame.rank, frame.attempt, frame.seq, line.text))
            elif line.row:
                rows[line.row] = line
            else:
                texts.append((job, pod, line.stamp, line.number, node, line.text, ""))
        try:
            with self._lock, self._transaction():
                self._database.executemany("INSERT OR IGNORE INTO frames VALUES (?,?,?,?,?)", frames)
                self._database.executemany("INSERT OR IGNORE INTO lines VALUES (?,?,?,?,?,?,?)", texts)
                for line in rows.values():
                    # A reader that begins anew brings states that are long overwritten.
                    place = (line.stamp, line.number)
                    of_row = (job, pod, line.row, *place)
                    self._database.execute(_DROP_ROW, of_row)
                    self._database.execute(_ADD_ROW, (job, pod, *place, node, line.text, line.row, *of_row))
                self._database.execute("INSERT OR REPLACE INTO jobs VALUES (?, ?)", (job, time.time()))
                if texts or rows:
                    self._database.execute(
                        "DELETE FROM lines WHERE job = ?1 AND pod = ?2 AND stamp < "
                        "(SELECT stamp FROM lines WHERE job = ?1 AND pod = ?2 ORDER BY stamp DESC LIMIT 1 OFFSET ?3)",
                        (job, pod, MAX_LINES),
                    )
        except sqlite3.OperationalError as error:
            _log.warning("what was read of pod %s is not kept: %s", pod, error)
            return False
        return True

    def frames(self, job: str, *, rank: int | None = None, after: tuple[int, int] = (-1, -1)) -> list[Frame]:
        """Return the frames of a job by rank, attempt and sequence; of one `rank`: those `after` an attempt's frame."""
        query = "SELECT line FROM frames WHERE job = ? ORDER BY rank, attempt, seq"
        if rank is not None:
            query = query.replace(" ORDER", " AND rank = ? AND (attempt, seq) > (?, ?) ORDER")
        with self._lock:
            rows = self._database.execute(query, [job] if rank is None else [job, rank, *after]).fetchall()
        return [frame for (line,) in rows if (frame := decode(line)) is not None]

    def lines(self, job: str) -> list[Kept]:
        """Return the kept text of a job in time order."""
        query = "SELECT pod, node, stamp, number, text, row FROM lines WHERE job = ? ORDER BY stamp, number, pod"
        with self._lock:
            rows = self._database.execute(query, (job,)).fetchall()
        return [_kept(row) for row in rows if row[4] or not row[5]]

    def newest(self, job: str, *, before: Place | None = None, nodes: Collection[int] | None = None) -> Iterator[Kept]:
        """Yield the kept text of a job, the newest line first: of some `nodes`, and `before` a place.

        It is read as it is needed, so that whoever looks for something in it holds up nobody.
        """
        query = "SELECT DISTINCT pod, node FROM lines WHERE job = ?"
        with self._lock:
            pods = self._database.execute(query, (job,)).fetchall()
        streams = [self._newest_of(job, pod, before) for pod, node in pods if nodes is None or node in nodes]
        return heapq.merge(*streams, key=_place, reverse=True)

    def _newest_of(self, job: str, pod: str, before: Place | None) -> Iterator[Kept]:
        stamp, number = before[:2] if before is not None else ("~", 0)
        if before is not None and pod < before[2]:
            number += 1
        while True:
            with self._lock:  # Not held while somebody looks at what was read.
                rows = self._database.execute(_NEWEST, (job, pod, stamp, number, CHUNK)).fetchall()
            yield from (_kept(row) for row in rows if row[4] or not row[5])
            if len(rows) < CHUNK:
                return
            stamp, number = rows[-1][2:4]

    def forget(self, job: str) -> None:
        """Drop everything of a job."""
        with self._lock, self._transaction():
            for table in ("frames", "lines", "jobs"):
                self._database.execute(f"DELETE FROM {table} WHERE job = ?", (job,))  # noqa: S608 - names of ours

    def sizes(self) -> dict[str, int]:
        """Return how many bytes of each job are kept."""
        query = (
            "SELECT job, sum(size) FROM (SELECT job, sum(length(line)) AS size FROM frames GROUP BY job UNION ALL "
            "SELECT job, sum(length(text)) FROM lines GROUP BY job) GROUP BY job"
        )
        with self._lock:
            return dict(self._database.execute(query))

    def reported(self) -> set[str]:
        """Return the jobs of which frames are kept."""
        query = "SELECT job FROM jobs WHERE EXISTS (SELECT 1 FROM frames WHERE frames.job = jobs.job)"
        with self._lock:
            return {job for (job,) in self._database.execute(query)}

    def unread_since(self, moment: float) -> list[str]:
        """Return the jobs of which nothing was added after `moment` (seconds since 1970)."""
        with self._lock:
            return [job for (job,) in self._database.execute("SELECT job FROM jobs WHERE read < ?", (moment,))]

    def shrink(self) -> None:
        """Give the space of what was forgotten back to the disk."""
        with self._lock:
            self._database.execute("PRAGMA incremental_vacuum").fetchall()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._database.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):  # A full disk has rolled it back already.
                self._database.execute("ROLLBACK")
            raise

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


def _open(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, timeout=BUSY_TIMEOUT, check_same_thread=False, isolation_level=None)
    try:
        database.execute("PRAGMA auto_vacuum=INCREMENTAL")  # counts before the first table only
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("PRAGMA synchronous=NORMAL")
        if database.execute("PRAGMA user_version").fetchone()[0] != VERSION:
            database.executescript(f"DROP TABLE IF EXISTS lines; PRAGMA user_version={VERSION};")
        database.executescript(_SCHEMA)
    except sqlite3.Error:
        database.close()
        raise
    return database


def node_index(pod: Object) -> int:
    """Return a pod's place among the nodes of its job; a pod without one is the only node."""
    return completion_index(pod) or 0


def _kept(row: tuple[str, int, str, int, bytes, str]) -> Kept:
    pod, node, stamp, number, text, name = row
    return pod, node, Line(stamp, number, text, None, name)


def _place(kept: Kept) -> Place:
    pod, _, line = kept
    return line.stamp, line.number, pod
