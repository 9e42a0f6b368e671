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
from jupyter_trainjob.cluster import presence
from jupyter_trainjob.cluster.presence import FORMAT, Phase, Running
from jupyter_trainjob.cluster.state import StateDir


@pytest.fixture
def state(tmp_path: Path) -> StateDir:
    return StateDir(tmp_path / "state").create()


def write(state: StateDir, **changes: Any) -> None:
    said = json.loads(state.daemon.read_bytes())
    state.daemon.write_text(json.dumps({**said, **changes}))


def test_nobody_is_there_before_the_first_and_after_the_last(state: StateDir) -> None:
    assert presence.find(state) is None
    with presence.claim(state, patience=0) as claim:
        assert claim is not None
        claim.say(Phase.SERVING, port=7)
    assert presence.find(state) is None
    last = presence.last(state)
    assert last is not None
    assert last.port == 7, "the next daemon asks for the same port"


def test_a_daemon_tells_how_far_it_is(state: StateDir) -> None:
    with presence.claim(state, patience=0) as claim:
        assert claim is not None
        seen = [presence.find(state)]
        claim.say(Phase.SERVING, port=7)
        seen.append(presence.find(state))
        claim.say(Phase.ENDING)
        seen.append(presence.find(state))
    assert [(one.phase, one.port, one.pid) for one in seen if one] == [
        (Phase.STARTING, 0, os.getpid()),
        (Phase.SERVING, 7, os.getpid()),
        (Phase.ENDING, 7, os.getpid()),
    ]


def test_the_last_word_of_a_dead_daemon_is_not_its_successors(state: StateDir) -> None:
    """Between a daemon's taking the lock and its first word, the file still names the one that was killed."""
    script = (
        "import sys; from pathlib import Path; from jupyter_trainjob.cluster import presence;"
        "from jupyter_trainjob.cluster.state import StateDir\n"
        "with presence.claim(StateDir(Path(sys.argv[1])), patience=0) as claim:\n"
        "    claim.say(presence.Phase.SERVING, port=7)"
    )
    subprocess.run([sys.executable, "-c", script, str(state.root)], check=True, timeout=60)
    before = state.daemon.read_bytes()
    with presence.claim(state, patience=0) as claim:
        assert claim is not None
        state.daemon.write_bytes(before)
        found = presence.find(state)
    assert found is not None
    assert (found.phase, found.pid) == (Phase.STARTING, 0), "nobody must signal that pid"


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"phase": "dancing"}'])
def test_a_lock_without_a_word_is_a_daemon_that_starts(state: StateDir, content: bytes) -> None:
    with presence.claim(state, patience=0):
        state.daemon.write_bytes(content)
        assert presence.find(state) == Running()


def test_the_second_of_two_daemons_goes_away(state: StateDir) -> None:
    with presence.claim(state, patience=0) as first:
        assert first is not None
        first.say(Phase.SERVING, port=7)
        with presence.claim(state, patience=60) as second:
            assert second is None


def test_a_daemon_waits_for_its_predecessor_to_end(state: StateDir) -> None:
    got: list[bool] = []

    def wait() -> None:
        with presence.claim(state, patience=60) as claim:
            got.append(claim is not None)

    with presence.claim(state, patience=0) as first:
        assert first is not None
        first.say(Phase.ENDING)
        waiting = threading.Thread(target=wait)
        waiting.start()
        waiting.join(0.1)
        assert not got
    waiting.join(60)
    assert got == [True]


def test_what_a_later_version_adds_is_skipped(state: StateDir) -> None:
    with presence.claim(state, patience=0):
        write(state, colour="blue", version="9.9", phase="serving")
        found = presence.find(state)
        assert found is not None
        assert found.version == "9.9"
        presence.check(found, state)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        pytest.param({"format": FORMAT + 1, "version": "9.9"}, "Install jupyter_trainjob 9.9", id="a later format"),
        pytest.param({"format": FORMAT - 1, "version": "0.0"}, "cluster stop", id="an earlier format"),
        pytest.param({"boot": "another"}, "another computer", id="another computer"),
        pytest.param({"network": 1}, "another container", id="another container"),
    ],
)
def test_a_daemon_that_does_not_fit_is_refused_with_a_remedy(state: StateDir, changes: Any, said: str) -> None:
    with presence.claim(state, patience=0):
        found = presence.find(state)
        assert found is not None
        with pytest.raises(errors.ClusterError, match=said):
            presence.check(dataclasses.replace(found, **changes), state)
