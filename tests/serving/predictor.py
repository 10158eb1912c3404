"""A predictor process of its own: a small model, really trained and exported, in the `models/` of a lake on a disk."""

from __future__ import annotations

import contextlib
import csv
import io
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from pipeline.bundle import (
    ONNX,
    ONNX_INPUT,
    ONNX_OUTPUT,
    Bundle,
    Examples,
    GateResult,
    Interval,
    Lineage,
    Manifest,
    write_fallback,
)
from pipeline.columns import FEATURE_NAMES, LABEL, RAW_HEADER
from pipeline.lake import hash_of, open_lake
from pipeline.sample import sample_csv
from pipeline.settings import LakeSettings

ROWS = 2_000
BACKGROUND = 40
START_SECONDS = 60


def learned() -> Bundle:
    """A small forest on generated rows, with metrics and gates that are literal: the page shows what the manifest says."""
    import onnxruntime
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import FloatTensorType
    from sklearn.ensemble import RandomForestClassifier

    table = [[float(cell) for cell in row] for row in list(csv.reader(io.StringIO(sample_csv(ROWS, seed=3).decode())))[1:]]
    rows = np.array([row[: len(RAW_HEADER) - 1] for row in table], np.float32)
    label = np.array([row[-1] == LABEL.positive_raw for row in table])
    model = RandomForestClassifier(20, min_samples_leaf=15, class_weight="balanced", random_state=0).fit(rows, label)
    graph = convert_sklearn(
        model,
        initial_types=[(ONNX_INPUT, FloatTensorType([None, len(FEATURE_NAMES)]))],
        final_types=[("label", None), (ONNX_OUTPUT, None)],
        options={id(model): {"zipmap": False}},
    ).SerializeToString()
    session = onnxruntime.InferenceSession(graph)
    answers = session.run([ONNX_OUTPUT], {ONNX_INPUT: rows[:10]})[0][:, 1]
    manifest = Manifest(
        name="student-performance",
        family="random_forest",
        run_id="0123456789abcdef0123456789abcdef",
        version="7",
        created="2026-01-02T03:04:05+00:00",
        threshold=0.5,
        features=list(FEATURE_NAMES),
        files={ONNX: hash_of(graph)},
        lineage=Lineage(
            pipeline_run_id="run-1",
            bronze="b" * 64,
            silver="c" * 64,
            gold={"train": "d" * 64, "test": "e" * 64},
            code_version="1.2.3",
            image="student-mlops/train:1.2.3",
        ),
        examples=Examples(inputs=rows[:10].tolist(), fail_probability=answers.tolist()),
        background=rows[:BACKGROUND].tolist(),
        metrics={
            "roc_auc": Interval(value=0.81, low=0.72, high=0.89),
            "recall": Interval(value=0.77, low=0.5, high=0.92),
            "brier": Interval(value=0.11, low=0.09, high=0.14),
        },
        gates=[
            GateResult(name="min_roc_auc", bound=0.65, why="Below this a ranking is luck.", value=0.81, holds=True),
            GateResult(name="max_onnx_difference", bound=1e-5, why="Served as trained.", value=3e-7, holds=True),
            GateResult(name="min_champion_difference", bound=0.0, why="No step back.", value=None, holds=True),
        ],
    )
    return Bundle(manifest, {ONNX: graph})


@contextlib.contextmanager
def running(folder: Path, bundle: Bundle, **settings: str) -> Iterator[str]:
    """The URL of a ready predictor that serves `bundle` from a lake in `folder`, the registry being away; keywords are
    fields of the section `predictor`."""
    write_fallback(open_lake(LakeSettings(url=f"file://{folder}/lake")), bundle)
    port = free_port()
    environment = os.environ | {
        "MLOPS_LAKE__URL": f"file://{folder}/lake",
        "MLOPS_MLFLOW__TRACKING_URI": f"http://127.0.0.1:{free_port()}",
        "MLOPS_PREDICTOR__PORT": str(port),
        "MLOPS_PREDICTOR__DRAIN_SECONDS": "0",
        **{f"MLOPS_PREDICTOR__{name.upper()}": value for name, value in settings.items()},
    }
    log = folder / "predictor.log"
    with log.open("wb") as output:
        process = subprocess.Popen([sys.executable, "-m", "serving"], stdout=output, stderr=subprocess.STDOUT, env=environment)
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_until_ready(url, process, log)
        yield url
    finally:
        process.terminate()
        process.wait(30)


def _wait_until_ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        try:
            urllib.request.urlopen(f"{url}/readyz", timeout=2).close()
        except (OSError, urllib.error.HTTPError):
            time.sleep(0.05)
        else:
            return
    raise AssertionError(f"the predictor is not ready:\n{log.read_text(errors='replace')[-3000:]}")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
