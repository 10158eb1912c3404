"""Split silver's rows into train, validation and test, stratified by the label: silver to gold.

Reads `silver/<run_id>/rows.parquet`. Writes `gold/<run_id>/{train,validation,test}.parquet`
and, last, their manifest: the hashes of input and output, the number of rows and positive rows of
each split, the columns, the seed and the code version.

Without roles in the columns file, the split is random. With a `key`, and with `groups` that have
`split: true`, all rows of a person or group are in the same split. With `time`, the newest term is
the test split; older rows of its persons are left out of gold.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from sklearn.model_selection import train_test_split

from pipeline.column_file.checks import SPLIT_UNIT
from pipeline.column_file.roles import Time, are_days
from pipeline.columns import LABEL, ROLES
from pipeline.console import echo
from pipeline.context import Context
from pipeline.errors import DataError
from pipeline.memory import check_memory
from pipeline.model.units import assign_units, find_units
from pipeline.settings.data import FeaturesSettings
from pipeline.storage.artifacts.data import GoldManifest, SilverManifest, SplitFacts
from pipeline.storage.layout import SPLITS, gold_manifest, gold_split, silver_manifest, silver_rows
from pipeline.storage.parquet import from_parquet, get_column_types, to_parquet
from pipeline.types import IntArray

MIN_ROWS_PER_CLASS = 2
"""Rows of each class that a split needs: both classes are trained on and measured."""


def run(context: Context) -> None:
    """Split the run's valid rows and write them to gold.

    Raises:
        DataError: If a class is missing, has too few rows for three splits, or all rows are of the
            same term.
        MemoryLimitError: If the rows do not fit into memory.
    """
    lake, run_id, settings = context.lake, context.run_id, context.settings
    silver = lake.read_model(silver_manifest(run_id), SilverManifest)
    key = silver_rows(run_id)
    check_memory("features", silver.rows, len(get_column_types()), lake.url(key), lake.size(key))
    rows = from_parquet(lake.read(key, silver.sha256))
    if ROLES.unit_names:
        rows[SPLIT_UNIT] = find_units(rows, ROLES.unit_names)

    frames = split_rows(rows, settings.features, settings.seed, ROLES.time)
    check_units(frames, ROLES.unit_names)
    splits = {}
    for name, frame in frames.items():
        sha256 = lake.write(gold_split(run_id, name), to_parquet(frame))
        splits[name] = SplitFacts(
            sha256=sha256,
            rows=len(frame),
            positives=int(frame[LABEL.name].sum()),
            terms=_list_terms(frame, ROLES.time),
            persons=frame[ROLES.key.name].nunique() if ROLES.key else 0,
        )
    manifest = GoldManifest(
        run_id=run_id,
        bronze=silver.bronze,
        silver=silver.sha256,
        splits=splits,
        left_out=len(rows) - sum(facts.rows for facts in splits.values()),
        columns=list(rows.columns),
        seed=settings.seed,
        code_version=settings.code_version,
    )
    lake.write_model(gold_manifest(run_id), manifest)
    show(manifest)


def show(manifest: GoldManifest) -> None:
    """Print the sizes of the splits, their terms, and how many rows are in none."""
    counts = []
    for name, facts in manifest.splits.items():
        terms = f", {facts.terms[0]} to {facts.terms[1]}" if facts.terms else ""
        counts.append(f"{name} {facts.rows:,} ({facts.positives:,} {LABEL.positive}{terms})")
    echo(f"features: {', '.join(counts)}")
    if manifest.left_out:
        echo(
            f"features: {manifest.left_out:,} older rows are left out, because newer rows of the "
            "same persons or groups are in the test split"
        )


def split_rows(
    rows: pd.DataFrame, settings: FeaturesSettings, seed: int, time: Time | None = None
) -> dict[str, pd.DataFrame]:
    """Split rows into disjoint frames with the same fraction of positive rows.

    Args:
        rows: Rows of silver. Those with the same SPLIT_UNIT, if they have this column, stay
            together.
        settings: Fractions of the splits.
        seed: Seed of the split; equal seeds give equal splits.
        time: The column with the terms. The test split is then the newest term, or the newest days
            that have the fraction of the rows. The validation split is the newest of the other
            terms, unless rows have units: then it is random, because leaving out the older rows of
            its units would cost rows to train on.

    Returns:
        Name of the split, one of layout.SPLITS -> its rows, in their original order.

    Raises:
        DataError: If a class is missing, has too few rows for three splits, or all rows are of the
            same term.
    """
    positives = int(rows[LABEL.name].sum())
    for name, count in ((LABEL.positive, positives), (LABEL.negative, len(rows) - positives)):
        if count == 0:
            raise DataError(
                f"none of the {len(rows):,} rows is labelled '{name}'; a model needs rows of both "
                "classes"
            )
    validation_fraction = settings.validation_fraction / (1 - settings.test_fraction)
    if time:
        rest, test = _split_newest(rows, time, settings.test_fraction)
    else:
        rest, test = _split_off(rows, settings.test_fraction, seed)
    if time and SPLIT_UNIT not in rows and _find_places(rest[time.name], time).any():
        train, validation = _split_newest(rest, time, validation_fraction)
    else:
        train, validation = _split_off(rest, validation_fraction, seed)
    splits = dict(zip(SPLITS, (train, validation, test), strict=True))
    for name, frame in splits.items():
        fewest = _count_rarer_class(frame)
        if fewest < MIN_ROWS_PER_CLASS:
            raise DataError(
                f"the split {name} would have {fewest} rows of one class, but needs "
                f"{MIN_ROWS_PER_CLASS}: {len(rows):,} rows ({positives:,} {LABEL.positive}) are "
                f"too few; collect more{_explain_time(time, rows)}"
            )
    return splits


def check_units(splits: Mapping[str, pd.DataFrame], names: Sequence[str]) -> None:
    """Check that no person or group is in two splits, however the rows were split.

    Args:
        splits: Name of each split -> its rows.
        names: Names of the columns whose rows with the same value stay together.

    Raises:
        DataError: If a value is in two splits.
    """
    for column in names:
        known: set[object] = set()
        for split, frame in splits.items():
            values = frame[column].dropna()
            if shared := int(values.isin(known).sum()):
                raise DataError(
                    f"{shared:,} of {len(frame):,} rows of the split {split} have a value of "
                    f"'{column}' that is in another split too, so its figures would be too good. "
                    "Report this as an error of `features`"
                )
            known.update(values)


def _explain_time(time: Time | None, rows: pd.DataFrame) -> str:
    """What `time` does to the splits, for the error about too few rows."""
    if time is None:
        return ""
    units = ", and older rows of its persons or groups are left out" if SPLIT_UNIT in rows else ""
    return f". The test split is the newest term of '{time.raw}'{units}"


def _split_newest(
    frame: pd.DataFrame, time: Time, fraction: float
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Split off the newest term, or the newest days with a fraction of the rows.

    Older rows of the units of the newest rows are in neither part.
    """
    terms = frame[time.name]
    places = _find_places(terms, time)
    counts = np.bincount(places)
    if counts.size == 1:
        raise DataError(
            f"all {len(frame):,} rows are of the term '{terms.iloc[0]}' ('{time.raw}'), so no "
            "newer rows are left to test on; add the rows of other terms, or remove `time` from "
            "the columns file"
        )
    oldest = counts.size - 1  # of the terms that are split off
    if are_days(terms.unique().tolist()):
        while oldest > 1 and counts[oldest:].sum() < fraction * len(frame):
            oldest -= 1
    is_new = places >= oldest
    is_old = ~is_new
    if SPLIT_UNIT in frame:
        is_old &= ~frame[SPLIT_UNIT].isin(frame.loc[is_new, SPLIT_UNIT])
    return frame[is_old].reset_index(drop=True), frame[is_new].reset_index(drop=True)


