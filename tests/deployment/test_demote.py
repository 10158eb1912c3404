"""demote: a production model that surely fails on newer rows goes, if there is a better one to come back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pipeline.columns import LABEL
from pipeline.deployment.moves import REJECTED
from pipeline.errors import PromotionError, StageSkipped, VerifyError
from pipeline.stages import demote
from pipeline.storage.parquet import from_parquet, to_parquet
from pipeline.tracking.registry import PREVIOUS, PRODUCTION, STAGING
from tests.deployment.faults import Fuse, Killed, dying
from tests.deployment.models import GOLD_RUN, World
from tests.deployment.predictors import Follower, serving


def test_a_model_that_still_passes_is_kept(world: World) -> None:
    """Nothing to do while no gate surely fails; the report says on how many rows, none of which the model learned from."""
    world.register("good", PRODUCTION)
    with pytest.raises(StageSkipped, match="version 1 still passes"):
        demote.run(world.context("run-1"))
    report = world.context("run-1").lake.read_json("reports/run-1/demotion.json")
    test = from_parquet(world.context("any").lake.read(f"gold/{GOLD_RUN}/test.parquet"))
    assert 0 < report["production"]["rows"] <= len(test)
    assert all(gate["passed"] for gate in report["production"]["gates"])
    assert report["gold"] == GOLD_RUN


def test_a_model_that_surely_fails_goes_back_to_previous(world: World) -> None:
    """previous passes on the same rows and comes back; the failing version is rejected with the gates that it failed."""
    good, bad = world.register("good", PREVIOUS), world.register("backwards", PRODUCTION)
    world.registry.set_alias(STAGING, bad)
    with serving(Follower(world.registry, "none", None).answer) as port:
        context = world.context("run-1", predictor={"url": f"http://127.0.0.1:{port}"})
        demote.run(context)
        demote.run(context)
    assert world.aliases() == {STAGING: bad, PRODUCTION: good, PREVIOUS: None}
    assert "min_roc_auc is" in world.registry.get_version(bad).tags[REJECTED]
    assert world.log() == [("demote", bad, good)]


@pytest.mark.parametrize("previous", ["backwards", None])
def test_without_a_better_one_production_is_kept_and_the_stage_fails(
    world: World, previous: Any
) -> None:
    """The alarm is a failed stage and a line in the log: a bad model is still better than none, or than a worse one."""
    if previous:
        world.register(previous, PREVIOUS)
    bad = world.register("weak", PRODUCTION)
    for _ in range(2):
        with pytest.raises(PromotionError, match=r"stays in `production`, because `previous` cannot replace it"):
            demote.run(world.context("run-1"))
    assert world.production() == bad
    assert REJECTED not in world.registry.get_version(bad).tags
    assert world.log() == [("alarm", bad, bad)]


def test_nothing_is_judged_without_rows_to_judge_it_on(world: World) -> None:
    """No production, no gold of the newest bronze, or too few new positives: nothing to do, and each says which."""
    with pytest.raises(StageSkipped, match="no version is in"):
        demote.run(world.context("run-1"))
    world.register("backwards", PRODUCTION)
    lake = world.context("any").lake
    test = from_parquet(lake.read(f"gold/{GOLD_RUN}/test.parquet"))
    few = to_parquet(test[test[LABEL.name] == 0].reset_index(drop=True))
    manifest = lake.read_json(f"gold/{GOLD_RUN}/manifest.json")
    splits = {
        "test": {
            "sha256": lake.write("gold/newer/test.parquet", few),
            "rows": len(test),
            "positives": 0,
        }
    }
    lake.write_json(
        "gold/newer/manifest.json",
        manifest | {"run_id": "newer", "bronze": "newest", "splits": splits},
    )
    lake.write_json(
        "bronze/latest.json",
        {"sha256": "newest", "source": "x", "fetched_at": "x", "rows": 1, "bytes": 1},
    )
    with pytest.raises(StageSkipped, match="only 0 'fail' rows of gold newer are new to version 1"):
        demote.run(world.context("run-1"))
    lake.write_json(
        "bronze/latest.json",
        {"sha256": "unknown", "source": "x", "fetched_at": "x", "rows": 1, "bytes": 1},
    )
    with pytest.raises(StageSkipped, match="has no gold data yet"):
        demote.run(world.context("run-1"))


def test_rows_that_are_only_by_chance_bad_demote_nobody(world: World) -> None:
    """A few positives say little: while the intervals reach the bounds, the model stays."""
    world.register("good", PREVIOUS)
    world.register("good", PRODUCTION)
    lake = world.context("any").lake
    test = from_parquet(lake.read(f"gold/{GOLD_RUN}/test.parquet"))
    places = np.flatnonzero(test[LABEL.name] == 1)[:6]
    few = test.iloc[np.concatenate([places, np.flatnonzero(test[LABEL.name] == 0)])].reset_index(
        drop=True
    )
    few.loc[few[LABEL.name] == 1, "sleep_hours"] = [
        6.8,
        6.9,
        7.0,
        3.1,
        3.2,
        3.3,
    ]  # half of them look safe
    few.loc[few[LABEL.name] == 1, "review_hours"] = 4.0
    manifest = lake.read_json(f"gold/{GOLD_RUN}/manifest.json")
    splits = {
        "test": {
            "sha256": lake.write("gold/newer/test.parquet", to_parquet(few)),
            "rows": len(test),
            "positives": 0,
        }
    }
    lake.write_json(
        "gold/newer/manifest.json",
        manifest | {"run_id": "newer", "bronze": "newest", "splits": splits},
    )
    lake.write_json(
        "bronze/latest.json",
        {"sha256": "newest", "source": "x", "fetched_at": "x", "rows": 1, "bytes": 1},
    )
    with pytest.raises(StageSkipped, match="still passes"):
        demote.run(world.context("run-1"))


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_killed_at_any_write_and_run_again_it_ends_the_same(world: World, after: bool) -> None:
    """Whatever write demote dies at, there is one production all the time, and the rerun ends as if nothing had been."""
    good, first = world.register("good", None), world.register("backwards", None)
    for at in range(1, 20):
        bad, run_id = world.again(first, PRODUCTION), f"run-{at}"
        world.registry.set_alias(PREVIOUS, good)
        fuse = Fuse(at, after)
        with serving(Follower(world.registry, "none", None).answer) as port:
            context = world.context(run_id, predictor={"url": f"http://127.0.0.1:{port}"})
            try:
                demote.run(dying(context, fuse))
            except Killed:
                assert world.production() in (good, bad)
                demote.run(context)
        assert world.aliases() == {STAGING: None, PRODUCTION: good, PREVIOUS: None}
        assert REJECTED in world.registry.get_version(bad).tags
        assert world.log() == [("demote", str(number), good) for number in range(3, at + 3)]
        if fuse.count < at:
            break
    assert at > 7, "demote writes its report, intent, aliases, tags, log and record"


def test_a_predictor_that_stays_behind_is_told_of(world: World) -> None:
    """The demotion stands, but the stage fails when the predictors do not follow in time."""
    good, _ = world.register("good", PREVIOUS), world.register("backwards", PRODUCTION)
    with serving(Follower(world.registry, "stuck", bad=good).answer) as port:
        settings = {"rollout_timeout_seconds": 0.3}
        with pytest.raises(VerifyError, match="again, but after"):
            demote.run(
                world.context(
                    "run-1", predictor={"url": f"http://127.0.0.1:{port}"}, deployment=settings
                )
            )
    assert world.production() == good
