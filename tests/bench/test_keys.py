"""The answer path is as fast with API keys and tokens as without: `make bench`."""

from __future__ import annotations

import contextlib
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from pipeline.api_keys import add_key, write_keys
from pipeline.model.bundle import write_fallback
from tests.bench.keys import Load, estimate_ratio, measure_times
from tests.support.forest import make_bundle
from tests.support.issuer import Issuer, run_issuer
from tests.support.predictor import open_disk_lake, start_predictor, wait_until_ready

MAX_RATIO = 1.03
STARTS = 8
PAIRS = 25


@pytest.mark.bench
@pytest.mark.timeout(1_800)
def test_keys_cost_little(tmp_path: Path) -> None:
    """With a key that has limits, or with a token, a request takes at most 3 % more CPU time."""
    key, keys = add_key([], "one", requests_per_minute=10**9, rows_per_minute=10**9)
    for number in range(100):
        _, keys = add_key(keys, f"other-{number}")
    write_keys(tmp_path / "keys.jsonl", keys)
    write_fallback(open_disk_lake(tmp_path), make_bundle())
    times = defaultdict[str, list[tuple[float, float]]](list)
    with run_issuer() as issuer:
        for _ in range(STARTS):
            with start_loads(tmp_path, issuer, key) as loads:
                for name, (off, on) in loads.items():
                    times[name].append(measure_times(off, on, PAIRS))
    ratios = {name: estimate_ratio(values) for name, values in times.items()}
    for name, ratio in ratios.items():
        sys.stdout.write(f"{name}: {ratio}\n")
    assert ratios["keys"].value <= MAX_RATIO
    assert ratios["tokens"].value <= MAX_RATIO


@contextlib.contextmanager
def start_loads(folder: Path, issuer: Issuer, key: str) -> Iterator[dict[str, tuple[Load, Load]]]:
    """Start four predictors, and return the loads that are compared."""
    settings = {"max_connection_age_seconds": "0", "log_sample_rate": "0"}
    with (
        start_predictor(folder, **settings) as without,
        start_predictor(folder, **settings) as again,
        start_predictor(folder, **settings, api_keys_file=str(folder / "keys.jsonl")) as with_keys,
        start_predictor(folder, **settings, oidc__issuer=issuer.url) as with_tokens,
    ):
        for predictor in (without, again, with_keys, with_tokens):
            wait_until_ready(predictor)
        response = httpx.post(
            f"{with_keys.url}/session", json={"key": key}, headers={"Sec-Fetch-Site": "same-origin"}
        )
        cookie = response.headers["set-cookie"].partition(";")[0]
        session = f"Cookie: {cookie}\r\nSec-Fetch-Site: same-origin"
        header = f"X-API-Key: {key}"
        # As long as those of common issuers, and valid to the end of the measurement.
        token = issuer.sign("tutor", exp=time.time() + 3_600, other="x" * 600)
        bearer = f"Authorization: Bearer {token}"
        cached = "the same row in all requests"
        yield {
            "two without keys": (Load(without, header), Load(again, header)),
            "keys": (Load(without, header), Load(with_keys, header)),
            "tokens": (Load(without, bearer), Load(with_tokens, bearer)),
            "sessions": (Load(without, session), Load(with_keys, session)),
            f"keys, {cached}": (Load(without, header, True), Load(with_keys, header, True)),
            f"tokens, {cached}": (Load(without, bearer, True), Load(with_tokens, bearer, True)),
        }
