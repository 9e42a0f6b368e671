"""What looks like a credential is told by name and kind, never by its value; ordinary text is not."""

from __future__ import annotations

import sys
import types
from pathlib import Path

import pytest

from jupyter_trainjob.bundle import credentials
from jupyter_trainjob.bundle.capture import capture_cell

LETTERS = "aB3dE6gH9jK2mN5pQ8sT1vW4yZ7bC0eF6hJ3lM9oR2uX5"
# Put together here, so that no scanner of repositories takes them for real ones.
MARKED = {
    "AWS access key": "AKIA" + "ABCDEFGHIJKLMNOP",
    "GitHub token": "ghp_" + LETTERS[:36],
    "Hugging Face token": "hf_" + LETTERS[:34],
    "Anthropic key": "sk-ant-" + LETTERS[:30],
    "OpenAI key": "sk-proj-" + LETTERS[:44],
    "Slack token": "xoxb-" + LETTERS[:24],
    "Google API key": "AIza" + LETTERS[:35],
    "JSON Web Token": f"eyJ{LETTERS[:20]}.eyJ{LETTERS[:20]}.{LETTERS[:20]}",
    "URL with a password": "postgres://me:" + "hunter22@db.example/x",
    "private key": "-----BEGIN RSA " + "PRIVATE KEY-----",
}


@pytest.mark.parametrize(("kind", "text"), MARKED.items(), ids=MARKED)
def test_what_services_mark_is_found_under_any_name(kind: str, text: str) -> None:
    assert credentials.kind_of("x", f"before {text} after") == kind


@pytest.mark.parametrize(
    "name", ["password", "DB_PASSWD", "Secret", "api_token", "API_KEYS", "apikey", "access_key", "aws_credentials"]
)
def test_a_line_is_looked_at_for_every_name_and_mark_that_counts(name: str) -> None:
    lines = [f"{name} = '{LETTERS[:24]}'", *(f"x = '{text}'" for text in MARKED.values())]
    found = credentials.in_source("\n".join(lines), "Cell [1]")
    assert len(found) == len(lines), "each line holds one"


def test_a_file_that_changed_is_looked_into_again(tmp_path: Path) -> None:
    path = tmp_path / "own.py"
    path.write_text("x = 1\n")
    assert not credentials.in_files({"own.py": path})
    path.write_text(f"x = '{MARKED['AWS access key']}'\n")
    assert credentials.in_files({"own.py": path}) == [("own.py, line 1", "AWS access key")]


def test_a_random_text_called_like_a_secret_is_found() -> None:
    assert credentials.kind_of("db_password", LETTERS[:24]) == "secret, by its name"
    assert credentials.kind_of("API_KEY", LETTERS[:24]) == "secret, by its name"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("digest", "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"),
        ("token", "<|endoftext|>"),
        ("pad_token", "aaaaaaaaaaaaaaaaaaaa1"),
        ("password", "to be filled in by you"),
        ("tokenizer", LETTERS[:24]),
        ("max_tokens", "128"),
        ("url", "https://example.org:8080/a@b"),
        ("template", "postgres://{user}:{password}@{host}/x"),
        ("task", "task-ant-farm sk-learn-like"),
    ],
)
def test_ordinary_text_is_left_alone(name: str, text: str) -> None:
    assert credentials.kind_of(name, text) == ""


def test_the_way_to_it_is_told_and_its_value_never() -> None:
    token = MARKED["GitHub token"]
    namespace = {"settings": {"auth": [{"gh": token}], token: token + "A"}}
    capture = capture_cell(f"key = {MARKED['Slack token']!r}\nprint(settings)", namespace, filename="Cell [4]")
    told = " ".join(credentials.notes(capture, {"HF": MARKED["Hugging Face token"]}))
    assert "settings['auth'][0]['gh'] (GitHub token)" in told
    assert "Cell [4], line 1 (Slack token)" in told
    assert "--env HF (Hugging Face token)" in told
    assert "settings[key 2] (GitHub token)" in told
    assert not any(text in told for text in MARKED.values())


def test_nothing_is_told_of_a_cell_without() -> None:
    capture = capture_cell("print(x)", {"x": ["a", {"b": 1}]}, filename="Cell [1]")
    assert credentials.notes(capture, {"A": "b"}) == []


def test_a_value_that_holds_itself_ends() -> None:
    loop: list[object] = [MARKED["AWS access key"]]
    loop.append(loop)
    assert credentials.in_values({"loop": loop}) == [("loop[0]", "AWS access key")]


HOLDERS = {
    "a config class": "class Config:\n    key = {token!r}\nheld = Config",
    "an instance of one": "class Config:\n    def __init__(self):\n        self.key = {token!r}\nheld = Config()",
    "a function's text": "def held():\n    return {token!r}",
    "a function within a function": "def held():\n    def inner():\n        return {token!r}\n    return inner",
}


@pytest.mark.parametrize("code", HOLDERS.values(), ids=HOLDERS)
def test_what_holds_one_is_told(code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    notebook = types.ModuleType("__main__")
    monkeypatch.setitem(sys.modules, "__main__", notebook)
    exec(code.format(token=MARKED["Slack token"]), notebook.__dict__)
    capture = capture_cell("print(held)", notebook.__dict__, filename="Cell [2]")
    (told,) = credentials.notes(capture, {})
    assert "(Slack token)" in told
    assert "--secret NAME" in told
    assert MARKED["Slack token"] not in told


def test_files_that_travel_are_looked_into(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "settings.ini").write_text(f"user = me\nkey = '{MARKED['AWS access key']}'\n")
    (tmp_path / "data.bin").write_bytes(b"\xff\xfe" + MARKED["AWS access key"].encode())
    capture = capture_cell("print(1)", {}, filename="Cell [2]", files=["settings.ini", "data.bin"])
    (told,) = credentials.notes(capture, {})
    assert "settings.ini, line 2 (AWS access key)" in told
    assert "data.bin" not in told


@pytest.mark.parametrize("text", MARKED.values(), ids=MARKED)
def test_texts_are_shown_without_them(text: str) -> None:
    shown = credentials.masked(f"a = 1\nb = {text!r}\nc = 2\n")
    assert text not in shown
    assert "a = 1\nb = " in shown


def test_a_private_key_is_masked_to_its_end_on_as_many_lines() -> None:
    key = f"{MARKED['private key']}\n{LETTERS}\n{LETTERS[::-1]}\n-----END RSA " + "PRIVATE KEY-----"
    shown = credentials.masked(f"key = '''{key}'''\nafter = 1\n")
    assert LETTERS not in shown
    assert LETTERS[::-1] not in shown
    assert shown.splitlines()[-1] == "after = 1"
    assert len(shown.splitlines()) == 5


def test_no_literal_is_kept_of_one() -> None:
    capture = capture_cell("print(key, size)", {"key": MARKED["GitHub token"], "size": 3}, filename="Cell [2]")
    assert {recipe.name: recipe.literal for recipe in capture.recipes} == {"key": "", "size": "3"}


def test_variables_are_shown_without_their_values() -> None:
    assert credentials.masked_env({"A": MARKED["OpenAI key"], "B": "1"}) == {"A": "***", "B": "1"}
