"""verify: what goes live is what was promoted, or the old version returns."""

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
from tests.support.deployment_env import DeploymentEnv
from tests.support.fake_predictor import FakePredictor, Fault
from tests.support.faults import FaultInjector, Killed, kill_points, with_faults
from tests.support.http_server import Request, Response, serve

FAULTS: list[tuple[Fault, str]] = [
    ("stuck", "serves version 0"),
    ("away", "returned 503"),
    ("garbage", "did not return JSON"),
    ("wrong numbers", "from the registry's version"),
    ("not a number", "from the registry's version"),
    ("wrong labels", "labels"),
    ("errors", "predictions failed"),
]
"""Every fault, and what the message says about it."""


@pytest.fixture
def deployed(env: DeploymentEnv) -> DeploymentEnv:
    """A candidate, version 2, that run-1 has just promoted over the champion, version 1."""
    champion = env.register("good", PRODUCTION)
    candidate = env.register("better", STAGING)
    env.verdict("run-1", candidate, champion)
    promote.run(env.context("run-1"))
    assert (champion, candidate) == ("1", "2")
    return env


def watch(env: DeploymentEnv, url: str, run_id: str = "run-1", **deployment: Any) -> Context:
    """The context of a run whose predictor is at `url`.

    A predictor that responds wrongly is found at once; the timeouts are long, so that a slow
    machine does not fail a good version.
    """
    settings = {
        "rollout_timeout_seconds": 60,
        "watch_period_seconds": 0.1,
        "poll_interval_seconds": 0.05,
        "request_timeout_seconds": 60,
    }
    return env.context(run_id, predictor={"url": url}, deployment=settings | deployment)


@pytest.fixture
def url(deployed: DeploymentEnv) -> Iterator[str]:
    """The URL of a predictor without a fault."""
    with FakePredictor(deployed.registry).run() as url:
        yield url


def test_a_version_without_a_problem_is_verified(deployed: DeploymentEnv, url: str) -> None:
    """A version that the predictor serves well is tagged and logged as verified, once."""
    verify.run(watch(deployed, url))
    assert deployed.aliases() == {STAGING: "2", PRODUCTION: "2", PREVIOUS: "1"}
    assert VERIFIED in deployed.registry.get_version("2").tags
    assert deployed.log() == [("promote", "1", "2"), ("verify", "2", "2")]
    verify.run(watch(deployed, url))
    assert len(deployed.log()) == 2


@pytest.mark.parametrize(("fault", "message"), FAULTS, ids=[fault for fault, _ in FAULTS])
def test_a_version_with_a_fault_is_reverted(
    deployed: DeploymentEnv, fault: Fault, message: str
) -> None:
    """Production returns to the old version; the new one is rejected, and stays so on a retry."""
    not_rolled_out = fault in ("stuck", "away", "garbage")
    with FakePredictor(deployed.registry, fault, bad="2").run() as url:
        timeout_seconds = 0.2 if not_rolled_out else 60
        context = watch(deployed, url, rollout_timeout_seconds=timeout_seconds)
        with pytest.raises(VerifyError, match=f"{message}.* which the predictors serve"):
            verify.run(context)
        with pytest.raises(VerifyError, match=f"Version 2 is rejected: .*{message}"):
            verify.run(context)
    assert deployed.aliases() == {STAGING: "2", PRODUCTION: "1", PREVIOUS: None}
    assert message in deployed.registry.get_version("2").tags[REJECTED]
    assert deployed.log() == [("promote", "1", "2"), ("revert", "2", "1")]


def test_the_log_holds_the_reason_and_the_hashes(deployed: DeploymentEnv) -> None:
    """The record of a revert has the problem, and the hashes of the version that returned."""
    predictor = FakePredictor(deployed.registry, "errors", bad="2")
    with predictor.run() as url, pytest.raises(VerifyError):
        verify.run(watch(deployed, url))
    lines = deployed.context("any").lake.read("reports/promotions.jsonl").splitlines()
    entry = json.loads(lines[-1])
    assert entry["action"] == "revert"
    assert "1 predictions failed" in entry["reason"]
    assert "manifest_sha256" in entry["hashes"]


def test_a_damaged_model_is_reverted(deployed: DeploymentEnv, url: str) -> None:
    """A file that changed in the registry after validation fails; no predictor loads it."""
    run_id = deployed.registry.get_version("2").run_id
    deployed.registry.log_artifacts(run_id, {"model.onnx": b"damaged"}, "serving")
    with pytest.raises(VerifyError, match=r"model\.onnx has the SHA-256 .* again\. That version"):
        verify.run(watch(deployed, url))
    assert deployed.aliases() == {STAGING: "2", PRODUCTION: "1", PREVIOUS: None}


