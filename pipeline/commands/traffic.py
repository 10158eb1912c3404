"""Send rows to a running predictor, with drift on request, and optionally check them for drift.

The rows are sampled from the silver data that the production model was trained on, so without
--kind they do not drift. The predictor can be a local one (`make serve`) or a port-forward to the
one on a cluster.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import httpx
import pandas as pd

from pipeline.columns import LABEL
from pipeline.console import echo
from pipeline.context import Context
from pipeline.deployment.predictor_client import BUSY_STATUSES, to_request_row
from pipeline.drift.data import load_live_traffic
from pipeline.drift.simulation import KINDS, apply_drift
from pipeline.errors import PipelineError
from pipeline.http_client import open_client
from pipeline.model.arrays import feature_array
from pipeline.polling import poll_until
from pipeline.stages import drift
from pipeline.storage.layout import SILVER_LIVE
from pipeline.storage.samples import read_table
from pipeline.storage.tables import find_silver_parts
from pipeline.tracking.registry import PRODUCTION

ROWS_PER_REQUEST = 100
REQUEST_TIMEOUT_SECONDS = 10
RETRY_PERIOD_SECONDS = 5.0
"""How long a request is repeated while the predictor is busy or does not respond."""
RETRY_INTERVAL_SECONDS = 0.2
LOG_TIMEOUT_SECONDS = 60
MAX_SAMPLED_ROWS = 1_000_000
"""Rows of silver that are in memory while rows are drawn; of more, they are a random sample."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command to its parser."""
    parser.add_argument(
        "--rows", type=int, default=500, metavar="N", help="rows to send (default: %(default)s)"
    )
    parser.add_argument(
        "--kind",
        choices=tuple(KINDS),
        default="none",
        help="how the rows drift (default: %(default)s)",
    )
    parser.add_argument(
        "--url", metavar="URL", help="URL of the predictor (default: MLOPS_PREDICTOR__URL)"
    )
    parser.add_argument(
        "--check",
        action="store_true",
        help="check these rows for drift afterwards; the exit code is that of `drift`",
    )


def main(context: Context, arguments: argparse.Namespace) -> None:
    """Send the rows, report what the predictor returned, and check them for drift with --check.

    Raises:
        PipelineError: If the predictor does not respond, or refuses a row.
        StageSkipped: If the drift check requests no retraining.
    """
    settings = context.settings
    url = arguments.url or settings.predictor.url
    rows = sample_production_rows(context, arguments.rows, settings.seed)
    frame = apply_drift(rows, arguments.kind, settings.seed)
    since = datetime.now(UTC)
    sent = send(url, frame, api_key=settings.predictor.api_key.get_secret_value())
    echo(
        f"traffic: the predictor scored {sent.scored:,} of {sent.rows:,} rows "
        f"(drift: {arguments.kind}), {sent.predicted_positive:,} of them as '{LABEL.positive}', "
        f"with version {', '.join(sent.versions) or 'none'}"
    )
    if sent.refused:
        raise PipelineError(
            f"{url} refused {sent.refused:,} rows. The first error was {sent.first_error}"
        )
    if arguments.check:
        wait_until_logged(context, since, sent.rows)
        drift.run(
            replace(context, run_id=f"traffic-{since:%Y%m%dT%H%M%SZ}"),
            drift.Window(since=since, until=datetime.now(UTC)),
        )


def sample_production_rows(context: Context, count: int, seed: int) -> pd.DataFrame:
    """Sample rows of the silver data that the production model was trained on.

    Args:
        context: The lake and the registry.
        count: Number of rows. A row occurs twice only if there are fewer rows than that.
        seed: Seed of the sample.

    Returns:
        `count` rows of silver, with an index from 0.

    Raises:
        PipelineError: If no version has the alias `production`.
    """
    version = context.registry.get_by_alias(PRODUCTION)
    if version is None:
        raise PipelineError(
            f"No version of {context.registry.name} has the alias `{PRODUCTION}`. "
            "Run `make run` first."
        )
    lineage = context.registry.get_version_bundle(version).manifest.lineage
    parts = find_silver_parts(context.lake, lineage.pipeline_run_id, lineage.silver)
    return sample_rows(read_table(context.lake, parts, MAX_SAMPLED_ROWS), count, seed)


