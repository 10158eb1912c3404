"""The compared servers: how each is started, called and read."""

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
    """A server.

    Attributes:
        name: Its name in the tables.
        command: Starts it; may contain {port}, {spare}, {spare2} and {folder}.
        path: Path of its predictions.
        body: Format of its request bodies, a key of prepare.BODIES.
        probability: Reads the probability from the JSON of a response; None if there is none.
        note: Its configuration, for the tables.
        ready: Path that responds once it is ready.
        environment: Further variables; may contain the same names as `command`.
        packages: Packages whose versions are reported.
        folder: Working directory.
    """

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
        (
            sys.executable, "-m", "uvicorn", "raw_asgi:app", "--app-dir", str(APPS), *UVICORN,
            "--lifespan", "off",
        ),
        "/predict",
        "student",
        None,
        "uvicorn, httptools, uvloop; parses the body, returns a constant",
        packages=("uvicorn", "httptools", "uvloop"),
    ),
    Server(
        "ours",
        OURS,
        "/predict",
        "student",
        lambda answer: float(answer["predictions"][0]["probability"]),
        "as shipped: validation, metrics, traffic log, request ids, cache",
        "/readyz",
        packages=("onnxruntime", "uvicorn", "pydantic"),
    ),
    Server(
        "ours, without cache",
        OURS,
        "/predict",
        "student",
        lambda answer: float(answer["predictions"][0]["probability"]),
        "the same with MLOPS_PREDICTOR__CACHE_SIZE=0: the forest runs for every request",
        "/readyz",
        {"MLOPS_PREDICTOR__CACHE_SIZE": "0"},
    ),
    Server(
        "FastAPI + scikit-learn",
        (venv("fastapi", "uvicorn"), "plain_fastapi:app", "--app-dir", str(APPS), *UVICORN),
        "/predict",
        "numbers",
        lambda answer: float(answer["probability"]),
        "pydantic model, DataFrame, predict_proba; uvicorn, httptools, uvloop",
        "/docs",
        packages=("fastapi", "uvicorn", "scikit-learn"),
    ),
    Server(
        "mlflow models serve",
        (
            venv("mlflow", "mlflow"), "models", "serve", "-m", "{folder}/mlflow-model",
            "--env-manager", "local", "--port", "{port}", "--workers", "1",
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
        {
            "MLSERVER_HTTP_PORT": "{port}",
            "MLSERVER_GRPC_PORT": "{spare}",
            "MLSERVER_METRICS_PORT": "{spare2}",
        },
        ("mlserver", "scikit-learn"),
    ),
    Server(
        "BentoML",
        (
            venv("bentoml", "bentoml"), "serve", "bento_service:Forest", "--port", "{port}",
            "--working-dir", str(APPS),
        ),
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
        lambda answer: float(answer["probability"]),
        "one replica, serve.batch: max_batch_size 64, batch_wait 5 ms",
        "/-/healthz",
        RAY,
        ("ray", "scikit-learn"),
    ),
)  # fmt: skip


def make_environment(server: Server, folder: Path, places: Mapping[str, str]) -> dict[str, str]:
    """Variables of a server's process: one thread for numeric libraries, and its own variables."""
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    ours = {
        "MLOPS_LAKE__URL": f"file://{folder}/lake",
        "MLOPS_PREDICTOR__PORT": places["port"],
        "MLOPS_PREDICTOR__DRAIN_PERIOD_SECONDS": "0",
    }
    # Some servers start other programs of their environment.
    programs = {"PATH": f"{server.python.parent}:{os.environ['PATH']}"}
    own = {name: value.format(**places) for name, value in server.environment.items()}
    return os.environ | threads | ours | programs | {"FOREST": str(folder / "forest.pkl")} | own
