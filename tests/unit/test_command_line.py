"""The help, exit codes and errors of `python -m pipeline`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pipeline import stages
from pipeline.__main__ import COMMANDS, main, overview
from pipeline.compute import workers


def test_overview_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    """The help lists every stage and every other command, on standard output."""
    assert main(["--help"]) == 0
    assert capsys.readouterr().out.strip() == overview()
    for name in [*(stage.name for stage in stages.STAGES), *COMMANDS]:
        assert f"  {name} " in overview()


@pytest.mark.parametrize("command", [*(stage.name for stage in stages.STAGES), *COMMANDS])
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """`COMMAND --help` prints the usage."""
    with pytest.raises(SystemExit) as stopped:
        main([command, "--help"])
    assert stopped.value.code == 0
    assert f"python -m pipeline {command}" in capsys.readouterr().out


def test_no_command() -> None:
    """Without a command the exit code is that of wrong usage."""
    assert main([]) == 2


def test_unknown_command(capsys: pytest.CaptureFixture[str]) -> None:
    """The message has the command and the existing ones."""
    assert main(["trian"]) == 2
    message = "'trian' is not a command. Commands: ingest, preprocess"
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("run_id", ["../x", "", "a/b", "a b", "x" * 101])
def test_a_run_id_is_not_a_path(run_id: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A run id that would leave its folder is refused."""
    assert main(["features", "--run-id", run_id or " "]) == stages.EXIT_PERMANENT
    assert "The run id" in capsys.readouterr().err


def test_a_failure_is_one_line(tmp_path: Path) -> None:
    """A failed stage prints one line: no traceback, and no colors without a terminal."""
    process = subprocess.run(
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
    assert process.returncode == 1
    assert process.stderr.splitlines() == [
        "error: nowhere.csv cannot be read: No such file or directory. Check MLOPS_INGEST__SOURCE"
    ]
    assert process.stdout == ""


def test_imports_have_no_side_effects() -> None:
    """Importing a module prints nothing and reads no setting."""
    names = [
        ".".join(path.with_suffix("").parts)
        for path in sorted(Path("pipeline").rglob("*.py"))
        if not path.stem.startswith("__")
    ]
    program = "import importlib\n" + "\n".join(
        f"importlib.import_module({name!r})" for name in names
    )
    environment = {"PYTHONPATH": str(Path.cwd()), "MLOPS_NO_SUCH_SETTING": "1", "PATH": ""}
    process = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        capture_output=True,
        check=False,
        text=True,
    )
    assert (process.returncode, process.stdout, process.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("stage", "code"), [("score", stages.EXIT_SKIPPED), ("features", stages.EXIT_FAILED)]
)
def test_a_skipped_and_a_failed_stage_report_their_workers(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, stage: str, code: int
) -> None:
    """Dask's report is kept of a stage that has nothing to do, and of one that ends with an error.

    Here there is no list to score, and nothing to split.
    """
    monkeypatch.setenv("MLOPS_LAKE__URL", f"file://{tmp_path}")
    written = []
    monkeypatch.setattr(
        workers, "write_report", lambda lake, run_id, stage: written.append((run_id, stage))
    )
    assert main([stage, "--run-id", "run-1"]) == code
    assert written == [("run-1", stage)]
