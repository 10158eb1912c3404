"""API keys of callers: who may predict, how much, and until when."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from pipeline.api_keys import PLATFORM, ApiKey, add_key, read_keys, revoke_keys, today, write_keys
from pipeline.model.bundle import write_fallback
from serving.access.keyring import Caller
from serving.http.problems import TooManyRequests
from serving.http.rows import EXAMPLE
from tests.support.forest import make_bundle
from tests.support.predictor import (
    Predictor,
    get_metric,
    open_disk_lake,
    run_predictor,
    start_predictor,
    wait_for,
    wait_until_ready,
)

CSV = "age,course,sleep_hours,relationship,review_hours\n" + "31,stem,6.8,no,2.1\n" * 3


class Keys:
    """A keys file, and the keys whose hashes it has."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.made: dict[str, str] = {}
        write_keys(path, [])

    def add(self, name: str, **fields: Any) -> str:
        """Make a key; `fields` replace those of its line."""
        key, keys = add_key(read_keys(self.path), name)
        line = keys[-1].model_copy(update=fields)
        write_keys(self.path, [*keys[:-1], line])
        self.made[name] = key
        return key

    def revoke(self, name: str) -> None:
        write_keys(self.path, revoke_keys(read_keys(self.path), name))


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    made = Keys(tmp_path_factory.mktemp("keys") / "keys.jsonl")
    made.add("registrar")
    return made


@pytest.fixture(scope="module")
def predictor(keys: Keys, folder: Path) -> Iterator[Predictor]:
    """A predictor with a keys file and the platform's own key."""
    settings = {"api_keys_file": str(keys.path), "api_key": "of the stages"}
    with run_predictor(folder, **settings) as running:
        wait_until_ready(running)
        yield running


def predict(predictor: Predictor, key: str = "", path: str = "/predict") -> httpx.Response:
    headers = {"X-API-Key": key} if key else {}
    if path == "/predict/csv":
        headers["Content-Type"] = "text/csv"
        return httpx.post(f"{predictor.url}{path}", content=CSV, headers=headers, timeout=30)
    return httpx.post(f"{predictor.url}{path}", json=EXAMPLE, headers=headers, timeout=30)


def wait_for_status(predictor: Predictor, key: str, status: int) -> httpx.Response:
    """Wait until the predictor has read the file, and return its response."""

    def probe() -> httpx.Response | None:
        response = predict(predictor, key)
        return response if response.status_code == status else None

    return wait_for(probe)


def get_count(predictor: Predictor, name: str, label: str) -> float:
    """Return the sample of a metric with this label's value."""
    lines = httpx.get(f"{predictor.url}/metrics", timeout=30).text.splitlines()
    return sum(
        float(line.rpartition(" ")[2])
        for line in lines
        if line.startswith(f"{name}{{") and f'="{label}"' in line
    )


def test_keys_are_required(predictor: Predictor, keys: Keys) -> None:
    """The keys of the file and that of the stages are accepted; others get one and the same 401."""
    for key in (keys.made["registrar"], "of the stages"):
        assert predict(predictor, key).status_code == 200
    refused = "predictor_key_refused_total"
    before = [get_count(predictor, refused, reason) for reason in ("missing", "unknown")]
    refusals = {predict(predictor, key).text for key in ("", "wrong", keys.made["registrar"][:-1])}
    assert len(refusals) == 1
    assert "The API key is missing or wrong; send" in refusals.pop()
    after = [get_count(predictor, refused, reason) for reason in ("missing", "unknown")]
    assert [new - old for old, new in zip(before, after, strict=True)] == [1, 2]


def test_keys_are_added_and_revoked_without_a_restart(predictor: Predictor, keys: Keys) -> None:
    """A key is accepted soon after its hash is in the file; revoked, its owner learns why."""
    key = keys.add("tutor")
    wait_for_status(predictor, key, 200)
    keys.revoke("tutor")
    refused = wait_for_status(predictor, key, 401)
    assert f"The key of tutor was revoked on {today()};" in refused.json()["detail"]
    assert predict(predictor, keys.made["registrar"]).status_code == 200


def test_a_key_expires(predictor: Predictor, keys: Keys) -> None:
    """From the first day on, its owner learns that it has expired; the metrics know the time."""
    yesterday, later = today() - timedelta(days=1), today() + timedelta(days=400)
    expired, valid = keys.add("old", expires=yesterday), keys.add("young", expires=later)
    wait_for_status(predictor, valid, 200)
    refused = predict(predictor, expired)
    assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
    assert f"The key of old expired on {yesterday};" in refused.json()["detail"]
    assert (
        get_count(predictor, "predictor_key_expiry_timestamp_seconds", "young")
        == (later - date(1970, 1, 1)).days * 86_400
    )


