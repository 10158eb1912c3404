"""Tables of other kinds than the survey: files that `adopt` describes, with blanks."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np

BLANK_RATE = 0.2
ROWS = 600
"""Rows of the mixed table."""
VARIABLE = "TEST_TABLE"
"""Environment variable with the folder of the table that tests/tables are run on."""
DATA, COLUMNS = "table.csv", "table.columns.yaml"
"""Files in that folder."""

Cells = list[list[str]]


@dataclass(frozen=True)
class SourceTable:
    """A table, and what `adopt` is told about it.

    Attributes:
        make: Returns the header and the rows.
        options: Options of `adopt`.
    """

    make: Callable[[], Cells]
    options: Sequence[str]


def make_mixed() -> Cells:
    """Return rows with 40 towns, rare streets, an ordered plan, dates, numbers and a yes or no.

    The label depends on the town, the score and on whether `Visits` is blank.
    """
    random = np.random.default_rng(3)
    header = [
        "Town",
        "Plan",
        "Born",
        "Opened",
        "Closed",
        "Visits",
        "Score",
        "Happy",
        "Street",
        "Left",
    ]
    rows = [header]
    for _ in range(ROWS):
        town = int(40 * random.random() ** 2)
        born = date(1950, 1, 1) + timedelta(days=int(random.integers(18_000)))
        opened = date(2020, 1, 1) + timedelta(days=int(random.integers(1_500)))
        closed = opened + timedelta(days=int(random.integers(400)))
        score, lapsed = round(random.uniform(0, 10), 1), random.random() < BLANK_RATE
        cells = [
            f"Town {town:02}",
            str(random.choice(["low", "medium", "high"])),
            born.isoformat(),
            opened.isoformat(),
            closed.isoformat(),
            str(random.integers(30)),
            str(score),
            str(random.choice(["yes", "no"])),
            f"Street {int(200 * random.random() ** 8)}",
        ]
        _plant_blanks(cells, random)
        if lapsed:
            cells[5] = ""
        risk = 0.05 + 0.4 * (score > 6) + 0.25 * (town % 2) + 0.25 * lapsed
        rows.append([*cells, "yes" if random.random() < risk else "no"])
    return rows


def _plant_blanks(cells: list[str], random: np.random.Generator) -> None:
    for index in np.flatnonzero(random.random(len(cells)) < BLANK_RATE):
        cells[index] = ("", "NA", "null")[int(random.integers(3))]


def make_from_sklearn(name: str) -> Cells:
    """Return a table of scikit-learn with planted blanks in every other column.

    Args:
        name: `wine` or `breast_cancer`.
    """
    from sklearn import datasets

    loaded = getattr(datasets, f"load_{name}")()
    random = np.random.default_rng(0)
    rows = [[*map(str, loaded.feature_names), "outcome"]]
    for values, target in zip(loaded.data.tolist(), loaded.target.tolist(), strict=True):
        cells = [f"{value:g}" for value in values]
        planted = cells[::2]
        _plant_blanks(planted, random)
        cells[::2] = planted
        rows.append([*cells, str(loaded.target_names[target])])
    return rows


def read_file(variable: str, delimiter: str) -> Cells:
    """Return the file that an environment variable names, with planted blanks in its last columns.

    Args:
        variable: Name of the variable.
        delimiter: Delimiter of the file.
    """
    random = np.random.default_rng(0)
    with Path(os.environ[variable]).open(newline="") as file:
        header, *rows = csv.reader(file, delimiter=delimiter)
    for row in rows:
        planted = row[20:-3]
        _plant_blanks(planted, random)
        row[20:-3] = planted
    return [header, *rows]


TABLES = {
    "mixed": SourceTable(make_mixed, ["--label=Left"]),
    "wine": SourceTable(
        lambda: make_from_sklearn("wine"), ["--label=outcome", "--positive=class_0"]
    ),
    "breast_cancer": SourceTable(
        lambda: make_from_sklearn("breast_cancer"), ["--label=outcome", "--positive=malignant"]
    ),
}
if "TEST_UCI" in os.environ:  # path of the UCI file: 33 columns of numbers and text
    TABLES["uci"] = SourceTable(
        lambda: read_file("TEST_UCI", ","), ["--label=G3", "--positive=<10"]
    )


def write_table(name: str, folder: Path) -> list[str]:
    """Write a table as CSV; return the options of `adopt` for it."""
    table = TABLES[name]
    with (folder / DATA).open("w", newline="") as file:
        csv.writer(file).writerows(table.make())
    return [f"--data={folder / DATA}", *table.options]
