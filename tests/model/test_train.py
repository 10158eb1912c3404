"""train: what it leaves, that it can be run again, and what it says instead of training."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pipeline.columns import EXPECTATIONS, FEATURE_NAMES, LABEL
from pipeline.context import Context
from pipeline.errors import DataError, LakeError, RegistryError
from pipeline.evaluation import behavioral_checks
from pipeline.model import candidates, onnx
from pipeline.model.bundle import ARTIFACT_FOLDER, ONNX, Manifest
from pipeline.model.training import TrainingResult, train_candidate
from pipeline.model.training_data import TrainingData
from pipeline.settings import Settings
from pipeline.stages import train
from pipeline.storage.lake import sha256_hex
from pipeline.storage.parquet import from_parquet, to_parquet
from pipeline.types import FloatArray
from tests.model.conftest import QUICK, RUN
from tests.support.lake import read_json, write_json

NewContext = Callable[..., Context]


def report(context: Context) -> dict[str, object]:
    found: dict[str, object] = read_json(context.lake, f"reports/{RUN}/train.json")
    return found


def test_the_run_holds_everything(new_context: NewContext, at_hand: TrainingResult) -> None:
    """Parameters, metrics with intervals, lineage, data sets, files with their hashes, a model that MLflow can load."""
    import mlflow

    context = new_context(code_version="abc", image="train:1")
    train.run(context)
    found = report(context)
    with context.registry.client() as client:
        run = client.get_run(str(found["mlflow_run_id"]))
    gold = read_json(context.lake, f"gold/{RUN}/manifest.json")
    assert run.info.status == "FINISHED"
    assert run.data.params["family"] == at_hand.candidate.family == found["family"]
    assert run.data.metrics["cross_validation_roc_auc"] == at_hand.cross_validation["roc_auc"].value
    assert {"validation_recall_low", "threshold", "onnx_difference"} <= set(run.data.metrics)
    assert run.data.tags["gold_test"] == gold["splits"]["test"]["sha256"]
    assert (run.data.tags["code_version"], run.data.tags["image"], run.data.tags["bronze"]) == (
        "abc",
        "train:1",
        gold["bronze"],
    )
    assert run.inputs is not None
    assert {each.dataset.name for each in run.inputs.dataset_inputs} == {
        "gold train",
        "gold validation",
        "gold test",
    }

    bundle = context.registry.get_bundle(run.info.run_id)
    assert bundle.manifest.threshold == found["threshold"] == at_hand.final.threshold
    assert bundle.manifest.lineage.gold["train"] == gold["splits"]["train"]["sha256"]
    info = mlflow.models.get_model_info(str(found["model_uri"]))
    assert info.signature is not None
    assert [str(spec.type) for spec in info.signature.inputs] == ["float32"]
    loaded = mlflow.pyfunc.load_model(str(found["model_uri"]))
    rows = np.array(bundle.manifest.examples.inputs, dtype=np.float32)
    assert loaded.predict(rows)[:, 1] == pytest.approx(bundle.manifest.examples.fail_probability)


def test_the_logged_model_needs_no_resolution(
    new_context: NewContext, at_hand: TrainingResult, tmp_path: Path
) -> None:
    """The model's requirements are the four that are written out; it is a skops file with an example beside it."""
    import mlflow

    context = new_context()
    train.run(context)
    folder = Path(
        mlflow.artifacts.download_artifacts(
            str(report(context)["model_uri"]), dst_path=str(tmp_path)
        )
    )
    names = {path.name for path in folder.iterdir()}
    assert {"model.skops", "requirements.txt", "input_example.json"} <= names
    packages = {
        line.partition("==")[0] for line in (folder / "requirements.txt").read_text().split()
    }
    assert packages - {"mlflow", "mlflow-skinny"} == {"scikit-learn", "skops", "numpy", "scipy"}


def test_training_again_changes_nothing(new_context: NewContext, at_hand: TrainingResult) -> None:
    """The same run id, gold, settings and code: the run that is there is kept, byte for byte."""
    context = new_context()
    train.run(context)
    first = context.lake.read(f"reports/{RUN}/train.json")
    train.run(context)
    assert context.lake.read(f"reports/{RUN}/train.json") == first


def test_another_seed_trains_again(new_context: NewContext, at_hand: TrainingResult) -> None:
    """What the candidate was made from is part of the report: when it differs, a new run is made."""
    train.run(new_context())
    first = report(new_context())
    train.run(new_context(seed=7))
    assert report(new_context())["mlflow_run_id"] != first["mlflow_run_id"]


def test_one_seed_gives_one_model(splits: dict[str, TrainingData], learned: TrainingResult) -> None:
    """Learning again finds the same candidate, threshold, metrics and predictions."""
    again = train_candidate(splits["train"], splits["validation"], Settings.model_validate(QUICK))
    assert (again.candidate.name, again.ranking) == (learned.candidate.name, learned.ranking)
    assert again.final.threshold == learned.final.threshold
    assert (again.cross_validation, again.validation) == (
        learned.cross_validation,
        learned.validation,
    )
    rows = splits["test"].rows
    assert (
        candidates.positive_probability(again.final.model, rows)
        == candidates.positive_probability(learned.final.model, rows)
    ).all()


