"""A stage refuses a table that its memory cannot hold, with a sentence and without a retry."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import joblib
import pytest

from pipeline import __main__, memory, stages
from pipeline.context import Context
from pipeline.errors import MemoryLimitError
from pipeline.memory import (
    NEEDS,
    PROCESSES_VARIABLE,
    Limit,
    TableSize,
    check_memory,
    find_limit,
    limit_processes,
)
from pipeline.settings import Settings
from pipeline.stages import features, ingest, preprocess
from pipeline.storage.layout import train_report


@pytest.fixture
def limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file with the memory limit of the container; there is none before it is written."""
    path = tmp_path / "memory.max"
    monkeypatch.setattr(memory, "CGROUP_FILES", (tmp_path / "absent", path))
    return path


def test_the_limit_of_the_container(limit: Path) -> None:
    """The memory of the machine counts if there is no container, or it has no limit."""
    machine = find_limit()
    assert not machine.is_container
    for text in ("max\n", "9223372036854771712\n"):
        limit.write_text(text)
        assert find_limit() == machine
    limit.write_text(f"{512 << 20}\n")
    assert (find_limit().mebibytes, find_limit().is_container) == (512, True)


def test_a_table_that_does_not_fit(limit: Path) -> None:
    """The message has the table, what it needs, the limit and what to set."""
    limit.write_text(str(512 << 20))
    check_memory("train", TableSize(1_000_000, 2, 2), "lake/x", "MLOPS_X")
    with pytest.raises(
        MemoryLimitError,
        match=r"^train needs about [\d,]+ MiB of memory for 50,000,000 rows and 6 columns "
        r"\(7 for trees\) of lake/x, but the limit of its container is 512 MiB\. "
        r"Raise it \(chart value stages\.train\.resources\.limits\.memory\), or lower MLOPS_X$",
    ):
        check_memory("train", TableSize(50_000_000, 6, 7), "lake/x", "MLOPS_X")
    limit.write_text("max")
    with pytest.raises(MemoryLimitError, match=r"but this machine has [\d,]+ MiB\. Run it on"):
        check_memory("train", TableSize(10**12, 6, 7), "lake/x", "MLOPS_X")


def test_categories_count_once_per_code(limit: Path) -> None:
    """20 categories of 40 codes have 800 bytes of bins in a row, and so need more than numbers."""
    limit.write_text(str(2 << 30))
    check_memory("train", TableSize(2_000_000, 21, 20), "lake/x", "MLOPS_X")
    with pytest.raises(MemoryLimitError, match=r"21 columns \(800 for trees\) of lake/x"):
        check_memory("train", TableSize(2_000_000, 21, 800), "lake/x", "MLOPS_X")


def test_a_refused_stage_is_not_repeated(
    limit: Path,
    make_context: Callable[..., Context],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """It exits with the code that Airflow does not retry, and writes nothing."""
    context = make_context(ingest={"source": "sample:400"})
    for stage in (ingest, preprocess, features):
        stage.run(context)
    limit.write_text(str(100 << 20))
    monkeypatch.setattr(__main__, "open_context", lambda *_: context)
    monkeypatch.setattr(Settings, "load", lambda: context.settings)
    code = __main__.main(["train", "--run-id", "run-1"])
    assert code == stages.EXIT_PERMANENT
    assert "error: train needs about" in capsys.readouterr().err
    assert not context.lake.exists(train_report("run-1"))


def test_every_estimate_is_of_a_stage_that_fits_its_pod() -> None:
    """With the survey's thousand rows, each stage needs less than the default limit of its pod."""
    for name, need in NEEDS.items():
        text = stages.get_stage(name).resources.memory_limit
        mebibytes = int(text[:-2]) * {"Mi": 1, "Gi": 1024}[text[-2:]]
        assert need.estimate(TableSize(1000, 6, 7)) < mebibytes


def test_processes_fit_into_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the number of cores, a small pod fits its models in one process."""
    monkeypatch.delenv(PROCESSES_VARIABLE, raising=False)
    monkeypatch.setattr(memory, "find_limit", lambda: Limit(1_100, is_container=True))
    limit_processes()
    assert joblib.effective_n_jobs(-1) == 1
    monkeypatch.delenv(PROCESSES_VARIABLE)
    monkeypatch.setattr(memory, "find_limit", lambda: Limit(2_600, is_container=True))
    limit_processes(held_bytes=1_500 << 20)
    assert os.environ[PROCESSES_VARIABLE] == "1"