def test_one_bad_predictor_of_two_is_enough(
    deployed: DeploymentEnv, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every address of the host is checked: one pod that stays behind reverts the version."""
    port = int(url.rpartition(":")[2])
    resolve = socket.getaddrinfo

    def getaddrinfo(host: str, *arguments: Any, **options: Any) -> Any:
        if host != "predictor.test":
            return resolve(host, *arguments, **options)
        return [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))
            for address in ("127.0.0.1", "127.0.0.2")
        ]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    with FakePredictor(deployed.registry, "stuck", bad="2").run("127.0.0.2", port):
        url = f"http://predictor.test:{port}"
        with pytest.raises(VerifyError, match=r"127\.0\.0\.2 serves version 0"):
            verify.run(watch(deployed, url, rollout_timeout_seconds=0.2))
    assert deployed.production() == "1"


def test_a_predictor_that_is_busy_for_a_moment_is_no_problem(deployed: DeploymentEnv) -> None:
    """Pods come and go: a predictor that does not respond during the watch is asked again."""
    predictor = FakePredictor(deployed.registry)
    busy = iter(range(3))

    def handle(request: Request) -> Response:
        if request.path.startswith("/predict") and next(busy, None) is not None:
            return Response(503, {"title": "full"})
        return predictor.handle(request)

    with serve(handle) as url:
        verify.run(watch(deployed, url, watch_period_seconds=0))
    assert next(busy, None) is None
    assert deployed.log()[-1] == ("verify", "2", "2")


def test_a_restarted_predictor_counts_errors_from_zero(deployed: DeploymentEnv) -> None:
    """A counter that falls is that of a new process; its errors count, the old ones do not."""
    predictor = FakePredictor(deployed.registry)
    counts = iter(["7", "2"])

    def handle(request: Request) -> Response:
        if request.path == "/metrics":
            return Response(200, f"predictor_errors_total {next(counts, '2')}\n")
        return predictor.handle(request)

    message = "2 predictions failed after version 2 went live"
    with serve(handle) as url, pytest.raises(VerifyError, match=message):
        verify.run(watch(deployed, url))


def test_without_a_predictor_the_wait_is_bounded(deployed: DeploymentEnv) -> None:
    """The version is reverted; the message says that the old one is not served either."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        with pytest.raises(VerifyError, match=r"refused.* is version 1 again, but after"):
            verify.run(watch(deployed, url, rollout_timeout_seconds=0.2))
    assert deployed.production() == "1"


def test_the_first_version_stays_in_spite_of_a_problem(env: DeploymentEnv) -> None:
    """With no version to go back to, the stage fails and the log has one alarm."""
    number = env.register("good", STAGING)
    env.verdict("run-1", number, None)
    promote.run(env.context("run-1"))
    with FakePredictor(env.registry, "errors", bad=number).run() as url:
        for _ in range(2):
            with pytest.raises(VerifyError, match="no version to go back to"):
                verify.run(watch(env, url))
    assert env.aliases() == {STAGING: number, PRODUCTION: number, PREVIOUS: None}
    assert env.log() == [("promote", None, number), ("alarm", number, number)]


def test_a_run_that_promoted_nothing_is_skipped(env: DeploymentEnv) -> None:
    """If promote was skipped, verify is skipped."""
    with pytest.raises(StageSkipped, match="promoted nothing"):
        verify.run(env.context("run-9"))


def test_a_version_that_another_run_replaced_is_skipped(deployed: DeploymentEnv, url: str) -> None:
    """A run verifies its own version, and only while that is in production."""
    newer = deployed.bare(PRODUCTION)
    with pytest.raises(StageSkipped, match=f"version {newer} now"):
        verify.run(watch(deployed, url))
    assert deployed.production() == newer


@pytest.mark.parametrize("fault", ["none", "wrong numbers"])
def test_a_killed_run_ends_the_same_when_it_is_repeated(env: DeploymentEnv, fault: Fault) -> None:
    """One version is in production at any time, and the log has no entry twice."""
    champion, first = env.register("good", PRODUCTION), env.register("better", None)
    moves = 0

    def run(faults: FaultInjector) -> None:
        nonlocal champion, moves
        moves += 1
        candidate, run_id = env.again(first, STAGING), f"run-{moves}"
        env.verdict(run_id, candidate, champion)
        promote.run(env.context(run_id))
        with FakePredictor(env.registry, fault, bad=candidate).run() as url:
            context = watch(env, url, run_id, watch_period_seconds=0)
            for attempt in (with_faults(context, faults), context):
                try:
                    verify.run(attempt)
                except Killed:
                    assert env.production() in (champion, candidate)
                except VerifyError:
                    assert fault != "none"
        tags = env.registry.get_version(candidate).tags
        assert (VERIFIED in tags, REJECTED in tags) == (fault == "none", fault != "none")
        production, previous = (candidate, champion) if fault == "none" else (champion, None)
        assert env.aliases() == {
            STAGING: candidate,
            PRODUCTION: production,
            PREVIOUS: previous,
        }
        assert len(env.log()) == 2 * moves
        champion = production

    for faults in kill_points(run):
        run(faults)
