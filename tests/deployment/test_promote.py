"""promote: one version in production at any time, whatever is killed or runs in parallel."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, tzinfo

import pytest

from pipeline.commands import history
from pipeline.context import Context
from pipeline.deployment.moves import REJECTED
from pipeline.deployment.rollback import keep_production
from pipeline.errors import PromotionError, StageSkipped
from pipeline.model.bundle import ONNX, read_fallback
from pipeline.stages import promote
from pipeline.storage.artifacts.gates import GateResult
from pipeline.storage.lake import Lake
from pipeline.tracking import promotion_log
from pipeline.tracking.promotion_chain import verify_log
from pipeline.tracking.promotion_log import Approval, read_records
from pipeline.tracking.registry import PREVIOUS, PRODUCTION, STAGING
from tests.support.deployment_env import DeploymentEnv
from tests.support.faults import FaultInjector, Killed, kill_points, with_faults

GATE = GateResult(name="min_x", bound=1, reason="why", value=2, passed=True)


def test_the_first_candidate_enters_production(env: DeploymentEnv) -> None:
    """Without a champion no version becomes previous."""
    number = env.bare(STAGING)
    env.verdict("run-1", number, None)
    promote.run(env.context("run-1"))
    assert env.aliases() == {STAGING: number, PRODUCTION: number, PREVIOUS: None}
    assert env.log() == [("promote", None, number)]


def test_the_champion_becomes_previous(env: DeploymentEnv) -> None:
    """The log says who moved what, when and why, with the gates and the hashes."""
    champion = env.bare(PRODUCTION)
    candidate = env.bare(STAGING, manifest_sha256="abc", gold_test="def", other="x")
    env.verdict("run-1", candidate, champion, gates=[GATE])
    promote.run(env.context("run-1"))
    assert env.aliases() == {STAGING: candidate, PRODUCTION: candidate, PREVIOUS: champion}
    entry = json.loads(env.context("any").lake.read("reports/promotions.jsonl"))
    assert (entry["run_id"], entry["reason"]) == ("run-1", "every gate holds")
    assert entry["hashes"] == {"manifest_sha256": "abc", "gold_test": "def"}
    assert entry["gates"] == [GATE.model_dump()]
    assert "@" in entry["started_by"]
    assert "promoted" in env.registry.get_version(candidate).tags


def test_the_record_names_who_approved(env: DeploymentEnv) -> None:
    """If an approval is required, nothing moves without one, and the record has name and reason."""
    number = env.bare(STAGING)
    env.verdict("run-1", number, None)
    context = env.context("run-1", deployment={"require_approval": True})
    parser = argparse.ArgumentParser()
    promote.add_arguments(parser)
    with pytest.raises(PromotionError, match=f"Nobody approved version {number}"):
        promote.main(context, parser.parse_args(["--approved-by= "]))
    assert env.production() is None
    arguments = ["--approved-by=Ada", "--approval-reason=--fewer false alarms"]
    promote.main(context, parser.parse_args(arguments))
    assert env.production() == number
    (record,) = read_records(context.lake)
    assert record.move.approval == Approval(by="Ada", reason="--fewer false alarms")
    assert history.format_row(record)[-1].endswith("; approved by Ada: --fewer false alarms")
    assert verify_log(context.lake, env.registry.get_by_alias(PRODUCTION)) == 1


def test_a_record_without_an_approval_keeps_its_hash(env: DeploymentEnv) -> None:
    """Records of earlier releases have no field for it, and their hashes are in other records."""
    number = env.bare(STAGING)
    env.verdict("run-1", number, None)
    promote.run(env.context("run-1"))
    (record,) = read_records(env.context("any").lake)
    assert b"approval" not in record.to_bytes()
    assert "approval" not in record.to_line()


def test_a_repeated_run_changes_nothing(env: DeploymentEnv) -> None:
    """A run promotes once: when its task is retried, it succeeds without a second record."""
    number = env.bare(STAGING)
    env.verdict("run-1", number, None)
    promote.run(env.context("run-1"))
    promote.run(env.context("run-1"))
    assert env.log() == [("promote", None, number)]


def test_a_candidate_that_failed_validation_is_skipped(env: DeploymentEnv) -> None:
    """The reason is the decision of validate."""
    number = env.bare(STAGING)
    env.verdict("run-1", number, None, passed=False, decision="min_recall is 0.2")
    with pytest.raises(StageSkipped, match=r"min_recall is 0\.2"):
        promote.run(env.context("run-1"))
    assert env.production() is None


def test_only_the_validated_version_is_promoted(env: DeploymentEnv) -> None:
    """A newer candidate is not promoted on the report of the old one."""
    old = env.bare(STAGING)
    env.verdict("run-1", old, None)
    env.bare(STAGING)
    with pytest.raises(StageSkipped, match=f"version {old} was validated"):
        promote.run(env.context("run-1"))
    assert env.production() is None


def test_a_new_champion_requires_another_validation(env: DeploymentEnv) -> None:
    """A candidate may be worse than a champion that it was not compared with."""
    champion = env.bare(PRODUCTION)
    candidate = env.bare(STAGING)
    env.verdict("run-1", candidate, champion)
    newer = env.bare(PRODUCTION)
    with pytest.raises(PromotionError, match="Run validate again"):
        promote.run(env.context("run-1"))
    assert env.production() == newer


def test_a_rejected_version_is_not_promoted(env: DeploymentEnv) -> None:
    """A version that was reverted stays out of production, whatever its report says."""
    number = env.bare(STAGING)
    env.registry.set_tag(number, REJECTED, "it misbehaved")
    env.verdict("run-1", number, None)
    with pytest.raises(StageSkipped, match="it misbehaved"):
        promote.run(env.context("run-1"))
    assert env.production() is None


class InterruptedLake(Lake):
    """A lake on which something happens just before the first object is created."""

    def __init__(self, context: Context, event: Callable[[], None]) -> None:
        super().__init__(context.lake._store)
        self._events = iter([event])

    def create(self, key: str, data: bytes) -> bool:
        for event in self._events:
            event()
        return super().create(key, data)


@pytest.mark.parametrize("kind", ["disk", "s3"])
def test_one_of_two_concurrent_runs_wins(
    env: DeploymentEnv, kind: str, request: pytest.FixtureRequest
) -> None:
    """A run that another one overtakes after it has read the aliases moves nothing."""
    if kind == "s3":
        env.move_to(request.getfixturevalue("s3_lake"))
    champion = env.bare(PRODUCTION)
    candidate = env.bare(STAGING)
    for run in ("slow", "fast"):
        env.verdict(run, candidate, champion)
    slow = env.context("slow")
    slow = replace(slow, lake=InterruptedLake(slow, lambda: promote.run(env.context("fast"))))
    with pytest.raises(PromotionError, match="Another run"):
        promote.run(slow)
    assert env.aliases() == {STAGING: candidate, PRODUCTION: candidate, PREVIOUS: champion}
    assert [record.run_id for record in read_records(slow.lake)] == ["fast"]
    with pytest.raises(StageSkipped, match="already"):
        promote.run(env.context("slow"))


def test_a_run_does_not_wait_for_the_lock(env: DeploymentEnv) -> None:
    """While another run holds the lock, the error says which run and until when."""
    champion, candidate = env.bare(PRODUCTION), env.bare(STAGING)
    env.verdict("dead", candidate, champion)
    env.verdict("next", candidate, champion)
    with pytest.raises(Killed):
        promote.run(with_faults(env.context("dead"), FaultInjector(1, after=True)))
    (record,) = read_records(env.context("any").lake)
    with pytest.raises(PromotionError, match="dead has been moving `production`") as error:
        promote.run(env.context("next"))
    assert record.lock_expires_at in str(error.value)
    assert env.production() == champion


def test_the_next_run_completes_the_move_of_a_dead_one(env: DeploymentEnv) -> None:
    """Once the lock of a dead run has expired, its move is completed before any other."""
    champion, candidate = env.bare(PRODUCTION), env.bare(STAGING)
    env.verdict("dead", candidate, champion)
    env.verdict("next", candidate, champion)
    dead = env.context("dead")
    with pytest.raises(Killed):
        promote.run(with_faults(dead, FaultInjector(3, after=True)))
    (record,) = read_records(dead.lake)
    expired = record.model_copy(update={"lock_expires_at": "2020-01-01T00:00:00+00:00"})
    dead.lake.write(record.key, expired.to_bytes())
    with pytest.raises(StageSkipped, match="already"):
        promote.run(env.context("next"))
    assert env.aliases() == {STAGING: candidate, PRODUCTION: candidate, PREVIOUS: champion}
    first, second = read_records(dead.lake)
    assert (first.run_id, first.done) == ("dead", False)
    assert (second.run_id, second.done, second.resumes) == ("dead", True, first.number)


class InAnHour(datetime):
    """A clock that is an hour ahead."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> InAnHour:
        return cls.fromtimestamp(datetime.now(tz).timestamp() + 3600, tz)


