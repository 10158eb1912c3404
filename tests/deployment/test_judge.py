"""judge: what each stage compares with the bounds of its gates."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.column_file.roles import Key
from pipeline.columns import FEATURE_NAMES, ROLES
from pipeline.context import open_context
from pipeline.evaluation import small_groups
from pipeline.evaluation.champion import ChampionComparison
from pipeline.evaluation.datasets import read_split
from pipeline.evaluation.groups import GroupRows
from pipeline.evaluation.judge import beats_champion, judge
from pipeline.evaluation.measurements import GateInputs
from pipeline.evaluation.predictions import SignatureMismatchError, SplitPredictions
from pipeline.evaluation.shadow import ShadowTraffic
from pipeline.gate_table import get_stage_gates
from pipeline.model.bundle import Bundle
from pipeline.model.intervals import wilson_interval
from pipeline.settings import Settings
from pipeline.storage.artifacts.evaluation import Evidence
from tests.support.deployment_env import GOLD_RUN, Kind, trained
from tests.support.forest import add_refits

CHAMPION_GATES = [gate.name for gate in get_stage_gates("validate") if gate.against_champion]

EVIDENCE = Evidence(
    is_refresh=False,
    margin=0,
    e_value=50,
    number=1,
    corrected=30,
    looks=2,
    units=60,
    new_units=40,
    gain=0.08,
    std=0.2,
)


class Judge:
    """Judges trained models on the test rows of the survey."""

    def __init__(self, survey: Path) -> None:
        self._survey = survey
        lake = open_context(
            Settings.model_validate({"lake": {"url": f"file://{survey}"}}), GOLD_RUN
        ).lake
        self._test = read_split(lake, trained(survey, "good").manifest.lineage, "test")

    def model(self, kind: Kind, **changes: Any) -> SplitPredictions:
        """A model; `changes` are fields of its manifest."""
        bundle = add_refits(trained(self._survey, kind))
        manifest = bundle.manifest.model_copy(update=changes)
        return SplitPredictions(Bundle(manifest, bundle.files), self._test)

    def inputs(
        self, model: SplitPredictions, champion: SplitPredictions | None = None, **options: Any
    ) -> GateInputs:
        """What gates are measured on; `gates` in the options are bounds."""
        settings = Settings.model_validate({"gates": options.pop("gates", {})})
        comparison = ChampionComparison(model, champion) if champion else None
        options = {"evidence": EVIDENCE if champion else None} | options
        return GateInputs(settings, model, comparison, **options)


@pytest.fixture
def bench(survey: Path) -> Judge:
    return Judge(survey)


def values(stage: str, inputs: GateInputs) -> dict[str, float | None]:
    return {result.name: result.value for result in judge(stage, inputs).results}


def test_a_stage_compares_its_own_number(bench: Judge) -> None:
    """`evaluate` compares the point estimate; `demote` the upper end, which chance can reach."""
    inputs = bench.inputs(bench.model("good"))
    roc_auc = inputs.metrics["roc_auc"]
    assert values("evaluate", inputs)["min_roc_auc"] == roc_auc.value
    assert values("validate", inputs)["min_roc_auc_lower"] == roc_auc.low
    assert values("demote", inputs)["min_roc_auc"] == roc_auc.high


def test_a_bound_between_estimate_and_upper_end_demotes_nobody(bench: Judge) -> None:
    """The same model fails in `evaluate` and passes in `demote`."""
    model = bench.model("good")
    roc_auc = bench.inputs(model).metrics["roc_auc"]
    inputs = bench.inputs(model, gates={"min_roc_auc": (roc_auc.value + roc_auc.high) / 2})
    passed = {
        stage: {result.name: result.passed for result in judge(stage, inputs).results}
        for stage in ("evaluate", "demote")
    }
    assert not passed["evaluate"]["min_roc_auc"]
    assert passed["demote"]["min_roc_auc"]


@pytest.mark.parametrize("stage", ["evaluate", "validate"])
def test_the_onnx_difference_means_the_same_in_every_stage(bench: Judge, stage: str) -> None:
    """It is the larger of the difference on the examples and the one that training recorded."""
    model = bench.model("good")
    recorded = bench.inputs(model, training_onnx_difference=0.02)
    assert values(stage, recorded)["max_onnx_difference"] == 0.02
    examples = model.bundle.manifest.examples
    probability = [value + 0.01 for value in examples.probability]
    moved = bench.model("good", examples=examples.model_copy(update={"probability": probability}))
    for difference in (None, 1e-7):
        inputs = bench.inputs(moved, training_onnx_difference=difference)
        assert values(stage, inputs)["max_onnx_difference"] == pytest.approx(0.01, abs=1e-6)


@pytest.mark.parametrize("gate", CHAMPION_GATES)
def test_every_gate_against_the_champion_counts(bench: Judge, gate: str) -> None:
    """A candidate is better only if `validate` would pass it against the champion."""
    candidate, champion = bench.model("better"), bench.model("good")
    shadow = ShadowTraffic(rows=500, agreement=0.95)
    assert beats_champion(bench.inputs(candidate, champion, shadow=shadow))
    bound = -1.0 if gate.startswith("max_") else 100.0
    assert not beats_champion(bench.inputs(candidate, champion, shadow=shadow, gates={gate: bound}))


def test_without_a_champion_there_is_nothing_to_compare(bench: Judge) -> None:
    """Gates against the champion pass, whatever their bound."""
    inputs = bench.inputs(bench.model("good"), gates={"min_gain_evidence": 2.0})
    judged = values("validate", inputs)
    assert {name for name, value in judged.items() if value is None} == set(CHAMPION_GATES)
    assert beats_champion(inputs)


@pytest.mark.parametrize(("rows", "is_judged"), [(200, True), (199, False)])
def test_few_rows_of_shadow_traffic_are_not_judged(
    bench: Judge, rows: int, is_judged: bool
) -> None:
    """The agreement on fewer than `deployment.min_shadow_rows` rows may be chance."""
    shadow = ShadowTraffic(rows, agreement=0.1)
    inputs = bench.inputs(bench.model("better"), bench.model("good"), shadow=shadow)
    value = values("validate", inputs)["min_shadow_agreement_difference_upper"]
    assert (value is not None) == is_judged
    assert value is None or value < 0


def test_a_champion_without_refits_varies_like_the_candidate(bench: Judge) -> None:
    """Champions of earlier releases have none; the candidate's own are used for both."""
    old = bench.model("good", refits=None)
    found = []
    for champion in (bench.model("good"), old):
        shadow = ShadowTraffic(500, agreement=0.7)
        inputs = bench.inputs(bench.model("better"), champion, shadow=shadow)
        found.append(values("validate", inputs)["min_shadow_agreement_difference_upper"])
    assert found[0] == pytest.approx(found[1])


