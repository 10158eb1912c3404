"""The generator is seeded, keeps to the contract, and has the survey's class balance."""

from __future__ import annotations

from pipeline.columns import LABEL
from pipeline.data.synthetic import generate_csv
from pipeline.stages.preprocess import read_raw, split


def test_equal_seeds_equal_bytes() -> None:
    """One seed gives the same bytes; another gives others."""
    assert generate_csv(50, 1) == generate_csv(50, 1)
    assert generate_csv(50, 1) != generate_csv(50, 2)


def test_keeps_to_the_contract() -> None:
    """No generated row is rejected, and the share of the label is the survey's."""
    students, rejected = split(read_raw(generate_csv(20_000, 3).decode()))
    assert len(rejected) == 0
    assert abs(students[LABEL.name].mean() - LABEL.rate) < 0.005
