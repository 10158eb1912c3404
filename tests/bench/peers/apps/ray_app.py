# mypy: ignore-errors
# It runs in an environment of its own, where its packages are.
"""Ray Serve with request batching."""

import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
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
        return {"fail_probability": await self.score(body["row"])}


app = Forest.bind(os.environ["FOREST"])
