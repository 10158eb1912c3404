"""What a worker does with a part. A worker of another release, table or lake refuses it."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, Self

from pipeline.columns import COLUMNS
from pipeline.compute.code_hash import hash_code
from pipeline.compute.constants import SentConstants
from pipeline.errors import PipelineError, WorkersError
from pipeline.settings import Settings
from pipeline.storage.lake import Lake, open_lake
from pipeline.storage.layout import BRONZE_LATEST


@dataclass(frozen=True)
class Origin:
    """What a stage and its workers must have in common.

    Attributes:
        code_sha256: Hash of the code that the function can run.
        columns_sha256: Hash of all that the columns file means.
        lake_url: Location of an object of the lake.
    """

    code_sha256: str
    columns_sha256: str
    lake_url: str

    @classmethod
    def of(cls, lake: Lake, function: Callable[..., Any]) -> Self:
        """Return what this process has for a function."""
        columns = hashlib.sha256(repr(COLUMNS).encode()).hexdigest()
        return cls(hash_code(function.__module__), columns, lake.url(BRONZE_LATEST))


ADVICE = {
    "code_sha256": ("code", "Update the image of the workers, or that of the stage"),
    "columns_sha256": ("columns file", "Restart the workers with the columns file of the stage"),
    "lake_url": ("lake", "Set MLOPS_LAKE__URL of the workers to that of the stage"),
}
"""Field of an origin -> what differs, and what to do."""


@dataclass(frozen=True)
class Outcome:
    """Result of a part on a worker.

    Attributes:
        worker: Name of the worker.
        value: What the function returned.
        error: The error to raise, if another attempt would fail too.
    """

    worker: str
    value: Any = None
    error: PipelineError | None = None


def run_task(
    function: Callable[..., Any], part: Any, constants: SentConstants, expected: Origin
) -> Outcome:
    """Handle a part on a worker.

    Args:
        function: The function of the part.
        part: The part.
        constants: Keyword arguments of the function.
        expected: The origin of the stage.

    Returns:
        The result, or an error that another attempt would not avoid.

    Raises:
        PipelineError: If another attempt can succeed.
    """
    from distributed import get_worker

    worker = str(get_worker().name)
    try:
        lake = _open_lake()
        check_origin(worker, Origin.of(lake, function), expected)
        return Outcome(worker, function(lake, part, **constants.load(lake)))
    except PipelineError as error:
        if error.retryable:
            raise
        return Outcome(worker, error=error)


def check_origin(worker: str, found: Origin, expected: Origin) -> None:
    """Check that a worker has what the stage has.

    Args:
        worker: Name of the worker.
        found: The worker's origin.
        expected: The stage's origin.

    Raises:
        WorkersError: If they differ.
    """
    for field in fields(Origin):
        own, other = getattr(found, field.name), getattr(expected, field.name)
        if own != other:
            what, advice = ADVICE[field.name]
            error = WorkersError(
                f"the worker {worker} has the {what} {own!r}, but the stage has {other!r}, so it "
                f"refused a part. {advice}"
            )
            error.retryable = False
            raise error


@functools.cache
def _open_lake() -> Lake:
    """The worker's own lake."""
    return open_lake(Settings.load().lake)
