"""promote: one version in production at any time, whatever is killed or runs in parallel."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, tzinfo

import pytest

from pipeline.context import Context
from pipeline.deployment import moves
from pipeline.deployment.moves import REJECTED
from pipeline.deployment.promotion_log import read_records
from pipeline.deployment.rollback import keep_production
from pipeline.errors import PromotionError, StageSkipped
from pipeline.model.bundle import ONNX, read_fallback
from pipeline.stages import promote
from pipeline.storage.artifacts import GateResult
from pipeline.storage.lake import Lake
from pipeline.tracking.registry import PREVIOUS, PRODUCTION, STAGING
from tests.deployment.faults import Fuse, Killed, dying, kill_points
from tests.deployment.models import World

GATE = GateResult(name="min_x", bound=1, reason="why", value=2, passed=True)


def test_the_first_candidate_enters_production(world: World) -> None:
    """Without a champion no version becomes previous."""
    number = world.bare(STAGING)
    world.verdict("run-1", number, None)
    promote.run(world.context("run-1"))
    assert world.aliases() == {STAGING: number, PRODUCTION: number, PREVIOUS: None}
    assert world.log() == [("promote", None, number)]


def test_the_champion_becomes_previous(world: World) -> None:
    """The log says who moved what, when and why, with the gates and the hashes."""
    champion = world.bare(PRODUCTION)
    candidate = world.bare(STAGING, manifest_sha256="abc", gold_test="def", other="x")
    world.verdict("run-1", candidate, champion, gates=[GATE])
    promote.run(world.context("run-1"))
    assert world.aliases() == {STAGING: candidate, PRODUCTION: candidate, PREVIOUS: champion}
    entry = json.loads(world.context("any").lake.read("reports/promotions.jsonl"))
    assert (entry["run_id"], entry["reason"]) == ("run-1", "every gate holds")
    assert entry["hashes"] == {"manifest_sha256": "abc", "gold_test": "def"}
    assert entry["gates"] == [GATE.model_dump()]
    assert "@" in entry["started_by"]
    assert "promoted" in world.registry.get_version(candidate).tags


def test_a_repeated_run_changes_nothing(world: World) -> None:
    """A run promotes once: when its task is retried, it succeeds without a second record."""
    number = world.bare(STAGING)
    world.verdict("run-1", number, None)
    promote.run(world.context("run-1"))
    promote.run(world.context("run-1"))
    assert world.log() == [("promote", None, number)]


def test_a_candidate_that_failed_validation_is_skipped(world: World) -> None:
    """The reason is the decision of validate."""
    number = world.bare(STAGING)
    world.verdict("run-1", number, None, passed=False, decision="min_recall is 0.2")
    with pytest.raises(StageSkipped, match=r"min_recall is 0\.2"):
        promote.run(world.context("run-1"))
    assert world.production() is None


def test_only_the_validated_version_is_promoted(world: World) -> None:
    """A newer candidate is not promoted on the report of the old one."""
    old = world.bare(STAGING)
    world.verdict("run-1", old, None)
    world.bare(STAGING)
    with pytest.raises(StageSkipped, match=f"version {old} was validated"):
        promote.run(world.context("run-1"))
    assert world.production() is None


def test_a_new_champion_requires_another_validation(world: World) -> None:
    """A candidate may be worse than a champion that it was not compared with."""
    champion = world.bare(PRODUCTION)
    candidate = world.bare(STAGING)
    world.verdict("run-1", candidate, champion)
    newer = world.bare(PRODUCTION)
    with pytest.raises(PromotionError, match="Run validate again"):
        promote.run(world.context("run-1"))
    assert world.production() == newer


def test_a_rejected_version_is_not_promoted(world: World) -> None:
    """A version that was reverted stays out of production, whatever its report says."""
    number = world.bare(STAGING)
    world.registry.set_tag(number, REJECTED, "it misbehaved")
    world.verdict("run-1", number, None)
    with pytest.raises(StageSkipped, match="it misbehaved"):
        promote.run(world.context("run-1"))
    assert world.production() is None


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
    world: World, kind: str, request: pytest.FixtureRequest
) -> None:
    """A run that another one overtakes after it has read the aliases moves nothing."""
    if kind == "s3":
        world.move_to(request.getfixturevalue("s3_lake"))
    champion = world.bare(PRODUCTION)
    candidate = world.bare(STAGING)
    for run in ("slow", "fast"):
        world.verdict(run, candidate, champion)
    slow = world.context("slow")
    slow = replace(slow, lake=InterruptedLake(slow, lambda: promote.run(world.context("fast"))))
    with pytest.raises(PromotionError, match="Another run"):
        promote.run(slow)
    assert world.aliases() == {STAGING: candidate, PRODUCTION: candidate, PREVIOUS: champion}
    assert [record.run_id for record in read_records(slow.lake)] == ["fast"]
    with pytest.raises(StageSkipped, match="already"):
        promote.run(world.context("slow"))


def test_a_run_does_not_wait_for_the_lock(world: World) -> None:
    """While another run holds the lock, the error says which run and until when."""
    champion, candidate = world.bare(PRODUCTION), world.bare(STAGING)
    world.verdict("dead", candidate, champion)
    world.verdict("next", candidate, champion)
    with pytest.raises(Killed):
        promote.run(dying(world.context("dead"), Fuse(1, after=True)))
    (record,) = read_records(world.context("any").lake)
    with pytest.raises(PromotionError, match="dead has been moving `production`") as error:
        promote.run(world.context("next"))
    assert record.lock_expires_at in str(error.value)
    assert world.production() == champion


def test_the_next_run_completes_the_move_of_a_dead_one(world: World) -> None:
    """Once the lock of a dead run has expired, its move is completed before any other."""
    champion, candidate = world.bare(PRODUCTION), world.bare(STAGING)
    world.verdict("dead", candidate, champion)
    world.verdict("next", candidate, champion)
    dead = world.context("dead")
    with pytest.raises(Killed):
        promote.run(dying(dead, Fuse(3, after=True)))
    (record,) = read_records(dead.lake)
    expired = record.model_copy(update={"lock_expires_at": "2020-01-01T00:00:00+00:00"})
    dead.lake.write(record.key, expired.to_bytes())
    with pytest.raises(StageSkipped, match="already"):
        promote.run(world.context("next"))
    assert world.aliases() == {STAGING: candidate, PRODUCTION: candidate, PREVIOUS: champion}
    first, second = read_records(dead.lake)
    assert (first.run_id, first.done) == ("dead", False)
    assert (second.run_id, second.done, second.resumes) == ("dead", True, first.number)


class InAnHour(datetime):
    """A clock that is an hour ahead."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> InAnHour:
        return cls.fromtimestamp(datetime.now(tz).timestamp() + 3600, tz)


