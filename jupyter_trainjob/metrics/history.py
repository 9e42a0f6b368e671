"""A SQLite database of jobs' frames and log lines, shared by kernels, servers and the daemon.

Logs are lost with their pods (a stopped job's pods are deleted, so are the other pods of a failed job, and a node keeps
the newest log file only), so every reader stores what it reads under the job's uid. Frames are keyed by attempt, rank
and sequence number, lines by pod and timestamp: several readers of the same log write the same rows. Text is bounded to
the newest `MAX_LINES` lines per pod, with one per overwritten row; the worker bounds frames.
"""

from __future__ import annotations

import heapq
import logging
import sqlite3
import threading
import time
from collections.abc import Collection, Iterable, Iterator, MutableMapping
from contextlib import contextmanager, suppress
from pathlib import Path

from jupyter_trainjob import errors
from jupyter_trainjob.api.kinds.pods import completion_index
from jupyter_trainjob.api.resources import TRAINJOBS, KubeObject
from jupyter_trainjob.constants import JOBSET_NAME, STATE_DIR_ENV
from jupyter_trainjob.kube.client import Client
from jupyter_trainjob.metrics.log_lines import PodLogLine, parse_lines
from jupyter_trainjob.worker.output.messages import RAISED, RESULT
from jupyter_trainjob.worker.protocol import Frame, decode

MAX_LINES = 5_000
BUSY_TIMEOUT = 10.0
CHUNK = 500
"""Lines of a pod that are read per query."""
VERSION = 2
"""Version of the table of lines. A table of another version is dropped: text can be read again from logs."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS frames (
  job TEXT, rank INTEGER, attempt INTEGER, seq INTEGER, line BLOB NOT NULL, PRIMARY KEY (job, rank, attempt, seq)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS lines (
  job TEXT, pod TEXT, stamp TEXT, number INTEGER, node INTEGER NOT NULL, text BLOB NOT NULL, row TEXT NOT NULL,
  PRIMARY KEY (job, pod, stamp, number)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS counted (
  job TEXT, pod TEXT, node INTEGER NOT NULL, stamp TEXT NOT NULL, number INTEGER NOT NULL, lines INTEGER NOT NULL,
  PRIMARY KEY (job, pod)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS overwritten ON lines (job, pod, row) WHERE row != '';
CREATE TABLE IF NOT EXISTS jobs (job TEXT PRIMARY KEY, read REAL NOT NULL) WITHOUT ROWID;
"""
_COUNT = (
    "INSERT INTO counted VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (job, pod) DO UPDATE "
    "SET stamp = excluded.stamp, number = excluded.number, lines = lines + excluded.lines"
)
_LEFT_OUT = (
    "SELECT pod, node, lines - (SELECT count(*) FROM lines WHERE lines.job = counted.job AND lines.pod = counted.pod "
    "AND row = '') FROM counted WHERE job = ?"
)
_DROP_ROW = "DELETE FROM lines WHERE job = ? AND pod = ? AND row = ? AND (stamp, number) < (?, ?)"
_ADD_ROW = (
    "INSERT OR IGNORE INTO lines SELECT ?, ?, ?, ?, ?, ?, ? WHERE NOT EXISTS "
    "(SELECT 1 FROM lines WHERE job = ? AND pod = ? AND row = ? AND (stamp, number) > (?, ?))"
)
_NEWEST = (
    "SELECT pod, node, stamp, number, text, row FROM lines WHERE job = ? AND pod = ? AND (stamp, number) < (?, ?) "
    "ORDER BY stamp DESC, number DESC LIMIT ?"
)
_NEXT_ATTEMPT = (
    "SELECT rank, attempt FROM frames WHERE job = ? AND (rank, attempt) > (?, ?) ORDER BY rank, attempt LIMIT 1"
)
_NEWEST_CHECKPOINT = "SELECT max(seq) FROM frames WHERE job = ? AND rank = ? AND attempt = ? AND instr(line, ?) > 0"
_FRAMES_AFTER = "SELECT seq, line FROM frames WHERE job = ? AND rank = ? AND attempt = ? AND seq > ? ORDER BY seq"
_FIRST_FRAME = "SELECT seq, line FROM frames WHERE job = ? AND rank = ? AND attempt = ? AND seq = 0"
_log = logging.getLogger(__name__)

LinePosition = tuple[str, int, str]
"""Sort key of the lines of all pods: timestamp, number among the lines of that timestamp, uid of the pod."""
StoredLine = tuple[str, int, PodLogLine]
"""The uid of a pod, the number of its node, and a line of its log."""


