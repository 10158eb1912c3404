"""Generated survey files."""

from __future__ import annotations

import csv
import io

from pipeline.columns import LABEL, RAW_HEADER
from pipeline.data.cells import parse_csv
from pipeline.data.contract import validate_rows
from pipeline.data.synthetic import generate_csv


def test_header() -> None:
    """The file has the survey's header."""
    text = generate_csv(1, 1).decode()
    assert tuple(next(csv.reader(io.StringIO(text)))) == RAW_HEADER


def test_equal_seeds_give_equal_bytes() -> None:
    """Equal seeds give equal files, different seeds different ones."""
    assert generate_csv(50, 1) == generate_csv(50, 1)
    assert generate_csv(50, 1) != generate_csv(50, 2)


def test_rows_are_valid() -> None:
    """Every row keeps the contract, and the positive rate is the survey's."""
    valid, rejected = validate_rows(parse_csv(generate_csv(20_000, 3)))
    assert len(rejected) == 0
    assert abs(valid[LABEL.name].mean() - LABEL.rate) < 0.005