def test_verdicts_on_samples_have_their_power(bench: Judge) -> None:
    """So do those against the champion, unless its evidence is of an earlier release."""
    candidate, champion = bench.model("better"), bench.model("good")
    on_metrics = {"min_roc_auc", "min_recall", "min_balanced_accuracy", "min_roc_auc_lower"}
    on_champion = {*CHAMPION_GATES} - {"min_shadow_agreement_difference_upper"}

    def find(stage: str, inputs: GateInputs) -> set[str]:
        return {result.name for result in judge(stage, inputs).results if result.power}

    assert find("evaluate", bench.inputs(candidate)) == on_metrics
    assert find("validate", bench.inputs(candidate, champion)) == on_metrics | on_champion
    old = bench.inputs(candidate, champion, evidence=EVIDENCE.model_copy(update={"std": None}))
    assert find("validate", old) == on_metrics | on_champion - {"min_gain_evidence"}
    assert find("demote", bench.inputs(candidate)) == on_metrics - {"min_roc_auc_lower"}


def test_groups_are_noted(bench: Judge) -> None:
    """The notes name the groups whose numbers were judged, with their intervals."""
    judgement = judge("validate", bench.inputs(bench.model("good")))
    recall, false_positives = judgement.notes
    assert recall.startswith("the recall's upper end is lowest in the group '")
    assert false_positives.startswith("the false positive rate's lower end is highest in")
    (gate,) = [result for result in judgement.results if result.name == "min_group_recall_upper"]
    assert f"to {gate.value:.3f})" in recall


def test_groups_are_judged_out_of_fold(bench: Judge) -> None:
    """Their gates judge the out-of-fold rows if there are any, not the test rows."""
    labels = (np.arange(100) < 40).astype(np.int64)
    masks = {"missed": np.arange(100) < 20, "found": np.arange(100) >= 20}
    predicted = masks["found"].astype(float)
    rows = GroupRows(masks, labels, predicted, predicted, "training rows, out of fold")
    inputs = bench.inputs(bench.model("good"), out_of_fold=rows)
    judged = values("validate", inputs)
    assert judged["min_group_recall_upper"] == pytest.approx(wilson_interval(0, 20)[1])
    assert judged["max_group_false_positive_rate_gap"] is None
    (note,) = judge("validate", inputs).notes
    assert "'missed'" in note


def test_a_small_group_is_judged_but_not_shown(
    bench: Judge, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The gate judges six positive rows; the note has neither the group nor its figures."""
    labels = (np.arange(100) < 40).astype(np.int64)
    masks = {"course stem": np.arange(100) < 6, "course other": np.arange(100) >= 6}
    predicted = masks["course other"].astype(float)
    rows = GroupRows(masks, labels, predicted, predicted, "training rows, out of fold")
    inputs = bench.inputs(bench.model("good"), out_of_fold=rows)
    judged = values("validate", inputs)["min_group_recall_upper"]
    assert judged == pytest.approx(wilson_interval(0, 6)[1])
    recall = judge("validate", inputs).notes[0]
    assert recall == (
        "the recall's upper end is lowest in a group that is not shown, because it or another one "
        "of its column has fewer than 10 rows (training rows, out of fold)"
    )
    monkeypatch.setattr(small_groups, "ROLES", replace(ROLES, key=Key("person", "Card")))
    of_persons = replace(rows, units=np.arange(100))
    inputs = bench.inputs(bench.model("good"), out_of_fold=of_persons)
    assert "has fewer than 10 students (" in judge("validate", inputs).notes[0]


def test_other_features_leave_only_the_signature(bench: Judge) -> None:
    """A model that cannot score the API's rows fails by its signature; nothing else has a value."""
    swapped = bench.model("good", features=[*FEATURE_NAMES[1:], FEATURE_NAMES[0]])
    judged = values("validate", bench.inputs(swapped, bench.model("good"), evidence=None))
    assert {name: value for name, value in judged.items() if value is not None} == {
        "min_signature_match": 0.0,
        "max_model_size_mib": pytest.approx(len(swapped.bundle.files["model.onnx"]) / 2**20),
    }


def test_a_model_that_cannot_score_is_not_passed_without_its_signature(bench: Judge) -> None:
    """Without a gate on the signature, or with a bad champion, empty gates would pass a model."""
    good = bench.model("good")
    swapped = bench.model("good", features=[*FEATURE_NAMES[1:], FEATURE_NAMES[0]])
    with pytest.raises(SignatureMismatchError, match="Train a model on the current columns"):
        judge("demote", bench.inputs(swapped))
    with pytest.raises(SignatureMismatchError):
        judge("validate", bench.inputs(good, swapped))
