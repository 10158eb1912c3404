"""stop and resume: all predictors refuse predictions, and the promotion log says why."""

from __future__ import annotations

import dataclasses
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from pipeline.__main__ import main
from pipeline.commands import resume, stop
from pipeline.commands.local_servers import find_free_port
from pipeline.deployment.predictor_client import Replica
from pipeline.deployment.stopping import write_marker
from pipeline.errors import RegistryError, StageSkipped
from pipeline.model.bundle import ONNX_INPUT, write_fallback
from pipeline.settings import Settings
from pipeline.stages import drift, promote, verify
from pipeline.storage.access import SERVICES
from pipeline.storage.layout import STOP_MARKER
from pipeline.tracking.promotion_log import read_records
from pipeline.tracking.registry import PREVIOUS, PRODUCTION, STAGING, Registry
from serving.http.rows import EXAMPLE
from tests.support.deployment_env import DeploymentEnv
from tests.support.fake_predictor import FakePredictor
from tests.support.lake_access import guard
from tests.support.predictor import PredictorProcess, start_predictor, wait_until_ready

HOST = "predictor.test"
ADDRESSES = ("127.0.0.1", "127.0.0.2")
NOWHERE = "http://127.0.0.1:9"
REASON = "the threshold is wrong"
CSV = "age,course,sleep_hours,relationship,review_hours\n31,stem,6.8,no,2.1\n"
ROW = [31, 1, 6.8, 0, 2.1]
INFER = {"inputs": [{"name": ONNX_INPUT, "shape": [1, 5], "datatype": "FP32", "data": ROW}]}

# The pods of Airflow run both with these rights.
stop.main = guard("stop", SERVICES["answers"].access, stop.main)
resume.main = guard("resume", SERVICES["answers"].access, resume.main)

RunCommand = Callable[..., int]
Capture = pytest.CaptureFixture[str]


@pytest.fixture
def run_command(env: DeploymentEnv, monkeypatch: pytest.MonkeyPatch) -> RunCommand:
    """Run `python -m pipeline ARGUMENTS` in the environment; returns the exit code."""

    def run(*arguments: str, url: str = NOWHERE) -> int:
        settings = env.context("any", predictor={"url": url}).settings
        monkeypatch.setattr(Settings, "load", lambda: settings)
        return main(arguments)

    return run


