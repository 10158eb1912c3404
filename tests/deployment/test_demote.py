"""demote: a production model that fails on new rows is replaced, if a better one can return."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest

from pipeline.columns import LABEL
from pipeline.deployment.moves import REJECTED
from pipeline.errors import PromotionError, StageSkipped, VerifyError
from pipeline.evaluation import datasets
from pipeline.model.bundle import read_fallback
from pipeline.stages import demote
from pipeline.storage.artifacts.data import BronzePointer, GoldManifest, SplitFacts
from pipeline.storage.artifacts.deployment import DemotionReport
from pipeline.storage.lake import Lake
from pipeline.storage.layout import (
    BRONZE_LATEST,
    MODELS_PREFIX,
    demotion_report,
    gold_manifest,
    gold_split,
)
from pipeline.storage.parquet import from_parquet, to_parquet
from pipeline.tracking.registry import PREVIOUS, PRODUCTION, STAGING
from tests.support.deployment_env import GOLD_RUN, DeploymentEnv, Kind
from tests.support.fake_predictor import FakePredictor
from tests.support.faults import FaultInjector, Killed, kill_points, with_faults


@pytest.fixture
def lake(env: DeploymentEnv) -> Lake:
    return env.context("any").lake


@pytest.fixture
def rows(lake: Lake) -> pd.DataFrame:
    """The test split of the gold that every model was trained on."""
    return from_parquet(lake.read(gold_split(GOLD_RUN, "test")))


@pytest.fixture
def url(env: DeploymentEnv) -> Iterator[str]:
    """The URL of a predictor without a fault."""
    with FakePredictor(env.registry).run() as url:
        yield url


def add_gold(lake: Lake, rows: pd.DataFrame) -> None:
    """Add the gold `newer` of the newest raw file, with these rows as its test split."""
    data = to_parquet(rows.reset_index(drop=True))
    facts = SplitFacts(sha256=lake.write(gold_split("newer", "test"), data), rows=1, positives=0)
    manifest = lake.read_model(gold_manifest(GOLD_RUN), GoldManifest)
    changes = {"run_id": "newer", "bronze": "newest", "splits": {"test": facts}}
    lake.write_model(gold_manifest("newer"), manifest.model_copy(update=changes))
    set_newest_bronze(lake, "newest")


def set_newest_bronze(lake: Lake, sha256: str) -> None:
    pointer = BronzePointer(sha256=sha256, source="x", fetched_at="x", rows=1, bytes=1)
    lake.write_model(BRONZE_LATEST, pointer)


def test_a_model_that_passes_is_kept(env: DeploymentEnv, lake: Lake, rows: pd.DataFrame) -> None:
    """The report says on how many rows, none of which the model was trained on."""
    env.register("good", PRODUCTION)
    with pytest.raises(StageSkipped, match="version 1 still passes"):
        demote.run(env.context("run-1"))
    report = lake.read_model(demotion_report("run-1"), DemotionReport)
    assert report.gold == GOLD_RUN
    assert 0 < report.production.rows <= len(rows)
    assert report.production.gates is not None
    assert all(gate.passed for gate in report.production.gates)


def test_a_model_that_fails_is_replaced_by_previous(env: DeploymentEnv, url: str) -> None:
    """The failing version is rejected with the gates that it failed; a retry changes nothing."""
    good, bad = env.register("good", PREVIOUS), env.register("backwards", PRODUCTION)
    env.registry.set_alias(STAGING, bad)
    context = env.context("run-1", predictor={"url": url})
    demote.run(context)
    demote.run(context)
    assert env.aliases() == {STAGING: bad, PRODUCTION: good, PREVIOUS: None}
    assert "min_roc_auc is" in env.registry.get_version(bad).tags[REJECTED]
    assert env.log() == [("demote", bad, good)]


@pytest.mark.parametrize("previous", ["backwards", None])
def test_without_a_better_model_the_alarm_is_raised(
    env: DeploymentEnv, previous: Kind | None
) -> None:
    """Production stays as it is, the stage fails, and the log has one alarm."""
    if previous:
        env.register(previous, PREVIOUS)
    bad = env.register("weak", PRODUCTION)
    for _ in range(2):
        with pytest.raises(PromotionError, match="stays in `production`, because `previous`"):
            demote.run(env.context("run-1"))
    assert env.production() == bad
    assert REJECTED not in env.registry.get_version(bad).tags
    assert env.log() == [("alarm", bad, bad)]


def test_without_production_there_is_nothing_to_do(env: DeploymentEnv) -> None:
    """A first deployment has nothing to demote."""
    with pytest.raises(StageSkipped, match="no version is in"):
        demote.run(env.context("run-1"))


def test_too_few_positives_are_not_judged(
    env: DeploymentEnv, lake: Lake, rows: pd.DataFrame
) -> None:
    """Even a model that learned the opposite stays while there is nothing to judge it on."""
    env.register("backwards", PRODUCTION)
    add_gold(lake, rows[rows[LABEL.name] == 0])
    with pytest.raises(StageSkipped, match="only 0 'fail' rows of gold newer are new to version 1"):
        demote.run(env.context("run-1"))


def test_rows_may_be_a_sample(
    env: DeploymentEnv, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The log has the number of measured rows and of all rows."""
    monkeypatch.setattr(datasets, "MAX_MEASURED_ROWS", 100)
    env.register("good", PRODUCTION)
    with pytest.raises(StageSkipped):
        demote.run(env.context("run-1"))
    message = rf"the figures are of 100 of the [\d,]+ rows of gold {GOLD_RUN}, a random sample"
    assert re.search(message, " ".join(capsys.readouterr().err.split()))


