"""Rows that come at the same time are scored in one run, each by the model that its request took."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from serving.http.requests import Matrix, Row
from serving.model import microbatch
from serving.model.microbatch import Batcher
from serving.model.served_model import Model, ScoredRow
from tests.serving.forest import bundle


class Recording:
    """A scorer that answers age / 100 and keeps how many rows each of its runs had; it fails on an age of 13."""

    def __init__(self) -> None:
        self.runs: list[int] = []

    def __call__(self, matrix: Matrix) -> Matrix:
        self.runs.append(len(matrix))
        if 13 in matrix[:, 0]:
            raise RuntimeError("13")
        scored: Matrix = matrix[:, 0] / np.float32(100)
        return scored


def model_of(scorer: Recording) -> Model:
    return Model(bundle().manifest, scorer, "test", None, 100)


def row(age: int) -> Row:
    return (float(age), 1.0, 6.8, 0.0, 2.1)


def at_once(*asked: tuple[Model, int]) -> list[ScoredRow | BaseException]:
    """What each of these gets when all are asked for in the same turn of the loop."""

    async def ask() -> list[ScoredRow | BaseException]:
        batcher = Batcher()
        return await asyncio.gather(
            *(batcher.score(model, row(age)) for model, age in asked), return_exceptions=True
        )

    return asyncio.run(ask())


def probabilities(answers: list[ScoredRow | BaseException]) -> list[float]:
    return [answer.probability for answer in answers if isinstance(answer, ScoredRow)]


def test_rows_of_one_turn_are_one_run() -> None:
    """Each gets its own row's prediction, and remembers it."""
    scorer = Recording()
    model = model_of(scorer)
    assert probabilities(at_once((model, 20), (model, 30), (model, 40))) == [0.2, 0.3, 0.4]
    assert scorer.runs == [3]
    assert [known.probability for age in (20, 30, 40) if (known := model.cached(row(age)))] == [
        0.2,
        0.3,
        0.4,
    ]


def test_rows_of_later_turns_do_not_wait() -> None:
    """A row alone is a run of its own."""
    scorer = Recording()
    model = model_of(scorer)

    async def one_by_one() -> None:
        batcher = Batcher()
        for age in (20, 30):
            await batcher.score(model, row(age))

    asyncio.run(one_by_one())
    assert scorer.runs == [1, 1]


def test_two_models_are_not_mixed() -> None:
    """When the model is swapped between two requests of a turn, each is answered by the one that it took."""
    old, new = Recording(), Recording()
    before, after = model_of(old), model_of(new)
    assert probabilities(at_once((before, 20), (after, 30), (before, 40))) == [0.2, 0.3, 0.4]
    assert (old.runs, new.runs) == ([1, 1], [1])


def test_a_run_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """More rows than MOST at once are several runs: the loop has others to serve."""
    monkeypatch.setattr(microbatch, "MAX_BATCH", 4)
    scorer = Recording()
    model = model_of(scorer)
    assert len(probabilities(at_once(*((model, age) for age in range(20, 30))))) == 10
    assert scorer.runs == [4, 4, 2]


def test_a_failed_run_is_told_to_all_that_wait() -> None:
    """Nobody waits forever; the next run is not harmed."""
    scorer = Recording()
    model = model_of(scorer)
    assert [str(answer) for answer in at_once((model, 13), (model, 20))] == ["13", "13"]
    assert probabilities(at_once((model, 20))) == [0.2]


def test_a_request_that_is_given_up_harms_no_other() -> None:
    """One that is cancelled while it waits leaves the others of its run their answers, or their error."""
    model = model_of(Recording())

    async def give_one_up(age: int) -> ScoredRow:
        batcher = Batcher()
        given_up, kept = (
            asyncio.create_task(batcher.score(model, row(each))) for each in (20, age)
        )
        asyncio.get_running_loop().call_soon(given_up.cancel)
        return await kept

    assert asyncio.run(give_one_up(30)).probability == 0.3
    with pytest.raises(RuntimeError, match="13"):
        asyncio.run(give_one_up(13))
