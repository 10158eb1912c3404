"""Split silver's rows into train, validation and test, stratified by the label: silver to gold.

Reads the parts of `silver/<run_id>/rows.parquet`. Writes the parts of
`gold/<run_id>/{train,validation,test}.parquet` and, last, their manifest: the hashes of input and
output, the number of rows and positive rows of each split, the columns, the seed and the code
version. The splits do not depend on the parts of silver.

Without roles in the columns file, the split is random. With a `key`, and with `groups` that have
`split: true`, all rows of a person or group are in the same split. With `time`, the newest term is
the test split; older rows of its persons are left out of gold.

With MLOPS_DASK__SCHEDULER, workers split tables of more than a million rows. With `time` or several
columns whose rows stay together, the stage and each worker hold the persons or groups that decide
about rows of other parts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from pipeline.column_file.checks import SPLIT_UNIT
from pipeline.columns import LABEL, ROLES
from pipeline.compute.parts import run_parts
from pipeline.compute.plan import print_plan
from pipeline.console import echo
from pipeline.context import Context
from pipeline.errors import DataError
from pipeline.splits.plan import LISTED_ROWS, RunParts, SplitOptions, plan_splits
from pipeline.splits.rows import DecidingColumns
from pipeline.splits.sketch import Sketch, merge_sketches
from pipeline.splits.terms import find_range
from pipeline.splits.write import STRIPE_VALUES, WrittenPart, list_stripes, write_stripe
from pipeline.storage.artifacts.data import GoldManifest, SilverManifest, SplitFacts, hash_table
from pipeline.storage.lake import Lake
from pipeline.storage.layout import SPLITS, gold_array, gold_manifest, silver_manifest
from pipeline.storage.parquet import get_column_types
from pipeline.storage.tables import TablePart, locate_parts

SKETCH_SIZE = 1 << 14
"""Persons of a large table that are looked at to count them, with an error of about 1 %, and to
find one in two splits. Of a small table, they are all."""
BASE_MEBIBYTES = 150
"""Memory of a thread without the part of silver that it reads: a stripe of gold, twice."""
BYTES_PER_VALUE = 20
"""Memory per value of a part of silver."""

Units = Mapping[str, Sketch]
"""Column whose rows with the same value stay together -> the values of a split."""


def run(context: Context) -> None:
    """Split the run's valid rows and write them to gold.

    Raises:
        DataError: If a class is missing, has too few rows for three splits, or all rows are of the
            same term.
        LakeError: If a part of silver is missing or was modified.
    """
    split_table(context)


def split_table(
    context: Context, listed_rows: int = LISTED_ROWS, stripe_rows: int | None = None
) -> None:
    """Split the run's valid rows, see `run`.

    Args:
        context: The context of the run.
        listed_rows: Largest table whose split is listed row by row.
        stripe_rows: Rows of all splits that are written together; by default as many as the columns
            allow.
    """
    lake, run_id, settings = context.lake, context.run_id, context.settings
    silver = lake.read_model(silver_manifest(run_id), SilverManifest)
    parts = locate_parts(silver.list_parts(run_id))
    columns = DecidingColumns(ROLES.time, tuple(ROLES.unit_names))
    is_large = silver.rows > listed_rows
    run_all = _choose_runner(context, parts) if is_large else partial(_run_here, lake)
    options = SplitOptions(columns, settings.features, settings.seed, listed_rows)
    plan = plan_splits(lake, parts, options, run_all)
    sketch_size = SKETCH_SIZE if is_large else listed_rows
    stripe_rows = stripe_rows or max(1, STRIPE_VALUES // len(get_column_types()))
    stripes = run_all(
        write_stripe,
        list_stripes(run_id, parts, plan, stripe_rows),
        rule=plan.rule,
        columns=plan.columns,
        sketch_size=sketch_size,
    )
    written = [part for stripe in stripes for part in stripe]
    manifest = describe_gold(context, silver, written, sketch_size)
    lake.write_model(gold_manifest(run_id), manifest)
    show(manifest)


def _run_here(
    lake: Lake, function: Callable[..., Any], parts: Sequence[Any], **constants: Any
) -> Iterator[Any]:
    """Apply a function to each part of a small table, without the time to import Dask."""
    return (function(lake, part, **constants) for part in parts)


def _choose_runner(context: Context, parts: Sequence[TablePart]) -> RunParts:
    """Return what applies functions to the parts of a large table."""
    values = max(part.facts.rows for part in parts) * len(get_column_types())
    mebibytes = BASE_MEBIBYTES + BYTES_PER_VALUE * values / (1 << 20)
    print_plan("features", len(parts), context.settings, mebibytes)
    array_key = partial(gold_array, context.run_id)
    return partial(run_parts, context=context, mebibytes=mebibytes, array_key=array_key)


def describe_gold(
    context: Context, silver: SilverManifest, written: Sequence[WrittenPart], sketch_size: int
) -> GoldManifest:
    """Return the manifest of the written splits.

    Args:
        context: The context of the run.
        silver: The manifest of the rows that were split.
        written: The parts of all splits, in their order.
        sketch_size: Size of their sketches of persons and groups.

    Raises:
        DataError: If a person or group is in two splits.
    """
    splits, units = {}, {}
    for index, name in enumerate(SPLITS):
        parts = [part for part in written if part.split == index]
        units[name] = {
            column: merge_sketches((part.units[column] for part in parts), sketch_size)
            for column in ROLES.unit_names
        }
        facts = [part.facts for part in parts]
        splits[name] = SplitFacts(
            sha256=hash_table(facts),
            rows=sum(part.rows for part in facts),
            positives=sum(part.positives or 0 for part in facts),
            parts=facts if len(facts) > 1 else [],
            terms=find_range({term for part in parts for term in part.terms}, ROLES.time)
            if ROLES.time
            else [],
            persons=units[name][ROLES.key.name].count() if ROLES.key else 0,
        )
    check_units(units)
    return GoldManifest(
        run_id=context.run_id,
        bronze=silver.bronze,
        silver=silver.sha256,
        splits=splits,
        left_out=silver.rows - sum(facts.rows for facts in splits.values()),
        columns=[*get_column_types(), *([SPLIT_UNIT] if ROLES.unit_names else [])],
        seed=context.settings.seed,
        code_version=context.settings.code_version,
    )


def check_units(splits: Mapping[str, Units]) -> None:
    """Check that no person or group is in two splits, however the rows were split.

    Args:
        splits: Name of each split -> the values of each column whose rows stay together.

    Raises:
        DataError: If a value is in two splits.
    """
    names = list(splits)
    for index, split in enumerate(names):
        for column, values in splits[split].items():
            for other in names[:index]:
                if shared := values.count_shared(splits[other][column]):
                    raise DataError(
                        f"{shared:,} of {values.hashes.size:,} values of '{column}' in the split "
                        f"{split} are in the split {other} too, so its figures would be too good. "
                        "Report this as an error of `features`"
                    )


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
