"""From a request to the drift check: rows are sent, predicted, logged and read back unchanged."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest

from pipeline.columns import FEATURE_NAMES
from pipeline.commands.traffic import send, wait_until_logged
from pipeline.context import Context, open_context
from pipeline.drift import data as drift_data
from pipeline.drift.simulation import apply_drift
from pipeline.settings import Settings
from tests.support.forest import generate_rows, make_bundle
from tests.support.predictor import serve_bundle


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Context]]:
    """A predictor that logs, and a context on its lake."""
    folder: Path = tmp_path_factory.mktemp("live")
    settings = Settings.model_validate({"lake": {"url": f"file://{folder}/lake"}})
    with serve_bundle(folder, make_bundle(), log_flush_interval_seconds="0.1") as url:
        yield url, open_context(settings, "check")


def make_frame(rows: int) -> pd.DataFrame:
    frame = pd.DataFrame(generate_rows(rows)[0], columns=list(FEATURE_NAMES)).astype(float)
    return apply_drift(frame, "none", 1)


def test_rows_come_back_as_they_were_sent(served: tuple[str, Context]) -> None:
    """The log holds every row, with its values and the version that predicted it."""
    url, context = served
    since, frame = datetime.now(UTC), make_frame(250)
    sent = send(url, frame)
    assert (sent.rows, sent.scored, sent.refused) == (250, 250, 0)
    assert dict(sent.versions) == {"1": 250}
    assert 0 < sent.predicted_positive < 250
    wait_until_logged(context, since, 250)
    found = drift_data.load_live_traffic(context.lake, since, datetime.now(UTC), 1_000, seed=0)
    assert found.facts.versions == {"1": 250}
    order = list(FEATURE_NAMES)
    logged, expected = (
        rows.sort_values(order).reset_index(drop=True).round(4) for rows in (found.frame, frame)
    )
    pd.testing.assert_frame_equal(logged, expected)


def test_refused_rows_are_counted(served: tuple[str, Context]) -> None:
    """An invalid row makes its request fail; the other requests succeed."""
    url, _ = served
    frame = make_frame(20)
    frame.loc[3, "age"] = 1_000
    sent = send(url, frame, rows_per_request=10)
    assert (sent.scored, sent.refused) == (10, 10)
    assert sent.first_error is not None
    assert "age" in sent.first_error
