"""validate: only a model that passes every gate is promoted, and only if it beats the champion."""

from __future__ import annotations

import contextlib
import html
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from pipeline.columns import FEATURE_NAMES
from pipeline.deployment.moves import REJECTED, VERIFIED
from pipeline.deployment.stopping import write_marker
from pipeline.errors import LakeError, StageSkipped
from pipeline.evaluation import datasets
from pipeline.gate_table import GATES, get_stage_gates
from pipeline.model.bundle import Bundle
from pipeline.stages import promote, validate
from pipeline.storage.artifacts.data import GoldManifest
from pipeline.storage.artifacts.gates import GateResult
from pipeline.storage.layout import gold_manifest
from pipeline.tracking.registry import PREVIOUS, PRODUCTION, STAGING
from tests.support.deployment_env import GOLD_RUN, DeploymentEnv, trained
from tests.support.fake_predictor import FakePredictor
from tests.support.faults import FaultInjector, Killed, with_faults
from tests.support.forest import add_refits
from tests.support.lake import read_json

SHADOW_GATE = "min_shadow_agreement_difference_upper"


def read_report(env: DeploymentEnv, run_id: str = "run-1") -> Any:
    return read_json(env.context(run_id).lake, f"reports/{run_id}/validation.json")


def get_failed_gates(report: Any) -> set[str]:
    return {gate["name"] for gate in report["gates"] if not gate["passed"]}


def test_a_good_first_candidate_passes_every_gate(env: DeploymentEnv) -> None:
    """Without a champion and before any traffic, the gates that compare with it have no value."""
    number = env.register("good")
    validate.run(env.context("run-1"))
    report = read_report(env)
    assert (report["candidate"], report["champion"], report["passed"]) == (number, None, True)
    judged = get_stage_gates("validate")
    assert [gate["name"] for gate in report["gates"]] == [gate.name for gate in judged]
    assert {gate["name"] for gate in report["gates"] if gate["value"] is None} == {
        gate.name for gate in judged if gate.against_champion
    }


def test_a_better_candidate_replaces_the_champion(env: DeploymentEnv) -> None:
    """A candidate that ranks better on the same rows passes, and `promote` promotes it."""
    champion = env.register("good", PRODUCTION)
    candidate = env.register("better", STAGING)
    validate.run(env.context("run-1"))
    report = read_report(env)
    assert (report["champion"], report["passed"]) == (champion, True)
    assert report["evidence"]["corrected"] > 20
    assert report["test_split_models"] == 1
    promote.run(env.context("run-1"))
    assert env.aliases() == {STAGING: candidate, PRODUCTION: candidate, PREVIOUS: champion}


def test_every_gate_is_on_the_page(env: DeploymentEnv) -> None:
    """The page explains all gates, and is stored with the report and with the candidate's card."""
    env.register("good", PRODUCTION)
    order = GateResult(name="max_order_auc", bound=1, reason="order", value=0.5, passed=True)
    env.register("weak", STAGING, gates=[order])
    with pytest.raises(StageSkipped):
        validate.run(env.context("run-1"))
    report, lake = read_report(env), env.context("run-1").lake
    page = lake.read("reports/run-1/validation.html").decode()
    assert page == lake.read(f"reports/{GOLD_RUN}/validation.html").decode()
    assert f"Version 2 is not promoted: {report['decision']}." in html.unescape(page)
    page = page.replace("<wbr>", "")
    for gate in GATES:
        assert f"<code>{gate.name}</code>" in page
        assert html.escape(gate.title) in page
    assert page.count('<td class="bad">failed</td>') == len(get_failed_gates(report)) > 0
    assert page.count("<td>nothing to judge</td>") == 1
    assert "difference from version 1" in page
    assert "What the verdicts can show" in page
    assert page.count("<code>min_recall</code>") == 2
    assert set(re.findall(r'href="([^"]*)"', page)) == {
        f"../{GOLD_RUN}/model_card.html",
        f"../{GOLD_RUN}/data_check.html",
        "../drift_page.html",
    }


