"""validate: no model goes on unproved, and a champion stays unless it is beaten."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.columns import FEATURE_NAMES
from pipeline.deployment.moves import REJECTED, VERIFIED
from pipeline.errors import LakeError, StageSkipped
from pipeline.settings import GateSettings
from pipeline.stages import promote, validate
from pipeline.tracking.registry import PREVIOUS, PRODUCTION, STAGING
from tests.deployment.faults import Fuse, Killed, dying
from tests.deployment.models import GOLD_RUN, World, trained
from tests.support.fake_predictor import FakePredictor
from tests.support.lake import read_json


def verdict_of(world: World, run_id: str = "run-1") -> Any:
    return read_json(world.context(run_id).lake, f"reports/{run_id}/validation.json")


def failed_gates(verdict: Any) -> set[str]:
    return {gate["name"] for gate in verdict["gates"] if not gate["passed"]}


def test_a_good_first_candidate_passes_every_gate(world: World) -> None:
    """Without a champion, and before any traffic, what cannot be judged holds; all the rest is measured and holds."""
    number = world.register("good")
    validate.run(world.context("run-1"))
    verdict = verdict_of(world)
    assert (verdict["candidate"], verdict["champion"], verdict["passed"]) == (number, None, True)
    unjudged = {gate["name"] for gate in verdict["gates"] if gate["value"] is None}
    assert unjudged == {
        *(
            "min_roc_auc_gain",
            "min_recall_difference_upper",
            "min_balanced_accuracy_difference_upper",
        ),
        *("max_latency_ratio", "min_shadow_agreement"),
    }
    expected = {
        name
        for name, info in GateSettings.model_fields.items()
        if "validate" in str(info.json_schema_extra or {})
    }
    assert {gate["name"] for gate in verdict["gates"]} == expected


def test_a_better_candidate_passes_beside_the_champion(world: World) -> None:
    """A candidate that ranks better on the same rows may be promoted, and then is."""
    champion = world.register("good", PRODUCTION)
    candidate = world.register("better", STAGING)
    validate.run(world.context("run-1"))
    verdict = verdict_of(world)
    assert (verdict["champion"], verdict["passed"]) == (champion, True)
    assert verdict["difference"]["roc_auc"]["value"] > 0.001
    promote.run(world.context("run-1"))
    assert world.aliases() == {STAGING: candidate, PRODUCTION: candidate, PREVIOUS: champion}


def test_a_candidate_that_ranks_worse_leaves_the_champion(world: World) -> None:
    """The sentence names the gate and by how much it is missed; production is untouched, and promote refuses the version."""
    champion = world.register("better", PRODUCTION)
    world.register("good", STAGING)
    with pytest.raises(StageSkipped, match=r"stays version 1: .*min_roc_auc_gain is -.* \(off by"):
        validate.run(world.context("run-1"))
    with pytest.raises(StageSkipped, match="min_roc_auc_gain"):
        promote.run(world.context("run-1"))
    assert world.aliases()[PRODUCTION] == champion


def test_the_same_model_again_is_the_champions_equal(world: World) -> None:
    """Retraining on the same data gives the same bytes: there is nothing to promote."""
    champion = world.register("good", PRODUCTION)
    world.register("good", STAGING)
    with pytest.raises(StageSkipped, match="the candidate is the champion's equal"):
        validate.run(world.context("run-1"))
    assert world.production() == champion


@pytest.mark.parametrize("kind", ["weak", "backwards"])
def test_a_model_that_learned_nothing_or_the_wrong_way_round_fails(world: World, kind: Any) -> None:
    """Noise fails the floors; a model that learned the opposite also fails what the data dictionary expects of it."""
    world.register(kind)
    with pytest.raises(StageSkipped, match="`production` stays empty: min_roc_auc is"):
        validate.run(world.context("run-1"))
    failed = failed_gates(verdict_of(world))
    assert {"min_roc_auc", "min_expected_effect"} <= failed
    assert ("max_calibration_error" in failed) == (kind == "backwards")


def test_a_model_that_takes_other_features_fails_the_signature_alone(world: World) -> None:
    """What the API would send it could not be scored at all: nothing else is measured."""
    world.register("good", features=[*FEATURE_NAMES[1:], FEATURE_NAMES[0]])
    with pytest.raises(StageSkipped, match="min_signature_match is 0"):
        validate.run(world.context("run-1"))
    assert failed_gates(verdict_of(world)) == {"min_signature_match"}


def test_a_graph_that_does_not_answer_as_the_trained_model_fails(world: World, survey: Any) -> None:
    """The stored examples hold the ONNX graph to the trained model."""
    examples = trained(survey, "good").manifest.examples
    wrong = examples.model_copy(
        update={"fail_probability": [value + 0.01 for value in examples.fail_probability]}
    )
    world.register("good", examples=wrong)
    with pytest.raises(StageSkipped, match=r"max_onnx_difference is 0\.01"):
        validate.run(world.context("run-1"))


def test_files_that_are_not_the_registered_ones_are_refused(world: World, survey: Any) -> None:
    """A pickle or graph whose hash is not the manifest's is never scored, and a manifest that was swapped is seen."""
    bundle = trained(survey, "good")
    broken = {**bundle.files, "model.pkl": b"something else"}
    world.register_bundle(type(bundle)(bundle.manifest, broken))
    with pytest.raises(LakeError, match="it is refused"):
        validate.run(world.context("run-1"))
    number = world.register("good")
    world.registry.set_tag(number, "manifest_sha256", "0" * 64)
    with pytest.raises(LakeError, match="the manifest of run"):
        validate.run(world.context("run-1"))


