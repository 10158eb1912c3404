"""A predictor of a table with 60 features in sections, and with a key."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.predictor import ROOT, start_predictor, wait_until_ready

FEATURES = [f"width_{index}" for index in range(50)] + [f"shape_{index}" for index in range(10)]
SECTIONS = ("Cells", "Nuclei", "Borders")
NUMBER = """
  - {{kind: number, name: {name}, raw: {name}, low: 0, high: 100, typical: [0, 50], step: 0.1,
     unit: mm, description: Mean of {name}, example: 20, section: {section}}}"""
CATEGORY = """
  - {{kind: category, name: {name}, raw: {name}, codes: {{round: 0, oval: 1}},
     frequencies: [0.5, 0.5], description: Kind of {name}, example: oval, section: {section}}}"""
LABEL = """
label:
  name: malignant
  raw: Malignant
  positive_raw: 1
  negative_raw: 0
  positive: malignant
  negative: benign
  rate: 0.4
  description: Whether the tumour is malignant
  verb: turn out malignant
key: {name: case, raw: Case number}
sample_effects:
  - {feature: width_41, low: 25, high: 101, weight: 4}
  - {feature: shape_3, low: 1, high: 2, weight: 3}
"""
WRITE_BUNDLE = """
import sys
from pathlib import Path
from pipeline.model.bundle import write_fallback
from tests.support.forest import make_bundle
from tests.support.predictor import open_disk_lake
write_fallback(open_disk_lake(Path(sys.argv[1])), make_bundle())
"""


def write_columns() -> str:
    """Return the text of the columns file."""
    lines = ["title: Breast tumours\nsubject: tumour\nsubjects: tumours\nfeatures:"]
    for index, name in enumerate(FEATURES):
        template = NUMBER if name.startswith("width") else CATEGORY
        lines.append(template.format(name=name, section=SECTIONS[index % len(SECTIONS)]))
    return "".join(lines) + LABEL


@contextmanager
def serve_wide_table(folder: Path) -> Iterator[str]:
    """Serve a forest that was trained on generated rows; yields the predictor's URL."""
    with serve_columns(folder, write_columns(), WRITE_BUNDLE) as url:
        yield url


@contextmanager
def serve_columns(folder: Path, text: str, write_bundle: str) -> Iterator[str]:
    """Serve a model of another table than the survey.

    Args:
        folder: Folder of the columns file and of the lake.
        text: Text of the columns file.
        write_bundle: Program that writes the model to the lake in the folder of its argument.

    Yields:
        The predictor's URL.
    """
    path = folder / "other.columns.yaml"
    path.write_text(text)
    columns = {"MLOPS_COLUMNS": str(path)}
    subprocess.run(
        [sys.executable, "-c", write_bundle, str(folder)],
        check=True,
        cwd=ROOT,
        env=os.environ | columns,
    )
    with start_predictor(folder, columns) as predictor:
        wait_until_ready(predictor)
        yield predictor.url
