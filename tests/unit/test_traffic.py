"""Traffic that drifts: what each kind does to the rows, within what the API accepts; and sending that gives up in time."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.columns import FEATURE_NAMES, FEATURES, Category, Number
from pipeline.commands import traffic
from pipeline.commands.traffic import KINDS, drifted, send
from pipeline.errors import PipelineError
from tests.unit.test_drift_report import students

FRAME = students(4_000, 1)
NUMBERS = [feature for feature in FEATURES if isinstance(feature, Number)]
CATEGORIES = [feature for feature in FEATURES if isinstance(feature, Category)]


@pytest.mark.parametrize("kind", KINDS)
def test_rows_stay_acceptable(kind: str) -> None:
    """Every kind gives the features alone, within their bounds, on their steps, of known categories."""
    extreme = FRAME.assign(age=98.0, sleep_hours=23.5, review_hours=0.05)
    for frame in (FRAME, extreme):
        changed = drifted(frame, kind, 1)
        assert tuple(changed.columns) == FEATURE_NAMES
        assert len(changed) == len(frame)
        for number in NUMBERS:
            assert changed[number.name].between(number.low, number.high).all()
            steps = changed[number.name] / number.step
            assert np.allclose(steps, steps.round())
        for category in CATEGORIES:
            assert changed[category.name].isin(list(category.codes.values())).all()


@pytest.mark.parametrize("kind", KINDS)
def test_one_seed_gives_the_same_rows(kind: str) -> None:
    """Equal arguments give equal rows, and leave the frame as it was."""
    before = FRAME.copy()
    assert drifted(FRAME, kind, 1).equals(drifted(FRAME, kind, 1))
    assert before.equals(FRAME)


def test_none() -> None:
    """Without drift the rows are as they were."""
    assert np.allclose(drifted(FRAME, "none", 1), FRAME[list(FEATURE_NAMES)])


def test_scale() -> None:
    """Numbers grow by a fifth, up to their step; categories stay."""
    changed = drifted(FRAME, "scale", 1)
    for number in NUMBERS:
        assert (
            np.abs(changed[number.name] - FRAME[number.name] * 1.2).max() <= number.step / 2 + 1e-9
        )
    for category in CATEGORIES:
        assert changed[category.name].equals(FRAME[category.name])


def test_noise() -> None:
    """Numbers keep their mean, and move by a tenth of their deviation; categories stay."""
    changed = drifted(FRAME, "noise", 1)
    for number in NUMBERS:
        moved = changed[number.name] - FRAME[number.name]
        deviation = FRAME[number.name].std()
        assert abs(moved.mean()) < 0.01 * deviation
        assert moved.std() == pytest.approx(
            np.hypot(0.1 * deviation, number.step / np.sqrt(12)), rel=0.1
        )


@pytest.mark.parametrize("seed", range(5))
def test_flip(seed: int) -> None:
    """Between 10 and 15 % of each category's rows change, give or take their chance; numbers stay."""
    changed = drifted(FRAME, "flip", seed)
    for category in CATEGORIES:
        share = (changed[category.name] != FRAME[category.name]).mean()
        assert 0.08 < share < 0.17
    for number in NUMBERS:
        assert np.allclose(changed[number.name], FRAME[number.name])


def test_nobody_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nobody listens, sending ends after a few tries with the URL and what to do."""
    monkeypatch.setattr(traffic, "PAUSE_SECONDS", 0.001)
    with pytest.raises(
        PipelineError,
        match=r"no answer from http://127\.0\.0\.1:9/predict after 5 tries .* `make serve`",
    ):
        send("http://127.0.0.1:9", FRAME.head(3))