def sample_rows(frame: pd.DataFrame, count: int, seed: int) -> pd.DataFrame:
    """Sample rows of a table.

    Args:
        frame: The table.
        count: Number of rows. A row occurs twice only if the table has fewer rows.
        seed: Seed of the sample.

    Returns:
        `count` rows, with an index from 0.
    """
    sample = frame.sample(count, replace=count > len(frame), random_state=seed)
    return sample.reset_index(drop=True)


@dataclass
class Sent:
    """The outcome of `send`.

    Attributes:
        rows: Number of rows sent.
        scored: Number of rows that the predictor scored.
        refused: Number of rows in requests that the predictor refused.
        predicted_positive: Number of rows that the predictor gave the positive label.
        versions: Number of rows that each version scored.
        first_error: Status and text of the first refusal.
    """

    rows: int = 0
    scored: int = 0
    refused: int = 0
    predicted_positive: int = 0
    versions: Counter[str] = field(default_factory=Counter)
    first_error: str | None = None


def send(
    url: str, frame: pd.DataFrame, *, api_key: str = "", rows_per_request: int = ROWS_PER_REQUEST
) -> Sent:
    """Send the features of a table to a predictor, one request after the other.

    Args:
        url: URL of the predictor.
        frame: Rows with at least the features.
        api_key: API key of the predictor; empty for none.
        rows_per_request: Number of rows in each request but the last.

    Returns:
        Counts of the rows. A request that the predictor refuses does not stop the others.

    Raises:
        PipelineError: If the predictor is busy or does not respond for RETRY_PERIOD_SECONDS.
    """
    sent = Sent()
    with open_client(REQUEST_TIMEOUT_SECONDS, api_key=api_key) as client:
        for rows in _split(frame, rows_per_request):
            response = _post(client, f"{url.rstrip('/')}/predict", rows)
            sent.rows += len(rows)
            if response.status_code == httpx.codes.OK:
                document = response.json()
                labels = [prediction["label"] for prediction in document["predictions"]]
                sent.scored += len(rows)
                sent.predicted_positive += labels.count(LABEL.positive)
                sent.versions[str(document["model"]["version"])] += len(rows)
            else:
                sent.refused += len(rows)
                error = f"{response.status_code}: {response.text[:300]}"
                sent.first_error = sent.first_error or error
    return sent


def _split(frame: pd.DataFrame, rows_per_request: int) -> Iterator[list[dict[str, float | None]]]:
    """Yield the rows of each request."""
    rows = [to_request_row(row) for row in feature_array(frame).tolist()]
    for start in range(0, len(rows), rows_per_request):
        yield rows[start : start + rows_per_request]


def _post(client: httpx.Client, url: str, rows: list[dict[str, float | None]]) -> httpx.Response:
    """Send one request, with retries while the predictor is busy or does not respond."""
    problem = ""

    def try_to_post() -> httpx.Response | None:
        nonlocal problem
        try:
            response = client.post(url, json=rows)
        except httpx.TransportError as error:
            problem = str(error) or type(error).__name__
            return None
        problem = f"it returned {response.status_code} {response.reason_phrase}"
        return None if response.status_code in BUSY_STATUSES else response

    response = poll_until(
        try_to_post,
        timeout_seconds=RETRY_PERIOD_SECONDS,
        interval_seconds=RETRY_INTERVAL_SECONDS,
    )
    if response is None:
        raise PipelineError(
            f"{url} did not accept the rows within {RETRY_PERIOD_SECONDS:g} s ({problem}). "
            "Check that it runs; `make serve` starts one on this machine."
        )
    return response


def wait_until_logged(context: Context, since: datetime, rows: int) -> None:
    """Wait until the predictor has written rows to the traffic log, which it does periodically.

    Args:
        context: The lake.
        since: Time before the rows were sent.
        rows: Number of rows to wait for.

    Raises:
        PipelineError: If fewer rows were logged within LOG_TIMEOUT_SECONDS.
    """
    logged = 0

    def is_logged() -> bool | None:
        nonlocal logged
        logged = len(load_live_traffic(context.lake, since, datetime.now(UTC), rows, seed=0).frame)
        return True if logged >= rows else None

    if not poll_until(is_logged, timeout_seconds=LOG_TIMEOUT_SECONDS, interval_seconds=0.2):
        raise PipelineError(
            f"The predictor logged {logged:,} of {rows:,} rows to {context.lake.url(SILVER_LIVE)} "
            f"within {LOG_TIMEOUT_SECONDS} s. Check that it logs to this lake, and that "
            "MLOPS_PREDICTOR__LOG_SAMPLE_RATE is 1."
        )
