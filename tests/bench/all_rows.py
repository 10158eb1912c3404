"""What a model of all rows gains over one of a sample, and how much memory it needs.

The rows are generated: uniform values of the survey's features. The label's log-odds are a line in
the hours of review, plus a random effect of each pair of an age and a tenth of an hour of sleep.
There are 1,581 pairs, of which 20,000 rows show 13 rows each, and 10 million rows 6,300.

`python -m tests.bench.all_rows` measures, if the code has changed, and writes the page.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from typing import Any

import numpy as np

from pipeline.columns import FEATURE_NAMES, FEATURES
from pipeline.data.synthetic import draw_values
from pipeline.model.all_rows import fit_final, try_all_rows
from pipeline.model.calibration import FittedModel, fit_calibrated
from pipeline.model.export import max_onnx_difference, to_onnx
from pipeline.model.intervals import roc_auc
from pipeline.model.selection import select_candidate
from pipeline.model.training_data import TrainingData, sample_indices
from pipeline.settings import Settings
from pipeline.types import Float32Array, FloatArray
from tests.bench.cached import ROOT, hash_code, measure, read_results
from tests.bench.tables import put, table

PAGE = ROOT / "docs" / "reference" / "scale.md"
NAME = "all_rows"
SIZES = (1_000_000, 10_000_000)
FRESH_ROWS = 500_000
BLOCK = 100_000
EFFECT = 1.0
"""Standard deviation of the effects, in log-odds."""
MEASURED = ("all_rows", "compact_boosting", "histogram_trees")
"""Modules of pipeline/model whose behavior is measured."""
AGE, SLEEP, REVIEW = (FEATURE_NAMES.index(name) for name in ("age", "sleep_hours", "review_hours"))

Result = dict[str, Any]


def get_log_odds(rows: FloatArray | Float32Array) -> FloatArray:
    """The log-odds of the positive class, shape (n_rows,)."""
    effects = np.random.default_rng(0).normal(0, EFFECT, (31, 51))
    age = np.round(rows[:, AGE]).astype(int) - 24
    sleep = np.round(10 * rows[:, SLEEP]).astype(int) - 30
    risk: FloatArray = effects[age, sleep] - 0.3 * (rows[:, REVIEW] - 3.5) - 2
    return risk


def draw(rows: int, seed: int) -> TrainingData:
    """Draw rows and labels, in blocks."""
    random = np.random.default_rng(seed)
    data = TrainingData(np.empty((rows, len(FEATURES)), np.float32), np.empty(rows, np.int64))
    for first in range(0, rows, BLOCK):
        block = slice(first, min(first + BLOCK, rows))
        size = block.stop - first
        drawn = np.column_stack([draw_values(feature, size, random) for feature in FEATURES])
        probability = 1 / (1 + np.exp(-get_log_odds(drawn)))
        data.rows[block], data.labels[block] = drawn, random.random(size) < probability
    return data


def measure_training(rows: int) -> Result:
    """Train on a sample and on all rows; a quarter of them is the validation split."""
    settings = Settings()
    train, validation = draw(rows * 3 // 4, 1), draw(rows // 4, 2)
    sample = train.take(sample_indices(train.labels, settings.train.sample_rows, settings.seed))
    selection = select_candidate(sample, settings.train, settings.seed)
    selected = fit_calibrated(selection, sample, settings.train.folds, settings.seed)
    start = time.process_time()
    trial = try_all_rows(train, validation, (selection.candidate.name, selected), settings)
    final, described = fit_final(trial, (train, validation), settings.seed)
    seconds = time.process_time() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    del train, validation
    fresh = draw(FRESH_ROWS, 3)
    graph = to_onnx(final.model)
    return {
        "rows": rows,
        "sample": sample.labels.size,
        "candidate": selection.candidate.name,
        "trees": trial.growth.max_iter,
        "of_sample": _get_area(selected, fresh),
        "of_all": _get_area(final, fresh),
        "best": roc_auc(fresh.labels, get_log_odds(fresh.rows)),
        "selected": trial.facts.is_selected,
        "cpu_seconds": seconds,
        "peak_mebibytes": peak,
        "onnx_difference": max_onnx_difference(
            final.model, graph, described.rows[:BLOCK], settings.seed
        ),
        "onnx_bytes": len(graph),
    }


def _get_area(model: FittedModel, rows: TrainingData) -> float:
    blocks = np.split(rows.rows, range(BLOCK, FRESH_ROWS, BLOCK))
    return roc_auc(rows.labels, np.concatenate([model.predict(b).probability for b in blocks]))


def get_results(rows: int) -> Result:
    """Return the stored result for a number of rows, measured again if the code has changed."""

    def run() -> Result:
        command = [sys.executable, "-m", "tests.bench.all_rows", str(rows)]
        done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE)
        result: Result = json.loads(done.stdout)
        return result

    sources = [ROOT / "pipeline" / "model" / f"{name}.py" for name in MEASURED]
    code = hash_code([*sources, ROOT / "tests" / "bench" / "all_rows.py"])
    result: Result = measure(NAME, str(rows), code, run)
    return result


def show() -> str:
    """The stored results as a table."""
    return table(
        (
            *("rows", "sample", "all rows", "best possible", "trees", "peak memory", "CPU time"),
            "model and graph differ by",
        ),
        (
            (
                f"{result['rows']:,}",
                f"{result['of_sample']:.3f} ({result['candidate']})",
                f"{result['of_all']:.3f}",
                f"{result['best']:.3f}",
                str(result["trees"]),
                f"{result['peak_mebibytes']:,.0f} MiB",
                f"{result['cpu_seconds']:,.0f} s",
                f"{result['onnx_difference']:.0e}",
            )
            for result in (part["results"] for part in read_results(NAME).values())
        ),
    )


if __name__ == "__main__":
    if sys.argv[1:]:
        sys.stdout.write(json.dumps(measure_training(int(sys.argv[1]))))
    else:
        for size in SIZES:
            get_results(size)
        put(PAGE, "all rows", show())
