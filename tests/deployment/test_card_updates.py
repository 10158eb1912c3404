"""The model cards in the lake show where their version is now, after every move."""

from __future__ import annotations

import pytest

from pipeline.card_status import Status
from pipeline.deployment.card_updates import update_candidate_card
from pipeline.deployment.rollback import roll_back
from pipeline.errors import LakeError
from pipeline.stages import promote
from pipeline.storage.lake import Lake
from pipeline.tracking.registry import STAGING
from tests.support.deployment_env import DeploymentEnv


def add_version(env: DeploymentEnv, run_id: str) -> str:
    """Register a version whose training run has a card."""
    lake = env.context(run_id).lake
    status = Status("evaluated")
    lake.write(f"reports/{run_id}/model_card.html", f"A {status.to_html()} Z".encode())
    for name in ("model_card.md", "README.md"):
        lake.write(f"reports/{run_id}/{name}", f"A {status.to_markdown()} Z".encode())
    return env.bare(STAGING, pipeline_run_id=run_id)


def promote_version(env: DeploymentEnv, run_id: str, number: str) -> None:
    env.verdict(run_id, number, env.production())
    promote.run(env.context(run_id))


def read_card(env: DeploymentEnv, run_id: str, kind: str = "html") -> str:
    return env.context(run_id).lake.read(f"reports/{run_id}/model_card.{kind}").decode()


def test_promotion_and_rollback(env: DeploymentEnv) -> None:
    """All cards are right after the first and the second promotion, and after the rollback."""
    first = add_version(env, "first")
    promote_version(env, "first", first)
    card = read_card(env, "first")
    assert f"Version {first} is in production (<code>production</code>) since " in card
    assert "(first): promoted to production: every gate holds." in card
    assert card.startswith("A <!-- status -->")
    assert card.endswith("<!-- end of status --> Z")

    second = add_version(env, "second")
    promote_version(env, "second", second)
    assert f"Version {first} left production at " in read_card(env, "first")
    assert f"; version {second} replaced it." in read_card(env, "first")
    assert f"Version {second} is in production" in read_card(env, "second")

    roll_back(env.context("by-hand"), "rollback", "parents <complain>")
    back, gone = read_card(env, "first"), read_card(env, "second")
    assert f"Version {first} is in production" in back
    assert f"returned to production instead of version {second}: parents &lt;complain&gt;" in back
    assert f"Version {second} left production at " in gone
    assert "taken out of production and rejected: parents &lt;complain&gt;" in gone
    assert "> **Version 1 is in production (`production`) since " in read_card(env, "first", "md")
    hub = env.context("first").lake.read("reports/first/README.md").decode()
    assert hub == read_card(env, "first", "md")


def test_candidates(env: DeploymentEnv) -> None:
    """A candidate's card has its version, and why it was not promoted; production wins."""
    number = add_version(env, "run")
    lake, version = env.context("run").lake, env.registry.get_version(number)
    update_candidate_card(lake, version, "2026-03-01T08:30:00+00:00")
    assert (
        f"Version {number} is a candidate (<code>staging</code>) since 2026-03-01 08:30 UTC."
        in (read_card(env, "run"))
    )
    update_candidate_card(lake, version, "2026-03-01T08:30:00+00:00", "min_recall is 0.2")
    assert "was not promoted at 2026-03-01 08:30 UTC: min_recall is 0.2." in read_card(env, "run")
    promote_version(env, "run", number)
    update_candidate_card(lake, version, "2026-03-01T08:30:00+00:00")
    assert f"Version {number} is in production" in read_card(env, "run")


def test_a_card_that_cannot_be_written_stops_nothing(
    env: DeploymentEnv, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The move is complete, and the log names the card."""
    number = add_version(env, "run")
    write = Lake.write

    def fail(lake: Lake, key: str, data: bytes) -> str:
        if "model_card" in key:
            raise LakeError("the disk is full")
        return write(lake, key, data)

    monkeypatch.setattr(Lake, "write", fail)
    promote_version(env, "run", number)
    assert env.production() == number
    assert "model_card.html is not updated: the disk is full" in capsys.readouterr().err
