"""Sends rows through a running predictor, drifted on request; with --check, says what the drift check makes of them.

Rows are drawn from the silver data set that the production model came from, so that without --kind they look like what the
model learned. Needs a running predictor: `make serve`, or a port-forward to the cluster's.
"""

from __future__ import annotations

import argparse
import http.client
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pipeline.columns import FEATURE_NAMES, FEATURES, LABEL, Category, Number
from pipeline.console import echo
from pipeline.context import Context
from pipeline.errors import PipelineError
from pipeline.storage.layout import SILVER_LIVE, silver_rows
from pipeline.tracking.registry import PRODUCTION

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

SCALE = 1.2
NOISE = 0.1  # deviations of the column
FLIPPED = (0.10, 0.15)  # share of the rows, drawn between these

BATCH = 100  # rows of a request
TIMEOUT_SECONDS = 10
TRIES = 5  # of a request that is answered "not now", or not at all
PAUSE_SECONDS = 0.2  # before the second try; doubles with each
LOGGED_WITHIN_SECONDS = 60


def scaled(frame: pd.DataFrame, random: np.random.Generator) -> pd.DataFrame:
    """Every number times SCALE."""
    return frame.assign(**{feature.name: frame[feature.name] * SCALE for feature in _numbers()})


def noisy(frame: pd.DataFrame, random: np.random.Generator) -> pd.DataFrame:
    """Every number with normal noise of NOISE deviations of its column."""
    noise = {
        name: random.normal(0, NOISE * frame[name].std(), len(frame))
        for name in (f.name for f in _numbers())
    }
    return frame.assign(**{name: frame[name] + values for name, values in noise.items()})


def flipped(frame: pd.DataFrame, random: np.random.Generator) -> pd.DataFrame:
    """Every category, in 10 to 15 % of its rows, replaced by another one."""
    import numpy as np

    changed = {}
    for feature in FEATURES:
        if isinstance(feature, Category):
            codes = np.array(list(feature.codes.values()), dtype=float)
            now = np.argmin(np.abs(codes[:, None] - frame[feature.name].to_numpy(float)), axis=0)
            hit = random.random(len(frame)) < random.uniform(*FLIPPED)
            changed[feature.name] = codes[
                (now + hit * random.integers(1, len(codes), len(frame))) % len(codes)
            ]
    return frame.assign(**changed)


def everything(frame: pd.DataFrame, random: np.random.Generator) -> pd.DataFrame:
    """Scaled, noisy and flipped."""
    return flipped(noisy(scaled(frame, random), random), random)


KINDS: dict[str, Callable[[pd.DataFrame, np.random.Generator], pd.DataFrame]] = {
    "none": lambda frame, random: frame,
    "scale": scaled,
    "noise": noisy,
    "flip": flipped,
    "all": everything,
}
"""Ways for rows to drift."""


def drifted(frame: pd.DataFrame, kind: str, seed: int) -> pd.DataFrame:
    """The frame's features after a drift of that kind, by the columns' steps and within their bounds.

    `frame` holds at least the features (codes for categories) and is left as it is; the label, where there is one, is left out.
    """
    import numpy as np

    changed = KINDS[kind](frame[list(FEATURE_NAMES)].astype(float), np.random.default_rng(seed))
    for feature in _numbers():
        steps = (changed[feature.name] / feature.step).round()
        changed[feature.name] = (steps * feature.step).clip(feature.low, feature.high).round(6)
    return changed


def _numbers() -> list[Number]:
    return [feature for feature in FEATURES if isinstance(feature, Number)]


@dataclass
class Sent:
    """What became of the rows: `refused` were answered with an error; `versions` counts the rows each version answered."""

    rows: int = 0
    answered: int = 0
    refused: int = 0
    positive: int = 0
    versions: Counter[str] = field(default_factory=Counter)
    first_error: str | None = None


def send(url: str, frame: pd.DataFrame, batch: int = BATCH) -> Sent:
    """Sends the frame's features to `url`/predict, `batch` rows a request, one request after the other.

    Raises:
        PipelineError: nobody answers there, or only "not now" after TRIES tries.
    """
    place = urlsplit(url)
    kind = http.client.HTTPSConnection if place.scheme == "https" else http.client.HTTPConnection
    connection = kind(place.hostname or "", place.port, timeout=TIMEOUT_SECONDS)
    sent = Sent()
    try:
        for rows in _batches(frame, batch):
            status, answer = _ask(
                connection, url, f"{place.path.rstrip('/')}/predict", json.dumps(rows).encode()
            )
            sent.rows += len(rows)
            if status == http.HTTPStatus.OK:
                sent.answered += len(rows)
                sent.positive += sum(
                    item["label"] == LABEL.positive for item in answer["predictions"]
                )
                sent.versions[str(answer["model"]["version"])] += len(rows)
            else:
                sent.refused += len(rows)
                sent.first_error = sent.first_error or f"{status}: {str(answer)[:300]}"
    finally:
        connection.close()
    return sent


