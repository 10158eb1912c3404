# mypy: ignore-errors
# Runs in a separate environment with its packages.
"""BentoML with adaptive batching."""

import os
import pickle
from pathlib import Path

import bentoml
import numpy as np


@bentoml.service(workers=1, traffic={"timeout": 60})
class Forest:
    def __init__(self) -> None:
        self.forest = pickle.loads(Path(os.environ["FOREST"]).read_bytes())

    @bentoml.api(batchable=True, batch_dim=0, max_batch_size=64, max_latency_ms=1000)
    def predict(self, rows: np.ndarray) -> np.ndarray:
        return self.forest.predict_proba(np.asarray(rows, np.float32))[:, 1]
