"""evaluate: metrics and gates, the comparison with the champion, the figures and the card."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

from pipeline.columns import FEATURE_NAMES, LABEL
from pipeline.context import Context
from pipeline.data_check.report import DataCheck
from pipeline.errors import DataError
from pipeline.evaluation import datasets
from pipeline.evaluation.datasets import read_split
from pipeline.evaluation.judge import judge
from pipeline.evaluation.measurements import GateInputs
from pipeline.evaluation.model_card.figures import FIGURES
from pipeline.evaluation.out_of_fold import read_out_of_fold
from pipeline.evaluation.predictions import SplitPredictions
from pipeline.gate_table import get_stage_gates
from pipeline.model import candidates
from pipeline.model.bundle import Bundle
from pipeline.model.calibration import fit_calibrated
from pipeline.model.candidates import CANDIDATES
from pipeline.model.selection import Selection
from pipeline.model.training import TrainingResult
from pipeline.model.training_data import TrainingData
from pipeline.stages import evaluate, register, train
from pipeline.storage.artifacts.training import TrainReport
from pipeline.storage.layout import out_of_fold, train_report
from pipeline.storage.parquet import from_parquet, to_parquet
from pipeline.tracking.registry import MANIFEST_TAG, PRODUCTION
from tests.model.conftest import UseTraining
from tests.support.accessibility import find_violations
from tests.support.gold import RUN, copy_gold
from tests.support.lake import read_json, write_json

NewContext = Callable[..., Context]
LOOSE = {"min_roc_auc": 0, "min_recall": 0, "min_balanced_accuracy": 0, "min_roc_auc_lower": 0}
"""Bounds that every model meets."""


def train_and_evaluate(context: Context) -> dict[str, Any]:
    """Return the report of `evaluate`."""
    train.run(context)
    evaluate.run(context)
    return read_report(context)


def read_report(context: Context) -> dict[str, Any]:
    report: dict[str, Any] = read_json(context.lake, f"reports/{context.run_id}/evaluation.json")
    return report


def train_champion(context: Context) -> str:
    """Train, evaluate and register a model, put it into production, and return its version."""
    train_and_evaluate(context)
    register.run(context)
    number = context.registry.list_versions()[-1].number
    context.registry.set_alias(PRODUCTION, number)
    return number


@pytest.fixture(scope="module")
def weak(splits: dict[str, TrainingData], learned: TrainingResult) -> TrainingResult:
    """The result of training on shuffled labels."""
    rows, label = splits["train"][:2]
    shuffled = TrainingData(rows, np.random.default_rng(1).permutation(label))
    return dataclasses.replace(
        learned,
        final=fit_calibrated(Selection(CANDIDATES[1], 0.0, {}), shuffled, folds=2, seed=1),
    )


def test_the_report_describes_the_served_model(
    registered: Context, learned: TrainingResult, splits: dict[str, TrainingData]
) -> None:
    """Metrics are those of the trained model on the test rows, and every gate is judged."""
    report = read_report(registered)
    test, model = splits["test"], learned.final
    predicted = candidates.positive_probability(model.model, test.rows) >= model.threshold
    recall = predicted[test.labels == 1].mean()
    assert report["metrics"]["recall"]["value"] == pytest.approx(recall)
    for metric in report["metrics"].values():
        assert metric["low"] <= metric["value"] <= metric["high"]
    assert [gate["name"] for gate in report["gates"]] == [
        gate.name for gate in get_stage_gates("evaluate")
    ]
    assert report["onnx_difference"] < 1e-5
    courses = [group for group in report["groups"] if group["name"].startswith("course")]
    assert sum(group["rows"] for group in courses) == splits["train"].labels.size


def test_the_card_shows_the_report(registered: Context) -> None:
    """Markdown and HTML have the decision, every gate with what is judged, metric and group.

    The figures are SVG files; the Markdown card links to them, the HTML card contains them.
    """
    context = registered
    report = read_report(context)
    markdown, html = (
        context.lake.read(f"reports/{RUN}/model_card.{kind}").decode() for kind in ("md", "html")
    )
    names = [
        *report["metrics"],
        *(gate["name"] for gate in report["gates"]),
        *(group["name"] for group in report["groups"]),
        "lower end of the 95 % interval",
    ]
    for card in (markdown, html.replace("<wbr>", "")):
        assert not [name for name in names if name not in card]
        assert report["decision"].split("`")[0] in card
    drawn = [name for name in FIGURES if name != "champion.svg"]
    for name in drawn:
        assert context.lake.read(f"reports/{RUN}/{name}").startswith(b"<svg")
        assert f"]({name})" in markdown
    assert html.count("data:image/svg+xml;base64,") == len(drawn)
    assert "http" not in html
    assert find_violations(html) == []


def test_groups_are_measured_out_of_fold(
    new_context: NewContext, pretrained: TrainingResult, splits: dict[str, TrainingData]
) -> None:
    """The rates of a group are those of the out-of-fold predictions of its training rows."""
    report = train_and_evaluate(new_context())
    assert report["group_rows"] == "training rows, out of fold"
    predictions, rows = pretrained.out_of_fold, splits["train"].rows[pretrained.out_of_fold["row"]]
    is_stem = rows[:, FEATURE_NAMES.index("course")] == 1
    found = predictions[is_stem & (predictions[LABEL.name] == 1)]["predicted_positive"]
    stem = next(group for group in report["groups"] if group["name"] == "course stem")
    assert stem["positives"] == len(found)
    assert stem["recall"]["value"] == pytest.approx(found.mean())
    assert stem["recall"]["low"] < stem["recall"]["value"] < stem["recall"]["high"]


@pytest.mark.parametrize("problem", ["no report", "another model", "an earlier release"])
def test_groups_fall_back_to_the_test_rows(
    new_context: NewContext,
    pretrained: TrainingResult,
    splits: dict[str, TrainingData],
    problem: str,
) -> None:
    """Predictions of earlier releases do not name their rows. The notes of the gates say so."""
    context = new_context()
    train.run(context)
    report = context.lake.read_model(train_report(RUN), TrainReport)
    manifest = context.registry.get_bundle(report.mlflow_run_id).manifest
    if problem == "no report":
        context.lake.delete(train_report(RUN))
    elif problem == "another model":
        manifest = manifest.model_copy(update={"run_id": "another"})
    else:
        old = to_parquet(pretrained.out_of_fold.drop(columns="row"))
        sha256 = context.lake.write(out_of_fold(RUN), old)
        changed = report.model_copy(update={"out_of_fold": sha256})
        context.lake.write_model(train_report(RUN), changed)
    assert read_out_of_fold(context.lake, manifest) is None
    bundle = Bundle(manifest, context.registry.get_bundle(report.mlflow_run_id).files)
    test = read_split(context.lake, manifest.lineage, "test")
    inputs = GateInputs(context.settings, SplitPredictions(bundle, test))
    assert inputs.group_rows.labels.size == splits["test"].labels.size
    (note, _) = judge("validate", inputs).notes
    assert note.endswith(
        "(test rows, because the lake has no out-of-fold predictions of this model)"
    )


def test_mlflow_has_the_evaluation(registered: Context) -> None:
    """The MLflow run has the test metrics with intervals, the decision, the figures, the card."""
    report = read_report(registered)
    with registered.registry.client() as client:
        run = client.get_run(report["mlflow_run_id"])
        artifacts = {
            item.path.rpartition("/")[2]
            for item in client.list_artifacts(report["mlflow_run_id"], evaluate.FOLDER)
        }
    assert run.data.metrics["test_roc_auc_low"] == report["metrics"]["roc_auc"]["low"]
    assert run.data.tags["decision"] == report["decision"]
    assert artifacts == {"README.md", "model_card.html", "model_card.md", *FIGURES} - {
        "champion.svg"
    }


def test_the_card_shows_the_data_check(registered: Context) -> None:
    """What was found in the rows follows the figures, and the best rule is in the card."""
    context = registered
    check = context.lake.read_model(f"reports/{RUN}/data_check.json", DataCheck)
    assert check.sentences
    assert check.rule is not None
    markdown = context.lake.read(f"reports/{RUN}/model_card.md").decode()
    quality = markdown.partition("## Quality")[2].partition("## ")[0]
    assert not [sentence for sentence in check.sentences if sentence not in quality]
    assert check.rule.rule in markdown


def test_the_card_compares_with_the_baselines(registered: Context) -> None:
    """Each baseline has a row next to the selection, and a sentence says whether it is better."""
    context = registered
    report = context.lake.read_model(f"reports/{RUN}/train.json", TrainReport)
    markdown = context.lake.read(f"reports/{RUN}/model_card.md").decode()
    chosen = markdown.partition("## How it was chosen")[2].partition("## ")[0]
    assert report.comparison_with_rule in chosen
    for name, metrics in report.baselines.items():
        assert f"| {name} | {metrics['roc_auc']} |" in chosen


def test_a_label_that_depends_on_the_order_can_be_refused(
    registered: Context, new_context: NewContext, pretrained: TrainingResult
) -> None:
    """The gate has no effect by default; a bound rejects the candidate with the measured value."""
    assert "is registered" in read_report(registered)["decision"]
    context = new_context(gates={"max_order_auc": 0.5})
    decision = train_and_evaluate(context)["decision"]
    check = context.lake.read_model(f"reports/{RUN}/data_check.json", DataCheck)
    assert check.order is not None
    assert f"max_order_auc is {check.order.strength:.4g}, the bound is 0.5" in decision


def test_a_run_without_data_check_is_evaluated(
    new_context: NewContext, pretrained: TrainingResult
) -> None:
    """Gold of an earlier release has none: the gate has nothing to judge."""
    context = new_context()
    context.lake.delete(f"reports/{RUN}/data_check.json")
    report = train_and_evaluate(context)
    (gate,) = [gate for gate in report["gates"] if gate["name"] == "max_order_auc"]
    assert gate["value"] is None
    assert gate["passed"]


def test_a_large_test_split_is_sampled(
    new_context: NewContext, pretrained: TrainingResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The report says so, and the card at the metrics and at the gates."""
    monkeypatch.setattr(datasets, "MAX_MEASURED_ROWS", 200)
    context = new_context()
    report = train_and_evaluate(context)
    note = "the figures are of 200 of the 250 test rows, a random sample"
    assert note in report["notes"]
    card = context.lake.read(f"reports/{RUN}/model_card.md").decode()
    sections = re.split("^## ", card, flags=re.MULTILINE)
    assert [section.split("\n")[0] for section in sections if note[1:] in section] == [
        "Quality",
        "Gates of training",
    ]
    assert "Mean predicted probability of 200 test rows when" in card
    metadata = context.lake.read(f"reports/{RUN}/README.md").decode()
    assert "a random sample of the test rows" in metadata


