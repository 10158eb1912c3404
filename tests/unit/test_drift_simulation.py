"""Simulated drift: what each kind changes, within what the API accepts."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.columns import FEATURE_NAMES, FEATURES, Category, Number
from pipeline.drift.simulation import KINDS, apply_drift
from tests.support.rows import make_students

FRAME = make_students(4_000, 1)
NUMBERS = [feature for feature in FEATURES if isinstance(feature, Number)]
CATEGORIES = [feature for feature in FEATURES if isinstance(feature, Category)]


@pytest.mark.parametrize("kind", KINDS)
def test_rows_stay_acceptable(kind: str) -> None:
    """Every kind returns the features only, within bounds, on steps, with known categories."""
    extreme = FRAME.assign(age=98.0, sleep_hours=23.5, review_hours=0.05)
    for frame in (FRAME, extreme):
        changed = apply_drift(frame, kind, 1)
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
    """Equal arguments give equal rows and do not change the table."""
    before = FRAME.copy()
    assert apply_drift(FRAME, kind, 1).equals(apply_drift(FRAME, kind, 1))
    assert before.equals(FRAME)


def test_none() -> None:
    """The kind `none` changes nothing."""
    assert np.allclose(apply_drift(FRAME, "none", 1), FRAME[list(FEATURE_NAMES)])


def test_scale() -> None:
    """Numbers grow by a fifth, rounded to their step; categories do not change."""
    changed = apply_drift(FRAME, "scale", 1)
    for number in NUMBERS:
        assert (
            np.abs(changed[number.name] - FRAME[number.name] * 1.2).max() <= number.step / 2 + 1e-9
        )
    for category in CATEGORIES:
        assert changed[category.name].equals(FRAME[category.name])


def test_noise() -> None:
    """Numbers keep their mean and change by a tenth of their standard deviation."""
    changed = apply_drift(FRAME, "noise", 1)
    for number in NUMBERS:
        moved = changed[number.name] - FRAME[number.name]
        std = FRAME[number.name].std()
        assert abs(moved.mean()) < 0.01 * std
        assert moved.std() == pytest.approx(np.hypot(0.1 * std, number.step / np.sqrt(12)), rel=0.1)


@pytest.mark.parametrize("seed", range(5))
def test_flip(seed: int) -> None:
    """10 to 15 % of the rows change category, within sampling error; numbers do not change."""
    changed = apply_drift(FRAME, "flip", seed)
    for category in CATEGORIES:
        rate = (changed[category.name] != FRAME[category.name]).mean()
        assert 0.08 < rate < 0.17
    for number in NUMBERS:
        assert np.allclose(changed[number.name], FRAME[number.name])
