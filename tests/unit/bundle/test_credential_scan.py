"""Credentials in captured values, code and files are reported by name and kind; ordinary text is not."""

from __future__ import annotations

import sys
import types
from pathlib import Path

import pytest

from jupyter_trainjob.bundle import credential_scan
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
def test_token_with_a_known_prefix_is_detected_under_any_name(kind: str, text: str) -> None:
    assert credential_scan.credential_kind("x", f"before {text} after") == kind


@pytest.mark.parametrize(
    "name", ["password", "DB_PASSWD", "Secret", "api_token", "API_KEYS", "apikey", "access_key", "aws_credentials"]
)
def test_credential_in_a_line_of_source_is_detected(name: str) -> None:
    lines = [f"{name} = '{LETTERS[:24]}'", *(f"x = '{text}'" for text in MARKED.values())]
    findings = credential_scan.scan_source("\n".join(lines), "Cell [1]")
    assert len(findings) == len(lines), "each line holds one"


def test_changed_file_is_scanned_again(tmp_path: Path) -> None:
    path = tmp_path / "own.py"
    path.write_text("x = 1\n")
    assert not credential_scan.scan_files({"own.py": path})
    path.write_text(f"x = '{MARKED['AWS access key']}'\n")
    assert credential_scan.scan_files({"own.py": path}) == [("own.py, line 1", "AWS access key")]


@pytest.mark.parametrize(
    ("name", "text"), [("password", "hunter2hunter2"), ("DB_PASSWORD", "N7kq9zPw2Lx"), ("pwd", "letmein")]
)
def test_value_of_a_password_variable_is_detected_and_masked(name: str, text: str) -> None:
    assert credential_scan.credential_kind(name, text) == "password, by its name"
    assert credential_scan.scan_source(f"connect({name}='{text}')", "Cell [1]")
    assert text not in credential_scan.mask_source(f"settings = {{'{name}': '{text}'}}")
    assert text not in credential_scan.mask_env({name: text})[name]


def test_random_text_in_a_secret_variable_is_detected() -> None:
    assert credential_scan.credential_kind("db_secret", LETTERS[:24]) == "secret, by its name"
    assert credential_scan.credential_kind("API_KEY", LETTERS[:24]) == "secret, by its name"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("digest", "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"),
        ("token", "<|endoftext|>"),
        ("pad_token", "aaaaaaaaaaaaaaaaaaaa1"),
        ("password", "to be filled in by you"),
        ("password", "<password>"),
        ("password", "${PASSWORD}"),
        ("password", "********"),
        ("password_field", "hunter2hunter2"),
        ("PWD", "/home/ada/notebooks"),
        ("tokenizer", LETTERS[:24]),
        ("max_tokens", "128"),
        ("url", "https://example.org:8080/a@b"),
        ("template", "postgres://{user}:{password}@{host}/x"),
        ("task", "task-ant-farm sk-learn-like"),
    ],
)
def test_ordinary_text_is_not_detected(name: str, text: str) -> None:
    assert credential_scan.credential_kind(name, text) == ""


def test_note_names_the_location_and_never_the_value() -> None:
    token = MARKED["GitHub token"]
    namespace = {"settings": {"auth": [{"gh": token}], token: token + "A"}}
    capture = capture_cell(f"key = {MARKED['Slack token']!r}\nprint(settings)", namespace, filename="Cell [4]")
    notes = " ".join(
        credential_scan.credential_notes(capture.credentials, capture.leaks, {"HF": MARKED["Hugging Face token"]})
    )
    assert "settings['auth'][0]['gh'] (GitHub token)" in notes
    assert "Cell [4], line 1 (Slack token)" in notes
    assert "--env HF (Hugging Face token)" in notes
    assert "settings[key 2] (GitHub token)" in notes
    assert not any(text in notes for text in MARKED.values())


def test_no_note_about_a_cell_without_credentials() -> None:
    capture = capture_cell("print(x)", {"x": ["a", {"b": 1}]}, filename="Cell [1]")
    assert credential_scan.credential_notes(capture.credentials, capture.leaks, {"A": "b"}) == []


def test_recursive_value_is_scanned_once() -> None:
    loop: list[object] = [MARKED["AWS access key"]]
    loop.append(loop)
    assert credential_scan.scan_values({"loop": loop}) == [("loop[0]", "AWS access key")]


HOLDERS = {
    "a config class": "class Config:\n    key = {token!r}\nheld = Config",
    "an instance of one": "class Config:\n    def __init__(self):\n        self.key = {token!r}\nheld = Config()",
    "a function's text": "def held():\n    return {token!r}",
    "a function within a function": "def held():\n    def inner():\n        return {token!r}\n    return inner",
}


@pytest.mark.parametrize("code", HOLDERS.values(), ids=HOLDERS)
def test_captured_credential_has_a_note(code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    notebook = types.ModuleType("__main__")
    monkeypatch.setitem(sys.modules, "__main__", notebook)
    exec(code.format(token=MARKED["Slack token"]), notebook.__dict__)
    capture = capture_cell("print(held)", notebook.__dict__, filename="Cell [2]")
    (note,) = credential_scan.credential_notes(capture.credentials, capture.leaks, {})
    assert "(Slack token)" in note
    assert "--secret NAME" in note
    assert MARKED["Slack token"] not in note


def test_sent_files_are_scanned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "settings.ini").write_text(f"user = me\nkey = '{MARKED['AWS access key']}'\n")
    (tmp_path / "data.bin").write_bytes(b"\xff\xfe" + MARKED["AWS access key"].encode())
    capture = capture_cell("print(1)", {}, filename="Cell [2]", files=["settings.ini", "data.bin"])
    (note,) = credential_scan.credential_notes(capture.credentials, capture.leaks, {})
    assert "settings.ini, line 2 (AWS access key)" in note
    assert "data.bin" not in note


@pytest.mark.parametrize("text", MARKED.values(), ids=MARKED)
def test_credentials_in_source_are_masked(text: str) -> None:
    shown = credential_scan.mask_source(f"a = 1\nb = {text!r}\nc = 2\n")
    assert text not in shown
    assert "a = 1\nb = " in shown


def test_private_key_is_masked_completely_and_keeps_its_number_of_lines() -> None:
    key = f"{MARKED['private key']}\n{LETTERS}\n{LETTERS[::-1]}\n-----END RSA " + "PRIVATE KEY-----"
    shown = credential_scan.mask_source(f"key = '''{key}'''\nafter = 1\n")
    assert LETTERS not in shown
    assert LETTERS[::-1] not in shown
    assert shown.splitlines()[-1] == "after = 1"
    assert len(shown.splitlines()) == 5


def test_credential_has_no_literal_in_its_recipe() -> None:
    capture = capture_cell("print(key, size)", {"key": MARKED["GitHub token"], "size": 3}, filename="Cell [2]")
    assert {recipe.name: recipe.literal for recipe in capture.recipes} == {"key": "", "size": "3"}


def test_credentials_in_environment_variables_are_masked() -> None:
    assert credential_scan.mask_env({"A": MARKED["OpenAI key"], "B": "1"}) == {"A": "***", "B": "1"}
