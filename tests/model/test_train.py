"""train: its MLflow run and report, retries, and what it refuses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.columns import COLUMNS_SHA256, EXPECTATIONS, FEATURE_NAMES, LABEL
from pipeline.context import Context
from pipeline.data_check.report import DataCheck, read_data_check
from pipeline.errors import DataError, LakeError, RegistryError
from pipeline.evaluation import behavioral_checks
from pipeline.model import candidates, onnx
from pipeline.model.bundle import ONNX, PICKLE, REFITS
from pipeline.model.training import TrainingResult
from pipeline.model.training_data import TrainingData
from pipeline.stages import train
from pipeline.storage.artifacts.data import GoldManifest, SplitFacts
from pipeline.storage.artifacts.training import TrainReport
from pipeline.storage.layout import (
    DATA_CHECK,
    DATA_CHECK_PAGE,
    gold_manifest,
    gold_split,
    train_report,
)
from pipeline.storage.parquet import from_parquet, to_parquet
from pipeline.tracking.run_logging import PACKAGES
from pipeline.types import FloatArray
from tests.support.gold import RUN

NewContext = Callable[..., Context]


def read_report(context: Context) -> TrainReport:
    return context.lake.read_model(train_report(RUN), TrainReport)


def test_the_mlflow_run_is_complete(registered: Context, learned: TrainingResult) -> None:
    """The run has parameters, metrics with intervals, the lineage and the data sets."""
    context = registered
    report = read_report(context)
    with context.registry.client() as client:
        run = client.get_run(report.mlflow_run_id)
    gold = context.lake.read_model(gold_manifest(RUN), GoldManifest)
    assert run.info.status == "FINISHED"
    assert run.data.params["family"] == learned.candidate.family == report.family
    metrics = run.data.metrics
    assert metrics["cross_validation_roc_auc"] == learned.cross_validation["roc_auc"].value
    assert {"validation_recall_low", "threshold", "onnx_difference"} <= set(metrics)
    check = context.lake.read_model(f"reports/{RUN}/data_check.json", DataCheck)
    assert check.to_metrics().items() <= metrics.items()
    with context.registry.client() as client:
        pages = client.list_artifacts(report.mlflow_run_id, "data_check")
    assert {page.path.rpartition("/")[2] for page in pages} == {DATA_CHECK, DATA_CHECK_PAGE}
    expected_tags = {
        "code_version": "abc",
        "image": "train:1",
        "bronze": gold.bronze,
        "gold_test": gold.splits["test"].sha256,
    }
    assert expected_tags.items() <= run.data.tags.items()
    assert run.inputs is not None
    assert {item.dataset.name: item.dataset.digest for item in run.inputs.dataset_inputs} == {
        f"gold {name}": split.sha256[:36] for name, split in gold.splits.items()
    }


def test_the_bundle_is_complete(registered: Context, learned: TrainingResult) -> None:
    """The manifest describes the files, and the graph gives the examples their probabilities."""
    context = registered
    bundle = context.registry.get_bundle(read_report(context).mlflow_run_id)
    manifest = bundle.manifest
    gold = context.lake.read_model(gold_manifest(RUN), GoldManifest)
    assert tuple(manifest.features) == FEATURE_NAMES
    assert manifest.columns == COLUMNS_SHA256
    assert manifest.threshold == learned.final.threshold
    assert manifest.lineage.gold == {name: split.sha256 for name, split in gold.splits.items()}
    assert manifest.training is not None
    assert manifest.training.values["age"] == [24, 54]
    assert manifest.training.values["relationship"] == [0, 0.5, 1]
    assert manifest.training.positive_rate == learned.data.labels.mean()
    assert manifest.training.precision == learned.cross_validation["precision"].value
    session = onnx.open_graph(bundle.files[ONNX])
    served = onnx.positive_probability(session, manifest.examples.inputs)
    assert served == pytest.approx(manifest.examples.expected, abs=1e-6)
    assert set(bundle.files) == {ONNX, PICKLE, REFITS}
    assert manifest.refits is not None
    assert manifest.refits.thresholds == [refit.threshold for refit in learned.refits.models]


def test_a_threshold_below_the_average_risk_is_reported(
    new_context: NewContext,
    registered: Context,
    learned: TrainingResult,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Some who are flagged then have a lower risk than the average. By default nobody has."""
    default = registered.registry.get_bundle(read_report(registered).mlflow_run_id).manifest
    assert default.training is not None
    assert default.training.flagged_below_rate == 0
    final = replace(learned.final, threshold=0.01)
    monkeypatch.setattr(train, "train_candidate", lambda *_: replace(learned, final=final))
    context = new_context()
    train.run(context)
    facts = context.registry.get_bundle(read_report(context).mlflow_run_id).manifest.training
    assert facts is not None
    probability = final.predict(learned.data.rows).probability
    below = probability[probability >= 0.01] < learned.data.labels.mean()
    assert facts.flagged_below_rate == pytest.approx(below.mean())
    sentence = f"{below.mean():.1%} of the students that are flagged have a lower risk"
    printed = capsys.readouterr().err
    assert sentence in printed
    check = read_data_check(context.lake, context.run_id)
    assert check is not None
    assert all(f"train: {caution}" in printed for caution in check.sentences)


