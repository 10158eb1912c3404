"""docs/how-to/troubleshoot.md shows the messages that the commands print, where they are cheap."""

from __future__ import annotations

import re
import socket
from pathlib import Path

import pytest

from pipeline.__main__ import main
from pipeline.column_file.reader import read_columns
from pipeline.columns import BUNDLED
from pipeline.data.synthetic import generate_csv
from pipeline.errors import ColumnsError
from pipeline.model.acceptance import ModelRefused
from pipeline.model.bundle import Bundle
from serving.model.served_model import load
from tests.support.forest import make_bundle

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "troubleshoot.md"


def assert_shown(section: str, output: str) -> None:
    """Check that the first message of a section is in the output; `...` stands for any text."""
    found = re.search(rf"^## {section}$.*?^```\n(.*?)\n```", PAGE.read_text(), re.DOTALL | re.M)
    assert found is not None
    message = ".*".join(re.escape(part) for part in found[1].split("..."))
    assert re.search(message, output), (
        f"The page has\n{found[1]}\nbut the command printed\n{output}"
    )


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, below which the lake is created."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_missing_column(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`ingest` refuses a file whose header lacks a column."""
    (folder / "renamed.csv").write_bytes(generate_csv(10, 1).replace(b"Hours of Sleep", b"Sleep"))
    monkeypatch.setenv("MLOPS_INGEST__SOURCE", "renamed.csv")
    assert main(["ingest", "--run-id", "renamed"]) == 3
    assert_shown("A column is missing from the file", "".join(capsys.readouterr()))


def test_too_many_rejected_rows(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`preprocess` stops if more rows are rejected than the setting allows."""
    header, *rows = generate_csv(1000, 1).decode().splitlines()
    rows = [re.sub(r"^[^,]+", "7", row) if index < 78 else row for index, row in enumerate(rows)]
    (folder / "young.csv").write_text("\n".join([header, *rows]))
    monkeypatch.setenv("MLOPS_INGEST__SOURCE", "young.csv")
    assert main(["ingest", "--run-id", "young"]) == 0
    assert main(["preprocess", "--run-id", "young"]) == 3
    assert_shown("Too many rows are rejected", "".join(capsys.readouterr()))


def test_errors_of_the_columns_file(folder: Path) -> None:
    """Every command reports the errors with their lines."""
    text = BUNDLED.read_text().replace("    low: 15\n", "")
    (folder / "own.columns.yaml").write_text(text)
    with pytest.raises(ColumnsError) as raised:
        read_columns(Path("own.columns.yaml"))
    assert_shown("The columns file has an error", f"error: {raised.value}")


def test_a_model_of_another_columns_file() -> None:
    """The message has both hashes and what to do."""
    good = make_bundle()
    manifest = good.manifest.model_copy(update={"columns": "0" * 64})
    with pytest.raises(ModelRefused) as raised:
        load(Bundle(manifest, good.files), "run 1", None, tolerance=1e-4, cache_size=0)
    assert_shown("The predictor refuses a model of another columns file", str(raised.value))


def test_a_misspelt_setting(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An unknown setting is an error, and the message has the nearest name."""
    monkeypatch.setenv("MLOPS_TRAIN__FOLD", "3")
    assert main(["train", "--run-id", "any"]) == 3
    assert_shown("A setting is misspelt", "".join(capsys.readouterr()))


def test_a_port_in_use(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`serve` names the port and the setting that changes it."""
    (folder / "mlflow.db").touch()
    monkeypatch.setenv("MLOPS_MLFLOW__TRACKING_URI", "sqlite:///mlflow.db")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
        monkeypatch.setenv("MLOPS_PREDICTOR__PORT", port)
        assert main(["serve"]) == 1
    assert_shown("A port is in use", "".join(capsys.readouterr()).replace(port, "8000"))
