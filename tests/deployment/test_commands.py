"""The commands rollback, history and compare."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest

from pipeline.__main__ import main
from pipeline.deployment.moves import REJECTED
from pipeline.deployment.rollback import roll_back
from pipeline.evaluation import datasets
from pipeline.settings import Settings
from pipeline.stages import promote
from pipeline.tracking.registry import PREVIOUS, PRODUCTION, STAGING
from tests.support.deployment_env import DeploymentEnv
from tests.support.fake_predictor import FakePredictor

RunCommand = Callable[..., int]
Capture = pytest.CaptureFixture[str]


@pytest.fixture
def run_command(env: DeploymentEnv, monkeypatch: pytest.MonkeyPatch) -> RunCommand:
    """Run `python -m pipeline ARGUMENTS` in the environment; returns the exit code."""

    def run(*arguments: str, url: str = "http://127.0.0.1:9") -> int:
        settings = env.context("any", predictor={"url": url}).settings
        monkeypatch.setattr(Settings, "load", lambda: settings)
        return main(arguments)

    return run


def promote_second(env: DeploymentEnv) -> tuple[str, str]:
    """Promote a second version over a first one, as run-1; returns both numbers."""
    first, second = env.bare(PRODUCTION), env.bare(STAGING)
    env.verdict("run-1", second, first)
    promote.run(env.context("run-1"))
    return first, second


def test_rollback_returns_to_previous(
    env: DeploymentEnv, run_command: RunCommand, capsys: Capture
) -> None:
    """The version that leaves is rejected with the reason; a second rollback has no target."""
    first, second = promote_second(env)
    assert run_command("rollback", "--reason", "parents complain") == 0
    assert env.aliases() == {STAGING: second, PRODUCTION: first, PREVIOUS: None}
    assert env.registry.get_version(second).tags[REJECTED] == "parents complain"
    assert "no predictor responds at http://127.0.0.1:9" in capsys.readouterr().err
    assert run_command("rollback") == 1
    assert "There is no version to go back to" in capsys.readouterr().err


def test_rollback_to_a_rejected_version(env: DeploymentEnv, run_command: RunCommand) -> None:
    """A person may bring back a rejected version; it is not rejected any more."""
    first, second = env.bare(), env.bare(PRODUCTION)
    env.registry.set_tag(first, REJECTED, "it misbehaved")
    assert run_command("rollback", "--to", first) == 0
    assert env.production() == first
    assert REJECTED not in env.registry.get_version(first).tags
    assert REJECTED in env.registry.get_version(second).tags


def test_rollback_without_a_target(
    env: DeploymentEnv, run_command: RunCommand, capsys: Capture
) -> None:
    """An empty production and an unknown version are errors, and nothing moves."""
    assert run_command("rollback") == 1
    assert "No version is in `production`" in capsys.readouterr().err
    number = env.bare(PRODUCTION)
    assert run_command("rollback", "--to", "99") == 1
    assert run_command("rollback", "--to", number) == 1
    assert env.production() == number


def test_rollback_waits_for_the_predictors(
    env: DeploymentEnv, run_command: RunCommand, capsys: Capture
) -> None:
    """If predictors respond, the command ends once they serve the version."""
    good = env.bare(PREVIOUS)
    env.bare(PRODUCTION)
    with FakePredictor(env.registry).run() as url:
        assert run_command("rollback", url=url) == 0
    assert f"the predictors serve version {good}" in capsys.readouterr().err


def test_rollback_fails_if_a_predictor_does_not_follow(
    env: DeploymentEnv, run_command: RunCommand, capsys: Capture
) -> None:
    """Production has moved, but the exit code says that the old version is still served."""
    good = env.bare(PREVIOUS)
    env.bare(PRODUCTION)
    with FakePredictor(env.registry, "stuck", bad=good).run() as url:
        assert run_command("rollback", url=url) == 1
    assert env.production() == good
    assert "serves version 0" in capsys.readouterr().err


def test_a_rejected_version_is_never_previous(env: DeploymentEnv) -> None:
    """After two rollbacks there is no version to go back to."""
    first = env.bare(PRODUCTION)
    for run_id, champion in (("run-1", first), ("run-2", "2")):
        candidate = env.bare(STAGING)
        env.verdict(run_id, candidate, champion)
        promote.run(env.context(run_id))
    assert env.aliases() == {STAGING: "3", PRODUCTION: "3", PREVIOUS: "2"}
    roll_back(env.context("run-3"), "demote", "bad")
    assert env.aliases() == {STAGING: "3", PRODUCTION: "2", PREVIOUS: first}
    roll_back(env.context("run-4"), "demote", "bad")
    assert env.aliases() == {STAGING: "3", PRODUCTION: first, PREVIOUS: None}


def test_history_shows_every_move(
    env: DeploymentEnv, run_command: RunCommand, capsys: Capture
) -> None:
    """Standard output has a row per move without colors, or with --json the log's own lines."""
    assert run_command("history") == 0
    assert "no promotions yet" in capsys.readouterr().err
    first, second = promote_second(env)
    assert run_command("rollback", "--reason", "parents complain") == 0
    capsys.readouterr()
    assert run_command("history") == 0
    shown = capsys.readouterr().out
    assert f"{first} -> {second}" in shown
    assert "parents complain" in shown
    assert "\x1b" not in shown
    assert run_command("history", "--json") == 0
    printed = capsys.readouterr().out
    assert printed.encode() == env.context("any").lake.read("reports/promotions.jsonl")
    actions = [json.loads(line)["action"] for line in printed.splitlines()]
    assert actions == ["promote", "rollback"]


def test_compare_measures_two_models_on_the_same_rows(
    env: DeploymentEnv, run_command: RunCommand, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Numbers and aliases name a model; the output has facts and differences with intervals.

    A large test split is sampled, and the output says so.
    """
    env.register("good", PRODUCTION)
    env.register("better", STAGING)
    assert run_command("compare", "staging", "1") == 0
    shown = capsys.readouterr().out
    assert "version 2" in shown
    assert "roc_auc" in shown
    assert " to +" in shown
    monkeypatch.setattr(datasets, "MAX_MEASURED_ROWS", 100)
    assert run_command("compare", "staging", "1") == 0
    captured = capsys.readouterr()
    assert "on the same 100 rows" in captured.out
    note = r"compare: the figures are of 100 of the [\d,]+ test rows, a random sample"
    assert re.search(note, " ".join(captured.err.split()))
    assert run_command("compare", "staging", "nobody") == 1
    assert "has the number or alias 'nobody'" in capsys.readouterr().err
