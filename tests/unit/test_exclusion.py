"""Stages and erasures exclude each other."""

from __future__ import annotations

import pytest

from pipeline.errors import LakeError
from pipeline.storage.exclusion import exclude_erasures, exclude_stages
from pipeline.storage.lake import Lake
from pipeline.storage.layout import RUNNING, running_stage


def test_a_killed_stage_can_be_ignored(lake: Lake) -> None:
    """Its mark is left, and an erasure names it; the option deletes the mark."""
    killed = exclude_erasures(lake, "train", "run-1")
    killed.__enter__()
    with (
        pytest.raises(LakeError, match=r"marks train of the run run-1 as running since.*--ignore"),
        exclude_stages(lake, "ann"),
    ):
        pass
    assert lake.keys(RUNNING) == [running_stage("train", "run-1")]
    with exclude_stages(lake, "ann", ignore_running=True):
        assert len(lake.keys(RUNNING)) == 1
    assert lake.keys(RUNNING) == []


def test_a_killed_erasure_continues(lake: Lake) -> None:
    """Only the erasure of the same person begins, and ends the exclusion."""
    killed = exclude_stages(lake, "ann")
    killed.__enter__()
    with (
        pytest.raises(LakeError, match="marks an erasure as running"),
        exclude_stages(lake, "ben"),
    ):
        pass
    with (
        pytest.raises(LakeError, match=r"marks an erasure.*so train did not start"),
        exclude_erasures(lake, "train", "run-1"),
    ):
        pass
    with exclude_stages(lake, "ann"):
        pass
    assert lake.keys(RUNNING) == []


def test_stages_do_not_exclude_each_other(lake: Lake) -> None:
    """Two runs train at the same time; a stage that fails is no longer marked."""
    with (
        pytest.raises(ValueError, match="failed"),
        exclude_erasures(lake, "train", "run-1"),
        exclude_erasures(lake, "train", "run-2"),
    ):
        raise ValueError("failed")
    assert lake.keys(RUNNING) == []
