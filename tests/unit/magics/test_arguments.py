from __future__ import annotations

import pytest

from jupyter_trainjob.errors import UsageError
from jupyter_trainjob.magics import arguments

COMPLAINTS = {
    "an unknown option names the nearest": ("digits --node 8", "Did you mean --nodes?"),
    "an option like no other lists all": ("digits --zzz 8", "--dry-run"),
    "a number that is none": ("digits --nodes many", "invalid int value: 'many'"),
    "a quotation mark that is not closed": ('digits --env "A=1', "Close the quotation mark"),
}


@pytest.mark.parametrize(("line", "expected"), COMPLAINTS.values(), ids=COMPLAINTS)
def test_a_wrong_line_is_one_clear_error(line: str, expected: str) -> None:
    with pytest.raises(UsageError) as raised:
        arguments.parse(arguments.cell_parser(), line)
    assert expected in str(raised.value)
    assert "--help" in str(raised.value) or "quotation" in str(raised.value)


def test_the_defaults_are_one_node_of_torch() -> None:
    chosen = arguments.parse(arguments.cell_parser(), "")
    assert (chosen.name, chosen.nodes, chosen.runtime) == ("job", 1, "torch-distributed")
    assert not chosen.wait
    assert not chosen.dry_run


def test_everything_that_may_be_typed_is_understood() -> None:
    line = "digits --nodes 8 --runtime plain --env A=1 --env 'B=two words' --out a,b --context c --namespace n --wait"
    chosen = arguments.parse(arguments.cell_parser(), line)
    assert chosen.nodes == 8
    assert arguments.environment(chosen.env) == {"A": "1", "B": "two words"}
    assert arguments.names(chosen.out) == ("a", "b")
    assert (chosen.context, chosen.namespace, chosen.wait) == ("c", "n", True)


def test_resources_are_understood() -> None:
    line = "--gpus 2 --cpus 0.5 --memory 4Gi --procs-per-node 2 --image a/b:1 --deadline 2h30m --retries 3"
    chosen = arguments.parse(arguments.cell_parser(), line)
    assert (chosen.gpus, chosen.cpus, chosen.memory, chosen.procs_per_node) == (2, "0.5", "4Gi", 2)
    assert (chosen.image, chosen.deadline, chosen.retries) == ("a/b:1", "2h30m", 3)


COMMANDS = [
    "list",
    "show a",
    "logs a --rank 1",
    "events a",
    "stop a",
    "resume a",
    "delete a",
    "runtimes",
    "doctor",
    "use",
]


@pytest.mark.parametrize("line", COMMANDS)
def test_every_command_of_the_line_is_understood(line: str) -> None:
    assert arguments.parse(arguments.line_parser(), line).command == line.split(maxsplit=1)[0]


def test_help_is_printed_not_an_exit() -> None:
    with pytest.raises(arguments.HelpAsked) as asked:
        arguments.parse(arguments.cell_parser(), "--help")
    text = str(asked.value)
    for option in ("--nodes", "--runtime", "--env", "--out", "--context", "--namespace", "--wait", "--dry-run"):
        assert option in text


@pytest.mark.parametrize("text", ["1a", "a,b c", "a.b"])
def test_out_takes_names_only(text: str) -> None:
    with pytest.raises(UsageError, match="no variable name"):
        arguments.names(text)


def test_an_environment_variable_needs_a_value() -> None:
    with pytest.raises(UsageError, match="NAME=VALUE"):
        arguments.environment(["A"])


@pytest.mark.parametrize("command", ["list", "show x", "logs x --rank 3", "stop x", "delete x"])
def test_the_line_magic_knows_its_commands(command: str) -> None:
    assert arguments.parse(arguments.line_parser(), command).command == command.split(maxsplit=1)[0]


def test_an_unknown_command_lists_those_there_are() -> None:
    with pytest.raises(UsageError, match="list"):
        arguments.parse(arguments.line_parser(), "explode x")