def test_a_failed_gate_rejects_the_candidate(
    new_context: NewContext, pretrained: TrainingResult
) -> None:
    """The decision names the gate, its value, its bound and the distance between them."""
    report = train_and_evaluate(new_context(gates={"min_roc_auc": 0.999}))
    value = report["metrics"]["roc_auc"]["value"]
    assert report["champion"] is None
    assert report["decision"] == (
        "The candidate is rejected and production does not change: "
        f"min_roc_auc is {value:.4g}, the bound is 0.999 (off by {0.999 - value:.4g})."
    )


def test_the_onnx_difference_of_training_is_judged(
    new_context: NewContext, pretrained: TrainingResult
) -> None:
    """A model whose graph differed on the rows that `train` compared is rejected.

    It is rejected although the graph reproduces the stored examples.
    """
    context = new_context()
    train.run(context)
    report = read_json(context.lake, f"reports/{RUN}/train.json")
    write_json(context.lake, f"reports/{RUN}/train.json", report | {"onnx_difference": 0.01})
    evaluate.run(context)
    decision = read_json(context.lake, f"reports/{RUN}/evaluation.json")["decision"]
    assert "max_onnx_difference is 0.01, the bound is 1e-05" in decision


def test_a_candidate_identical_to_the_champion(
    new_context: NewContext, pretrained: TrainingResult
) -> None:
    """A second run on the same data makes the champion again, and the decision says so."""
    first = new_context()
    number = train_champion(first)
    copy_gold(first.lake, "run-2")
    report = train_and_evaluate(new_context("run-2"))
    assert report["champion"]["is_identical"]
    assert not report["champion"]["candidate_is_better"]
    assert f"It is identical to version {number}, the champion" in report["decision"]
    assert first.lake.exists("reports/run-2/champion.svg")


