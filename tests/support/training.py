"""Train on a source and print what the training gave: `python -m tests.support.training`."""

from __future__ import annotations

import json
import sys

import numpy as np

from pipeline.context import open_context
from pipeline.model import export, onnx
from pipeline.model.bundle import ONNX
from pipeline.model.candidates import positive_probability
from pipeline.model.training import train_candidate
from pipeline.model.training_data import TrainingData
from pipeline.settings import Settings
from pipeline.stages import features, ingest, preprocess
from pipeline.storage.lake import sha256_hex
from pipeline.storage.layout import gold_split
from pipeline.storage.parquet import from_parquet
from pipeline.types import Float32Array

SAMPLED_ROWS = 12


def sample_rows(rows: Float32Array, seed: int) -> Float32Array:
    """Sample rows to predict, in their original order."""
    sampled: Float32Array = rows[
        np.sort(np.random.default_rng(seed).permutation(len(rows))[:SAMPLED_ROWS])
    ]
    return sampled


def main(folder: str, sections: str) -> None:
    """Make gold, train, export, and print the result as JSON.

    Args:
        folder: The folder of the lake.
        sections: Sections of the settings, as JSON.
    """
    lake = {"lake": {"url": f"file://{folder}"}}
    settings = Settings.model_validate(lake | json.loads(sections))
    context = open_context(settings, "run-1")
    for stage in (ingest, preprocess, features):
        stage.run(context)
    train, validation = (
        TrainingData.from_frame(from_parquet(context.lake.read(gold_split("run-1", name))))
        for name in ("train", "validation")
    )
    result = train_candidate(train, validation, settings)
    model = result.final.model
    graph = export.export_files(model)[ONNX]
    rows = np.vstack([sample_rows(result.data.rows, settings.seed), export.make_extreme_rows()])
    printed = {
        "candidate": result.candidate.name,
        "threshold": result.final.threshold,
        "onnx_sha256": sha256_hex(graph),
        "probabilities": positive_probability(model, rows).tolist(),
        "served": onnx.positive_probability(onnx.open_graph(graph), rows).tolist(),
    }
    sys.stdout.write(json.dumps(printed))


if __name__ == "__main__":
    main(*sys.argv[1:])
