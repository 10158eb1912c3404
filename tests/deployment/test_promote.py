"""promote: exactly one version in production at all times, whatever dies or runs beside it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, tzinfo
from typing import Any

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
from tests.deployment.faults import Fuse, Killed, dying
from tests.deployment.models import World


def test_the_first_candidate_goes_into_production(world: World) -> None:
    """Without a champion the candidate becomes production, and nothing becomes previous."""
    number = world.bare(STAGING)
    world.verdict("run-1", number, None)
    promote.run(world.context("run-1"))
    assert world.aliases() == {STAGING: number, PRODUCTION: number, PREVIOUS: None}
    assert world.log() == [("promote", None, number)]


def test_the_champion_becomes_previous(world: World) -> None:
    """The version that leaves production keeps the alias previous; who moved what, when and why is logged with the hashes."""
    champion, candidate = (
        world.bare(PRODUCTION),
        world.bare(STAGING, manifest_sha256="abc", gold_test="def", other="x"),
    )
    world.verdict(
        "run-1",
        candidate,
        champion,
        gates=[GateResult(name="min_x", bound=1, reason="w", value=2, passed=True)],
    )
    promote.run(world.context("run-1"))
    assert world.aliases() == {STAGING: candidate, PRODUCTION: candidate, PREVIOUS: champion}
    entry = json.loads(world.context("any").lake.read("reports/promotions.jsonl"))
    assert (entry["run_id"], entry["hashes"], entry["reason"]) == (
        "run-1",
        {"manifest_sha256": "abc", "gold_test": "def"},
        "every gate holds",
    )
    assert entry["gates"][0]["name"] == "min_x"
    assert entry["started_by"]
    assert entry["started_at"]
    assert "promoted" in world.registry.get_version(candidate).tags


def test_running_it_again_changes_nothing(world: World) -> None:
    """A run promotes once: a retry of its task succeeds and writes no second record."""
    number = world.bare(STAGING)
    world.verdict("run-1", number, None)
    promote.run(world.context("run-1"))
    promote.run(world.context("run-1"))
    assert world.log() == [("promote", None, number)]


def test_what_validate_did_not_pass_is_refused(world: World) -> None:
    """A verdict that does not hold leaves production as it is, with the verdict's sentence."""
    number = world.bare(STAGING)
    world.verdict("run-1", number, None, passed=False, decision="min_recall is 0.2")
    with pytest.raises(StageSkipped, match=r"min_recall is 0\.2"):
        promote.run(world.context("run-1"))
    assert world.production() is None


def test_only_the_validated_version_is_promoted(world: World) -> None:
    """A newer candidate that took the alias staging meanwhile is not promoted on the old one's verdict."""
    old = world.bare(STAGING)
    world.verdict("run-1", old, None)
    world.bare(STAGING)
    with pytest.raises(StageSkipped, match=f"version {old} was validated"):
        promote.run(world.context("run-1"))
    assert world.production() is None


def test_a_champion_that_changed_asks_for_another_validation(world: World) -> None:
    """A candidate judged beside a version that is no longer production is refused: it may be worse than the new one."""
    champion = world.bare(PRODUCTION)
    candidate = world.bare(STAGING)
    world.verdict("run-1", candidate, champion)
    newer = world.bare(PRODUCTION)
    with pytest.raises(PromotionError, match="Run validate again"):
        promote.run(world.context("run-1"))
    assert world.production() == newer


def test_a_rejected_version_is_not_promoted(world: World) -> None:
    """A version that was taken back stays out, whatever its verdict says."""
    number = world.bare(STAGING)
    world.registry.set_tag(number, REJECTED, "it misbehaved")
    world.verdict("run-1", number, None)
    with pytest.raises(StageSkipped, match="it misbehaved"):
        promote.run(world.context("run-1"))


class Interrupted(Lake):
    """A lake on which something else happens just before the first object is created."""

    def __init__(self, context: Context, event: Any) -> None:
        super().__init__(context.lake._store)
        self._event = event

    def create(self, key: str, data: bytes) -> bool:
        event, self._event = self._event, None
        if event is not None:
            event()
        return super().create(key, data)


@pytest.mark.parametrize("kind", ["disk", "s3"])
def test_of_two_runs_at_once_one_wins_and_the_other_says_so(
    world: World, kind: str, request: pytest.FixtureRequest
) -> None:
    """A run that another one overtakes between its look at the aliases and its own move moves nothing; on S3 too."""
    if kind == "s3":
        world.move_to(request.getfixturevalue("s3_lake"))
    champion = world.bare(PRODUCTION)
    candidate = world.bare(STAGING)
    for run in ("slow", "fast"):
        world.verdict(run, candidate, champion)
    slow = world.context("slow")
    slow = replace(slow, lake=Interrupted(slow, lambda: promote.run(world.context("fast"))))
    with pytest.raises(PromotionError, match="Another run"):
        promote.run(slow)
    assert world.aliases() == {STAGING: candidate, PRODUCTION: candidate, PREVIOUS: champion}
    assert [record.run_id for record in read_records(slow.lake)] == ["fast"]
    with pytest.raises(StageSkipped, match="already"):
        promote.run(world.context("slow"))


