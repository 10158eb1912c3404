"""Prepares the same forest and the same rows for every server, each in its own format."""

from __future__ import annotations

import json
import pickle
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipeline.columns import FEATURE_NAMES, FEATURES, Category
from pipeline.model.bundle import write_fallback
from pipeline.settings.connections import LakeSettings
from pipeline.storage.lake import open_lake
from tests.support.forest import generate_rows, make_bundle, train_forest

TREES = 200
ROWS = 1_000

LOG_MODEL = """
import pickle, sys, mlflow.sklearn, numpy, pandas
from mlflow.models import infer_signature
forest = pickle.load(open(sys.argv[1], "rb"))
rows = pandas.DataFrame([[31.0, 1.0, 6.8, 0.0, 2.1]], columns=sys.argv[3:])
forest.feature_names_in_ = numpy.array(sys.argv[3:], dtype=object)
signature = infer_signature(rows, forest.predict_proba(rows))
mlflow.sklearn.save_model(
    forest, sys.argv[2], signature=signature, pyfunc_predict_fn="predict_proba",
    pip_requirements=[], serialization_format="pickle",
)
"""


def prepare(folder: Path, mlflow_python: Path) -> list[float]:
    """Write the models and the request bodies into the folder.

    Args:
        folder: The folder.
        mlflow_python: Interpreter of the environment that saves the MLflow model.

    Returns:
        scikit-learn's probability of every row.
    """
    forest = train_forest(TREES)[-1]
    made = make_bundle(trees=TREES)
    write_fallback(open_lake(LakeSettings(url=f"file://{folder}/lake")), made)
    pickled = folder / "forest.pkl"
    pickled.write_bytes(pickle.dumps(forest))
    (folder / "mlserver").mkdir(exist_ok=True)
    shutil.copy(pickled, folder / "mlserver" / "forest.pkl")
    write_json(folder / "mlserver" / "settings.json", {"parallel_workers": 0, "debug": False})
    facts = {
        "name": "forest",
        "implementation": "mlserver_sklearn.SKLearnModel",
        "parameters": {"uri": "./forest.pkl"},
        "max_batch_size": 64,
        "max_batch_time": 0.005,
    }
    write_json(folder / "mlserver" / "model-settings.json", facts)
    model = folder / "mlflow-model"
    if not model.exists():
        subprocess.run([mlflow_python, "-c", LOG_MODEL, pickled, model, *FEATURE_NAMES], check=True)
    rows = generate_rows(ROWS)[0]
    expected: list[float] = forest.predict_proba(rows)[:, 1].tolist()
    numbers = [[round(value, 1) for value in row] for row in rows.astype(float).tolist()]
    for name, shape in BODIES.items():
        (folder / f"{name}.bodies").write_text(
            "\n".join(json.dumps(shape(row)) for row in numbers) + "\n"
        )
    return expected


def write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value))


def student(row: list[float]) -> dict[str, Any]:
    """A row as people send it, with categories by name."""
    named = (
        f.names[value] if isinstance(f, Category) else value
        for f, value in zip(FEATURES, row, strict=True)
    )
    return dict(zip(FEATURE_NAMES, named, strict=True))


def tensor(row: list[float]) -> dict[str, Any]:
    inputs = [{"name": "features", "shape": [1, len(row)], "datatype": "FP32", "data": row}]
    return {"inputs": inputs, "outputs": [{"name": "predict_proba"}]}


BODIES: dict[str, Callable[[list[float]], Any]] = {
    "student": student,
    "numbers": lambda row: dict(zip(FEATURE_NAMES, row, strict=True)),
    "split": lambda row: {"dataframe_split": {"columns": list(FEATURE_NAMES), "data": [row]}},
    "tensor": tensor,
    "rows": lambda row: {"rows": [row]},
    "row": lambda row: {"row": row},
}
"""The request body of one row, by the format that a server expects."""
