"""Split silver's rows into train, validation and test, stratified by the label: silver to gold.

Reads `silver/<run_id>/students.parquet`. Writes `gold/<run_id>/{train,validation,test}.parquet`
and, last, their manifest: the hashes of input and output, the number of rows and positive rows of
each split, the columns, the seed and the code version.
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
from pipeline.storage.layout import SPLITS, gold_manifest, gold_split, silver_manifest, silver_rows
from pipeline.storage.parquet import from_parquet, to_parquet

MIN_ROWS_PER_CLASS = 2
"""Rows of each class that a split needs: both classes are trained on and measured."""


def run(context: Context) -> None:
    """Split the run's valid rows and write them to gold.

    Raises:
        DataError: If a class is missing, or has too few rows for three splits.
    """
    lake, run_id, settings = context.lake, context.run_id, context.settings
    silver = lake.read_model(silver_manifest(run_id), SilverManifest)
    students = from_parquet(lake.read(silver_rows(run_id), silver.sha256))

    splits = {}
    for name, frame in split_rows(students, settings.features, settings.seed).items():
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


def split_rows(
    rows: pd.DataFrame, settings: FeaturesSettings, seed: int
) -> dict[str, pd.DataFrame]:
    """Split rows into disjoint frames with the same fraction of positive rows.

    Args:
        rows: Rows of silver.
        settings: Fractions of the splits.
        seed: Seed of the split; equal seeds give equal splits.

    Returns:
        Name of the split, one of layout.SPLITS -> its rows, in their original order.

    Raises:
        DataError: If a class is missing, or has too few rows for three splits.
    """
    positives = int(rows[LABEL.name].sum())
    for name, count in ((LABEL.positive, positives), (LABEL.negative, len(rows) - positives)):
        if count == 0:
            raise DataError(
                f"none of the {len(rows):,} rows is labelled '{name}'; a model needs rows of both "
                "classes"
            )
    rest, test = _split_off(rows, settings.test_fraction, seed)
    validation_fraction = settings.validation_fraction / (1 - settings.test_fraction)
    train, validation = _split_off(rest, validation_fraction, seed)
    splits = dict(zip(SPLITS, (train, validation, test), strict=True))
    for name, frame in splits.items():
        fewest = _count_rarer_class(frame)
        if fewest < MIN_ROWS_PER_CLASS:
            raise DataError(
                f"the split {name} would have {fewest} rows of one class, but needs "
                f"{MIN_ROWS_PER_CLASS}: {len(rows):,} rows ({positives:,} {LABEL.positive}) are "
                "too few; collect more"
            )
    return splits


def _split_off(
    frame: pd.DataFrame, fraction: float, seed: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    if _count_rarer_class(frame) < MIN_ROWS_PER_CLASS:
        positives = int(frame[LABEL.name].sum())
        raise DataError(
            f"{len(frame):,} rows ({positives:,} {LABEL.positive}) are too few to split; collect "
            f"at least {3 * MIN_ROWS_PER_CLASS} of each class"
        )
    kept, cut = train_test_split(
        frame, test_size=fraction, random_state=seed, stratify=frame[LABEL.name]
    )
    return kept.sort_index().reset_index(drop=True), cut.sort_index().reset_index(drop=True)


def _count_rarer_class(frame: pd.DataFrame) -> int:
    positives = int(frame[LABEL.name].sum())
    return min(positives, len(frame) - positives)
