"""Evidence against a champion adds up over runs, counts each row once, and knows a refresh."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest

from pipeline.errors import StageSkipped
from pipeline.settings.training import TrainSettings
from pipeline.stages import validate
from pipeline.storage.artifacts.training import TrainInputs, TrainReport
from pipeline.storage.layout import gold_split, train_report
from pipeline.storage.parquet import from_parquet, to_parquet
from pipeline.tracking.registry import PRODUCTION, STAGING
from tests.support.deployment_env import GOLD_RUN, DeploymentEnv, trained
from tests.support.lake import read_json


def make_lineage(env: DeploymentEnv, survey: Any, run_id: str, test: slice) -> Any:
    """A lineage whose test split is a part of the survey's, and whose silver is another."""
    lake = env.context("any").lake
    lineage = trained(survey, "good").manifest.lineage
    rows = from_parquet(lake.read(gold_split(GOLD_RUN, "test")))
    rows = rows.drop_duplicates().iloc[test].reset_index(drop=True)
    hashes = dict(lineage.gold)
    for split in ("train", "validation"):
        lake.write(gold_split(run_id, split), lake.read(gold_split(GOLD_RUN, split)))
    hashes["test"] = lake.write(gold_split(run_id, "test"), to_parquet(rows))
    return lineage.model_copy(
        update={"pipeline_run_id": run_id, "gold": hashes, "silver": f"silver of {run_id}"}
    )


def judge(env: DeploymentEnv, run_id: str) -> Any:
    """Run `validate`, whatever its verdict, and return its evidence."""
    context = env.context(run_id)
    with contextlib.suppress(StageSkipped):
        validate.run(context)
    return read_json(context.lake, f"reports/{run_id}/validation.json")["evidence"]


def write_report(env: DeploymentEnv, number: str, run_id: str, **parameters: Any) -> None:
    """Write the report of the `train` that made a version."""
    inputs = TrainInputs(gold={}, seed=1, code_version="unknown", settings=TrainSettings())
    report = TrainReport(
        family="forest",
        candidate="forest",
        parameters=parameters,
        threshold=0.5,
        ranking={},
        cross_validation={},
        validation={},
        onnx_difference=0,
        out_of_fold="",
        inputs=inputs,
        mlflow_run_id=env.registry.get_version(number).run_id,
        model_uri="",
    )
    env.context("any").lake.write_model(train_report(run_id), report)


def test_a_repeated_stage_counts_nothing_twice(env: DeploymentEnv) -> None:
    """The same test split adds its evidence once, in any number of runs."""
    env.register("good", PRODUCTION)
    env.register("better", STAGING)
    first = judge(env, "run-1")
    assert first["looks"] == 1
    assert first["units"] == first["new_units"] > 50
    assert judge(env, "run-2") == judge(env, "run-1") == first


def test_evidence_of_several_runs_promotes(env: DeploymentEnv, survey: Any) -> None:
    """Half of the rows are too few; the other half, which is new, brings the rest."""
    env.register("good", PRODUCTION)
    env.register("better", STAGING, lineage=make_lineage(env, survey, "week-1", slice(0, None, 2)))
    first = judge(env, "run-1")
    assert 1 < first["corrected"] < 20
    env.register("better", STAGING, lineage=make_lineage(env, survey, "week-2", slice(None)))
    second = judge(env, "run-2")
    assert second["looks"] == 2
    assert second["new_units"] == second["units"] - first["units"]
    assert second["new_units"] < 0.7 * second["units"]
    assert second["corrected"] > 20


def test_rows_that_were_counted_bring_no_evidence(env: DeploymentEnv, survey: Any) -> None:
    """A later test split with the same rows in another order changes nothing."""
    env.register("good", PRODUCTION)
    env.register("better", STAGING)
    first = judge(env, "run-1")
    lineage = make_lineage(env, survey, "week-2", slice(None, None, -1))
    env.register("better", STAGING, lineage=lineage)
    second = judge(env, "run-2")
    assert second["new_units"] == 0
    assert second["e_value"] == first["e_value"]


@pytest.mark.parametrize("has_own_recipe", [True, False])
def test_the_recipe_of_the_champion_may_be_as_good(
    env: DeploymentEnv, survey: Any, has_own_recipe: bool
) -> None:
    """Trained on other rows, it needs evidence against a margin; another recipe a real gain."""
    champion = env.register("good", PRODUCTION)
    write_report(env, champion, GOLD_RUN, trees=30)
    candidate = env.register("better", lineage=make_lineage(env, survey, "week-1", slice(None)))
    write_report(env, candidate, "week-1", trees=30 if has_own_recipe else 31)
    found = judge(env, "run-1")
    assert found["is_refresh"] == has_own_recipe
    assert found["margin"] == (0.02 if has_own_recipe else 0)


def test_further_challenges_need_more_evidence(env: DeploymentEnv, survey: Any) -> None:
    """All recipes that challenge within a year share one error rate."""
    env.register("good", PRODUCTION)
    first = env.register("better", STAGING)
    write_report(env, first, GOLD_RUN, trees=1)
    assert judge(env, "run-1")["number"] == 1
    second = env.register("better", lineage=make_lineage(env, survey, "week-2", slice(None)))
    write_report(env, second, "week-2", trees=2)
    found = judge(env, "run-2")
    assert found["number"] == 2
    assert found["corrected"] < found["e_value"] / 6


def test_models_on_a_test_split_are_counted(env: DeploymentEnv) -> None:
    """Different models count, a repeated one does not."""
    env.register("good", PRODUCTION)
    env.register("better", STAGING)
    for run_id in ("run-1", "run-2"):
        judge(env, run_id)
        report = read_json(env.context(run_id).lake, f"reports/{run_id}/validation.json")
        assert report["test_split_models"] == 1
    env.register("weak", STAGING)
    judge(env, "run-3")
    report = read_json(env.context("run-3").lake, "reports/run-3/validation.json")
    assert report["test_split_models"] == 2
    assert any("2 different models" in note for note in report["notes"])