def _batches(frame: pd.DataFrame, size: int) -> Iterator[list[dict[str, float]]]:
    """The rows as the API takes them: categories by code, whole numbers without a point."""
    rows = frame[list(FEATURE_NAMES)].to_numpy(float).tolist()
    whole = [feature.is_integer for feature in FEATURES]
    for start in range(0, len(rows), size):
        yield [
            {
                name: int(value) if integer else value
                for name, value, integer in zip(FEATURE_NAMES, row, whole, strict=True)
            }
            for row in rows[start : start + size]
        ]


def _ask(
    connection: http.client.HTTPConnection, url: str, path: str, body: bytes
) -> tuple[int, Any]:
    """Status and decoded answer; busy and broken connections are tried again, a bounded number of times."""
    problem = ""
    for attempt in range(TRIES):
        if attempt:
            time.sleep(PAUSE_SECONDS * 2 ** (attempt - 1))
        try:
            connection.request("POST", path, body, {"Content-Type": "application/json"})
            response = connection.getresponse()
            data = response.read()
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            problem = str(error) or type(error).__name__
            continue
        if response.status not in (
            http.HTTPStatus.TOO_MANY_REQUESTS,
            http.HTTPStatus.SERVICE_UNAVAILABLE,
        ):
            return response.status, _decoded(data)
        problem = f"it answered {response.status} {response.reason}"
    raise PipelineError(
        f"no answer from {url}{path} after {TRIES} tries ({problem}); start a predictor with `make serve`"
    )


def _decoded(data: bytes) -> Any:
    try:
        return json.loads(data)
    except ValueError:
        return data.decode(errors="replace")


def production_rows(context: Context, rows: int, seed: int) -> pd.DataFrame:
    """`rows` rows of the silver data set that the production model came from, each at most once while there are enough.

    Raises:
        PipelineError: no version carries the alias `production`.
    """
    from pipeline.storage.parquet import from_parquet

    registry = context.registry
    version = registry.get_by_alias(PRODUCTION)
    if version is None:
        raise PipelineError(
            f"no version of {registry.name} carries the alias `{PRODUCTION}`; run `make run` first"
        )
    lineage = registry.get_version_bundle(version).manifest.lineage
    silver = from_parquet(context.lake.read(silver_rows(lineage.pipeline_run_id), lineage.silver))
    return silver.sample(rows, replace=rows > len(silver), random_state=seed).reset_index(drop=True)


def wait_until_logged(context: Context, since: datetime, rows: int) -> None:
    """Returns when `rows` rows answered since then are in the lake: the predictor logs every few seconds.

    Raises:
        PipelineError: they are not within LOGGED_WITHIN_SECONDS.
    """
    from pipeline.drift import data as drift_data

    end = time.monotonic() + LOGGED_WITHIN_SECONDS
    while True:
        found = len(
            drift_data.load_live_traffic(context.lake, since, datetime.now(UTC), rows, seed=0).frame
        )
        if found >= rows:
            return
        if time.monotonic() > end:
            raise PipelineError(
                f"{found:,} of {rows:,} rows were logged to {context.lake.url(SILVER_LIVE)} within {LOGGED_WITHIN_SECONDS} s; "
                "does the predictor log all rows (MLOPS_PREDICTOR__LOG_SAMPLE_RATE is 1), and to this lake?"
            )
        time.sleep(0.2)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--rows", type=int, default=500, metavar="N", help="rows to send; default %(default)s"
    )
    parser.add_argument(
        "--kind",
        choices=tuple(KINDS),
        default="none",
        help="how the rows drift; default %(default)s",
    )
    parser.add_argument(
        "--url", metavar="URL", help="the predictor; default is the setting MLOPS_PREDICTOR__URL"
    )
    parser.add_argument(
        "--check",
        action="store_true",
        help="then check just these rows for drift, and exit as `drift` does",
    )


def main(context: Context, arguments: argparse.Namespace) -> None:
    """Sends the rows and says what became of them; with --check, checks them.

    Raises:
        NothingToDo: checked, and no retraining is asked for.
    """
    seed = context.settings.seed
    url = arguments.url or context.settings.predictor.url
    frame = drifted(production_rows(context, arguments.rows, seed), arguments.kind, seed)
    since = datetime.now(UTC)
    sent = send(url, frame)
    echo(
        f"traffic: {sent.answered:,} of {sent.rows:,} rows (drift: {arguments.kind}) answered by version "
        f"{', '.join(sent.versions) or 'none'}; {sent.positive:,} '{LABEL.positive}'"
    )
    if sent.refused:
        raise PipelineError(
            f"{url} refused {sent.refused:,} rows; the first answer was {sent.first_error}"
        )
    if arguments.check:
        from pipeline.stages import drift

        wait_until_logged(context, since, sent.rows)
        drift.run(
            replace(context, run_id=f"traffic-{since:%Y%m%dT%H%M%SZ}"),
            drift.Window(since=since, until=datetime.now(UTC)),
        )
