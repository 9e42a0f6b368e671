"""Completion in bash, zsh and fish."""

from __future__ import annotations

import os
import pty
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from jupyter_trainjob.cli import main, shell_completion
from jupyter_trainjob.cli.completion_scripts import SCRIPTS
from jupyter_trainjob.constants import STATE_DIR_ENV
from tests.needs import lacking
from tests.waiting import wait_for

LINES = {
    "a command": ("jupyter trainjob lo", ["logs"]),
    "of our own program": ("jupyter-trainjob clus", ["cluster"]),
    "a command of a command": ("jupyter trainjob cluster kube", ["kubeconfig"]),
    "an option": ("jupyter trainjob logs --r", ["--rank", "--regex"]),
    "a choice": ("jupyter trainjob list -o js", ["json"]),
    "a choice behind a sign": ("jupyter trainjob list --output=js", ["json"]),
    "a runtime's context": ("jupyter trainjob list --context trainjob", ["trainjob-local"]),
    "files of another program": ("jupyter la", []),
}


@pytest.fixture
def shell_env(tmp_path: Path) -> Iterator[dict[str, str]]:
    """Return the environment of a shell that finds the installed programs; fail if completion starts a cluster."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    folders = {name: str(tmp_path / "home") for name in ("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "ZDOTDIR")}
    (tmp_path / "home").mkdir()
    yield {
        **os.environ,
        **folders,
        "skip_global_compinit": "1",
        "PATH": path,
        STATE_DIR_ENV: str(tmp_path / "state"),
        "KUBECONFIG": "/nowhere",
    }
    assert not (tmp_path / "state").exists(), "nothing was started"


@pytest.mark.parametrize(("line", "expected"), LINES.values(), ids=LINES)
def test_bash_completes_the_line(shell_env: dict[str, str], line: str, expected: list[str]) -> None:
    words = line.replace("=", " = ").split()
    program = f"""{SCRIPTS["bash"]}
COMP_WORDS=({" ".join(f"'{word}'" for word in words)})
COMP_CWORD={len(words) - 1} COMP_LINE='{line}' COMP_POINT={len(line)}
{"_jupyter_trainjob" if words[0] == "jupyter-trainjob" else "_jupyter_and_trainjob"}
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    done = subprocess.run(["bash", "-c", program], capture_output=True, text=True, check=True, env=shell_env)
    assert done.stdout.split() == expected
    assert done.stderr == ""


ZSH = """
source {script}
compadd() {{
  (( ${{funcstack[(I)_jupyter_trainjob]}} )) && print -rl -- $matches >{found}
  builtin compadd "$@"
}}
finish() {{ print -r -- "$BUFFER" >{finished}.part; command mv {finished}.part {finished} }}
zle -N finish
bindkey '^X' finish
"""
"""What the completer adds goes into a file, and then, at Ctrl-X, the line as it stands."""


@pytest.mark.parametrize("line", LINES)
def test_zsh_completes_the_line(shell_env: dict[str, str], tmp_path: Path, line: str) -> None:
    zsh = shutil.which("zsh") or lacking("There is no zsh: `apt-get install zsh`.")
    line, expected = LINES[line]
    script, matches_file, finished = (tmp_path / name for name in ("script", "found", "finished"))
    script.write_text(SCRIPTS["zsh"])
    (tmp_path / "home" / ".zshrc").write_text(ZSH.format(script=script, found=matches_file, finished=finished))
    terminal, inner = pty.openpty()
    with subprocess.Popen([zsh, "-i"], stdin=inner, stdout=inner, stderr=inner, env=shell_env) as shell:
        os.close(inner)
        try:
            os.write(terminal, f"{line}\t\x18".encode())
            reader = threading.Thread(target=drain, args=(terminal,), daemon=True)
            reader.start()
            wait_for(finished.exists)
        finally:
            shell.kill()
    reader.join()
    os.close(terminal)
    added = matches_file.read_text().split() if matches_file.exists() else []
    assert [match.rpartition("=")[2] for match in added] == expected
    if len(expected) == 1:
        assert finished.read_text().rstrip().endswith(expected[0]), "it was put into the line"


def drain(terminal: int) -> None:
    """Read what a shell prints, so that it never waits for a reader, until it has ended."""
    with suppress(OSError):  # How a terminal says that nobody has it open any more.
        while os.read(terminal, 4096):
            pass


@pytest.mark.parametrize(("line", "expected"), LINES.values(), ids=LINES)
def test_fish_completes_the_line(shell_env: dict[str, str], line: str, expected: list[str]) -> None:
    fish = shutil.which("fish") or lacking("There is no fish: `apt-get install fish`.")
    program = f"{SCRIPTS['fish']}\ncomplete -C '{line}'"
    home = shell_env["HOME"]  # Without files, which fish suggests for other programs.
    done = subprocess.run([fish, "-c", program], capture_output=True, text=True, check=True, env=shell_env, cwd=home)
    assert [row.partition("\t")[0].rpartition("=")[2] for row in done.stdout.splitlines()] == expected
    assert done.stderr == ""


@pytest.mark.parametrize("shell", SCRIPTS)
def test_completion_command_prints_the_script(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["completion", shell]) == 0
    assert capsys.readouterr().out.strip() == SCRIPTS[shell]


@pytest.mark.parametrize("line", ["jupyter trainjob nonsense x", "jupyter trainjob --context", "jupyter trainjob"])
def test_completion_of_an_invalid_line_is_no_error(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main([shell_completion.COMPLETE_COMMAND, line]) == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["lst"], "Did you mean list?"),
        (["logs", "x", "--rnk", "1"], "Did you mean --rank?"),
        (["logs", "x", "--rank", "two"], "--rank two: write a whole number"),
        (["list", "-o", "jsn"], "Did you mean json?"),
        (["list", "-n", "X"], "jupyter trainjob list: there is no option -n. Write --namespace."),
        (
            ["stop", "g", "--yes"],
            "jupyter trainjob stop: there is no option --yes. This command asks for no confirmation",
        ),
        (["-n", "X", "list"], "Write -n and its value after the command"),
        (["logs", "x", "--pattern", "two", "words"], "Write --pattern 'two words'."),
        (["cluster", "clean", "--force"], "jupyter trainjob cluster clean: there is no option --force. Available: --"),
    ],
)
def test_usage_error_suggests_the_nearest_word(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.main(words) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.out == ""
