"""`python -m pipeline` explains itself, and its exit codes are those that Airflow is told."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pipeline import stages
from pipeline.__main__ import COMMANDS, main, overview


def test_overview_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    """The help page names every stage and every other command, on standard output."""
    assert main(["--help"]) == 0
    assert capsys.readouterr().out.strip() == overview()
    for name in [*(stage.name for stage in stages.STAGES), *COMMANDS]:
        assert f"  {name} " in overview()


@pytest.mark.parametrize("command", [*(stage.name for stage in stages.STAGES), *COMMANDS])
def test_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """`COMMAND --help` says what it does."""
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    assert f"python -m pipeline {command}" in capsys.readouterr().out


def test_no_command() -> None:
    """Without a command the help page is shown as wrong usage."""
    assert main([]) == 2


def test_unknown_command(capsys: pytest.CaptureFixture[str]) -> None:
    """A command that is not there is named, with those that are."""
    assert main(["trian"]) == 2
    assert (
        "'trian' is not a command; the commands are ingest, preprocess" in capsys.readouterr().err
    )


@pytest.mark.parametrize("run_id", ["../x", "", "a/b", "a b", "x" * 101])
def test_run_id_is_no_path(run_id: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A run id that could leave its folder is refused."""
    assert main(["features", "--run-id", run_id or " "]) == stages.EXIT_PERMANENT
    assert "The run id" in capsys.readouterr().err


def test_failure_is_a_sentence_without_a_traceback(tmp_path: Path) -> None:
    """A failed stage exits with 1 and one plain line; no colours where there is no terminal."""
    ended = subprocess.run(
        [sys.executable, "-m", "pipeline", "ingest", "--run-id", "x"],
        env={
            "MLOPS_INGEST__SOURCE": "nowhere.csv",
            "MLOPS_LAKE__URL": f"file://{tmp_path}",
            "PATH": "",
        },
        capture_output=True,
        check=False,
        text=True,
    )
    assert ended.returncode == 1
    assert ended.stderr.splitlines() == [
        "error: nowhere.csv cannot be read: No such file or directory; MLOPS_INGEST__SOURCE names the source"
    ]
    assert ended.stdout == ""


def test_importing_does_nothing() -> None:
    """Importing any module of ours prints nothing, writes nothing, and reads no environment variable that could fail it."""
    names = [path.stem for path in Path("pipeline").glob("*.py") if not path.stem.startswith("__")]
    program = "import importlib\n" + "\n".join(
        f"importlib.import_module('pipeline.{name}')" for name in sorted(names)
    )
    environment = {"PYTHONPATH": str(Path.cwd()), "MLOPS_NO_SUCH_SETTING": "1", "PATH": ""}
    ended = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        capture_output=True,
        check=False,
        text=True,
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
