"""A loaded model: labels at the threshold, and the memory of answers."""

from __future__ import annotations

import asyncio
import json

import numpy as np
import pytest

from pipeline.columns import FEATURE_NAMES
from pipeline.model.bundle import Bundle
from serving.http.requests import Matrix, Row
from serving.model.microbatch import Batcher
from serving.model.served_model import Model, ScoredRow, load
from tests.serving.forest import bundle

ROW = (31.0, 1.0, 6.8, 0.0, 2.1)


class Counting:
    """A scorer that answers age / 100 and counts its rows."""

    def __init__(self) -> None:
        self.rows = 0

    def __call__(self, matrix: Matrix) -> Matrix:
        self.rows += len(matrix)
        scored: Matrix = matrix[:, 0] / np.float32(100)
        return scored


def model_of(scorer: Counting, threshold: float = 0.5, cache_size: int = 100) -> Model:
    manifest = bundle().manifest.model_copy(update={"threshold": threshold})
    return Model(manifest, scorer, "test", None, cache_size)


def answers(model: Model, rows: list[Row]) -> list[ScoredRow]:
    """Predictions of rows that come one after the other, as the service gives them."""

    async def one_by_one() -> list[ScoredRow]:
        batcher = Batcher()
        return [model.cached(row) or await batcher.score(model, row) for row in rows]

    return asyncio.run(one_by_one())


@pytest.mark.parametrize(
    ("threshold", "label"),
    [(0.35, "fail"), (0.3500001, "pass"), (0.34999999, "fail"), (1 / 3, "fail")],
)
def test_a_probability_at_the_threshold_is_a_fail(threshold: float, label: str) -> None:
    """0.35 in float32 is less than 0.35: the trained model says fail at its own threshold, and so does the served one."""
    scored = model_of(Counting(), threshold).score([(35.0, 1.0, 6.8, 0.0, 2.1)])[0]
    assert float(np.float32(0.35)) < 0.35
    assert json.loads(scored.answer) == {"label": label, "fail_probability": 0.35}


def test_equal_rows_are_scored_once() -> None:
    """A row that was answered lately is answered from memory, with the same bytes."""
    scorer = Counting()
    model = model_of(scorer)
    first = model.score([ROW])[0]
    assert answers(model, [ROW] * 6) == [first] * 6
    assert scorer.rows == 2
    assert answers(model_of(scorer, cache_size=0), [ROW] * 5) == [first] * 5
    assert scorer.rows == 7


def test_memory_is_bounded() -> None:
    """However many rows come, about cache_size are remembered, and a row that keeps coming stays among them."""
    scorer = Counting()
    model = model_of(scorer, cache_size=100)
    for index in range(1_000):
        answers(model, [(float(index), 0.0, 0.0, 0.0, 0.0), ROW])
        assert len(model._young) + len(model._old) <= 100
    assert scorer.rows == 1_001


def test_log_line() -> None:
    """The traffic log's piece of a row is JSON, codes and probability as they were."""
    line = b"{" + model_of(Counting()).score([ROW])[0].log
    assert json.loads(line) == {
        "version": "1",
        **dict(zip(FEATURE_NAMES, ROW, strict=True)),
        "fail_probability": 0.31,
    }


def test_examples_may_differ_by_the_tolerance_alone() -> None:
    """A model that is further from its stored examples than the tolerance is refused."""
    good = bundle()
    stored = good.manifest.examples
    moved = stored.model_copy(
        update={"fail_probability": [probability + 1e-3 for probability in stored.fail_probability]}
    )
    off = Bundle(good.manifest.model_copy(update={"examples": moved}), good.files)
    assert load(off, "test", None, 1e-2, 0)
    with pytest.raises(Exception, match=r"differs from its stored examples by 0\.001"):
        load(off, "test", None, 1e-4, 0)