def _split_off(
    frame: pd.DataFrame, fraction: float, seed: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Split off a random fraction of the rows, stratified by the label."""
    if _count_rarer_class(frame) < MIN_ROWS_PER_CLASS:
        positives = int(frame[LABEL.name].sum())
        raise DataError(
            f"{len(frame):,} rows ({positives:,} {LABEL.positive}) are too few to split; collect "
            f"at least {3 * MIN_ROWS_PER_CLASS} of each class"
        )
    if SPLIT_UNIT in frame:
        labels, units = frame[LABEL.name].to_numpy(), frame[SPLIT_UNIT].to_numpy()
        is_cut = assign_units(labels, units, (1 - fraction, fraction), seed) == 1
        return frame[~is_cut].reset_index(drop=True), frame[is_cut].reset_index(drop=True)
    kept, cut = train_test_split(
        frame, test_size=fraction, random_state=seed, stratify=frame[LABEL.name]
    )
    return kept.sort_index().reset_index(drop=True), cut.sort_index().reset_index(drop=True)


def _find_places(terms: pd.Series[str], time: Time) -> IntArray:
    """The place of each row's term among all terms, from 0 for the oldest, shape (n_rows,)."""
    parsed = {term: time.parse(term) or () for term in terms.unique()}
    places = {place: number for number, place in enumerate(sorted(set(parsed.values())))}
    return terms.map({term: places[place] for term, place in parsed.items()}).to_numpy(np.int64)


def _list_terms(frame: pd.DataFrame, time: Time | None) -> list[str]:
    """The oldest and the newest term of a split; nothing without `time`."""
    if time is None:
        return []
    terms = sorted(frame[time.name].unique(), key=lambda term: time.parse(term) or ())
    return [terms[0], terms[-1]]


def _count_rarer_class(frame: pd.DataFrame) -> int:
    positives = int(frame[LABEL.name].sum())
    return min(positives, len(frame) - positives)