@pytest.fixture
def train_on(
    monkeypatch: pytest.MonkeyPatch, use_training: UseTraining
) -> Callable[[TrainingResult], None]:
    """Replaces training by a result."""
    return partial(use_training, monkeypatch)


def challenge(
    new_context: NewContext,
    train_on: Callable[[TrainingResult], None],
    champion: TrainingResult,
    challenger: TrainingResult,
    **sections: Any,
) -> dict[str, Any]:
    """Put a champion into production, and return the report on a challenger.

    Args:
        new_context: Makes a context.
        train_on: Replaces training by a result.
        champion: The champion.
        challenger: The challenger.
        sections: Settings of the challenger's run.
    """
    train_on(champion)
    first = new_context(gates=LOOSE)
    train_champion(first)
    train_on(challenger)
    copy_gold(first.lake, "run-2")
    return train_and_evaluate(new_context("run-2", **sections))


def test_a_better_challenger(
    new_context: NewContext,
    train_on: Callable[[TrainingResult], None],
    weak: TrainingResult,
    learned: TrainingResult,
) -> None:
    """A model beats a champion that learned nothing, on the same rows.

    Twelve positive rows are too few for the default of `min_gain_evidence`.
    """
    report = challenge(new_context, train_on, weak, learned, gates={"min_gain_evidence": 3})
    champion = report["champion"]
    assert champion["candidate_is_better"]
    assert "It can replace version 1, the champion (ROC AUC +" in report["decision"]
    assert champion["difference"]["roc_auc"]["low"] > 0
    difference = (
        champion["candidate_metrics"]["roc_auc"]["value"]
        - champion["champion_metrics"]["roc_auc"]["value"]
    )
    assert champion["difference"]["roc_auc"]["value"] == pytest.approx(difference)


