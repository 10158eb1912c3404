"""Splits silver's rows, stratified by the label and seeded, into gold's train, validation and test.

Reads `silver/<run_id>/students.parquet`. Writes `gold/<run_id>/{train,validation,test}.parquet` and, last, their manifest:
hashes of what came in and went out, rows and positive rows of each split, columns, seed and code version.
"""

from __future__ import annotations

import pandas as pd
from sklearn.model_selection import train_test_split

from pipeline.columns import LABEL
from pipeline.console import echo
from pipeline.context import Context
from pipeline.errors import DataError
from pipeline.settings import FeaturesSettings
from pipeline.storage.artifacts import GoldManifest, SilverManifest, SplitFacts
from pipeline.storage.layout import gold_manifest, gold_split, silver_manifest, silver_rows
from pipeline.storage.parquet import from_parquet, to_parquet

LEAST = 2
"""Rows of each class that every split must hold, so that both classes can be learned and measured."""


def run(context: Context) -> None:
    """Reads silver, writes gold."""
    lake, run_id, settings = context.lake, context.run_id, context.settings
    silver = lake.read_model(silver_manifest(run_id), SilverManifest)
    students = from_parquet(lake.read(silver_rows(run_id), silver.sha256))

    splits = {}
    for name, frame in split(students, settings.features, settings.seed).items():
        sha256 = lake.write(gold_split(run_id, name), to_parquet(frame))
        splits[name] = SplitFacts(
            sha256=sha256, rows=len(frame), positives=int(frame[LABEL.name].sum())
        )
    manifest = GoldManifest(
        run_id=run_id,
        bronze=silver.bronze,
        silver=silver.sha256,
        splits=splits,
        columns=list(students.columns),
        seed=settings.seed,
        code_version=settings.code_version,
    )
    lake.write_model(gold_manifest(run_id), manifest)
    counts = ", ".join(
        f"{name} {facts.rows:,} ({facts.positives:,} {LABEL.positive})"
        for name, facts in splits.items()
    )
    echo(f"features: {counts}")


def split(students: pd.DataFrame, settings: FeaturesSettings, seed: int) -> dict[str, pd.DataFrame]:
    """The frame's rows in three disjoint frames with the same share of the label.

    Raises:
        DataError: a class is missing, or has too few rows for three splits.
    """
    label = students[LABEL.name]
    counts = {LABEL.positive: int(label.sum()), LABEL.negative: int((1 - label).sum())}
    for name, rows in counts.items():
        if rows == 0:
            raise DataError(
                f"no row is labelled '{name}' among {len(students):,}; a model needs rows of both classes"
            )
    rest, test = _cut(students, settings.test_fraction, seed)
    train, validation = _cut(
        rest, settings.validation_fraction / (1 - settings.test_fraction), seed
    )
    splits = {"train": train, "validation": validation, "test": test}
    for split_name, frame in splits.items():
        least = min(int(frame[LABEL.name].sum()), int((1 - frame[LABEL.name]).sum()))
        if least < LEAST:
            raise DataError(
                f"the split {split_name} would hold {least} rows of one class, {LEAST} are needed: "
                f"{len(students):,} rows ({counts[LABEL.positive]:,} {LABEL.positive}) are too few; gather more"
            )
    return splits


def _cut(frame: pd.DataFrame, share: float, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    label = frame[LABEL.name]
    if min(label.sum(), (1 - label).sum()) < LEAST:
        raise DataError(
            f"{len(frame):,} rows ({int(label.sum()):,} {LABEL.positive}) are too few to split; "
            f"each class needs at least {3 * LEAST}"
        )
    kept, cut = train_test_split(frame, test_size=share, random_state=seed, stratify=label)
    return kept.sort_index().reset_index(drop=True), cut.sort_index().reset_index(drop=True)
