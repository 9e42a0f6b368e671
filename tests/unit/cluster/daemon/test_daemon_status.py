from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from jupyter_trainjob import errors
from jupyter_trainjob.cluster.daemon import daemon_status
from jupyter_trainjob.cluster.daemon.daemon_status import FORMAT, DaemonInfo, Phase
from jupyter_trainjob.cluster.state.state_dir import StateDir
from tests.waiting import patience


@pytest.fixture
def state(tmp_path: Path) -> StateDir:
    return StateDir(tmp_path / "state").create()


def write(state: StateDir, **changes: Any) -> None:
    message = json.loads(state.daemon.read_bytes())
    state.daemon.write_text(json.dumps({**message, **changes}))


def test_no_daemon_is_found_before_start_and_after_end(state: StateDir) -> None:
    assert daemon_status.find_daemon(state) is None
    with daemon_status.claim_state_dir(state, timeout=0) as claim:
        assert claim is not None
        claim.publish(Phase.SERVING, port=7)
    assert daemon_status.find_daemon(state) is None
    last = daemon_status.read_daemon_info(state)
    assert last is not None
    assert last.port == 7, "the next daemon prefers the same port"


def test_daemon_publishes_its_phase(state: StateDir) -> None:
    with daemon_status.claim_state_dir(state, timeout=0) as claim:
        assert claim is not None
        infos = [daemon_status.find_daemon(state)]
        claim.publish(Phase.SERVING, port=7)
        infos.append(daemon_status.find_daemon(state))
        claim.publish(Phase.ENDING)
        infos.append(daemon_status.find_daemon(state))
    assert [(info.phase, info.port, info.pid) for info in infos if info] == [
        (Phase.STARTING, 0, os.getpid()),
        (Phase.SERVING, 7, os.getpid()),
        (Phase.ENDING, 7, os.getpid()),
    ]


def test_file_of_a_killed_daemon_does_not_describe_its_successor(state: StateDir) -> None:
    """A daemon that holds the lock but has not written its file yet is not confused with a killed one."""
    script = (
        "import sys; from pathlib import Path; from jupyter_trainjob.cluster.daemon import daemon_status;"
        "from jupyter_trainjob.cluster.state.state_dir import StateDir\n"
        "with daemon_status.claim_state_dir(StateDir(Path(sys.argv[1])), timeout=0) as claim:\n"
        "    claim.publish(daemon_status.Phase.SERVING, port=7)"
    )
    subprocess.run([sys.executable, "-c", script, str(state.root)], check=True, timeout=patience(60))
    before = state.daemon.read_bytes()
    with daemon_status.claim_state_dir(state, timeout=0) as claim:
        assert claim is not None
        state.daemon.write_bytes(before)
        info = daemon_status.find_daemon(state)
    assert info is not None
    assert (info.phase, info.pid) == (Phase.STARTING, 0), "the pid of the killed daemon must not be signalled"


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"phase": "dancing"}'])
def test_lock_without_a_valid_file_is_a_starting_daemon(state: StateDir, content: bytes) -> None:
    with daemon_status.claim_state_dir(state, timeout=0):
        state.daemon.write_bytes(content)
        assert daemon_status.find_daemon(state) == DaemonInfo()


def test_second_daemon_gets_no_claim(state: StateDir) -> None:
    with daemon_status.claim_state_dir(state, timeout=0) as first:
        assert first is not None
        first.publish(Phase.SERVING, port=7)
        with daemon_status.claim_state_dir(state, timeout=patience(60)) as second:
            assert second is None


def test_claim_waits_for_an_ending_daemon(state: StateDir) -> None:
    claimed: list[bool] = []

    def wait() -> None:
        with daemon_status.claim_state_dir(state, timeout=patience(60)) as claim:
            claimed.append(claim is not None)

    with daemon_status.claim_state_dir(state, timeout=0) as first:
        assert first is not None
        first.publish(Phase.ENDING)
        waiting = threading.Thread(target=wait)
        waiting.start()
        waiting.join(0.1)
        assert not claimed
    waiting.join(patience(60))
    assert claimed == [True]


def test_unknown_fields_are_ignored(state: StateDir) -> None:
    with daemon_status.claim_state_dir(state, timeout=0):
        write(state, colour="blue", version="9.9", phase="serving")
        info = daemon_status.find_daemon(state)
        assert info is not None
        assert info.version == "9.9"
        daemon_status.check_compatible(info, state)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param({"format": FORMAT + 1, "version": "9.9"}, "Install jupyter_trainjob 9.9", id="a later format"),
        pytest.param({"format": FORMAT - 1, "version": "0.0"}, "cluster stop", id="an earlier format"),
        pytest.param({"boot": "another"}, "another computer", id="another computer"),
        pytest.param({"network": 1}, "another container", id="another container"),
    ],
)
def test_incompatible_daemon_is_an_error_with_a_remedy(state: StateDir, changes: Any, message: str) -> None:
    with daemon_status.claim_state_dir(state, timeout=0):
        info = daemon_status.find_daemon(state)
        assert info is not None
        with pytest.raises(errors.ClusterError, match=message):
            daemon_status.check_compatible(dataclasses.replace(info, **changes), state)
