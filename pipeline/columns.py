"""The columns file in use, as constants. No other module knows the data set.

The file is columns.yaml in this folder, which describes the survey, or the one that MLOPS_COLUMNS
names. Validation, drift detection, the model's input, the API, its page and the documentation are
derived from it (docs/how-to/bring-your-own-data.md).
"""

from __future__ import annotations

import os
from pathlib import Path

from pipeline.column_file.fingerprint import compute_hash
from pipeline.column_file.kinds import Category, Feature, Number
from pipeline.column_file.model import CardFacts, Expectation, Label, SampleEffect
from pipeline.column_file.names import normalize_name, to_slug, to_title
from pipeline.column_file.reader import COLUMNS_VARIABLE, read_columns

__all__ = [
    "CardFacts",
    "Category",
    "Expectation",
    "Feature",
    "Label",
    "Number",
    "SampleEffect",
    "normalize_name",
]

BUNDLED = Path(__file__).with_name("columns.yaml")

COLUMNS = read_columns(Path(os.environ.get(COLUMNS_VARIABLE) or BUNDLED))

COLUMNS_SHA256 = compute_hash(COLUMNS)
"""Hash of what the file means to a model; a model's manifest has it."""

SUBJECT, SUBJECTS = COLUMNS.subject, COLUMNS.subjects
"""What one row is, and several rows are."""
TITLE = COLUMNS.title or to_title(COLUMNS.label.name)
"""What the model is about."""
MODEL_NAME = to_slug(TITLE)
"""Default name of the registered model and of the MLflow experiment."""
PROBABILITY = "probability"
"""Name of the probability of the positive outcome in answers, logged rows and reports."""
PROBABILITY_FIELDS = tuple(filter(None, (PROBABILITY, COLUMNS.probability_alias)))
"""The names under which the API returns it."""
FEATURES: tuple[Feature, ...] = COLUMNS.features
AUDIT_ONLY: tuple[Feature, ...] = COLUMNS.audit_only
"""Columns that no model sees; reports compare the groups that they divide the rows into."""
ROW_COLUMNS = (*FEATURES, *AUDIT_ONLY)
"""Every column but the label, in the order of silver and gold."""
LABEL = COLUMNS.label
ROLES = COLUMNS.roles
"""The person, the term and the groups of a row, which no model sees."""
IGNORED: tuple[str, ...] = COLUMNS.ignore
"""Headers of columns of the raw file that are not used and not stored."""
SAMPLE_EFFECTS = COLUMNS.sample_effects
EXPECTATIONS = COLUMNS.expectations
CARD = COLUMNS.card
FILE_NOTES = COLUMNS.file_notes
"""SHA-256 of a raw file -> what is known about it, shown with every figure measured on it."""

FEATURE_NAMES: tuple[str, ...] = tuple(feature.name for feature in FEATURES)
SENSITIVE: tuple[str, ...] = tuple(feature.name for feature in FEATURES if feature.sensitive)
"""Names of the sensitive features."""
HAS_BLANKS = not all(feature.required for feature in FEATURES)
"""Whether a feature may be blank. A blank is NaN in rows of numbers."""
UNTIL_COLUMNS = tuple(
    one.until_column for one in ROW_COLUMNS if isinstance(one, Number) and one.until_column
)
"""Headers of the dates that end a time."""
RAW_HEADER: tuple[str, ...] = tuple(
    dict.fromkeys([*(column.raw for column in ROW_COLUMNS), LABEL.raw, *UNTIL_COLUMNS])
)
"""Headers of the features, the audit-only columns, the label and the dates that end a time."""
FEATURE_HEADER: tuple[str, ...] = tuple(
    dict.fromkeys(
        [
            *(feature.raw for feature in FEATURES),
            *(one.until_column for one in FEATURES if isinstance(one, Number) and one.until_column),
        ]
    )
)
"""Headers that a list without outcomes must have: the features and the dates that end a time."""
SOURCE_HEADER: tuple[str, ...] = tuple(
    dict.fromkeys([*RAW_HEADER, *(column.raw for column in ROLES.columns)])
)
"""Headers that a raw file must have."""
