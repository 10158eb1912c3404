"""evaluate: the figures, the gates, the champion, the card."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from pipeline.columns import LABEL
from pipeline.context import Context
from pipeline.errors import DataError
from pipeline.evaluation.model_card.card import FIGURES
from pipeline.model import candidates
from pipeline.model.calibration import fit_calibrated
from pipeline.model.candidates import CANDIDATES
from pipeline.model.metrics import Predictions
from pipeline.model.selection import Selection
from pipeline.model.training import TrainingResult
from pipeline.model.training_data import TrainingData
from pipeline.stages import evaluate, register, train
from pipeline.storage.parquet import from_parquet, to_parquet
from pipeline.tracking.registry import MANIFEST_TAG, PRODUCTION
from tests.model.conftest import RUN, copy_gold
from tests.support.lake import read_json, write_json

NewContext = Callable[..., Context]
PNG = b"\x89PNG\r\n\x1a\n"
LOOSE = {"min_roc_auc": 0, "min_recall": 0, "min_balanced_accuracy": 0, "min_roc_auc_lower": 0}
"""Gates that let anything through."""


def evaluated(context: Context) -> dict[str, Any]:
    """Trains and evaluates; the report."""
    train.run(context)
    evaluate.run(context)
    found: dict[str, Any] = read_json(context.lake, f"reports/{context.run_id}/evaluation.json")
    return found


def promoted(context: Context) -> str:
    """Trains, evaluates, registers, and makes it the champion; its version."""
    evaluated(context)
    register.run(context)
    number = context.registry.list_versions()[-1].number
    context.registry.set_alias(PRODUCTION, number)
    return number


@pytest.fixture
def weak(splits: dict[str, TrainingData], learned: TrainingResult) -> TrainingResult:
    """A training that learned from shuffled labels."""
    rows, label = splits["train"]
    shuffled = TrainingData(rows, np.random.default_rng(1).permutation(label))
    return dataclasses.replace(
        learned,
        final=fit_calibrated(Selection(CANDIDATES[0], 0.0, {}), shuffled, folds=2, seed=1),
    )


def test_the_report_is_of_the_served_model(
    new_context: NewContext, at_hand: TrainingResult, splits: dict[str, TrainingData]
) -> None:
    """Metrics on the test rows are those of the trained model, each inside its interval, and every gate is judged."""
    found = evaluated(new_context())
    test = splits["test"]
    called = (
        candidates.positive_probability(at_hand.final.model, test.rows) >= at_hand.final.threshold
    )
    assert found["metrics"]["recall"]["value"] == pytest.approx(called[test.labels == 1].mean())
    for metric in found["metrics"].values():
        assert metric["low"] <= metric["value"] <= metric["high"]
    names = {
        "min_roc_auc",
        "min_recall",
        "min_balanced_accuracy",
        "min_roc_auc_lower",
        "max_onnx_difference",
    }
    assert {gate["name"] for gate in found["gates"]} == names
    assert found["onnx_difference"] < 1e-5
    assert (
        sum(group["rows"] for group in found["groups"] if group["name"].startswith("course"))
        == test.labels.size
    )


def test_the_card_says_and_shows_it(new_context: NewContext, at_hand: TrainingResult) -> None:
    """Markdown and HTML hold the decision, every gate, metric and group; the figures are PNG, beside one and inside the other."""
    context = new_context()
    found = evaluated(context)
    markdown, html = (
        context.lake.read(f"reports/{RUN}/model_card.{kind}").decode() for kind in ("md", "html")
    )
    drawn = [name for name in FIGURES if name != "champion.png"]
    for card in (markdown, html):
        named = [
            *found["metrics"],
            *(gate["name"] for gate in found["gates"]),
            *(group["name"] for group in found["groups"]),
        ]
        assert not [name for name in named if name not in card]
        assert found["decision"].split("`")[0] in card
    for name in drawn:
        assert context.lake.read(f"reports/{RUN}/{name}").startswith(PNG)
        assert f"]({name})" in markdown
    assert html.count("data:image/png;base64,") == len(drawn)
    assert "http" not in html.replace("https", "http").split("</style>")[0]


def test_the_run_holds_the_evaluation(new_context: NewContext, at_hand: TrainingResult) -> None:
    """The candidate's MLflow run has the test metrics with their intervals, the decision, the figures and the card."""
    context = new_context()
    found = evaluated(context)
    with context.registry.client() as client:
        run = client.get_run(found["mlflow_run_id"])
        logged = {
            item.path.rpartition("/")[2]
            for item in client.list_artifacts(found["mlflow_run_id"], evaluate.FOLDER)
        }
    assert run.data.metrics["test_roc_auc_low"] == found["metrics"]["roc_auc"]["low"]
    assert run.data.tags["decision"] == found["decision"]
    assert {"model_card.html", "model_card.md", *FIGURES} - {"champion.png"} == logged


def test_a_refused_gate_says_which_and_by_how_much(
    new_context: NewContext, at_hand: TrainingResult
) -> None:
    """The decision names the gate, its value, its bound and the gap."""
    found = evaluated(new_context(gates={"min_roc_auc": 0.999}))
    value = found["metrics"]["roc_auc"]["value"]
    assert found["champion"] is None
    assert found["decision"] == (
        "The candidate is refused, and production stays as it is: "
        f"min_roc_auc is {value:.4g}, the bound is 0.999 (off by {0.999 - value:.4g})."
    )