def test_what_is_known_is_learned(learned: TrainingResult, splits: dict[str, TrainingData]) -> None:
    """Directional expectations of the data dictionary: the risky value raises the risk."""

    def score(rows: FloatArray) -> FloatArray:
        return candidates.positive_probability(learned.final.model, rows.astype(np.float32))

    effect = behavioral_checks.expected_effect(
        score, splits["test"].rows.astype(np.float64), EXPECTATIONS
    )
    assert effect is not None
    assert effect > 0.01


def test_the_estimate_is_of_rows_held_out(
    learned: TrainingResult, splits: dict[str, TrainingData]
) -> None:
    """Every training row is predicted once, by a model that has not seen it, and labels are those of the split."""
    assert len(learned.out_of_fold) == splits["train"].labels.size
    assert learned.out_of_fold[LABEL.name].sum() == splits["train"].labels.sum()
    assert learned.cross_validation["roc_auc"].value < 0.99


def with_labels(context: Context, split: str, label: list[int]) -> None:
    """Replaces a split by one with these labels, as if `features` had made it."""
    frame = from_parquet(context.lake.read(f"gold/{RUN}/{split}.parquet")).iloc[: len(label)].copy()
    frame[LABEL.name] = label
    manifest = read_json(context.lake, f"gold/{RUN}/manifest.json")
    manifest["splits"][split]["sha256"] = context.lake.write(
        f"gold/{RUN}/{split}.parquet", to_parquet(frame)
    )
    write_json(context.lake, f"gold/{RUN}/manifest.json", manifest)


@pytest.mark.parametrize(
    ("label", "sentence"),
    [
        ([0] * 100, "None of the 100 training rows is labelled 'fail'"),
        ([1] * 100, "None of the 100 training rows is labelled 'pass'"),
        (
            [0] * 97 + [1] * 3,
            "Only 3 of the 100 training rows are labelled 'fail'. 5 folds within 5 folds need at least 7",
        ),
        ([0, 1], "Only 1 of the 2 training rows"),
    ],
)
def test_rows_that_cannot_be_learned_from(
    new_context: NewContext, label: list[int], sentence: str
) -> None:
    """One class only, or fewer rows than folds: a sentence, and nothing is written."""
    context = new_context(train={"folds": 5})
    with_labels(context, "train", label)
    with pytest.raises(DataError, match=sentence):
        train.run(context)
    assert not context.lake.keys("reports/")


def test_gold_that_was_changed_is_refused(new_context: NewContext) -> None:
    """A split whose bytes are not those that its manifest records is not learned from."""
    context = new_context()
    context.lake.write(f"gold/{RUN}/train.parquet", b"other")
    with pytest.raises(LakeError, match="was modified outside the pipeline"):
        train.run(context)


def test_without_gold_the_stage_to_run_is_named(new_context: NewContext) -> None:
    """A run id that has no gold is a sentence."""
    with pytest.raises(
        LakeError,
        match=r"gold/other/manifest.json does not exist; run the stage that writes it first",
    ):
        train.run(new_context("other"))


@pytest.mark.parametrize(
    "uri", ["http://127.0.0.1:9", "http://mlflow.invalid:5000"], ids=["refused", "no such host"]
)
def test_mlflow_away_is_a_sentence(
    new_context: NewContext, at_hand: TrainingResult, uri: str
) -> None:
    """Where MLflow does not answer, the wait is bounded, and the sentence names the setting; no report claims a candidate."""
    context = new_context(mlflow={"tracking_uri": uri, "timeout_seconds": 1, "retries": 0})
    with pytest.raises(RegistryError, match="MLOPS_MLFLOW__TRACKING_URI"):
        train.run(context)
    assert not context.lake.exists(f"reports/{RUN}/train.json")


def test_the_manifest_is_of_the_files(new_context: NewContext, at_hand: TrainingResult) -> None:
    """The manifest's hashes are those of the artifacts, and its examples are what the graph answers."""
    context = new_context()
    train.run(context)
    run = str(report(context)["mlflow_run_id"])
    manifest = Manifest(
        **json.loads(context.registry.read_artifact(run, f"{ARTIFACT_FOLDER}/manifest.json"))
    )
    graph = context.registry.read_artifact(run, f"{ARTIFACT_FOLDER}/{ONNX}")
    assert sha256_hex(graph) == manifest.files[ONNX]
    assert tuple(manifest.features) == FEATURE_NAMES
    answered = onnx.positive_probability(onnx.open_graph(graph), manifest.examples.inputs)
    assert answered == pytest.approx(manifest.examples.fail_probability, abs=1e-6)
