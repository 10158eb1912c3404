"""The marker that stops all answers: an object in `models/`, which every predictor polls.

Predictors can read it while MLflow is down. `python -m pipeline stop` creates it, and `resume`
deletes it.
"""

from __future__ import annotations

from pipeline.errors import LakeError
from pipeline.storage.artifacts.base import Artifact
from pipeline.storage.lake import Lake
from pipeline.storage.layout import STOP_MARKER
from pipeline.times import format_time


class Stop(Artifact):
    """Why predictors do not answer.

    Attributes:
        by: Who stopped them.
        at: When, ISO 8601.
        reason: Why.
    """

    by: str
    at: str
    reason: str

    def __str__(self) -> str:
        return f"{self.by} stopped all answers at {format_time(self.at)}: {self.reason}"


def read_stop(lake: Lake) -> Stop | None:
    """Read the marker.

    Returns:
        Its content, or None if answers are not stopped.

    Raises:
        LakeError: If it cannot be read, or is not valid.
    """
    # To find out whether it exists, its key is listed: S3 reports a missing object as forbidden to
    # an identity that may not list the whole bucket.
    if not lake.exists(STOP_MARKER):
        return None
    try:
        return Stop.model_validate_json(lake.read(STOP_MARKER))
    except ValueError:
        raise LakeError(
            f"{lake.url(STOP_MARKER)} is not a valid marker. Run `python -m pipeline stop` to "
            "replace it"
        ) from None
