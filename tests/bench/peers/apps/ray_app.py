# mypy: ignore-errors
# Runs in a separate environment with its packages.
"""Ray Serve with request batching."""

import os
import pickle
import threading
from pathlib import Path
from typing import Any

import numpy as np
import ray
from ray import serve
from starlette.requests import Request


@serve.deployment(num_replicas=1, max_ongoing_requests=256, ray_actor_options={"num_cpus": 1})
class Forest:
    def __init__(self, path: str) -> None:
        self.forest = pickle.loads(Path(path).read_bytes())

    @serve.batch(max_batch_size=64, batch_wait_timeout_s=0.005)
    async def score(self, rows: list[list[float]]) -> list[float]:
        return self.forest.predict_proba(np.array(rows, np.float32))[:, 1].tolist()

    async def __call__(self, request: Request) -> Any:
        body = await request.json()
        return {"probability": await self.score(body["row"])}


if __name__ == "__main__":
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, _node_ip_address="127.0.0.1")
    serve.start(http_options={"port": int(os.environ["PORT"])})
    serve.run(Forest.bind(os.environ["FOREST"]))
    threading.Event().wait()