def test_mlflow_can_load_the_model(registered: Context, tmp_path: Path) -> None:
    """The logged model is a skops file with a signature, an example and the listed packages."""
    import mlflow

    report = read_report(registered)
    folder = Path(mlflow.artifacts.download_artifacts(report.model_uri, dst_path=str(tmp_path)))
    names = {path.name for path in folder.iterdir()}
    assert {"model.skops", "requirements.txt", "input_example.json"} <= names
    requirements = (folder / "requirements.txt").read_text().split()
    packages = {line.partition("==")[0] for line in requirements}
    assert packages - {"mlflow", "mlflow-skinny"} == set(PACKAGES)
    loaded = mlflow.pyfunc.load_model(str(folder))
    assert [str(spec.type) for spec in loaded.metadata.signature.inputs] == ["float32"]
    examples = registered.registry.get_bundle(report.mlflow_run_id).manifest.examples
    probabilities = loaded.predict(np.array(examples.inputs, dtype=np.float32))[:, 1]
    assert probabilities == pytest.approx(examples.expected)


def test_a_second_run_changes_nothing(new_context: NewContext, pretrained: TrainingResult) -> None:
    """With the same run ID, gold, settings and code, the existing MLflow run is kept."""
    context = new_context()
    train.run(context)
    first = context.lake.read(train_report(RUN))
    train.run(context)
    assert context.lake.read(train_report(RUN)) == first


def test_another_seed_trains_again(new_context: NewContext, pretrained: TrainingResult) -> None:
    """A report whose inputs differ is replaced, with a new MLflow run."""
    train.run(new_context())
    first = read_report(new_context())
    train.run(new_context(seed=7))
    assert read_report(new_context()).mlflow_run_id != first.mlflow_run_id


def test_known_effects_are_learned(
    learned: TrainingResult, splits: dict[str, TrainingData]
) -> None:
    """A feature's risky value raises the probability, as columns.EXPECTATIONS state."""

    def score(rows: FloatArray) -> FloatArray:
        return candidates.positive_probability(learned.final.model, rows.astype(np.float32))

    rows = splits["test"].rows.astype(np.float64)
    effect = behavioral_checks.expected_effect(score, rows, EXPECTATIONS)
    assert effect is not None
    assert effect > 0.01


def test_the_stability_of_the_labels_is_reported(learned: TrainingResult) -> None:
    """Some labels of the rows depend on which of them the model was trained on."""
    stability = learned.stability
    assert stability is not None
    assert stability.rows == len(learned.data.labels)
    assert 0 < stability.mean_changed < stability.changed / stability.rows < 0.5


def test_nobody_below_the_average_risk_is_flagged(learned: TrainingResult) -> None:
    """By default the threshold is the rate of positive rows."""
    rate = learned.data.labels.mean()
    predictions = learned.final.predict(learned.data.rows)
    assert predictions.probability[predictions.positive].min() >= rate
    assert predictions.probability[~predictions.positive].max() < rate


def test_the_estimate_is_out_of_fold(
    learned: TrainingResult, splits: dict[str, TrainingData]
) -> None:
    """Every training row is predicted once, by a model that was not trained on it."""
    predictions, labels = learned.out_of_fold, splits["train"].labels
    assert len(predictions) == labels.size
    assert sorted(predictions["row"]) == list(range(labels.size))
    assert (predictions[LABEL.name] == labels[predictions["row"]]).all()
    for _, fold in predictions.groupby("fold"):
        positive = fold["predicted_positive"]
        assert fold.loc[positive, "probability"].min() > fold.loc[~positive, "probability"].max()
    assert learned.cross_validation["roc_auc"].value < 0.99


def set_labels(context: Context, split: str, labels: list[int]) -> None:
    """Replace a split by its first rows with these labels, as if `features` had written it."""
    key = gold_split(RUN, split)
    frame = from_parquet(context.lake.read(key)).iloc[: len(labels)].copy()
    frame[LABEL.name] = labels
    manifest = context.lake.read_model(gold_manifest(RUN), GoldManifest)
    facts = SplitFacts(sha256=context.lake.write(key, to_parquet(frame)), rows=0, positives=0)
    splits = manifest.splits | {split: facts}
    context.lake.write_model(gold_manifest(RUN), manifest.model_copy(update={"splits": splits}))


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0] * 100, "None of the 100 training rows is labelled 'fail'"),
        ([0] * 97 + [1] * 3, r"Only 3 of the 100 .* 5 folds within 5 folds need at least 7"),
    ],
    ids=["one class", "few positives"],
)
def test_rows_that_cannot_be_learned_from_are_refused(
    new_context: NewContext, labels: list[int], message: str
) -> None:
    """The stage fails before it writes anything; tests/unit/test_training_data.py has all cases."""
    context = new_context(train={"folds": 5})
    set_labels(context, "train", labels)
    before = context.lake.keys("reports/")
    with pytest.raises(DataError, match=message):
        train.run(context)
    assert context.lake.keys("reports/") == before


def test_modified_gold_is_refused(new_context: NewContext) -> None:
    """A split whose hash is not that of its manifest is not trained on."""
    context = new_context()
    context.lake.write(gold_split(RUN, "train"), b"other")
    with pytest.raises(LakeError, match=r"gold/run-1/train\.parquet"):
        train.run(context)


def test_missing_gold_is_reported(new_context: NewContext) -> None:
    """The error names the missing object."""
    with pytest.raises(LakeError, match=r"gold/other/manifest\.json does not exist"):
        train.run(new_context("other"))


@pytest.mark.parametrize(
    "uri", ["http://127.0.0.1:9", "http://mlflow.invalid:5000"], ids=["refused", "unknown host"]
)
def test_unreachable_mlflow_is_reported(
    new_context: NewContext, pretrained: TrainingResult, uri: str
) -> None:
    """The wait is bounded, the error names the setting, and there is no report."""
    context = new_context(mlflow={"tracking_uri": uri, "timeout_seconds": 1, "retries": 0})
    message = f"MLflow at {uri} did not respond in 1 attempts of up to 1 s.*TRACKING_URI"
    with pytest.raises(RegistryError, match=message):
        train.run(context)
    assert not context.lake.exists(train_report(RUN))
