"""Secrets that are mounted as files."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.errors import SettingsError
from pipeline.secret_files import load_secret_files
from tests.support.helm import ROOT


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder as the kubelet mounts it: links to files in a folder of the moment."""
    moment = tmp_path / "..2026_11_27"
    moment.mkdir()
    (tmp_path / "..data").symlink_to(moment.name)
    for name, text in {"AWS_ACCESS_KEY_ID": "ada", "TOKEN": "a\n\n", "tls.crt": "x"}.items():
        (moment / name).write_text(text)
        (tmp_path / name).symlink_to(f"..data/{name}")
    return tmp_path


def test_each_file_is_a_variable(folder: Path) -> None:
    """One newline at the end is removed, and names that are not variables' are skipped."""
    environment = {"MLOPS_SECRETS_FOLDER": str(folder)}
    load_secret_files(environment)
    del environment["MLOPS_SECRETS_FOLDER"]
    assert environment == {"AWS_ACCESS_KEY_ID": "ada", "TOKEN": "a\n"}


def test_a_variable_that_is_set_keeps_its_value(folder: Path) -> None:
    """Also if it is empty."""
    environment = {"MLOPS_SECRETS_FOLDER": str(folder), "TOKEN": "", "AWS_ACCESS_KEY_ID": "own"}
    load_secret_files(environment)
    assert (environment["TOKEN"], environment["AWS_ACCESS_KEY_ID"]) == ("", "own")


def test_without_a_folder_nothing_is_read() -> None:
    """An unset or empty variable means that there are no files."""
    for environment in ({}, {"MLOPS_SECRETS_FOLDER": ""}):
        before = dict(environment)
        load_secret_files(environment)
        assert environment == before


@pytest.mark.parametrize("content", [b"a\xff", b"a\0b"], ids=["no text", "null character"])
def test_an_unusable_secret(
    tmp_path: Path, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error names the folder, and does not show the content."""
    (tmp_path / "TOKEN").write_bytes(content)
    monkeypatch.setenv("MLOPS_SECRETS_FOLDER", str(tmp_path))
    with pytest.raises(SettingsError, match=str(tmp_path)) as raised:
        load_secret_files()
    assert "a file is not text" in str(raised.value)


def test_a_missing_folder(tmp_path: Path) -> None:
    """It is an error, because programs would otherwise start without their keys."""
    missing = str(tmp_path / "missing")
    with pytest.raises(SettingsError, match="No such file"):
        load_secret_files({"MLOPS_SECRETS_FOLDER": missing})


PROGRAM = """
import os, pathlib, sys
print(os.environ["AWS_ACCESS_KEY_ID"], sys.argv[1:], __name__)
print("AWS_ACCESS_KEY_ID" in pathlib.Path("/proc/self/environ").read_text())
import neighbour
"""


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", *arguments]
    environment = {"PATH": os.environ["PATH"], "MLOPS_SECRETS_FOLDER": str(folder)}
    return subprocess.run(
        command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )


def test_a_program_in_the_same_process(folder: Path) -> None:
    """It finds its variables, arguments and neighbours; the environment of the process has none."""
    (folder / "program.py").write_text(PROGRAM)
    (folder / "neighbour.py").write_text("print('neighbour')")
    process = run(folder, "pipeline.secret_files", str(folder / "program.py"), "a", "b")
    assert process.stdout.splitlines() == [
        "ada ['a', 'b'] __main__",
        "False",
        "neighbour",
    ], process.stderr


def test_a_module_in_the_same_process(folder: Path) -> None:
    """A name without `.py` is a module; its exit code is that of the process."""
    process = run(folder, "pipeline.secret_files", "json.tool", str(folder / "TOKEN"))
    assert process.returncode != 0
    assert "Expecting value" in process.stderr


@pytest.mark.parametrize("module", ["pipeline", "serving"])
def test_the_programs_read_the_files(tmp_path: Path, module: str) -> None:
    """The command line and the predictor take their settings from the folder."""
    (tmp_path / "MLOPS_SEED").write_text("none")
    process = run(tmp_path, module, *(["settings"] if module == "pipeline" else []))
    assert process.returncode == 1
    assert "MLOPS_SEED is 'none'" in process.stderr
