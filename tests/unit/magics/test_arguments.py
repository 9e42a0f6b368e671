from __future__ import annotations

import pytest

from jupyter_trainjob.client.commandline import job_arguments
from jupyter_trainjob.errors import UsageError
from jupyter_trainjob.magics import arguments

COMPLAINTS = {
    "an unknown option names the nearest": ("digits --node 8", "Did you mean --nodes?"),
    "an option like no other lists all": ("digits --zzz 8", "--dry-run"),
    "a short option names the long ones": ("digits -n 8", "no option -n. Write --namespace or --nodes."),
    "a short one like no other lists all": ("digits -q", "--dry-run"),
    "a word behind a flag": ("digits --wait now", "--wait takes no value"),
    "a deadline in words": ("digits --deadline 5 minutes", "Write --deadline 5m, or --deadline '5 minutes'"),
    "a deadline of several parts": ("x --deadline 1 hour 30 minutes", "Write --deadline 1h30m"),
    "a deadline behind a sign": ("x --deadline=5 minutes", "Write --deadline 5m"),
    "a deadline whose unit is taken for the name": ("--deadline 5 minutes", "Write --deadline 5m"),
    "memory with its unit apart": ("digits --memory 4 Gi", "Write --memory 4Gi"),
    "memory whose unit is taken for the name": ("--memory 4 GB --wait", "Write --memory 4Gi"),
    "CPUs with their unit": ("digits --cpus 2 cores", "--cpus takes one number"),
    "nodes with their unit": ("digits --nodes 8 nodes", "--nodes takes one number"),
    "a variable with a space": ("digits --env A=two words", "Write --env 'A=two words'."),
    "names with spaces between": ("digits --out a, b", "write --out a,b."),
    "a file with a space": ("digits --file my data.csv", "Write --file 'my data.csv'."),
    "several files": ("digits --file a.csv b.csv", "--file a.csv --file b.csv"),
    "several secrets": ("digits --secret A B", "--secret A --secret B"),
    "a place with a space": ("digits --storage s3://a b", "Write --storage 's3://a b'"),
    "several words for a name behind an option": ("--deadline 5m my job", "A job name is one word: try my_job"),
    "several words for a name": ("my job --nodes 2", "A job name is one word: try my_job"),
    "a quotation mark that is not closed": ('digits --env "A=1', "Close the quotation mark"),
}


@pytest.mark.parametrize(("line", "expected"), COMPLAINTS.values(), ids=COMPLAINTS)
def test_invalid_line_is_an_error_that_names_the_help(line: str, expected: str) -> None:
    with pytest.raises(UsageError) as raised:
        arguments.parse_line(arguments.cell_parser(), line)
    assert expected in str(raised.value)
    assert "--help" in str(raised.value) or "quotation" in str(raised.value)


@pytest.mark.parametrize("option", ["--nodes", "--gpus", "--procs-per-node", "--retries"])
def test_invalid_number_is_an_error_with_an_example(option: str) -> None:
    with pytest.raises(UsageError, match=f"^{option} two: write a whole number, such as 2.$"):
        arguments.parse_line(arguments.cell_parser(), f"digits {option} two")


LINE_COMPLAINTS = {
    "an unknown command": ("lst", "Did you mean list?"),
    "an option of a command": ("logs digits --rnk 2", "Did you mean --rank?"),
    "an option of another command": ("stop g --yes", "no option --yes. This command asks for no confirmation"),
    "a short option": ("list -n X", "no option -n. Write --namespace."),
    "a short option of a shell": ("list -o json", "`jupyter trainjob` in a shell has -o json"),
    "a short option to watch": ("list -w", "panel()"),
    "a short option to follow": ("logs x -f", "`%trainjob show JOB` shows it live"),
    "an option before the command": ("--namespace X list", "Write --namespace and its value after the command"),
    "a pattern with a space": ("logs x --pattern two words", "Write --pattern 'two words'."),
    "a job too many": ("show a b", "'b' is unexpected: the command takes one JOB."),
    "a word too many": ("list a", "the command takes only options"),
    "a number of a command": ("logs digits --rank two", "--rank two: write a whole number"),
}


@pytest.mark.parametrize(("line", "expected"), LINE_COMPLAINTS.values(), ids=LINE_COMPLAINTS)
def test_unknown_command_suggests_the_nearest(line: str, expected: str) -> None:
    with pytest.raises(UsageError) as raised:
        arguments.parse_line(arguments.line_parser(), line)
    assert expected in str(raised.value)


def test_option_of_another_command_is_not_suggested() -> None:
    with pytest.raises(UsageError) as raised:
        arguments.parse_line(arguments.line_parser(), "stop g --regex")
    assert str(raised.value).startswith("%trainjob stop: there is no option --regex. Available: --context --help")
    assert "--rank" not in str(raised.value)


@pytest.mark.parametrize("line", ["--deadline 5m minutes", "--memory 4Gi Gi", "--deadline 5m m", "--cpus 2 m"])
def test_name_after_an_amount_with_its_unit_is_not_parsed_as_a_unit(line: str) -> None:
    assert arguments.parse_line(arguments.cell_parser(), line).name == line.rsplit(maxsplit=1)[-1]


def test_default_job_has_one_node_with_torch() -> None:
    chosen = arguments.parse_line(arguments.cell_parser(), "")
    options = job_arguments.options_of(chosen)
    assert (options["name"], options["nodes"], options["runtime"]) == ("job", 1, "torch-distributed")
    assert not chosen.wait
    assert not chosen.dry_run


def test_options_of_a_job_are_parsed() -> None:
    line = "digits --nodes 8 --runtime plain --env A=1 --env 'B=two words' --out a,b --context c --namespace n --wait"
    chosen = arguments.parse_line(arguments.cell_parser(), line)
    assert chosen.nodes == 8
    options = job_arguments.options_of(chosen)
    assert options["env"] == {"A": "1", "B": "two words"}
    assert options["out"] == ("a", "b")
    assert (chosen.context, chosen.namespace, chosen.wait) == ("c", "n", True)


def test_resource_options_are_parsed() -> None:
    line = "--gpus 2 --cpus 0.5 --memory 4Gi --procs-per-node 2 --image a/b:1 --deadline 2h30m --retries 3"
    chosen = arguments.parse_line(arguments.cell_parser(), line)
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
def test_every_command_of_the_line_magic_is_parsed(line: str) -> None:
    assert arguments.parse_line(arguments.line_parser(), line).command == line.split(maxsplit=1)[0]


def test_help_is_raised_instead_of_an_exit() -> None:
    with pytest.raises(arguments.HelpRequested) as raised:
        arguments.parse_line(arguments.cell_parser(), "--help")
    text = str(raised.value)
    for option in ("--nodes", "--runtime", "--env", "--out", "--context", "--namespace", "--wait", "--dry-run"):
        assert option in text


@pytest.mark.parametrize("text", ["1a", "a,b c", "a.b"])
def test_out_accepts_names_only(text: str) -> None:
    with pytest.raises(UsageError, match="not a variable name"):
        arguments.parse_line(arguments.cell_parser(), f"--out '{text}'")


def test_environment_variable_without_a_value_is_rejected() -> None:
    with pytest.raises(UsageError, match="NAME=VALUE"):
        arguments.parse_line(arguments.cell_parser(), "--env A")


def test_unknown_command_lists_the_commands() -> None:
    with pytest.raises(UsageError, match="list"):
        arguments.parse_line(arguments.line_parser(), "explode x")
