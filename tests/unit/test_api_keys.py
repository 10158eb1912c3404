"""The file of API keys, and the command that changes it."""

from __future__ import annotations

import hashlib
from datetime import date, timedelta
from pathlib import Path

import pytest

from pipeline.__main__ import main
from pipeline.api_keys import ApiKey, parse_keys, read_keys, today
from pipeline.errors import SettingsError

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys.jsonl"


def add(path: Path, capsys: Capture, name: str, *options: str, action: str = "add") -> str:
    """Make a key; return what the command prints on standard output."""
    assert main(["keys", action, name, *options, str(path)]) == 0
    return capsys.readouterr().out.strip()


def find(path: Path, name: str) -> list[ApiKey]:
    return [key for key in read_keys(path) if key.name == name]


def test_the_file_has_the_hash_and_not_the_key(path: Path, capsys: Capture) -> None:
    """A key of 32 random bytes is printed once; only the file's owner can read its hash."""
    options = ("--expires", "2999-01-01", "--requests-per-minute", "60", "--rows-per-minute", "9")
    key = add(path, capsys, "registrar", *options)
    assert len(key) == len("smk_") + 43  # 32 bytes in base64
    assert key not in path.read_text()
    (stored,) = read_keys(path)
    assert stored.sha256 == hashlib.sha256(key.encode()).hexdigest()
    assert (stored.expires, stored.created) == (date(2999, 1, 1), today())
    assert (stored.requests_per_minute, stored.rows_per_minute) == (60, 9)
    assert path.stat().st_mode & 0o777 == 0o600
    assert add(path, capsys, "tutor") != key
    assert [each.name for each in read_keys(path)] == ["registrar", "tutor"]


def test_revoke(path: Path, capsys: Capture) -> None:
    """A revoked key stays in the file with the day, and cannot be revoked again."""
    add(path, capsys, "registrar")
    assert main(["keys", "revoke", "registrar", str(path)]) == 0
    (revoked,) = read_keys(path)
    assert (revoked.revoked, revoked.is_valid(today())) == (today(), False)
    assert main(["keys", "revoke", "registrar", str(path)]) == 1
    assert "No valid key is called 'registrar'" in capsys.readouterr().err


def test_rotate(path: Path, capsys: Capture) -> None:
    """The new key has the limits of the old one, which is accepted for the days between."""
    old = add(path, capsys, "registrar", "--requests-per-minute", "60")
    new = add(path, capsys, "registrar", "--overlap-days", "2", action="rotate")
    assert new != old
    before, after = find(path, "registrar")
    assert before.expires == today() + timedelta(days=3)
    assert before.is_valid(today() + timedelta(days=2))
    assert (after.expires, after.requests_per_minute) == (None, 60)
    add(path, capsys, "registrar", "--overlap-days", "30", action="rotate")
    assert find(path, "registrar")[0].expires == before.expires  # not later than it was


def test_list(path: Path, capsys: Capture) -> None:
    """The list has names, states and limits, and no hash."""
    add(path, capsys, "registrar", "--requests-per-minute", "1000")
    add(path, capsys, "tutor")
    main(["keys", "revoke", "tutor", str(path)])
    assert main(["keys", "list", str(path)]) == 0
    listed = capsys.readouterr().out
    assert "registrar | valid " in listed
    assert "1,000" in listed
    assert f"revoked on {today()}" in listed
    assert read_keys(path)[0].sha256 not in listed


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("add", "registrar"), "There is a key 'registrar' already"),
        (("add", "platform"), "platform is the name of MLOPS_PREDICTOR__API_KEY"),
        (("add", "a b"), "name: String should match pattern"),
        (("add", "x", "--expires", "2020-01-01"), "expire on 2020-01-01, which is not in the"),
        (("add", "x", "--rows-per-minute", "0"), "rows_per_minute: Input should be greater than 0"),
        (("rotate", "nobody"), "No valid key is called 'nobody'. Valid keys: registrar"),
    ],
)
def test_refusals(path: Path, capsys: Capture, arguments: tuple[str, ...], message: str) -> None:
    """A change that is not possible leaves the file as it was, and says why."""
    add(path, capsys, "registrar")
    before = path.read_bytes()
    assert main(["keys", *arguments, str(path)]) == 1
    assert message in capsys.readouterr().err
    assert path.read_bytes() == before


def test_a_missing_file(path: Path, capsys: Capture) -> None:
    """Only `add` makes the file."""
    assert main(["keys", "list", str(path)]) == 1
    assert "cannot be read: No such file" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "line 2: the line: Invalid JSON"),
        ('{"name": "a", "sha256": "00", "created": "2026-01-01"}', "line 2: sha256: "),
        ('{"name": "a", "created": "2026-01-01", "key": "smk_"}', "line 2: sha256: Field required"),
    ],
)
def test_a_malformed_line_is_named(line: str, message: str) -> None:
    """The message has the line and the field, and not its content."""
    with pytest.raises(SettingsError, match=message):
        parse_keys(f"\n{line}\n", "keys.jsonl")


def test_a_repeated_line_is_refused() -> None:
    """One key has one name."""
    line = ApiKey(name="a", sha256="0" * 64, created=today()).model_dump_json()
    with pytest.raises(SettingsError, match="line 2: the key of an earlier line"):
        parse_keys(f"{line}\n{line}\n", "keys.jsonl")