def test_a_limit_on_requests(predictor: Predictor, keys: Keys) -> None:
    """More requests get 429 with the time to wait; other keys are not affected."""
    key = keys.add("eager", requests_per_minute=2)
    wait_for_status(predictor, key, 200)
    assert predict(predictor, key).status_code == 200
    refused = predict(predictor, key)
    assert (refused.status_code, refused.json()["status"]) == (429, 429)
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert "The key of eager may send 2 requests per minute; try again in" in refused.text
    assert predict(predictor, key, "/predict?explain=true").status_code == 429
    assert predict(predictor, keys.made["registrar"]).status_code == 200
    assert get_count(predictor, "predictor_key_limited_total", "eager") == 2
    assert get_count(predictor, "predictor_key_requests_total", "eager") == 2


def test_a_limit_on_rows(predictor: Predictor, keys: Keys) -> None:
    """A list is finished, and the rows above the limit are waited for before the next request."""
    key = keys.add("bulk", rows_per_minute=2)
    wait_for_status(predictor, key, 200)
    answered = predict(predictor, key, "/predict/csv")
    assert (answered.status_code, answered.text.count("\n")) == (200, 4)
    refused = predict(predictor, key)
    assert refused.status_code == 429
    assert 60 < int(refused.headers["retry-after"]) <= 120  # the next window is full as well
    assert get_count(predictor, "predictor_key_rows_total", "bulk") == 4


def test_a_broken_file_changes_nothing(predictor: Predictor, keys: Keys) -> None:
    """The keys read before stay valid, the log has the line, and a metric shows it."""
    good = keys.path.read_text()
    keys.path.write_text(f"{good}no key\n")
    wait_for(lambda: get_metric(predictor, "predictor_keys_stale") == 1)
    assert "The keys read before stay valid" in predictor.read_log()
    assert predict(predictor, keys.made["registrar"]).status_code == 200
    keys.path.write_text(good)
    wait_for(lambda: get_metric(predictor, "predictor_keys_stale") == 0)


def test_no_key_is_shown(predictor: Predictor, keys: Keys) -> None:
    """Metrics and log have names, and no key or hash."""
    predict(predictor, keys.made["registrar"])
    shown = httpx.get(f"{predictor.url}/metrics").text + predictor.read_log()
    assert f'predictor_key_requests_total{{key="{PLATFORM}"}}' in shown
    for key in read_keys(keys.path):
        assert key.sha256 not in shown
    assert not [key for key in keys.made.values() if key in shown]


def test_an_empty_file_refuses_everybody(tmp_path: Path) -> None:
    """A keys file without keys does not open the predictor."""
    write_fallback(open_disk_lake(tmp_path), make_bundle())
    keys = Keys(tmp_path / "keys.jsonl")
    with run_predictor(tmp_path, api_keys_file=str(keys.path)) as predictor:
        wait_until_ready(predictor)
        assert predict(predictor).status_code == 401


def test_a_missing_file_stops_the_start(tmp_path: Path) -> None:
    """The predictor does not start without the keys that it was told to require."""
    with start_predictor(tmp_path, api_keys_file="nowhere") as predictor:
        assert predictor.process.wait(60) == 1
        log = predictor.read_log()
    assert "The keys file nowhere cannot be read: No such file" in log
    assert "Traceback" not in log


def test_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """A window begins with a request; rows above the limit fill the next ones."""
    now = 1_000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    caller = Caller("bulk")
    line = ApiKey(name="bulk", sha256="0" * 64, created=today())
    limits = {"requests_per_minute": 2, "rows_per_minute": 10}
    caller.set_limits(line.model_copy(update=limits))
    for _ in range(2):
        caller.admit()
    with pytest.raises(TooManyRequests, match="2 requests per minute; try again in 60 s"):
        caller.admit()
    now += 60
    caller.admit()
    caller.rows += 25
    with pytest.raises(TooManyRequests, match="10 rows per minute; try again in 120 s"):
        caller.admit()
    now += 90
    with pytest.raises(TooManyRequests, match="try again in 60 s"):
        caller.admit()
    now += 60
    caller.admit()
    now += 10_000
    caller.admit()
    caller.rows += 9
    caller.admit()
    assert (caller.requests, caller.limited) == (6, 3)


def test_unchanged_lines_keep_their_spending(predictor: Predictor, keys: Keys) -> None:
    """Another change of the file does not give a key its allowance back."""
    key = keys.add("steady", requests_per_minute=1)
    wait_for_status(predictor, key, 200)
    other = keys.add("another")
    wait_for_status(predictor, other, 200)
    assert predict(predictor, key).status_code == 429
    lines = [line.model_copy(update={"requests_per_minute": 5}) for line in read_keys(keys.path)]
    write_keys(keys.path, [line for line in lines if line.name == "steady"] + _others(keys))
    wait_for_status(predictor, key, 200)


def _others(keys: Keys) -> list[ApiKey]:
    return [line for line in read_keys(keys.path) if line.name != "steady"]
