"""A long and wide table of numbers, text categories and dates, with blanks, drawn column by column.

tests/support/tables.py has small tables of the same kinds.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

NUMBERS, TEXTS, LEVELS = 78, 20, 40
BLANK_RATE = 0.2
OPTIONS = ("--label=outcome", "--positive=yes")
"""Options of `adopt` for the table."""


def write_wide_table(path: Path, rows: int, seed: int = 1) -> None:
    """Write the table as CSV: 78 numbers, 20 texts of 40 levels and 2 dates, 20 % of them blank.

    The label depends on two of the numbers and on one of the texts.
    """
    random = np.random.default_rng(seed)
    numbers = np.round(random.normal(50, 10, (rows, NUMBERS)), 2)
    levels = random.integers(0, LEVELS, (rows, TEXTS))
    start = np.datetime64("2020-01-01") + random.integers(0, 1_500, rows)
    columns: dict[str, np.ndarray] = {
        **{f"number {at}": numbers[:, at].astype(str) for at in range(NUMBERS)},
        **{f"text {at}": np.char.add("level ", levels[:, at].astype(str)) for at in range(TEXTS)},
        "enrolled": start.astype(str),
        "left": (start + random.integers(30, 900, rows)).astype(str),
    }
    for name, cells in columns.items():
        columns[name] = np.where(random.random(rows) < BLANK_RATE, "", cells)
    score = (numbers[:, 0] - 50) / 10 + 1.5 * (numbers[:, 1] > 55) + 1.5 * (levels[:, 0] % 4 == 0)
    is_positive = random.random(rows) < 1 / (1 + np.exp(2.2 - score))
    columns["outcome"] = np.where(is_positive, "yes", "no")
    pd.DataFrame(columns).to_csv(path, index=False)
