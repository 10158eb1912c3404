"""A predictor of a table with dates, blanks, a category of unknown values and a key."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.wide_table import serve_columns

COLUMNS = """
subject: visitor
subjects: visitors
features:
  - {kind: number, name: age, raw: Born, low: 18, high: 90, typical: [20, 80], step: 0.01,
     unit: years, description: Age, example: 40, until: 2026-01-31, date_format: "%d.%m.%Y",
     required: false}
  - {kind: number, name: stay, raw: Arrived, low: 0, high: 400, typical: [0, 60], step: 1,
     unit: days, description: Days in the house, example: 10, until: Left,
     date_format: "%d.%m.%Y"}
  - {kind: number, name: visits, raw: Visits, low: 0, high: 100, typical: [0, 20], step: 1,
     unit: "", description: Number of visits, example: 3, required: false}
  - {kind: category, name: town, raw: Town, codes: {ulm: 0, kiel: 1, other: 2},
     frequencies: [0.4, 0.4, 0.2], description: Town, example: ulm, raw_values: names,
     unknown: other, required: false}
label:
  name: lost
  raw: Result
  positive_raw: lost
  negative_raw: kept
  positive: lost
  negative: kept
  rate: 0.3
  description: Whether the visitor was lost
key: {name: person, raw: Card}
"""
WRITE_BUNDLE = """
import sys
from pathlib import Path
from pipeline.model.bundle import write_fallback
from tests.support.predictor import open_disk_lake
from tests.support.wide_bundle import make_small_bundle
write_fallback(open_disk_lake(Path(sys.argv[1])), make_small_bundle())
"""


@contextmanager
def serve_dated_table(folder: Path) -> Iterator[str]:
    """Serve a model that was trained on random rows; yields the predictor's URL."""
    with serve_columns(folder, COLUMNS, WRITE_BUNDLE) as url:
        yield url