def test_a_slow_run_stops_before_its_lock_expires(
    env: DeploymentEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run starts no request that could outlast its lock, because another run may move then."""
    champion, candidate = env.bare(PRODUCTION), env.bare(STAGING)
    env.verdict("slow", candidate, champion)
    slow = env.context("slow")

    class SlowLake(Lake):
        def create(self, key: str, data: bytes) -> bool:
            created = super().create(key, data)
            monkeypatch.setattr(promotion_log, "datetime", InAnHour)
            return created

    slow = replace(slow, lake=SlowLake(slow.lake._store))
    with pytest.raises(PromotionError, match="took too long"):
        promote.run(slow)
    assert env.aliases() == {STAGING: candidate, PRODUCTION: champion, PREVIOUS: None}


def test_a_killed_run_ends_the_same_when_it_is_repeated(env: DeploymentEnv) -> None:
    """One version is in production at any time; afterwards `models/` and the log agree with it."""
    champion = env.bare(PRODUCTION)
    promotions = 0

    def run(faults: FaultInjector) -> None:
        nonlocal champion, promotions
        promotions += 1
        candidate, run_id = env.register("good"), f"run-{promotions}"
        env.verdict(run_id, candidate, champion)
        try:
            promote.run(with_faults(env.context(run_id), faults))
        except Killed:
            assert env.production() in (champion, candidate)
            promote.run(env.context(run_id))
        assert env.aliases() == {STAGING: candidate, PRODUCTION: candidate, PREVIOUS: champion}
        assert env.log()[-1] == ("promote", champion, candidate)
        assert len(env.log()) == promotions
        assert read_fallback(env.context("any").lake).manifest.version == candidate
        champion = candidate

    for faults in kill_points(run):
        run(faults)


def test_models_holds_the_version_in_production(env: DeploymentEnv) -> None:
    """A move repairs a damaged copy; a bundle that cannot be downloaded does not stop a move."""
    good = env.register("good")
    env.verdict("run-1", good, None)
    promote.run(env.context("run-1"))
    lake = env.context("any").lake
    assert read_fallback(lake).manifest.version == good
    lake.write(f"models/{ONNX}", b"the rest of a move that was killed")
    keep_production(env.context("run-1"), "verify", "it is healthy")
    assert read_fallback(lake).manifest.version == good
    without_bundle = env.bare(STAGING)
    env.verdict("run-2", without_bundle, good)
    promote.run(env.context("run-2"))
    assert env.production() == without_bundle
    assert read_fallback(lake).manifest.version == good
