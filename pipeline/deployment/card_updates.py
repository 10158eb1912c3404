"""Keep the status in the model cards of the lake up to date."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.card_status import Status, replace_status
from pipeline.console import echo
from pipeline.errors import LakeError
from pipeline.storage.lake import Lake
from pipeline.storage.layout import (
    HUGGING_FACE_CARD,
    MODEL_CARD_HTML,
    MODEL_CARD_MARKDOWN,
    report_file,
)
from pipeline.times import format_time
from pipeline.tracking.promotion_log import Record, read_records
from pipeline.tracking.registry import PRODUCTION, STAGING, Version
from pipeline.tracking.runs import PIPELINE_RUN_TAG


def update_card(lake: Lake, version: Version, status: Status) -> None:
    """Write the status into the version's card, if the lake has one.

    A card that cannot be read or written is reported and stays as it is: no deployment fails
    because of it.

    Args:
        lake: The lake with the card.
        version: The version.
        status: What the card shows from now on.
    """
    run_id = version.tags.get(PIPELINE_RUN_TAG)
    if run_id is None:
        return
    rendered = {
        MODEL_CARD_HTML: status.to_html(),
        MODEL_CARD_MARKDOWN: status.to_markdown(),
        HUGGING_FACE_CARD: status.to_markdown(),
    }
    for name, text in rendered.items():
        key = report_file(run_id, name)
        try:
            if lake.exists(key):
                lake.write(key, replace_status(lake.read(key).decode(), text).encode())
        except LakeError as error:
            echo(f"{lake.url(key)} is not updated: {error}", "yellow")


def update_candidate_card(
    lake: Lake, version: Version, at: str, problem: str | None = None
) -> None:
    """Write into its card what `register` or `validate` decided about a version.

    If the version was in production before, its card shows that instead.

    Args:
        lake: The lake with the card and the promotion log.
        version: The version.
        at: The time of the decision, ISO 8601.
        problem: Why `validate` did not let it pass, if it did not.
    """
    records = [record for record in read_records(lake) if record.done]
    status = describe_version(version.number, records)
    if status is None and problem is None:
        status = Status(
            f"Version {version.number} is a candidate (`{STAGING}`) since {format_time(at)}."
        )
    elif status is None:
        state = f"Version {version.number} was not promoted at {format_time(at)}: {problem}."
        status = Status(state, False)
    update_card(lake, version, status)


def describe_version(number: str, records: Sequence[Record]) -> Status | None:
    """Describe where a version is now.

    Args:
        number: The version.
        records: The promotion log, oldest first, without unfinished moves.

    Returns:
        The status, or None if the version has never been in production.
    """
    own = [record for record in records if number in (record.move.to, record.move.origin)]
    changes = [record for record in own if record.move.to != record.move.origin]
    if not own:
        return None
    events = [_describe_event(number, record) for record in own]
    last = changes[-1] if changes else own[0]
    since = format_time(last.started_at)
    if records[-1].move.to == number:
        state = f"Version {number} is in production (`{PRODUCTION}`) since {since}."
        return Status(state, True, events)
    state = f"Version {number} left production at {since}; version {last.move.to} replaced it."
    return Status(state, None if last.move.rejection_reason is None else False, events)


def _describe_event(number: str, record: Record) -> str:
    move, who = record.move, record.run_id or record.started_by
    entered, left = move.to == number != move.origin, move.origin == number != move.to
    if entered and record.action == "promote":
        what = f"promoted to production: {move.reason}"
    elif entered:
        what = f"returned to production instead of version {move.origin}: {move.reason}"
    elif left and move.rejection_reason is None:
        what = f"replaced by version {move.to}"
    elif left:
        what = f"taken out of production and rejected: {move.reason}"
    else:
        what = f"stayed in production: {move.reason}"
    return f"{format_time(record.started_at)}, `{record.action}` ({who}): {what.rstrip('.')}."