def test_a_run_waits_for_nobody_and_names_who_is_moving(world: World) -> None:
    """While another run holds the log, a run is told who and until when."""
    champion, candidate = world.bare(PRODUCTION), world.bare(STAGING)
    world.verdict("dead", candidate, champion)
    world.verdict("next", candidate, champion)
    with pytest.raises(Killed):
        promote.run(dying(world.context("dead"), Fuse(1, after=True)))
    with pytest.raises(PromotionError, match="dead has been moving"):
        promote.run(world.context("next"))
    assert world.production() == champion


def test_a_dead_run_is_finished_by_the_next_one(world: World) -> None:
    """When its time is over, the move that a dead run began is carried out before anything else."""
    champion, candidate = world.bare(PRODUCTION), world.bare(STAGING)
    world.verdict("dead", candidate, champion)
    world.verdict("next", candidate, champion)
    dead = world.context("dead")
    with pytest.raises(Killed):
        promote.run(dying(dead, Fuse(3, after=True)))
    assert world.aliases() == {STAGING: candidate, PRODUCTION: candidate, PREVIOUS: champion}
    record = read_records(dead.lake)[0]
    dead.lake.write(
        record.key, record.model_copy(update={"lock_expires_at": "2020-01-01T00:00:00+00:00"}).to_bytes()
    )
    with pytest.raises(StageSkipped, match="already"):
        promote.run(world.context("next"))
    assert world.aliases() == {STAGING: candidate, PRODUCTION: candidate, PREVIOUS: champion}
    assert [
        (each.number, each.run_id, each.done, each.resumes) for each in read_records(dead.lake)
    ] == [
        (1, "dead", False, None),
        (2, "dead", True, 1),
    ]


class Later(datetime):
    """A clock that has gone on by an hour."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Later:
        return cls.fromtimestamp(datetime.now(tz).timestamp() + 3600, tz)


def test_a_run_that_is_too_slow_stops_before_it_writes_into_anothers_time(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No request is begun that could end after the run's time is over: then another one may be moving."""
    champion, candidate = world.bare(PRODUCTION), world.bare(STAGING)
    world.verdict("slow", candidate, champion)
    slow = world.context("slow")

    class Sleepy(Lake):
        def create(self, key: str, data: bytes) -> bool:
            created = super().create(key, data)
            monkeypatch.setattr(moves, "datetime", Later)
            return created

    slow = replace(slow, lake=Sleepy(slow.lake._store))
    with pytest.raises(PromotionError, match="took too long"):
        promote.run(slow)
    assert world.aliases() == {STAGING: candidate, PRODUCTION: champion, PREVIOUS: None}


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_killed_at_any_write_and_run_again_it_ends_the_same(world: World, after: bool) -> None:
    """Whatever write promote dies at, production is one version all the time, and the rerun ends as if nothing had been."""
    champion = world.bare(PRODUCTION)
    for at in range(1, 20):
        candidate, run_id = world.register("good"), f"run-{at}"
        world.verdict(run_id, candidate, champion)
        fuse = Fuse(at, after)
        try:
            promote.run(dying(world.context(run_id), fuse))
        except Killed:
            assert world.production() in (champion, candidate)
            promote.run(world.context(run_id))
        assert world.aliases() == {STAGING: candidate, PRODUCTION: candidate, PREVIOUS: champion}
        assert world.log()[-1] == ("promote", champion, candidate)
        assert len(world.log()) == at
        assert read_fallback(world.context("any").lake).manifest.version == candidate
        champion = candidate
        if fuse.count < at:
            break
    assert fuse.count == 9, (
        "the writes of a promotion: intent, previous, production, the three files of models/, tag, log, done"
    )


def test_models_holds_what_is_in_production(world: World) -> None:
    """What predictors start from without a registry is the promoted version; a copy that cannot be had holds up no move."""
    good = world.register("good")
    world.verdict("run-1", good, None)
    promote.run(world.context("run-1"))
    lake = world.context("any").lake
    assert read_fallback(lake).manifest.version == good
    lake.write(f"models/{ONNX}", b"of a move that died")
    keep_production(world.context("run-1"), "verify", "it is well")
    assert read_fallback(lake).manifest.version == good
    damaged = world.bare(STAGING)
    world.verdict("run-2", damaged, good)
    promote.run(world.context("run-2"))
    assert world.production() == damaged
    assert read_fallback(lake).manifest.version == good
