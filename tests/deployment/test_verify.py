"""verify: what goes live is what was promoted, or the old version comes back."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from pipeline.context import Context
from pipeline.deployment.moves import REJECTED, VERIFIED
from pipeline.errors import StageSkipped, VerifyError
from pipeline.stages import promote, verify
from pipeline.tracking.registry import PREVIOUS, PRODUCTION, STAGING
from tests.deployment.faults import Fuse, Killed, dying
from tests.deployment.models import World
from tests.deployment.predictors import Fault, Follower, serving

MISBEHAVIOUR: list[tuple[Fault, str]] = [
    ("stuck", "serves version 0"),
    ("away", "returned 503"),
    ("garbage", "did not return JSON"),
    ("wrong numbers", "from the registry's version"),
    ("not a number", "from the registry's version"),
    ("wrong labels", "labels"),
    ("errors", "predictions failed"),
]


@pytest.fixture
def deployed(world: World) -> World:
    """A champion in production, and a candidate that run-1 has just put in its place."""
    champion = world.register("good", PRODUCTION)
    candidate = world.register("better", STAGING)
    world.verdict("run-1", candidate, champion)
    promote.run(world.context("run-1"))
    assert (champion, candidate) == ("1", "2")
    return world


def watching(world: World, port: int, run_id: str = "run-1", **deployment: Any) -> Context:
    """A run's context that looks for the predictor on `port`."""
    settings = {
        "rollout_timeout_seconds": 1,
        "watch_period_seconds": 0.2,
        "poll_interval_seconds": 0.05,
    } | deployment
    return world.context(run_id, predictor={"url": f"http://127.0.0.1:{port}"}, deployment=settings)


@pytest.fixture
def good_port(deployed: World) -> Iterator[int]:
    with serving(Follower(deployed.registry, "none", None).answer) as port:
        yield port


def test_a_version_that_is_served_well_is_verified(deployed: World, good_port: int) -> None:
    """A version that every predictor serves, and answers with as the registry's model does, is tagged and logged as verified."""
    verify.run(watching(deployed, good_port))
    assert deployed.aliases() == {STAGING: "2", PRODUCTION: "2", PREVIOUS: "1"}
    assert VERIFIED in deployed.registry.get_version("2").tags
    assert deployed.log() == [("promote", "1", "2"), ("verify", "2", "2")]
    verify.run(watching(deployed, good_port))
    assert len(deployed.log()) == 2, "a retry writes nothing"


@pytest.mark.parametrize(
    ("fault", "sentence"), MISBEHAVIOUR, ids=[fault for fault, _ in MISBEHAVIOUR]
)
def test_a_version_that_misbehaves_live_is_taken_back(
    deployed: World, fault: Fault, sentence: str
) -> None:
    """Whatever is wrong live, the old version is back in production and served, and the new one rejected with the reason."""
    with serving(Follower(deployed.registry, fault, bad="2").answer) as port:
        context = watching(deployed, port)
        with pytest.raises(VerifyError, match=sentence) as failure:
            verify.run(context)
        assert "which the predictors serve" in str(failure.value)
        with pytest.raises(VerifyError, match="is rejected"):
            verify.run(context)
    assert deployed.aliases() == {STAGING: "2", PRODUCTION: "1", PREVIOUS: None}
    assert sentence in deployed.registry.get_version("2").tags[REJECTED]
    assert deployed.log() == [("promote", "1", "2"), ("revert", "2", "1")]


def test_a_model_that_was_damaged_since_it_was_validated_is_taken_back(
    deployed: World, good_port: int
) -> None:
    """A file of the registry that is no longer what was registered is as bad as a wrong answer: no predictor would take it."""
    deployed.registry.log_artifacts(
        deployed.registry.get_version("2").run_id, {"model.onnx": b"damaged"}, "serving"
    )
    with pytest.raises(VerifyError, match=r"model\.onnx has the hash .* It is rejected"):
        verify.run(watching(deployed, good_port))
    assert deployed.aliases() == {STAGING: "2", PRODUCTION: "1", PREVIOUS: None}


