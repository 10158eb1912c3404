"""How good the selected models are, and how long a training takes.

`make bench` prints both; docs/reference/model-quality.md holds measured figures. The data is the
original survey file if the environment variable DATA names it, else generated rows.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from pipeline.console import echo, print_table
from pipeline.context import Context, open_context
from pipeline.model.baselines import measure_baselines
from pipeline.model.cross_validation import cross_validate, estimate_metrics
from pipeline.model.training import train_candidate
from pipeline.model.training_data import TrainingData
from pipeline.settings import Settings
from pipeline.stages import features, ingest, preprocess
from pipeline.storage.layout import gold_split, silver_rows
from pipeline.storage.parquet import from_parquet

COMPARED = ("roc_auc", "balanced_accuracy")
"""Metrics in which the selection must not be worse than every baseline."""


def make_gold(folder: Path, **sections: Any) -> Context:
    """The context of a run whose gold is written."""
    lake = {"url": f"file://{folder}"}
    context = open_context(Settings.model_validate({"lake": lake, **sections}), "bench")
    for stage in (ingest, preprocess, features):
        stage.run(context)
    return context


def read_rows(context: Context, key: str) -> TrainingData:
    return TrainingData.from_frame(from_parquet(context.lake.read(key)))


@pytest.mark.bench
@pytest.mark.timeout(1800)
def test_model_quality(tmp_path: Path) -> None:
    """Repeated nested cross-validation on all rows: means over 20 folds, next to the baselines."""
    source = os.environ.get("DATA") or "sample"
    context = make_gold(tmp_path, ingest={"source": source}, train={"repeats": 4})
    settings = context.settings
    data = read_rows(context, silver_rows(context.run_id))

    start = time.perf_counter()
    folds = cross_validate(data, settings.train, settings.seed)
    seconds = time.perf_counter() - start
    metrics = estimate_metrics(data.labels, folds)
    baselines = measure_baselines(data, folds, settings)
    rows = (
        (
            name,
            f"{at.value:.3f}",
            f"{at.low:.3f} to {at.high:.3f}",
            *(f"{found[name].value:.3f}" for found in baselines.metrics.values()),
        )
        for name, at in metrics.items()
    )
    print_table(
        f"{len(folds)} outer folds on {data.labels.size:,} rows of {Path(source).name} "
        f"in {seconds:.0f} s",
        ("metric", "mean", "95 % interval", *baselines.metrics),
        rows,
    )
    counts = Counter(fold.candidate for fold in folds).most_common()
    echo("selected: " + ", ".join(f"{name} ({count})" for name, count in counts))
    gains = (f"{name} {gain.signed}" for name, gain in baselines.gains.items())
    echo(f"compared with `{baselines.rule}`: {', '.join(gains)}")
    for name in COMPARED:
        assert metrics[name].high >= max(found[name].value for found in baselines.metrics.values())


@pytest.mark.bench
@pytest.mark.timeout(1800)
def test_training_time(tmp_path: Path) -> None:
    """Measure the training on 1,000 rows, which is most of `make run`."""
    context = make_gold(tmp_path, ingest={"source": "sample:1000"})
    train, validation = (
        read_rows(context, gold_split(context.run_id, name)) for name in ("train", "validation")
    )
    start = time.perf_counter()
    train_candidate(train, validation, context.settings)
    echo(f"training on 1,000 rows took {time.perf_counter() - start:.1f} s")