def test_a_worse_challenger(
    new_context: NewContext,
    train_on: Callable[[TrainingResult], None],
    weak: TrainingResult,
    learned: TrainingResult,
) -> None:
    """The decision shows how much worse a challenger is."""
    report = challenge(new_context, train_on, learned, weak, gates=LOOSE)
    assert not report["champion"]["candidate_is_better"]
    decision = "Nothing shows yet that it should replace version 1, the champion (ROC AUC -"
    assert decision in report["decision"]


def test_an_unreadable_champion_can_be_replaced(
    new_context: NewContext, pretrained: TrainingResult
) -> None:
    """The candidate is evaluated without it, and report and card say why."""
    first = new_context()
    number = train_champion(first)
    first.registry.set_tag(number, MANIFEST_TAG, "0" * 64)
    copy_gold(first.lake, "run-2")
    report = train_and_evaluate(new_context("run-2"))
    assert report["champion"] is None
    note = report["notes"][0]
    assert note.startswith("the candidate cannot be compared with version 1 in production: ")
    assert note[1:] in first.lake.read("reports/run-2/model_card.md").decode()


def test_test_rows_of_one_class_are_refused(
    new_context: NewContext, pretrained: TrainingResult
) -> None:
    """No metric is defined for them: the stage fails and writes no report."""
    context = new_context()
    frame = from_parquet(context.lake.read(f"gold/{RUN}/test.parquet"))
    frame[LABEL.name] = 0
    manifest = read_json(context.lake, f"gold/{RUN}/manifest.json")
    manifest["splits"]["test"]["sha256"] = context.lake.write(
        f"gold/{RUN}/test.parquet", to_parquet(frame)
    )
    write_json(context.lake, f"gold/{RUN}/manifest.json", manifest)
    train.run(context)
    with pytest.raises(DataError, match="test rows have the same label"):
        evaluate.run(context)
    assert not context.lake.exists(f"reports/{RUN}/evaluation.json")