class History:
    """The stored logs and frames. Thread-safe; any number of processes may open it."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock = threading.Lock()
        try:
            self._database = _open_database(path)
        except sqlite3.OperationalError as error:
            raise errors.ClusterError(
                f"The history of jobs in {path} cannot be opened: {error}. Free some space there, or set "
                f"{STATE_DIR_ENV} to a folder on another local disk."
            ) from error
        except sqlite3.DatabaseError:  # It is only a copy: start with a new one.
            aside = path.with_name(f"{path.name}.damaged")
            _log.warning("%s is damaged; moved to %s", path, aside)
            path.replace(aside)
            for name in (f"{path.name}-wal", f"{path.name}-shm"):
                path.with_name(name).unlink(missing_ok=True)
            self._database = _open_database(path)

    def add(self, job: str, pod: str, node: int, lines: Iterable[PodLogLine]) -> bool:
        """Store lines of one pod, frames and text; return False (and log it) if the disk is full.

        `job` is the uid of the TrainJob, `pod` that of the pod, `node` the pod's completion index.
        """
        frames, texts = [], []
        rows: dict[str, PodLogLine] = {}
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
                    # A reader that starts again reads overwritten states, too.
                    position = (line.stamp, line.number)
                    of_row = (job, pod, line.row, *position)
                    self._database.execute(_DROP_ROW, of_row)
                    self._database.execute(_ADD_ROW, (job, pod, *position, node, line.text, line.row, *of_row))
                self._count(job, pod, node, [(stamp, number) for _, _, stamp, number, *_ in texts])
                self._database.execute("INSERT OR REPLACE INTO jobs VALUES (?, ?)", (job, time.time()))
                if texts or rows:
                    self._database.execute(
                        "DELETE FROM lines WHERE job = ?1 AND pod = ?2 AND stamp < "
                        "(SELECT stamp FROM lines WHERE job = ?1 AND pod = ?2 ORDER BY stamp DESC LIMIT 1 OFFSET ?3)",
                        (job, pod, MAX_LINES),
                    )
        except sqlite3.OperationalError as error:
            _log.warning("the log of pod %s cannot be stored: %s", pod, error)
            return False
        return True

    def _count(self, job: str, pod: str, node: int, positions: list[tuple[str, int]]) -> None:
        """Count the lines that no reader has added before: each reader reads from the oldest to the newest."""
        cursor = self._database.execute("SELECT stamp, number FROM counted WHERE job = ? AND pod = ?", (job, pod))
        last = cursor.fetchone() or ("", -1)
        new = [position for position in positions if position > last]
        if new:
            self._database.execute(_COUNT, (job, pod, node, *max(new), len(new)))

    def dropped_lines(self, job: str) -> dict[tuple[str, int], int]:
        """Return the number of lines that are no longer stored, by pod and node, without overwritten rows."""
        with self._lock:
            rows = self._database.execute(_LEFT_OUT, (job,)).fetchall()
        return {(pod, node): count for pod, node, count in rows if count > 0}

    def frames(self, job: str) -> list[Frame]:
        """Return the frames of a job by rank, attempt and sequence."""
        with self._lock:
            rows = self._database.execute(
                "SELECT line FROM frames WHERE job = ? ORDER BY rank, attempt, seq", (job,)
            ).fetchall()
        return [frame for (line,) in rows if (frame := decode(line)) is not None]

    def newest_frames(self, job: str, *, known: MutableMapping[tuple[int, int], int]) -> Iterator[Frame]:
        """Yield the frames that determine the current state of a job.

        These are each attempt's first frame and all frames from its newest checkpoint of the whole history on, without
        results. `known` maps rank and attempt to the last sequence number read: only later frames are read, and it is
        updated.
        """
        rank_attempt = (-1, -1)
        while True:
            with self._lock:
                row = self._database.execute(_NEXT_ATTEMPT, (job, *rank_attempt)).fetchone()
                if row is None:
                    return
                rank_attempt = rank, attempt = row
                start = known.get(rank_attempt)
                if start is None:
                    arguments = (job, rank, attempt, b" history 0/")
                    (checkpoint,) = self._database.execute(_NEWEST_CHECKPOINT, arguments).fetchone()
                    start = -1 if checkpoint is None else checkpoint - 1
                rows = self._database.execute(_FRAMES_AFTER, (job, rank, attempt, start)).fetchall()
                if rank_attempt not in known and start > 0:
                    rows += self._database.execute(_FIRST_FRAME, (job, rank, attempt)).fetchall()
            known[rank_attempt] = max([start, *(seq for seq, _ in rows)])
            for _, line in rows:
                frame = decode(line)
                if frame is not None and frame.kind not in (RESULT, RAISED):
                    yield frame

    def lines(self, job: str) -> list[StoredLine]:
        """Return the stored text of a job in time order."""
        query = "SELECT pod, node, stamp, number, text, row FROM lines WHERE job = ? ORDER BY stamp, number, pod"
        with self._lock:
            rows = self._database.execute(query, (job,)).fetchall()
        return [_stored_line(row) for row in rows if row[4] or not row[5]]

    def newest_lines(
        self, job: str, *, before: LinePosition | None = None, nodes: Collection[int] | None = None
    ) -> Iterator[StoredLine]:
        """Yield the stored text of a job, the newest line first: of some `nodes`, and `before` a position.

        It is read as the iterator advances, and locks nothing meanwhile.
        """
        query = "SELECT DISTINCT pod, node FROM lines WHERE job = ?"
        with self._lock:
            pods = self._database.execute(query, (job,)).fetchall()
        streams = [self._newest_of(job, pod, before) for pod, node in pods if nodes is None or node in nodes]
        return heapq.merge(*streams, key=_position, reverse=True)

    def _newest_of(self, job: str, pod: str, before: LinePosition | None) -> Iterator[StoredLine]:
        stamp, number = before[:2] if before is not None else ("~", 0)
        if before is not None and pod < before[2]:
            number += 1
        while True:
            with self._lock:  # Not held during iteration.
                rows = self._database.execute(_NEWEST, (job, pod, stamp, number, CHUNK)).fetchall()
            yield from (_stored_line(row) for row in rows if row[4] or not row[5])
            if len(rows) < CHUNK:
                return
            stamp, number = rows[-1][2:4]

    def delete_job(self, job: str) -> None:
        """Delete everything stored of a job."""
        with self._lock, self._transaction():
            for table in ("frames", "lines", "counted", "jobs"):
                self._database.execute(f"DELETE FROM {table} WHERE job = ?", (job,))  # noqa: S608 - constant names

    def sizes(self) -> dict[str, int]:
        """Return the number of stored bytes by job."""
        query = (
            "SELECT job, sum(size) FROM (SELECT job, sum(length(line)) AS size FROM frames GROUP BY job UNION ALL "
            "SELECT job, sum(length(text)) FROM lines GROUP BY job) GROUP BY job"
        )
        with self._lock:
            return dict(self._database.execute(query))

    def jobs_with_frames(self) -> set[str]:
        """Return the jobs with stored frames."""
        query = "SELECT job FROM jobs WHERE EXISTS (SELECT 1 FROM frames WHERE frames.job = jobs.job)"
        with self._lock:
            return {job for (job,) in self._database.execute(query)}

    def unread_since(self, moment: float) -> list[str]:
        """Return the jobs to which nothing was added after `moment` (unix seconds)."""
        with self._lock:
            return [job for (job,) in self._database.execute("SELECT job FROM jobs WHERE read < ?", (moment,))]

    def shrink(self) -> None:
        """Return freed space to the file system."""
        with self._lock:
            self._database.execute("PRAGMA incremental_vacuum").fetchall()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._database.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):  # It is rolled back already if the disk is full.
                self._database.execute("ROLLBACK")
            raise

    def close(self) -> None:
        """Close the database."""
        with self._lock:
            self._database.close()


class LogArchiver:
    """Stores the log of a pod before its deletion; called by the agent of the embedded cluster."""

    def __init__(self, history: History, client: Client) -> None:
        self._history = history
        self._client = client

    def keep(self, pod: KubeObject, lines: Iterable[bytes]) -> None:
        """Store the timestamped `lines` of `pod`, if its TrainJob still exists."""
        metadata = pod["metadata"]
        # The JobSet has its TrainJob's name; after a passed deadline it is deleted, its TrainJob is not.
        name = (metadata.get("labels") or {}).get(JOBSET_NAME)
        if name is None:
            return
        trainjob = self._client.find(TRAINJOBS, name, namespace=metadata["namespace"])
        if trainjob is None or trainjob["metadata"]["creationTimestamp"] > metadata["creationTimestamp"]:
            return
        self._history.add(trainjob["metadata"]["uid"], metadata["uid"], node_index(pod), parse_lines(lines))


def _open_database(path: Path) -> sqlite3.Connection:
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


def node_index(pod: KubeObject) -> int:
    """Return a pod's index among the nodes of its job; 0 for a pod without one."""
    return completion_index(pod) or 0


def _stored_line(row: tuple[str, int, str, int, bytes, str]) -> StoredLine:
    pod, node, stamp, number, text, name = row
    return pod, node, PodLogLine(stamp, number, text, None, name)


def _position(stored: StoredLine) -> LinePosition:
    pod, _, line = stored
    return line.stamp, line.number, pod
