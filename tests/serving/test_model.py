"""A loaded model: labels at the threshold, the cache, and the check of stored examples."""

from __future__ import annotations

import asyncio
import json

import numpy as np
import pytest

from pipeline.columns import COLUMNS_SHA256, FEATURE_NAMES, PROBABILITY_FIELDS
from pipeline.model.acceptance import ModelRefused
from pipeline.model.bundle import Bundle
from serving.http.rows import Matrix, Row
from serving.model.microbatch import Batcher
from serving.model.served_model import Model, ScoredRow, load
from tests.support.forest import make_bundle

ROW = (31.0, 1.0, 6.8, 0.0, 2.1)


class CountingScorer:
    """Returns age / 100 and counts its rows."""

    def __init__(self) -> None:
        self.rows = 0

    def __call__(self, matrix: Matrix) -> Matrix:
        self.rows += len(matrix)
        scored: Matrix = matrix[:, 0] / np.float32(100)
        return scored


def make_model(scorer: CountingScorer, threshold: float = 0.5, cache_size: int = 100) -> Model:
    bundle = make_bundle()
    manifest = bundle.manifest.model_copy(update={"threshold": threshold})
    return Model(Bundle(manifest, bundle.files), scorer, "test", None, cache_size)


def predict(model: Model, rows: list[Row]) -> list[ScoredRow]:
    """Predict rows one after the other, as the service does."""

    async def predict_all() -> list[ScoredRow]:
        batcher = Batcher()
        return [model.cached(row) or await batcher.score(model, row) for row in rows]

    return asyncio.run(predict_all())


@pytest.mark.parametrize(
    ("threshold", "label"),
    [(0.35, "fail"), (0.3500001, "pass"), (0.34999999, "fail"), (1 / 3, "fail")],
)
def test_label_of_a_probability_at_the_threshold(threshold: float, label: str) -> None:
    """0.35 in float32 is less than 0.35, yet it is positive, as in the trained model."""
    scored = make_model(CountingScorer(), threshold).score([(35.0, 1.0, 6.8, 0.0, 2.1)])[0]
    assert float(np.float32(0.35)) < 0.35
    assert json.loads(scored.answer) == {
        "label": label,
        **dict.fromkeys(PROBABILITY_FIELDS, 0.35),
    }


def test_equal_rows_are_scored_once() -> None:
    """A cached row gets the same bytes as before; a cache size of 0 disables the cache."""
    scorer = CountingScorer()
    model = make_model(scorer)
    first = model.score([ROW])[0]
    assert predict(model, [ROW] * 6) == [first] * 6
    assert scorer.rows == 2
    assert predict(make_model(scorer, cache_size=0), [ROW] * 5) == [first] * 5
    assert scorer.rows == 7


def test_the_cache_is_bounded() -> None:
    """About cache_size rows are cached, and a frequent row stays among them."""
    scorer = CountingScorer()
    model = make_model(scorer, cache_size=100)
    others = [(float(index), 0.0, 0.0, 0.0, 0.0) for index in range(1_000)]
    for row in others:
        predict(model, [row, ROW])
    assert scorer.rows == 1_001
    assert sum(model.cached(row) is not None for row in others) <= 100


def test_line_of_the_traffic_log() -> None:
    """A row's part of the log is JSON with its codes and its probability."""
    line = b"{" + make_model(CountingScorer()).score([ROW])[0].log
    assert json.loads(line) == {
        "version": "1",
        **dict(zip(FEATURE_NAMES, ROW, strict=True)),
        "probability": 0.31,
    }


def test_examples_may_differ_by_the_tolerance() -> None:
    """A model that differs from its stored examples by more is refused."""
    good = make_bundle()
    stored = good.manifest.examples
    moved = stored.model_copy(
        update={"probability": [probability + 1e-3 for probability in stored.expected]}
    )
    bundle = Bundle(good.manifest.model_copy(update={"examples": moved}), good.files)
    assert load(bundle, "test", None, tolerance=1e-2, cache_size=0)
    with pytest.raises(ModelRefused, match=r"differs from its stored examples by 0\.001"):
        load(bundle, "test", None, tolerance=1e-4, cache_size=0)


def test_a_model_of_another_columns_file_is_refused() -> None:
    """The manifest has the hash of the file; one of an earlier release has none and is loaded."""
    good = make_bundle()
    for columns in (None, COLUMNS_SHA256):
        manifest = good.manifest.model_copy(update={"columns": columns})
        assert load(Bundle(manifest, good.files), "test", None, tolerance=1e-2, cache_size=0)
    manifest = good.manifest.model_copy(update={"columns": "0" * 64})
    with pytest.raises(ModelRefused, match=r"test was trained with another columns file.*Train a"):
        load(Bundle(manifest, good.files), "test", None, tolerance=1e-2, cache_size=0)
