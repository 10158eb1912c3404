"""The deployment stages with a real predictor and a real MLflow server."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.context import Context
from pipeline.deployment.moves import VERIFIED
from pipeline.deployment.predictor_client import find_replicas
from pipeline.deployment.rollback import roll_back
from pipeline.errors import VerifyError
from pipeline.stages import promote, validate, verify
from pipeline.tracking.registry import STAGING
from tests.support.deployment_env import DeploymentEnv
from tests.support.mlflow_server import get_mlflow_user, log_in
from tests.support.predictor import run_predictor, wait_until_ready


def test_a_predictor_follows_every_move(
    server_env: DeploymentEnv, mlflow_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One predictor serves a promoted version, a rollback, and the version after a revert."""
    env = server_env
    environment = {
        "MLOPS_MLFLOW__TRACKING_URI": mlflow_url,
        "MLOPS_MLFLOW__NAME": env.registry.name,
    }
    first = env.register("good", STAGING)
    env.verdict("run-0", first, None)
    promote.run(env.context("run-0"))
    log_in(monkeypatch, "reader")
    with run_predictor(
        tmp_path, environment, poll_interval_seconds="0.2", log_sample_rate="0"
    ) as predictor:
        wait_until_ready(predictor)

        def context(run_id: str) -> Context:
            deployment = {"rollout_timeout_seconds": 60, "watch_period_seconds": 0.5}
            return env.context(run_id, predictor={"url": predictor.url}, deployment=deployment)

        log_in(monkeypatch, "admin")
        second = env.register("better", STAGING)
        for stage in (validate, promote, verify):
            log_in(monkeypatch, get_mlflow_user(stage))
            stage.run(context("run-1"))
        assert env.production() == second
        assert VERIFIED in env.registry.get_version(second).tags
        (replica,) = find_replicas(context("run-1").settings)
        assert replica.get_version() == second
        assert replica.count_errors() == 0

        roll_back(context("by-hand"), "rollback", "by hand")
        log_in(monkeypatch, "admin")
        third = env.register("better", STAGING)
        validate.run(context("run-2"))
        promote.run(context("run-2"))
        run_id = env.registry.get_version(third).run_id
        env.registry.log_artifacts(run_id, {"model.onnx": b"damaged"}, "serving")
        message = f"`production` is version {first} again, which the predictors serve"
        with pytest.raises(VerifyError, match=message):
            verify.run(context("run-2"))
        assert replica.get_version() == first
    assert env.log() == [
        ("promote", None, first),
        ("promote", first, second),
        ("verify", second, second),
        ("rollback", second, first),
        ("promote", first, third),
        ("revert", third, first),
    ]
