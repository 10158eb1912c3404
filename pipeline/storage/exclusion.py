"""Let no stage run during an erasure, nor two erasures at once.

A stage that read rows of a person before an erasure could write them again after it. So each stage
and each erasure first writes an object that marks it as running, then looks for the others, and
stops if it finds one. Of two that begin at the same time, at least one finds the other, because a
lake lists an object as soon as it is written.

The objects have no data of persons. That of a killed process stays.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from pipeline.errors import LakeError
from pipeline.storage.artifacts.base import Artifact
from pipeline.storage.lake import Lake
from pipeline.storage.layout import RUNNING, RUNNING_ERASURES, running_erasure, running_stage
from pipeline.times import utc_now


class Marker(Artifact):
    """A stage or an erasure that is running.

    Attributes:
        started_at: When it began, ISO 8601.
    """

    started_at: str


@contextmanager
def exclude_erasures(lake: Lake, stage: str, run_id: str) -> Iterator[None]:
    """Mark a stage as running during a `with` block.

    Args:
        lake: The lake.
        stage: Name of the stage.
        run_id: Id of the pipeline run.

    Raises:
        LakeError: If an erasure is running, or was killed.
    """
    with _mark(lake, running_stage(stage, run_id)):
        if erasures := lake.keys(RUNNING_ERASURES):
            raise LakeError(
                f"{_describe(lake, erasures)}, so {stage} did not start: it could write rows of "
                "the person again. Run it again when the erasure has ended. If the erasure was "
                "killed, run `subject erase` for the person again; it continues"
            )
        yield


@contextmanager
def exclude_stages(lake: Lake, erased_id: str, *, ignore_running: bool = False) -> Iterator[None]:
    """Mark an erasure as running during a `with` block.

    Args:
        lake: The lake.
        erased_id: Identifier of the person; see Pseudonyms.make_erased_id.
        ignore_running: Whether stages and erasures that are marked as running were killed. Their
            marks are deleted.

    Raises:
        LakeError: If a stage or an erasure of another person is running. Nothing was erased.
    """
    if ignore_running:
        for key in lake.keys(RUNNING):
            lake.delete(key)
    own = running_erasure(erased_id)
    with _mark(lake, own):
        if others := [key for key in lake.keys(RUNNING) if key != own]:
            raise LakeError(
                f"{_describe(lake, others)}. It could write rows of the person again, so nothing "
                "was erased. Run the command again when it has ended. If its process was killed, "
                "add --ignore-running"
            )
        yield


@contextmanager
def _mark(lake: Lake, key: str) -> Iterator[None]:
    """Write an object during a `with` block."""
    lake.write_model(key, Marker(started_at=utc_now()))
    try:
        yield
    finally:
        lake.delete(key)


def _describe(lake: Lake, keys: Sequence[str]) -> str:
    """Describe the first of some marks, without a full stop."""
    key = keys[0]
    name, _, run_id = key.removeprefix(RUNNING).removesuffix(".json").partition("/")
    what = "an erasure" if key.startswith(RUNNING_ERASURES) else f"{name} of the run {run_id}"
    since = ""
    with suppress(LakeError):  # it may have ended meanwhile
        since = f" since {lake.read_model(key, Marker).started_at}"
    more = f" and {len(keys) - 1:,} more" if len(keys) > 1 else ""
    return f"{lake.url(key)}{more} marks {what} as running{since}"
