"""The way from a request to the drift check: rows sent, answered, logged, and read back as they were sent."""

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
from tests.serving.forest import bundle, survey
from tests.serving.predictor import running


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Context]]:
    """A predictor that logs, and a context on its lake."""
    folder: Path = tmp_path_factory.mktemp("live")
    with running(folder, bundle(), log_flush_interval_seconds="0.1") as url:
        yield (
            url,
            open_context(
                Settings.model_validate({"lake": {"url": f"file://{folder}/lake"}}), "check"
            ),
        )


def rows(count: int) -> pd.DataFrame:
    return apply_drift(
        pd.DataFrame(survey(count)[0], columns=list(FEATURE_NAMES)).astype(float), "none", 1
    )


def test_rows_come_back_as_they_were_sent(served: tuple[str, Context]) -> None:
    """Every row is answered by the version that is served, and is in the lake's log with its values."""
    url, context = served
    since, frame = datetime.now(UTC), rows(250)
    sent = send(url, frame)
    assert (sent.rows, sent.scored, sent.refused, dict(sent.versions)) == (
        250,
        250,
        0,
        {"1": 250},
    )
    assert 0 < sent.predicted_positive < 250
    wait_until_logged(context, since, 250)
    found = drift_data.load_live_traffic(context.lake, since, datetime.now(UTC), 1_000, seed=0)
    assert found.facts["versions"] == {"1": 250}
    order = list(FEATURE_NAMES)
    expected = frame.sort_values(order).reset_index(drop=True)
    pd.testing.assert_frame_equal(
        found.frame.sort_values(order).reset_index(drop=True).round(4), expected.round(4)
    )


def test_refused_rows_are_counted(served: tuple[str, Context]) -> None:
    """Rows that the API refuses are counted with its first answer, and do not stop the others."""
    url, _ = served
    frame = rows(20)
    frame.loc[3, "age"] = 1_000
    sent = send(url, frame, rows_per_request=10)
    assert (sent.scored, sent.refused) == (10, 10)
    assert sent.first_error is not None
    assert "age" in sent.first_error