def test_a_raw_file_without_gold_is_not_judged(env: DeploymentEnv, lake: Lake) -> None:
    """The model is judged on the newest raw file or not at all."""
    env.register("backwards", PRODUCTION)
    set_newest_bronze(lake, "unknown")
    with pytest.raises(StageSkipped, match="has no gold data yet"):
        demote.run(env.context("run-1"))


def test_chance_does_not_demote(env: DeploymentEnv, lake: Lake, rows: pd.DataFrame) -> None:
    """A few bad rows prove little: the model stays while the interval reaches the bound."""
    env.register("good", PREVIOUS)
    env.register("good", PRODUCTION)
    positives = np.flatnonzero(rows[LABEL.name] == 1)[:6]
    negatives = np.flatnonzero(rows[LABEL.name] == 0)
    few = rows.iloc[[*positives, *negatives]].reset_index(drop=True)
    few.loc[:5, "sleep_hours"] = [6.8, 6.9, 7.0, 3.1, 3.2, 3.3]  # half of them look safe
    few.loc[:5, "review_hours"] = [1.1, 1.2, 1.3, 4.0, 4.0, 4.0]
    add_gold(lake, few)
    with pytest.raises(StageSkipped, match="still passes"):
        demote.run(env.context("run-1"))


def test_a_predictor_that_does_not_follow_fails_the_stage(env: DeploymentEnv) -> None:
    """The demotion stands, but the message names the predictor that serves the old version."""
    good, _ = env.register("good", PREVIOUS), env.register("backwards", PRODUCTION)
    with FakePredictor(env.registry, "stuck", bad=good).run() as url:
        deployment = {"rollout_timeout_seconds": 0.2}
        context = env.context("run-1", predictor={"url": url}, deployment=deployment)
        with pytest.raises(VerifyError, match=r"again, but after .* serves version 0"):
            demote.run(context)
    assert env.production() == good


def test_a_killed_run_ends_the_same_when_it_is_repeated(
    env: DeploymentEnv, lake: Lake, url: str
) -> None:
    """One version is in production at any time, and `models/` and the log agree with it."""
    good, first = env.register("good", None), env.register("backwards", None)
    demotions = []

    def run(faults: FaultInjector) -> None:
        bad = env.again(first, PRODUCTION)
        env.registry.set_alias(PREVIOUS, good)
        for key in lake.keys(MODELS_PREFIX):
            lake.delete(key)
        context = env.context(f"run-{bad}", predictor={"url": url})
        try:
            demote.run(with_faults(context, faults))
        except Killed:
            assert env.production() in (good, bad)
            demote.run(context)
        demotions.append(("demote", bad, good))
        assert env.aliases() == {STAGING: None, PRODUCTION: good, PREVIOUS: None}
        assert REJECTED in env.registry.get_version(bad).tags
        assert env.log() == demotions
        assert read_fallback(lake).manifest.version == good

    for faults in kill_points(run):
        run(faults)
