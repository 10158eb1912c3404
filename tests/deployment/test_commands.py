"""rollback, history, compare: the same by hand, and readable."""

from __future__ import annotations

import json

import pytest

from pipeline import __main__ as command_line
from pipeline.deployment.moves import REJECTED
from pipeline.deployment.rollback import roll_back
from pipeline.settings import Settings
from pipeline.stages import promote
from pipeline.tracking.registry import PREVIOUS, PRODUCTION, STAGING
from tests.deployment.models import World
from tests.deployment.predictors import Follower, serving


@pytest.fixture
def line(world: World, monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]  # a function of the command's words
    """Runs `python -m pipeline WORDS` on the world; returns the exit code."""
    settings = world.context("any", predictor={"url": "http://127.0.0.1:9"}).settings
    monkeypatch.setattr(Settings, "load", lambda: settings)
    return lambda *words: command_line.main(words)


def test_rollback_goes_back_and_keeps_the_version_out(world: World, line, capsys) -> None:  # type: ignore[no-untyped-def]
    """production goes to previous, the version that leaves is rejected with the reason, and where nobody serves it says so."""
    old, new = world.bare(PRODUCTION), world.bare(STAGING)
    world.verdict("run-1", new, old)
    promote.run(world.context("run-1"))
    assert line("rollback", "--reason", "parents complain") == 0
    assert world.aliases() == {STAGING: new, PRODUCTION: old, PREVIOUS: None}
    assert world.registry.get_version(new).tags[REJECTED] == "parents complain"
    assert "no predictor responds at http://127.0.0.1:9" in capsys.readouterr().err
    assert line("rollback") == 1
    assert "There is no version to go back to" in capsys.readouterr().err


def test_rollback_to_a_version_brings_even_a_rejected_one_back(world: World, line) -> None:  # type: ignore[no-untyped-def]
    """A person's word is the last one: the tag goes when the version comes."""
    first, second = world.bare(), world.bare(PRODUCTION)
    world.registry.set_tag(first, REJECTED, "it misbehaved")
    assert line("rollback", "--to", first) == 0
    assert world.production() == first
    assert REJECTED not in world.registry.get_version(first).tags
    assert REJECTED in world.registry.get_version(second).tags


def test_rollback_to_what_there_is_not(world: World, line, capsys) -> None:  # type: ignore[no-untyped-def]
    """An unknown version, and an empty production, are sentences; nothing moves."""
    assert line("rollback") == 1
    assert "No version is in `production`" in capsys.readouterr().err
    number = world.bare(PRODUCTION)
    assert line("rollback", "--to", "99") == 1
    assert line("rollback", "--to", number) == 1
    assert world.production() == number


def test_rollback_waits_for_the_predictors(world: World, line, monkeypatch, capsys) -> None:  # type: ignore[no-untyped-def]
    """Where predictors answer, the command ends when they serve the version."""
    good = world.bare(PREVIOUS)
    world.bare(PRODUCTION)
    with serving(Follower(world.registry, "none", None).answer) as port:
        settings = world.context("any", predictor={"url": f"http://127.0.0.1:{port}"}).settings
        monkeypatch.setattr(Settings, "load", lambda: settings)
        assert line("rollback") == 0
    assert f"the predictors serve version {good}" in capsys.readouterr().err


def test_history_tells_every_move(world: World, line, capsys) -> None:  # type: ignore[no-untyped-def]
    """One row a move on standard output, without colour when it is no terminal; --json gives the log's own lines."""
    assert line("history") == 0
    assert "no promotions yet" in capsys.readouterr().err
    old, new = world.bare(PRODUCTION), world.bare(STAGING)
    world.verdict("run-1", new, old)
    promote.run(world.context("run-1"))
    assert line("rollback", "--reason", "parents complain") == 0
    capsys.readouterr()
    assert line("history") == 0
    shown = capsys.readouterr().out
    assert f"{old} -> {new}" in shown
    assert "parents complain" in shown
    assert "\x1b" not in shown
    assert line("history", "--json") == 0
    printed = capsys.readouterr().out
    assert printed.encode() == world.context("any").lake.read("reports/promotions.jsonl")
    assert [json.loads(entry)["action"] for entry in printed.splitlines()] == [
        "promote",
        "rollback",
    ]


def test_compare_measures_two_models_on_the_same_rows(world: World, line, capsys) -> None:  # type: ignore[no-untyped-def]
    """Versions and aliases both name a model; the answer says what each is and how they differ, with intervals."""
    world.register("good", PRODUCTION)
    world.register("better", STAGING)
    assert line("compare", "staging", "1") == 0
    shown = capsys.readouterr().out
    assert "version 2" in shown
    assert "roc_auc" in shown
    assert " to +" in shown
    assert line("compare", "staging", "nobody") == 1
    assert "No version" in capsys.readouterr().err


def test_a_rolled_back_version_is_no_place_to_go_back_to(world: World) -> None:
    """previous never names a rejected version: after a second move back there is nothing to go back to."""
    first = world.bare(PRODUCTION)
    for run_id, champion in (("run-1", first), ("run-2", "2")):
        candidate = world.bare(STAGING)
        world.verdict(run_id, candidate, champion)
        promote.run(world.context(run_id))
    assert world.aliases() == {STAGING: "3", PRODUCTION: "3", PREVIOUS: "2"}
    roll_back(world.context("run-3"), "demote", "bad")
    assert world.aliases() == {STAGING: "3", PRODUCTION: "2", PREVIOUS: first}
    roll_back(world.context("run-4"), "demote", "bad")
    assert world.aliases() == {STAGING: "3", PRODUCTION: first, PREVIOUS: None}
