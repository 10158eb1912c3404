"""What people read on the console."""

from __future__ import annotations

import pytest

from pipeline.console import format_decision


@pytest.mark.parametrize(
    ("probability", "threshold", "shown"),
    [
        (0.0372, 0.0411, ("0.037", "0.041")),
        (0.14, 0.31, ("0.14", "0.31")),
        (0.3099999, 0.31, ("0.3099999", "0.3100000")),
        (0.31, 0.31, ("0.31", "0.31")),
        (0.349, 0.351, ("0.349", "0.351")),
    ],
)
def test_a_decision_is_shown_with_the_digits_that_decide(
    probability: float, threshold: float, shown: tuple[str, str]
) -> None:
    """A probability below the threshold never reads like one that reached it."""
    assert format_decision(probability, threshold) == shown
