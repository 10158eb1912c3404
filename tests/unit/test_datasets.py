"""The splits that models are compared on."""

from __future__ import annotations

import pandas as pd
import pytest

from pipeline.column_file.checks import SPLIT_UNIT
from pipeline.columns import FEATURE_NAMES, LABEL
from pipeline.errors import DataError
from pipeline.evaluation.datasets import draw_independent_rows, drop_training_rows
from pipeline.model.bundle import Lineage
from pipeline.storage.lake import Lake
from pipeline.storage.layout import TRAINING_SPLITS, gold_split
from pipeline.storage.parquet import to_parquet
from tests.support.rows import make_students

ROWS = make_students(6, 1)[[*FEATURE_NAMES, LABEL.name]]


def write_gold(lake: Lake, frame: pd.DataFrame) -> Lineage:
    """Write training splits that are all equal to this frame; returns their lineage."""
    gold = {
        split: lake.write(gold_split("old", split), to_parquet(frame)) for split in TRAINING_SPLITS
    }
    return Lineage(
        pipeline_run_id="old", bronze="", silver="", gold=gold, code_version="", image=""
    )


def test_rows_that_the_model_learned_from_are_dropped(lake: Lake) -> None:
    """The others stay, in their order."""
    rest = drop_training_rows(lake, ROWS, write_gold(lake, ROWS[1:4]))
    pd.testing.assert_frame_equal(rest, ROWS.iloc[[0, 4, 5]].reset_index(drop=True))


def test_one_row_of_each_person_is_drawn() -> None:
    """Units of e-values must be independent; without persons all rows are kept."""
    assert draw_independent_rows(ROWS, seed=1) is ROWS
    numbered = ROWS.assign(**{SPLIT_UNIT: [3, 1, 3, 3, 2, 1]})
    draws = [draw_independent_rows(numbered, seed) for seed in range(20)]
    assert all(sorted(drawn[SPLIT_UNIT]) == [1, 2, 3] for drawn in draws)
    assert len({tuple(drawn.index) for drawn in draws}) == 1
    assert len({tuple(drawn["sleep_hours"]) for drawn in draws}) > 1
    pd.testing.assert_frame_equal(draws[0], draw_independent_rows(numbered, 0))


def test_a_model_of_other_columns_is_named(lake: Lake) -> None:
    """A champion that was trained before a column was added cannot be compared."""
    lineage = write_gold(lake, ROWS.drop(columns=["review_hours"]))
    message = r"gold/old/train.parquet lacks the columns review_hours .*\(MLOPS_MLFLOW__NAME\)"
    with pytest.raises(DataError, match=message):
        drop_training_rows(lake, ROWS, lineage)
