"""The expected performance without labels, compared with NannyML's in its own environment."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipeline.drift.performance import estimate_performance
from tests.bench.environments import create_environment, run_program
from tests.unit.test_drift_performance import NANNYML, PROBABILITY, THRESHOLD

PROGRAMS = Path(__file__).with_name("nannyml")
NANNYMLS_PYTHON = ">=3.11,<3.13"
"""NannyML 0.13 supports no newer Python."""


@pytest.fixture(scope="module")
def python() -> Path:
    """NannyML's interpreter."""
    return create_environment("nannyml", PROGRAMS / "requirements.txt", NANNYMLS_PYTHON)


def ask_nannyml(
    python: Path, probability: np.ndarray[tuple[int], np.dtype[np.float64]], threshold: float
) -> dict[str, float]:
    given = {"probability": probability.tolist(), "threshold": threshold}
    found: dict[str, float] = run_program(
        python, PROGRAMS / "estimate.py", given, NML_DISABLE_USAGE_LOGGING="1"
    )
    return found


@pytest.mark.bench
@pytest.mark.timeout(1_800)
def test_equal_to_nannyml(python: Path) -> None:
    """Recall, precision and ROC AUC are NannyML's to 1e-6: few rows, many, with and without ties.

    The first are the recorded values that tests/unit/test_drift_performance.py compares with.
    """
    random = np.random.default_rng(4)
    repeated = np.tile(PROBABILITY, 20)
    assert ask_nannyml(python, repeated, THRESHOLD) == pytest.approx(NANNYML, abs=1e-9)
    for probability, threshold in (
        (random.beta(1, 8, 500), 0.2),
        (random.beta(1, 20, 20_000), 0.05),
        (np.round(random.beta(1, 8, 2_000), 2), 0.13),
    ):
        expected = ask_nannyml(python, probability, threshold)
        found = estimate_performance(probability, threshold, probability, seed=1)
        values = {name: found[name].value for name in expected}
        assert values == pytest.approx(expected, abs=1e-6)
