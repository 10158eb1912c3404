"""The risk in words."""

from __future__ import annotations

import pytest

from serving.model.wording import describe_risk, format_odds


@pytest.mark.parametrize(
    ("probability", "odds"),
    [
        (0.0, "1 in 1,000"),
        (0.05, "1 in 20"),
        (0.112, "1 in 9"),
        (0.4, "4 in 10"),
        (0.45, "5 in 10"),
        (1.0, "10 in 10"),
    ],
)
def test_odds(probability: float, odds: str) -> None:
    """Half is rounded up, as the page does."""
    assert format_odds(probability) == odds


def test_the_sentence_compares_with_the_average() -> None:
    """Nothing is said about values that the model did not learn from."""
    plain = describe_risk(0.11, 0.05, is_flagged=True, is_outside=False)
    assert plain == "About 1 in 9 students with such values fail; on average, 1 in 20 do."
    rare = describe_risk(0.0004, 0.05, is_flagged=False, is_outside=False)
    assert rare.startswith("Fewer than 1 in 1,000 students")
    outside = describe_risk(0.11, 0.05, is_flagged=True, is_outside=True)
    assert outside == "The model did not learn from such values, so this risk says little."


def test_a_flag_below_the_average_is_not_silent() -> None:
    """It happens if the threshold is below the average."""
    sentence = describe_risk(0.03, 0.05, is_flagged=True, is_outside=False)
    assert sentence.endswith("1 in 20 do. The threshold is below the average risk.")
    assert "threshold" not in describe_risk(0.03, 0.05, is_flagged=False, is_outside=False)