def test_the_report_says_that_rows_are_a_sample(
    env: DeploymentEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A large test split is sampled; the note has both numbers."""
    monkeypatch.setattr(datasets, "MAX_MEASURED_ROWS", 100)
    env.register("good", STAGING)
    with contextlib.suppress(StageSkipped):
        validate.run(env.context("run-1"))
    gold = env.context("run-1").lake.read_model(gold_manifest(GOLD_RUN), GoldManifest)
    rows = gold.splits["test"].rows
    note = f"the figures are of 100 of the {rows:,} test rows, a random sample"
    assert read_report(env)["notes"][0] == note


def test_a_candidate_that_ranks_worse_leaves_the_champion(env: DeploymentEnv) -> None:
    """The message names the gate and the distance to its bound, and `promote` skips the version."""
    champion = env.register("better", PRODUCTION)
    env.register("good", STAGING)
    with pytest.raises(StageSkipped, match=r"stays version 1: min_gain_evidence is .* \(off by"):
        validate.run(env.context("run-1"))
    with pytest.raises(StageSkipped, match="min_gain_evidence"):
        promote.run(env.context("run-1"))
    assert env.aliases()[PRODUCTION] == champion


def test_a_candidate_identical_to_the_champion_is_not_promoted(env: DeploymentEnv) -> None:
    """Training again on the same data makes the same model: there is nothing to promote."""
    champion = env.register("good", PRODUCTION)
    env.register("good", STAGING)
    with pytest.raises(StageSkipped, match=f"it is identical to version {champion}, the champion"):
        validate.run(env.context("run-1"))
    assert env.production() == champion


@pytest.mark.parametrize("kind", ["weak", "backwards"])
def test_a_model_that_learned_nothing_or_the_opposite_fails(env: DeploymentEnv, kind: Any) -> None:
    """Both fail the gates on quality and on known effects; the opposite also on calibration."""
    env.register(kind)
    with pytest.raises(StageSkipped, match="`production` stays empty: min_roc_auc is"):
        validate.run(env.context("run-1"))
    failed = get_failed_gates(read_report(env))
    assert {"min_roc_auc", "min_expected_effect"} <= failed
    assert ("max_calibration_error" in failed) == (kind == "backwards")


def test_a_model_with_other_features_fails_only_the_signature(env: DeploymentEnv) -> None:
    """The model cannot score the API's rows, so nothing else is measured."""
    env.register("good", features=[*FEATURE_NAMES[1:], FEATURE_NAMES[0]])
    with pytest.raises(StageSkipped, match="min_signature_match is 0"):
        validate.run(env.context("run-1"))
    assert get_failed_gates(read_report(env)) == {"min_signature_match"}


def test_a_champion_of_another_table_is_replaced(env: DeploymentEnv) -> None:
    """It cannot score the candidate's rows, and must not prevent its own replacement."""
    env.register("better", PRODUCTION, features=["service_hours", "vibration"])
    env.register("good", STAGING)
    validate.run(env.context("run-1"))
    report = read_report(env)
    assert (report["passed"], report["champion"], report["difference"]) == (True, "1", {})
    assert report["decision"].endswith("version 1 has other features, so it is replaced")


def test_a_graph_that_differs_from_the_trained_model_fails(env: DeploymentEnv, survey: Any) -> None:
    """The graph has to reproduce the stored examples."""
    examples = trained(survey, "good").manifest.examples
    wrong = examples.model_copy(
        update={"probability": [value + 0.01 for value in examples.probability]}
    )
    env.register("good", examples=wrong)
    with pytest.raises(StageSkipped, match=r"max_onnx_difference is 0\.01"):
        validate.run(env.context("run-1"))


def test_a_graph_that_differed_in_training_fails(env: DeploymentEnv) -> None:
    """The difference that `evaluate` recorded in the manifest counts, as it does in `evaluate`."""
    recorded = GateResult(name="max_onnx_difference", bound=1, reason="", value=0.02, passed=True)
    env.register("good", gates=[recorded])
    with pytest.raises(StageSkipped, match=r"max_onnx_difference is 0\.02"):
        validate.run(env.context("run-1"))


def test_files_that_are_not_the_registered_ones_are_refused(
    env: DeploymentEnv, survey: Any
) -> None:
    """A file or a manifest with another hash than the recorded one is never used."""
    bundle = trained(survey, "good")
    broken = {**bundle.files, "model.pkl": b"something else"}
    env.register_bundle(type(bundle)(bundle.manifest, broken))
    with pytest.raises(LakeError, match="it is refused"):
        validate.run(env.context("run-1"))
    number = env.register("good")
    env.registry.set_tag(number, "manifest_sha256", "0" * 64)
    with pytest.raises(LakeError, match=r"anifest.* has the SHA-256 .*; it is refused"):
        validate.run(env.context("run-1"))


def in_shadow(rows: int, agreement: float, version: str = "2") -> dict[str, Any]:
    """Counts of shadow traffic, as a predictor returns them."""
    return {"version": version, "rows": rows, "agreement": agreement}


def validate_in_shadow(
    env: DeploymentEnv, shadow: Sequence[dict[str, Any]], candidate: Bundle, **deployment: Any
) -> Any:
    """Validate version 2 against version 1, and return the report."""
    env.register("good", PRODUCTION)
    env.register_bundle(candidate, STAGING)
    predictor = FakePredictor(env.registry, shadow=shadow)
    with predictor.run() as url, contextlib.suppress(StageSkipped):
        validate.run(env.context("run-1", predictor={"url": url}, deployment=deployment))
    return read_report(env)


@pytest.fixture
def candidate(survey: Path) -> Bundle:
    """A candidate that passes, with refits."""
    return add_refits(trained(survey, "better"))


@pytest.mark.parametrize(
    ("shadow", "failed"),
    [
        (in_shadow(500, 0.3), {SHADOW_GATE}),
        (in_shadow(500, 0.95), set()),
        (in_shadow(500, 0.1, version="7"), set()),
    ],
    ids=["differs", "agrees", "of another version"],
)
def test_shadow_traffic_of_the_candidate_is_judged(
    env: DeploymentEnv, candidate: Bundle, shadow: dict[str, Any], failed: set[str]
) -> None:
    """Too little agreement stops the candidate; another version's agreement does not count."""
    assert get_failed_gates(validate_in_shadow(env, [shadow], candidate)) == failed


def test_validate_waits_for_shadow_traffic(
    env: DeploymentEnv, candidate: Bundle, capsys: pytest.CaptureFixture[str]
) -> None:
    """With a time to wait, rows that arrive later are judged; the log shows the progress."""
    shadow = [in_shadow(0, 0), in_shadow(150, 0.3), in_shadow(150, 0.3), in_shadow(200, 0.3)]
    report = validate_in_shadow(env, shadow, candidate, shadow_wait_seconds=60)
    assert get_failed_gates(report) == {SHADOW_GATE}
    progress = re.findall(r"version 2 scored (\d+) of 200 live rows", capsys.readouterr().err)
    assert progress == ["0", "150", "200"]


@pytest.mark.parametrize("seconds", [0, 0.2], ids=["by default", "after the time"])
def test_too_little_shadow_traffic_is_not_judged(
    env: DeploymentEnv, candidate: Bundle, seconds: float
) -> None:
    """`validate` asks once by default, and gives up after the time to wait."""
    later = [in_shadow(500, 0.3)] * (seconds == 0)
    report = validate_in_shadow(
        env, [in_shadow(150, 0.3), *later], candidate, shadow_wait_seconds=seconds
    )
    (gate,) = [gate for gate in report["gates"] if gate["name"] == SHADOW_GATE]
    assert (report["passed"], gate["value"]) == (True, None)
    (note,) = [note for note in report["notes"] if "in the shadow" in note]
    assert note.startswith("the candidate scored 150 live rows")


def test_a_first_candidate_does_not_wait(env: DeploymentEnv) -> None:
    """Without a champion there is no traffic to wait for."""
    env.register("good")
    validate.run(env.context("run-1", deployment={"shadow_wait_seconds": 5_400}))
    assert read_report(env)["passed"]


def test_a_candidate_does_not_wait_while_answers_are_stopped(
    env: DeploymentEnv, candidate: Bundle, capsys: pytest.CaptureFixture[str]
) -> None:
    """No shadow traffic arrives then, so what there is is reported at once, with the reason."""
    write_marker(env.context("any"), "the threshold is wrong", "Ada")
    shadow = [in_shadow(150, 0.3), in_shadow(500, 0.3)]
    report = validate_in_shadow(env, shadow, candidate, shadow_wait_seconds=5_400)
    assert report["passed"]
    assert "no new shadow traffic. Ada stopped all answers" in capsys.readouterr().err


def test_a_candidate_without_refits_is_not_judged_on_shadow_traffic(
    env: DeploymentEnv, survey: Path
) -> None:
    """The report says why."""
    report = validate_in_shadow(env, [in_shadow(500, 0.3)], trained(survey, "better"))
    assert report["passed"]
    assert any("no refits to compare it with" in note for note in report["notes"])


def test_training_rows_of_the_champion_are_left_out(env: DeploymentEnv, survey: Any) -> None:
    """A champion that was trained on some of the test rows is compared on the other ones."""
    lineage = trained(survey, "good").manifest.lineage
    lake = env.context("any").lake
    mixed = lake.read(f"gold/{GOLD_RUN}/test.parquet")
    digest = lake.write("gold/other/train.parquet", _take_every(mixed, 20))
    lake.write("gold/other/validation.parquet", lake.read(f"gold/{GOLD_RUN}/validation.parquet"))
    other = lineage.model_copy(
        update={"pipeline_run_id": "other", "gold": {**lineage.gold, "train": digest}}
    )
    env.register("good", PRODUCTION, lineage=other)
    env.register("better", STAGING)
    validate.run(env.context("run-1"))
    (note,) = [note for note in read_report(env)["notes"] if "was trained on" in note]
    assert "they are left out" in note


def _take_every(parquet: bytes, step: int) -> bytes:
    from pipeline.storage.parquet import from_parquet, to_parquet

    return to_parquet(from_parquet(parquet).iloc[::step].reset_index(drop=True))


def test_without_a_candidate_there_is_nothing_to_do(env: DeploymentEnv) -> None:
    """The stage is skipped without a candidate, and for a rejected or a verified version."""
    with pytest.raises(StageSkipped, match="register a candidate first"):
        validate.run(env.context("run-1"))
    number = env.bare(STAGING, PRODUCTION)
    env.registry.set_tag(number, VERIFIED, "now")
    with pytest.raises(StageSkipped, match="is already in `production` and verified"):
        validate.run(env.context("run-1"))
    rejected = env.bare(STAGING)
    env.registry.set_tag(rejected, REJECTED, "it misbehaved")
    with pytest.raises(StageSkipped, match="it misbehaved"):
        validate.run(env.context("run-1"))


def test_an_unverified_promotion_is_judged_again(env: DeploymentEnv) -> None:
    """If a deployment ends before `verify`, the next one judges against the previous champion."""
    champion = env.register("good", PRODUCTION)
    candidate = env.register("better", STAGING)
    validate.run(env.context("run-1"))
    promote.run(env.context("run-1"))
    validate.run(env.context("run-2"))
    assert read_report(env, "run-2")["champion"] == champion
    promote.run(env.context("run-2"))
    assert env.aliases() == {STAGING: candidate, PRODUCTION: candidate, PREVIOUS: champion}
    assert env.log() == [("promote", champion, candidate)] * 2


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_killed_at_its_write_and_run_again_it_ends_the_same(
    env: DeploymentEnv, after: bool
) -> None:
    """If the stage is killed while it writes its report, the next run writes it."""
    env.register("good")
    context = env.context("run-1")
    with pytest.raises(Killed):
        validate.run(with_faults(context, FaultInjector(1, after)))
    validate.run(context)
    assert read_report(env)["passed"]