@pytest.mark.parametrize(
    ("shadow", "holds"),
    [
        ({"version": "2", "rows": 500, "agreement": 0.5}, False),
        ({"version": "2", "rows": 500, "agreement": 0.95}, True),
        ({"version": "2", "rows": 10, "agreement": 0.1}, True),
        ({"version": "7", "rows": 500, "agreement": 0.1}, True),
    ],
    ids=["differs", "agrees", "too few rows", "of another version"],
)
def test_shadow_traffic_is_judged_where_there_is_enough(
    world: World, shadow: dict[str, Any], holds: bool
) -> None:
    """A candidate that would answer live rows otherwise than the champion is stopped; other shadows say nothing of it."""
    world.register("good", PRODUCTION)
    world.register("better", STAGING)
    with FakePredictor(world.registry, shadow=shadow).run() as url:
        context = world.context("run-1", predictor={"url": url})
        if holds:
            validate.run(context)
        else:
            with pytest.raises(StageSkipped, match="min_shadow_agreement"):
                validate.run(context)


def test_rows_that_the_champion_learned_from_do_not_count_for_it(world: World, survey: Any) -> None:
    """A champion that has seen the candidate's test rows in training is compared on the others alone."""
    lineage = trained(survey, "good").manifest.lineage
    lake = world.context("any").lake
    mixed = lake.read(f"gold/{GOLD_RUN}/test.parquet")
    half = _half(mixed)
    digest = lake.write("gold/other/train.parquet", half)
    lake.write("gold/other/validation.parquet", lake.read(f"gold/{GOLD_RUN}/validation.parquet"))
    other = lineage.model_copy(
        update={"pipeline_run_id": "other", "gold": {**lineage.gold, "train": digest}}
    )
    world.register("good", PRODUCTION, lineage=other)
    world.register("better", STAGING)
    validate.run(world.context("run-1"))
    (note,) = [note for note in verdict_of(world)["notes"] if "learned from" in note]
    assert "they are left out" in note


def _half(parquet: bytes) -> bytes:
    from pipeline.storage.parquet import from_parquet, to_parquet

    return to_parquet(from_parquet(parquet).iloc[::2].reset_index(drop=True))


def test_without_a_candidate_there_is_nothing_to_do(world: World) -> None:
    """No alias, a rejected version and a verified production version are all nothing to judge."""
    with pytest.raises(StageSkipped, match="register a candidate first"):
        validate.run(world.context("run-1"))
    number = world.bare(STAGING, PRODUCTION)
    world.registry.set_tag(number, VERIFIED, "now")
    with pytest.raises(StageSkipped, match="already, and verified"):
        validate.run(world.context("run-1"))
    rejected = world.bare(STAGING)
    world.registry.set_tag(rejected, REJECTED, "it misbehaved")
    with pytest.raises(StageSkipped, match="it misbehaved"):
        validate.run(world.context("run-1"))


def test_a_promotion_that_nobody_lived_to_verify_is_judged_beside_the_champion_of_then(
    world: World,
) -> None:
    """A deployment that died after promote can be run anew as a whole: validate and promote let it through to verify."""
    champion = world.register("good", PRODUCTION)
    candidate = world.register("better", STAGING)
    validate.run(world.context("run-1"))
    promote.run(world.context("run-1"))
    validate.run(world.context("run-2"))
    assert verdict_of(world, "run-2")["champion"] == champion
    promote.run(world.context("run-2"))
    assert world.aliases() == {STAGING: candidate, PRODUCTION: candidate, PREVIOUS: champion}
    assert world.log() == [("promote", champion, candidate)] * 2


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_killed_at_its_write_and_run_again_it_ends_the_same(world: World, after: bool) -> None:
    """validate writes one object, its verdict; killed there and run again, the verdict is there."""
    world.register("good")
    context = world.context("run-1")
    with pytest.raises(Killed):
        validate.run(dying(context, Fuse(1, after)))
    validate.run(context)
    assert verdict_of(world)["passed"]