def test_parity_measured_in_training_is_judged(
    new_context: NewContext, at_hand: TrainingResult
) -> None:
    """A graph that differed from the model where training looked is refused, though it answers the stored examples rightly."""
    context = new_context()
    train.run(context)
    report = read_json(context.lake, f"reports/{RUN}/train.json")
    write_json(context.lake, f"reports/{RUN}/train.json", report | {"onnx_difference": 0.01})
    evaluate.run(context)
    decision = read_json(context.lake, f"reports/{RUN}/evaluation.json")["decision"]
    assert "max_onnx_difference is 0.01, the bound is 1e-05" in decision


def test_the_same_bytes_as_the_champion(new_context: NewContext, at_hand: TrainingResult) -> None:
    """A second run on the same data finds the champion again, and says so plainly."""
    first = new_context()
    number = promoted(first)
    copy_gold(first.lake, "run-2")
    found = evaluated(new_context("run-2"))
    assert found["champion"]["is_identical"]
    assert not found["champion"]["candidate_is_better"]
    assert (
        f"is byte for byte version {number}, the champion: nothing would change, the champion stays"
        in found["decision"]
    )
    assert first.lake.exists("reports/run-2/champion.png")


def challenged(
    new_context: NewContext,
    monkeypatch: pytest.MonkeyPatch,
    champion: TrainingResult,
    challenger: TrainingResult,
    **sections: Any,
) -> dict[str, Any]:
    """What `evaluate` finds of the challenger, beside a champion in production; `sections` are the second run's settings."""
    monkeypatch.setattr(train, "train_candidate", lambda *_: champion)
    first = new_context(gates=LOOSE)
    promoted(first)
    monkeypatch.setattr(train, "train_candidate", lambda *_: challenger)
    copy_gold(first.lake, "run-2")
    return evaluated(new_context("run-2", **sections))


def test_a_better_challenger(
    new_context: NewContext,
    monkeypatch: pytest.MonkeyPatch,
    weak: TrainingResult,
    learned: TrainingResult,
) -> None:
    """A champion that learned nothing is beaten, on the same rows, and the gates of `validate` are what says so."""
    champion = challenged(new_context, monkeypatch, weak, learned)["champion"]
    assert champion["candidate_is_better"]
    assert champion["difference"]["roc_auc"]["low"] > 0
    gain = (
        champion["candidate_metrics"]["roc_auc"]["value"]
        - champion["champion_metrics"]["roc_auc"]["value"]
    )
    assert champion["difference"]["roc_auc"]["value"] == pytest.approx(gain)


def test_a_worse_challenger(
    new_context: NewContext,
    monkeypatch: pytest.MonkeyPatch,
    weak: TrainingResult,
    learned: TrainingResult,
) -> None:
    """A challenger that ranks no better leaves the champion, and the decision says by how much."""
    found = challenged(new_context, monkeypatch, learned, weak, gates=LOOSE)
    assert not found["champion"]["candidate_is_better"]
    assert "does no better than version 1, the champion (ROC AUC -" in found["decision"]


def test_a_champion_that_cannot_be_read_stops_nothing(
    new_context: NewContext, at_hand: TrainingResult
) -> None:
    """A broken champion must be replaceable: the candidate is measured without it, with a note."""
    first = new_context()
    number = promoted(first)
    first.registry.set_tag(number, MANIFEST_TAG, "0" * 64)
    copy_gold(first.lake, "run-2")
    found = evaluated(new_context("run-2"))
    assert found["champion"] is None
    assert "cannot be compared with: the manifest of run" in found["notes"][0]


def test_test_rows_of_one_class_are_refused(
    new_context: NewContext, at_hand: TrainingResult
) -> None:
    """Nothing can be measured on them: a sentence, and no report."""
    context = new_context()
    frame = from_parquet(context.lake.read(f"gold/{RUN}/test.parquet"))
    frame[LABEL.name] = 0
    manifest = read_json(context.lake, f"gold/{RUN}/manifest.json")
    manifest["splits"]["test"]["sha256"] = context.lake.write(
        f"gold/{RUN}/test.parquet", to_parquet(frame)
    )
    write_json(context.lake, f"gold/{RUN}/manifest.json", manifest)
    train.run(context)
    with pytest.raises(DataError, match="hold one class alone"):
        evaluate.run(context)
    assert not context.lake.exists(f"reports/{RUN}/evaluation.json")


def test_groups_are_counted_right(learned: TrainingResult, splits: dict[str, TrainingData]) -> None:
    """Each group's positives, calls and hits are those of its rows."""
    test = splits["test"]
    scored = Predictions(
        candidates.positive_probability(learned.final.model, test.rows), learned.final.threshold
    )
    rows = test.rows.astype(np.float64)
    groups = {group.name: group for group in evaluate.measure_groups(rows, test.labels, scored)}
    stem = rows[:, 1] == 1
    found = groups["course stem"]
    assert found.rows == stem.sum()
    assert found.true_positives == (stem & (test.labels == 1) & scored.positive).sum()
    assert found.predicted_positive == (stem & scored.positive).sum()
