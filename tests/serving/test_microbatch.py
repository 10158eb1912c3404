"""Concurrent rows are scored in one run, each by the model that its request uses."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from serving.http.rows import Matrix, Row
from serving.model import microbatch
from serving.model.microbatch import Batcher
from serving.model.served_model import Model, ScoredRow
from tests.support.forest import make_bundle

BROKEN_AGE = 13


class RecordingScorer:
    """Returns age / 100, records the rows of each run, and fails on BROKEN_AGE."""

    def __init__(self) -> None:
        self.runs: list[int] = []

    def __call__(self, matrix: Matrix) -> Matrix:
        self.runs.append(len(matrix))
        if BROKEN_AGE in matrix[:, 0]:
            raise RuntimeError("broken")
        scored: Matrix = matrix[:, 0] / np.float32(100)
        return scored


def make_model(scorer: RecordingScorer) -> Model:
    return Model(make_bundle(), scorer, "test", None, 100)


def make_row(age: int) -> Row:
    return (float(age), 1.0, 6.8, 0.0, 2.1)


def score_concurrently(*requests: tuple[Model, int]) -> list[ScoredRow | BaseException]:
    """The result of each request, all made in the same iteration of the event loop."""

    async def score() -> list[ScoredRow | BaseException]:
        batcher = Batcher()
        return await asyncio.gather(
            *(batcher.score(model, make_row(age)) for model, age in requests),
            return_exceptions=True,
        )

    return asyncio.run(score())


def probabilities(results: list[ScoredRow | BaseException]) -> list[float]:
    return [result.probability for result in results if isinstance(result, ScoredRow)]


def test_concurrent_rows_are_scored_in_one_run() -> None:
    """Each request gets the prediction of its own row, which is cached."""
    scorer = RecordingScorer()
    model = make_model(scorer)
    results = score_concurrently((model, 20), (model, 30), (model, 40))
    assert probabilities(results) == [0.2, 0.3, 0.4]
    assert scorer.runs == [3]
    assert [model.cached(make_row(age)) for age in (20, 30, 40)] == results


def test_later_rows_do_not_wait() -> None:
    """A row without concurrent ones is scored in a run of its own."""
    scorer = RecordingScorer()
    model = make_model(scorer)

    async def score_one_by_one() -> None:
        batcher = Batcher()
        for age in (20, 30):
            await batcher.score(model, make_row(age))

    asyncio.run(score_one_by_one())
    assert scorer.runs == [1, 1]


def test_models_are_not_mixed() -> None:
    """If the model is replaced between two requests, each is scored by its own model."""
    old, new = RecordingScorer(), RecordingScorer()
    before, after = make_model(old), make_model(new)
    results = score_concurrently((before, 20), (after, 30), (before, 40))
    assert probabilities(results) == [0.2, 0.3, 0.4]
    assert (old.runs, new.runs) == ([1, 1], [1])


def test_the_size_of_a_run_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    """More than MAX_BATCH concurrent rows are scored in several runs."""
    monkeypatch.setattr(microbatch, "MAX_BATCH", 4)
    scorer = RecordingScorer()
    model = make_model(scorer)
    results = score_concurrently(*((model, age) for age in range(20, 30)))
    assert len(probabilities(results)) == 10
    assert scorer.runs == [4, 4, 2]


def test_every_request_of_a_failed_run_gets_the_error() -> None:
    """No request waits forever, and the next run works."""
    model = make_model(RecordingScorer())
    failed = score_concurrently((model, BROKEN_AGE), (model, 20))
    assert [str(result) for result in failed] == ["broken", "broken"]
    assert probabilities(score_concurrently((model, 20))) == [0.2]


def test_a_cancelled_request_does_not_affect_the_others() -> None:
    """The other requests of its run get their predictions, or their error."""
    model = make_model(RecordingScorer())

    async def cancel_one(age: int) -> ScoredRow:
        batcher = Batcher()
        cancelled, kept = (
            asyncio.create_task(batcher.score(model, make_row(each))) for each in (20, age)
        )
        asyncio.get_running_loop().call_soon(cancelled.cancel)
        return await kept

    assert asyncio.run(cancel_one(30)).probability == 0.3
    with pytest.raises(RuntimeError, match="broken"):
        asyncio.run(cancel_one(BROKEN_AGE))
