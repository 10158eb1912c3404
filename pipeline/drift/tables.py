"""Load gold and silver for a drift check: all rows of a small table, counts of a large one."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pipeline.columns import FEATURE_NAMES, LABEL
from pipeline.compute.parts import run_parts
from pipeline.compute.plan import print_plan
from pipeline.drift.columns import PREDICTION
from pipeline.drift.counts import count_values, merge_counts
from pipeline.drift.data import Dataset, Totals, predict_rows
from pipeline.model.bundle import ONNX, Bundle
from pipeline.model.decision import is_positive
from pipeline.model.onnx import open_graph
from pipeline.storage.artifacts.data import PartFacts, hash_table
from pipeline.storage.artifacts.drift import DatasetFacts, ModelIdentity
from pipeline.storage.layout import TRAINING_SPLITS, gold_split, silver_rows
from pipeline.storage.samples import check_columns, find_sample, read_sample
from pipeline.storage.tables import find_gold_parts, find_silver_parts, read_part

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

    from pipeline.context import Context
    from pipeline.storage.lake import Lake

HELD_ROWS = 200_000
"""Largest table whose rows are all in memory. Of a larger one, the values of each column are
counted part by part, and a random sample of so many rows is held."""
COLUMNS = (*FEATURE_NAMES, LABEL.name)
BLOCK_ROWS = 1 << 18
"""Rows of a part that are predicted and counted at once."""
PARTS_AT_ONCE = max(2, 256 // len(COLUMNS))
"""Parts whose counts are in memory at once: half a mebibyte per column at most."""


def load_gold(context: Context, bundle: Bundle, held_rows: int | None = None) -> Dataset:
    """Load the gold rows that a model learned from, with its predictions.

    Args:
        context: The lake and the settings.
        bundle: The model with its lineage.
        held_rows: Largest table whose rows are all held; HELD_ROWS by default, or
            MLOPS_DRIFT__MAX_EVIDENTLY_ROWS if that is more.

    Raises:
        LakeError: If a split is missing or its hash does not match the lineage.
        DataError: If the model was trained with other columns.
    """
    manifest = bundle.manifest
    run_id, hashes = manifest.lineage.pipeline_run_id, manifest.lineage.gold
    parts = [
        part
        for split in TRAINING_SPLITS
        for part in find_gold_parts(context.lake, run_id, split, hashes[split])
    ]
    facts = DatasetFacts(
        source="gold training rows of the production model",
        rows=0,
        splits={gold_split(run_id, split): hashes[split] for split in TRAINING_SPLITS},
        model=ModelIdentity(
            name=manifest.name,
            version=manifest.version,
            run_id=manifest.run_id,
            pipeline_run_id=run_id,
        ),
    )
    return _load(context, parts, facts, bundle, held_rows)


def load_silver(
    context: Context, run_id: str, bundle: Bundle, held_rows: int | None = None
) -> Dataset:
    """Load a silver data set with its labels, and the predictions of a model.

    Args:
        context: The lake and the settings.
        run_id: Run that wrote it.
        bundle: The model.
        held_rows: Largest table whose rows are all held; HELD_ROWS by default, or
            MLOPS_DRIFT__MAX_EVIDENTLY_ROWS if that is more.

    Raises:
        LakeError: If the run has none, or its hash does not match its manifest.
        DataError: If it was written for other columns.
    """
    parts = find_silver_parts(context.lake, run_id)
    facts = DatasetFacts(
        source="a silver data set", rows=0, object=silver_rows(run_id), sha256=hash_table(parts)
    )
    return _load(context, parts, facts, bundle, held_rows)


def _load(
    context: Context,
    parts: Sequence[PartFacts],
    facts: DatasetFacts,
    bundle: Bundle,
    held_rows: int | None,
) -> Dataset:
    import pandas as pd

    if held_rows is None:
        held_rows = max(HELD_ROWS, context.settings.drift.max_evidently_rows)
    sample = find_sample(context.lake, parts, held_rows, context.settings.seed)
    graph = bundle.files[ONNX]
    frames = [
        rows.table.to_pandas().astype(float)
        for rows in read_sample(context.lake, parts, sample, COLUMNS)
    ]
    frame = predict_rows(pd.concat(frames, ignore_index=True), _open_graph(graph))
    if sample is None:
        return Dataset(frame, facts.model_copy(update={"rows": len(frame)}))
    print_plan("drift", len(parts), context.settings)
    threshold = bundle.manifest.threshold
    totals: Totals | None = None
    for start in range(0, len(parts), PARTS_AT_ONCE):
        counted_parts = run_parts(
            count_part,
            parts[start : start + PARTS_AT_ONCE],
            context,
            graph=graph,
            threshold=threshold,
        )
        totals = merge_totals([*([totals] if totals else []), *counted_parts])
    assert totals is not None
    counted = totals.columns[LABEL.name]
    rows = counted.rows + counted.missing
    return Dataset(frame, facts.model_copy(update={"rows": rows}), totals)


def count_part(lake: Lake, part: PartFacts, *, graph: bytes, threshold: float) -> Totals:
    """Count the values of each column of a part, and of the predictions.

    Args:
        lake: The lake.
        part: The part.
        graph: The model as ONNX.
        threshold: Probability from which it predicts positive.

    Raises:
        LakeError: If the part is missing or was modified.
        DataError: If it has other columns than the columns file.
    """
    table = read_part(lake, part, COLUMNS)
    check_columns(part.key, table.column_names)
    blocks = []
    for start in range(0, table.num_rows, BLOCK_ROWS):
        frame = table.slice(start, BLOCK_ROWS).to_pandas().astype(float)
        frame = predict_rows(frame, _open_graph(graph))
        columns = {name: count_values(frame[name].to_numpy()) for name in (*COLUMNS, PREDICTION)}
        positives = int(is_positive(frame[PREDICTION].to_numpy(), threshold).sum())
        blocks.append(merge_totals([Totals(columns, positives)]))
    return merge_totals(blocks)


def merge_totals(parts: Sequence[Totals]) -> Totals:
    """Return the totals of all parts."""
    return Totals(
        {name: merge_counts(part.columns[name] for part in parts) for name in parts[0].columns},
        sum(part.predicted_positive for part in parts),
    )


@functools.lru_cache(maxsize=1)
def _open_graph(graph: bytes) -> InferenceSession:
    """A session, which a worker opens once."""
    return open_graph(graph)
