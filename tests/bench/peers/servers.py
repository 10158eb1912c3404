"""The servers under measurement: how each is started, asked and read."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[3]
APPS = Path(__file__).parent / "apps"
VENVS = ROOT / ".venvs"


@dataclass(frozen=True)
class Server:
    """`command` may hold {port} and {folder}; `probability` reads an answer's JSON; `rate` is the probability's place."""

    name: str
    command: tuple[str, ...]
    path: str
    body: str
    probability: Callable[[Any], float] | None
    note: str
    ready: str = "/"
    environment: Mapping[str, str] = field(default_factory=dict)
    packages: tuple[str, ...] = ()
    folder: Path = ROOT

    @property
    def python(self) -> Path:
        return Path(self.command[0]).parent / "python"


def venv(name: str, program: str) -> str:
    return str(VENVS / f"peer-{name}" / "bin" / program)


OURS = (sys.executable, "-m", "serving")
UVICORN = (
    "--port",
    "{port}",
    "--http",
    "httptools",
    "--loop",
    "uvloop",
    "--no-access-log",
    "--no-proxy-headers",
    "--log-level",
    "warning",
)

RAY = {
    "PYTHONPATH": str(APPS),
    "PORT": "{port}",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AUTH_MODE": "disabled",
    "RAY_raylet_start_wait_time_s": "300",
    "NO_PROXY": "*",
}

SERVERS = (
    Server(
        "raw ASGI (the ceiling)",
        (sys.executable, "-m", "uvicorn", "raw_asgi:app", "--app-dir", str(APPS), *UVICORN, "--lifespan", "off"),
        "/predict",
        "student",
        None,
        "uvicorn, httptools, uvloop; parses the body, answers a constant",
        packages=("uvicorn", "httptools", "uvloop"),
    ),
    Server(
        "ours",
        OURS,
        "/predict",
        "student",
        lambda answer: float(answer["predictions"][0]["fail_probability"]),
        "as shipped: validation, metrics, traffic log, request ids, memory of answers",
        "/readyz",
        packages=("onnxruntime", "uvicorn", "pydantic"),
    ),
    Server(
        "ours, without cache",
        OURS,
        "/predict",
        "student",
        lambda answer: float(answer["predictions"][0]["fail_probability"]),
        "the same with MLOPS_PREDICTOR__CACHE_SIZE=0: the forest is run for every request",
        "/readyz",
        {"MLOPS_PREDICTOR__CACHE_SIZE": "0"},
    ),
    Server(
        "FastAPI + scikit-learn",
        (venv("fastapi", "uvicorn"), "plain_fastapi:app", "--app-dir", str(APPS), *UVICORN),
        "/predict",
        "numbers",
        lambda answer: float(answer["fail_probability"]),
        "pydantic model, DataFrame, predict_proba; uvicorn, httptools, uvloop",
        "/docs",
        packages=("fastapi", "uvicorn", "scikit-learn"),
    ),
    Server(
        "mlflow models serve",
        (
            venv("mlflow", "mlflow"), "models", "serve", "-m", "{folder}/mlflow-model", "--env-manager", "local",
            "--port", "{port}", "--workers", "1",
        ),
        "/invocations",
        "split",
        lambda answer: float(answer["predictions"][0][1]),
        "--env-manager local --workers 1",
        "/ping",
        {"MLFLOW_DISABLE_TELEMETRY": "true"},
        ("mlflow", "scikit-learn"),
    ),
    Server(
        "MLServer",
        (venv("mlserver", "mlserver"), "start", "{folder}/mlserver"),
        "/v2/models/forest/infer",
        "tensor",
        lambda answer: float(answer["outputs"][0]["data"][1]),
        "parallel_workers 0, adaptive batching: max_batch_size 64, max_batch_time 5 ms",
        "/v2/health/ready",
        {"MLSERVER_HTTP_PORT": "{port}", "MLSERVER_GRPC_PORT": "{spare}", "MLSERVER_METRICS_PORT": "{spare2}"},
        ("mlserver", "scikit-learn"),
    ),
    Server(
        "BentoML",
        (venv("bentoml", "bentoml"), "serve", "bento_service:Forest", "--port", "{port}", "--working-dir", str(APPS)),
        "/predict",
        "rows",
        lambda answer: float(answer[0]),
        "workers 1, adaptive batching: max_batch_size 64, max_latency 1 s",
        "/readyz",
        {"BENTOML_DO_NOT_TRACK": "true", "DO_NOT_TRACK": "true"},
        ("bentoml", "scikit-learn"),
    ),
    Server(
        "Ray Serve",
        (
            venv("ray", "python"), "-c",
            "import runpy; runpy.run_module('ray_app', run_name='__main__')",
        ),
        "/",
        "row",
        lambda answer: float(answer["fail_probability"]),
        "one replica, serve.batch: max_batch_size 64, batch_wait 5 ms",
        "/-/healthz",
        RAY,
        ("ray", "scikit-learn"),
    ),
)  # fmt: skip


def environment_of(server: Server, folder: Path, places: Mapping[str, str]) -> dict[str, str]:
    """The server's environment: one thread for every numeric library, and its own variables."""
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    ours = {
        "MLOPS_LAKE__URL": f"file://{folder}/lake",
        "MLOPS_PREDICTOR__PORT": places["port"],
        "MLOPS_PREDICTOR__DRAIN_PERIOD_SECONDS": "0",
    }
    programs = {
        "PATH": f"{server.python.parent}:{os.environ['PATH']}"
    }  # some start others of their own environment
    own = {name: value.format(**places) for name, value in server.environment.items()}
    return os.environ | threads | ours | programs | {"FOREST": str(folder / "forest.pkl")} | own