@pytest.fixture
def pair(
    env: DeploymentEnv, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[list[PredictorProcess]]:
    """Two predictor processes on the lake, which HOST resolves to; MLflow is unreachable."""
    number = env.register("good", PRODUCTION)
    version = env.registry.get_version(number)
    write_fallback(env.context("any").lake, env.registry.get_version_bundle(version))
    port, resolve = str(find_free_port()), socket.getaddrinfo

    def getaddrinfo(host: str, *arguments: Any, **options: Any) -> Any:
        if host != HOST:
            return resolve(host, *arguments, **options)
        return [found for each in ADDRESSES for found in resolve(each, *arguments, **options)]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    first, second = (
        start_predictor(tmp_path, {"MLOPS_PREDICTOR__PORT": port, "MLOPS_PREDICTOR__HOST": address})
        for address in ADDRESSES
    )
    with first as one, second as two:
        predictors = [
            dataclasses.replace(predictor, port=int(port), url=f"http://{address}:{port}")
            for predictor, address in zip((one, two), ADDRESSES, strict=True)
        ]
        for predictor in predictors:
            wait_until_ready(predictor)
        yield predictors


def post_to_all_routes(url: str) -> dict[str, httpx.Response]:
    """Request a prediction of every route that predicts."""
    infer = f"/v2/models/{httpx.get(f'{url}/model').json()['name']}/infer"
    bodies: dict[str, dict[str, Any]] = {
        "/predict": {"json": EXAMPLE},
        "/predict?explain=true": {"json": EXAMPLE},
        "/predict/csv": {"content": CSV, "headers": {"Content-Type": "text/csv"}},
        "/invocations": {"json": {"dataframe_records": [EXAMPLE]}},
        infer: {"json": INFER},
    }
    return {path: httpx.post(url + path, timeout=30, **body) for path, body in bodies.items()}


def test_two_predictors(
    env: DeploymentEnv,
    pair: list[PredictorProcess],
    run_command: RunCommand,
    tmp_path: Path,
    capsys: Capture,
) -> None:
    """Both refuse every prediction with the reason, stay ready, and answer again afterwards."""
    url = f"http://{HOST}:{pair[0].port}"
    assert run_command("stop", "--reason", REASON, "--by", "Ada", url=url) == 0
    assert "stop: 2 predictors are stopped" in capsys.readouterr().err
    for predictor in pair:
        for path, response in post_to_all_routes(predictor.url).items():
            assert response.status_code == 503, path
            document = response.json()
            assert document["stopped"] | {"at": ""} == {"by": "Ada", "at": "", "reason": REASON}
            assert "Ada stopped all answers at 2" in document["detail"]
            assert "`python -m pipeline resume`" in document["detail"]
        ready = httpx.get(f"{predictor.url}/readyz")
        assert (ready.status_code, ready.json()) == (200, {"status": "stopped"})
        assert httpx.get(f"{predictor.url}/healthz").status_code == 200
        assert httpx.get(f"{predictor.url}/model").json()["stopped"]["reason"] == REASON
        for path in ("/ping", "/v2/health/ready"):
            assert httpx.get(predictor.url + path).status_code == 503
        assert "predictor_stopped 1.0" in httpx.get(f"{predictor.url}/metrics").text
    with start_predictor(tmp_path) as third:  # one that starts while answers are stopped
        wait_until_ready(third)
        assert httpx.post(f"{third.url}/predict", json=EXAMPLE).status_code == 503
    assert run_command("resume", "--reason", "fixed", url=url) == 0
    assert "resume: 2 predictors are answering" in capsys.readouterr().err
    for predictor in pair:
        assert {each.status_code for each in post_to_all_routes(predictor.url).values()} == {200}
        assert httpx.get(f"{predictor.url}/model").json()["stopped"] is None
    assert env.log() == [("stop", "1", "1"), ("resume", "1", "1")]
    assert run_command("history", "--verify") == 0


def test_promotion_does_not_resume(
    env: DeploymentEnv, run_command: RunCommand, capsys: Capture
) -> None:
    """Promotion continues while answers are stopped; `resume` says what is not verified yet."""
    champion, candidate = env.bare(PRODUCTION), env.bare(STAGING)
    assert run_command("stop", "--reason", REASON) == 0
    assert "one that starts will be stopped" in capsys.readouterr().err
    env.verdict("run-1", candidate, champion)
    promote.run(env.context("run-1"))
    assert env.aliases() == {STAGING: candidate, PRODUCTION: candidate, PREVIOUS: champion}
    assert env.context("any").lake.exists(STOP_MARKER)
    with (
        FakePredictor(env.registry, "away", bad=candidate).run() as url,
        pytest.raises(StageSkipped, match="is not verified"),
    ):
        verify.run(env.context("run-1", predictor={"url": url}))
    assert env.production() == candidate
    assert run_command("resume", "--reason", "fixed") == 0
    assert "`python -m pipeline verify --run-id run-1`" in capsys.readouterr().err
    assert [action for action, *_ in env.log()] == ["stop", "promote", "resume"]
    assert run_command("history", "--verify") == 0
    capsys.readouterr()
    assert run_command("history") == 0
    assert REASON in capsys.readouterr().out


def test_a_stop_while_a_version_is_verified(
    env: DeploymentEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Predictors that stop answering in the meantime do not cause a rollback."""
    champion, candidate = env.bare(PRODUCTION), env.bare(STAGING)
    env.verdict("run-1", candidate, champion)
    promote.run(env.context("run-1"))

    def find_problem(*_: object) -> str:
        write_marker(env.context("any"), REASON, None)
        return "/predict of 127.0.0.1 returned 503"

    monkeypatch.setattr(verify, "find_problem", find_problem)
    with pytest.raises(StageSkipped, match=REASON):
        verify.run(env.context("run-1"))
    assert env.production() == candidate


def test_drift_explains_the_silence(env: DeploymentEnv) -> None:
    """Too few rows are reported with the stop as their cause."""
    env.register("good", PRODUCTION)
    write_marker(env.context("any"), REASON, "Ada")
    with pytest.raises(StageSkipped, match=f"rows.* Ada stopped all answers at .*: {REASON}"):
        drift.run(env.context("check"))


def test_stop_without_mlflow(
    env: DeploymentEnv, run_command: RunCommand, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    """Answers are stopped all the same; the record is added when the command is run again."""
    env.bare(PRODUCTION)
    with monkeypatch.context() as patched:

        def fail(*_: object) -> None:
            raise RegistryError("MLflow did not respond.")

        patched.setattr(Registry, "get_by_alias", fail)
        assert run_command("stop", "--reason", REASON) == 1
        assert "The answers are stopped, but the promotion log has no" in capsys.readouterr().err
        assert run_command("resume", "--reason", "fixed") == 1
    assert env.context("any").lake.exists(STOP_MARKER)
    lake = env.context("any").lake
    assert read_records(lake) == []
    for _ in range(2):
        assert run_command("stop", "--reason", "another") == 0
        assert "stop: answers are stopped already." in capsys.readouterr().err
    (record,) = read_records(lake)
    assert (record.action, record.move.reason) == ("stop", REASON)


def test_resume_needs_a_stop(env: DeploymentEnv, run_command: RunCommand, capsys: Capture) -> None:
    """Without a stop there is nothing to resume."""
    env.bare(PRODUCTION)
    assert run_command("resume", "--reason", "fixed") == 1
    assert "Answers are not stopped." in capsys.readouterr().err


def test_a_deleted_marker_is_found(
    env: DeploymentEnv, run_command: RunCommand, capsys: Capture
) -> None:
    """Whoever deletes the marker by hand resumes the answers without a record; verify finds it."""
    env.bare(PRODUCTION)
    assert run_command("stop", "--reason", REASON) == 0
    assert run_command("history", "--verify") == 0
    env.context("any").lake.delete(STOP_MARKER)
    assert run_command("history", "--verify") == 1
    assert "was deleted without a record of `resume`" in capsys.readouterr().err
    assert run_command("resume", "--reason", "by mistake") == 0
    assert run_command("history", "--verify") == 0


def test_a_predictor_that_does_not_stop(
    env: DeploymentEnv,
    run_command: RunCommand,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Capture,
) -> None:
    """The command fails and names it; the marker stays."""
    env.bare(PRODUCTION)
    monkeypatch.setattr("pipeline.deployment.stopping.STOP_TIMEOUT_SECONDS", 0.1)
    monkeypatch.setattr(Replica, "read_metrics", lambda _: "predictor_stopped 0.0\n")
    assert run_command("stop", "--reason", REASON) == 1
    assert "127.0.0.1 is not stopped" in capsys.readouterr().err
    assert env.context("any").lake.exists(STOP_MARKER)


def test_a_forged_name_is_not_the_only_one(env: DeploymentEnv, run_command: RunCommand) -> None:
    """Anyone who may write the marker chooses its name; the record also names who ran `stop`."""
    env.bare(PRODUCTION)
    write_marker(env.context("any"), REASON, "Ada")
    assert run_command("stop", "--reason", "another", "--by", "Ben") == 0
    (record,) = read_records(env.context("any").lake)
    assert record.move.reason == f"{REASON} (the marker names Ada; recorded by Ben)"