def test_one_bad_predictor_of_several_is_enough(
    deployed: World, good_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every address that the host's name has is asked: a single pod that stays behind takes the version back."""
    addresses = [
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", (f"127.0.0.{last}", good_port))
        for last in (1, 2)
    ]
    known = socket.getaddrinfo

    def resolve(host: str, *arguments: Any, **options: Any) -> Any:
        return addresses if host == "predictor.test" else known(host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    with serving(Follower(deployed.registry, "stuck", bad="2").answer, "127.0.0.2", good_port):
        context = deployed.context(
            "run-1",
            predictor={"url": f"http://predictor.test:{good_port}"},
            deployment={"rollout_timeout_seconds": 1},
        )
        with pytest.raises(VerifyError, match=r"127\.0\.0\.2 serves version 0"):
            verify.run(context)
    assert deployed.production() == "1"


def test_a_predictor_that_goes_away_for_a_moment_is_asked_again(deployed: World) -> None:
    """Pods come and go; one that is busy while it is watched does not cost a good version its place."""
    follower = Follower(deployed.registry, "none", None)
    questions: list[str] = []

    def answer(path: str, body: Any) -> tuple[int, Any]:
        questions.append(path)
        is_busy = (
            path.startswith("/predict")
            and sum(each.startswith("/predict") for each in questions) < 4
        )
        return (503, {"title": "full"}) if is_busy else follower.answer(path, body)

    with serving(answer) as port:
        verify.run(watching(deployed, port, watch_period_seconds=0, rollout_timeout_seconds=30))
    assert deployed.log()[-1] == ("verify", "2", "2")


def test_with_no_predictor_at_all_the_wait_is_bounded(deployed: World) -> None:
    """Nobody answering within the bound takes the version back too, and says that the old one is not served either."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        with pytest.raises(VerifyError, match=r"refused.*production` is version 1 again, but after"):
            verify.run(watching(deployed, unused.getsockname()[1], rollout_timeout_seconds=0.3))
    assert deployed.production() == "1"


def test_with_nothing_to_go_back_to_production_stays(world: World) -> None:
    """A first version that misbehaves stays in production, for there must be one: the stage fails and the log keeps the alarm."""
    number = world.register("good", STAGING)
    world.verdict("run-1", number, None)
    promote.run(world.context("run-1"))
    with serving(Follower(world.registry, "errors", bad=number).answer) as port:
        for _ in range(2):
            with pytest.raises(VerifyError, match="no version to go back to"):
                verify.run(watching(world, port))
    assert world.aliases() == {STAGING: number, PRODUCTION: number, PREVIOUS: None}
    assert world.log() == [("promote", None, number), ("alarm", number, number)]


def test_a_run_that_promoted_nothing_has_nothing_to_verify(world: World) -> None:
    """Where promote was skipped, verify is too."""
    with pytest.raises(StageSkipped, match="promoted nothing"):
        verify.run(world.context("run-9"))


def test_a_version_that_another_run_replaced_is_left_alone(deployed: World, good_port: int) -> None:
    """verify judges its own run's version only: once another one is in production there is nothing to do."""
    newer = deployed.bare(PRODUCTION)
    with pytest.raises(StageSkipped, match=f"version {newer} now"):
        verify.run(watching(deployed, good_port))
    assert deployed.production() == newer


@pytest.mark.parametrize("fault", ["none", "wrong numbers"])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_killed_at_any_write_and_run_again_it_ends_the_same(
    world: World, fault: Fault, after: bool
) -> None:
    """Whatever write verify dies at, there is one production all the time, and the rerun ends as if nothing had been."""
    champion, first = world.register("good", PRODUCTION), world.register("better", None)
    for at in range(1, 20):
        candidate, run_id = world.again(first, STAGING), f"run-{at}"
        world.verdict(run_id, candidate, champion)
        promote.run(world.context(run_id))
        fuse = Fuse(at, after)
        with serving(Follower(world.registry, fault, bad=candidate).answer) as port:
            context = watching(world, port, run_id, watch_period_seconds=0)
            for attempt in (dying(context, fuse), context):
                try:
                    verify.run(attempt)
                except Killed:
                    assert world.production() in (champion, candidate)
                except VerifyError:
                    assert fault != "none"
        tags = world.registry.get_version(candidate).tags
        if fault == "none":
            assert world.aliases() == {
                STAGING: candidate,
                PRODUCTION: candidate,
                PREVIOUS: champion,
            }
            assert (VERIFIED in tags, REJECTED in tags) == (True, False)
            champion = candidate
        else:
            assert world.aliases() == {STAGING: candidate, PRODUCTION: champion, PREVIOUS: None}
            assert (VERIFIED in tags, REJECTED in tags) == (False, True)
        assert len(world.log()) == 2 * at
        if fuse.count < at:
            break
    assert at > 5, "verify writes at least its intent, aliases, tag, log and record"


def test_the_log_says_why(deployed: World) -> None:
    """The record of a version that was taken back holds the reason, who did it, and the hashes of what serves now."""
    with (
        serving(Follower(deployed.registry, "errors", bad="2").answer) as port,
        pytest.raises(VerifyError),
    ):
        verify.run(watching(deployed, port))
    entry = json.loads(
        deployed.context("any").lake.read("reports/promotions.jsonl").splitlines()[-1]
    )
    assert entry["action"] == "revert"
    assert "1 predictions failed" in entry["reason"]
    assert "manifest_sha256" in entry["hashes"]