def test_a_slow_run_stops_before_its_lock_expires(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run starts no request that could outlast its lock, because another run may move then."""
    champion, candidate = world.bare(PRODUCTION), world.bare(STAGING)
    world.verdict("slow", candidate, champion)
    slow = world.context("slow")

    class SlowLake(Lake):
        def create(self, key: str, data: bytes) -> bool:
            created = super().create(key, data)
            monkeypatch.setattr(moves, "datetime", InAnHour)
            return created

    slow = replace(slow, lake=SlowLake(slow.lake._store))
    with pytest.raises(PromotionError, match="took too long"):
        promote.run(slow)
    assert world.aliases() == {STAGING: candidate, PRODUCTION: champion, PREVIOUS: None}


def test_a_killed_run_ends_the_same_when_it_is_repeated(world: World) -> None:
    """One version is in production at any time; afterwards `models/` and the log agree with it."""
    champion = world.bare(PRODUCTION)
    promotions = 0

    def run(fuse: Fuse) -> None:
        nonlocal champion, promotions
        promotions += 1
        candidate, run_id = world.register("good"), f"run-{promotions}"
        world.verdict(run_id, candidate, champion)
        try:
            promote.run(dying(world.context(run_id), fuse))
        except Killed:
            assert world.production() in (champion, candidate)
            promote.run(world.context(run_id))
        assert world.aliases() == {STAGING: candidate, PRODUCTION: candidate, PREVIOUS: champion}
        assert world.log()[-1] == ("promote", champion, candidate)
        assert len(world.log()) == promotions
        assert read_fallback(world.context("any").lake).manifest.version == candidate
        champion = candidate

    for fuse in kill_points(run):
        run(fuse)


def test_models_holds_the_version_in_production(world: World) -> None:
    """A move repairs a damaged copy; a bundle that cannot be downloaded does not stop a move."""
    good = world.register("good")
    world.verdict("run-1", good, None)
    promote.run(world.context("run-1"))
    lake = world.context("any").lake
    assert read_fallback(lake).manifest.version == good
    lake.write(f"models/{ONNX}", b"the rest of a move that was killed")
    keep_production(world.context("run-1"), "verify", "it is healthy")
    assert read_fallback(lake).manifest.version == good
    without_bundle = world.bare(STAGING)
    world.verdict("run-2", without_bundle, good)
    promote.run(world.context("run-2"))
    assert world.production() == without_bundle
    assert read_fallback(lake).manifest.version == good
