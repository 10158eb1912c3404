"""Decide for everything in the lake how long it is kept, and why.

`retain` deletes what has expired, and `holdings` lists what is kept, so both follow the same rules.
What belongs together, such as the rows of a run, is one item.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase

from pipeline.retention.needs import Needs
from pipeline.settings import Settings
from pipeline.storage import layout
from pipeline.storage.artifacts.data import BronzePointer
from pipeline.storage.lake import Lake
from pipeline.storage.versions import StoredVersion

GRACE = timedelta(days=1)
"""Raw files are kept for this time even if nothing refers to them: `ingest` may be about to."""

UPLOAD, RAW, POINTER = "uploaded file", "raw file", "pointer to a raw file"
RUN, LIVE, SESSIONS = "run", "live traffic", "ended sessions"
SCORES = "predictions of lists"
RECORDS, LATEST = "record", "latest report"
BUNDLE, ARTIFACTS = "served model", "MLflow artifacts"
"""Kinds of items."""

PERMANENT = "for good; it has no rows"
_BY_PREFIX = {
    layout.MLFLOW_ARTIFACTS: ARTIFACTS,
    layout.MODELS_PREFIX: BUNDLE,
    layout.ERASED: RECORDS,
    f"{layout.BRONZE}/": POINTER,
}
_UPLOADS = (f"{layout.BRONZE_INBOX}/", layout.LISTS_TO_SCORE)
_DAYS = {layout.SILVER_LIVE: LIVE, layout.SCORES: SCORES, layout.ENDED_SESSIONS: SESSIONS}
_DEPENDENT = {
    POINTER: "as long as the raw file that it names",
    LATEST: "until the next one replaces it",
}
"""Why kinds of items are kept that depend on others."""
_RAW = re.compile(f"{layout.BRONZE}/(?P<sha256>[0-9a-f]{{64}})\\.(csv|json)")
"""A raw file, and the list of its parts."""
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_ROW_LAYERS = (layout.REPORTS, layout.GOLD, layout.SILVER, layout.BRONZE)
"""In the order of deletion: what refers to an object is deleted before it."""


@dataclass(frozen=True)
class Verdict:
    """How long an item is kept.

    Attributes:
        reason: Why it is kept, or why it has expired.
        is_expired: Whether `retain` deletes it.
        until: When it expires (UTC); None if no date is known.
    """

    reason: str
    is_expired: bool = False
    until: datetime | None = None


def judge_age(since: datetime, days: int, variable: str, now: datetime) -> Verdict:
    """Keep something for some days.

    Args:
        since: When the days begin (UTC).
        days: How many; 0 keeps it for good.
        variable: The setting with the number of days.
        now: The time (UTC).
    """
    if not days:
        return Verdict(f"kept: {variable} is 0")
    ends = since + timedelta(days=days)
    return Verdict(f"for {days} days ({variable})", is_expired=ends <= now, until=ends)


@dataclass(frozen=True)
class Item:
    """Objects of a layer that are kept or deleted together.

    Attributes:
        layer: One of layout.LAYERS.
        kind: What it is.
        name: Which one it is; empty if there is only one of the kind.
        versions: All versions of its objects.
        verdict: How long it is kept.
    """

    layer: str
    kind: str
    name: str
    versions: tuple[StoredVersion, ...]
    verdict: Verdict

    @property
    def objects(self) -> list[StoredVersion]:
        """The current versions of its objects, without deleted ones."""
        return [one for one in self.versions if one.is_current and not one.is_marker]

    @property
    def size(self) -> int:
        """Number of bytes of all versions."""
        return sum(one.size for one in self.versions)


def judge_lake(lake: Lake, needs: Needs, settings: Settings, now: datetime) -> list[Item]:
    """Decide for all rows and reports of the lake how long they are kept.

    Args:
        lake: The lake.
        needs: What must be kept.
        settings: How long the rest is kept.
        now: The time (UTC).

    Returns:
        The items in the order in which they may be deleted.

    Raises:
        LakeError: If the lake cannot be read.
    """
    units = {layer: _divide(lake.all_versions(f"{layer}/")) for layer in _ROW_LAYERS}
    rules = _Rules(lake, needs, settings, now, units)
    return [
        Item(layer, kind, name, tuple(versions), rules.judge(kind, name, versions))
        for layer, parts in units.items()
        for (kind, name), versions in parts.items()
    ]


def list_models(lake: Lake) -> list[Item]:
    """Return the items of `models/`, which are kept as long as MLflow and production use them."""
    reasons = {
        BUNDLE: "as long as it is in production",
        ARTIFACTS: "as long as the MLflow run or version",
    }
    return [
        Item(layout.MODELS, kind, name, tuple(versions), Verdict(reasons[kind]))
        for (kind, name), versions in _divide(lake.all_versions(layout.MODELS_PREFIX)).items()
    ]


_Units = dict[tuple[str, str], list[StoredVersion]]


def _divide(versions: Iterable[StoredVersion]) -> _Units:
    """Group versions into items, by their kind and name."""
    units: _Units = defaultdict(list)
    for one in versions:
        units[_find_unit(one.key)].append(one)
    return units


def _find_unit(key: str) -> tuple[str, str]:
    """The kind and the name of the item that an object belongs to."""
    name = key.rpartition("/")[2]
    if run_id := layout.find_run(key):
        return RUN, run_id
    if key.startswith(_UPLOADS):
        return UPLOAD, key
    if raw := _RAW.fullmatch(key):
        return RAW, raw["sha256"]
    for prefix, kind in _DAYS.items():
        if day := _DAY.match(key.removeprefix(prefix)):
            return kind, day[0]
    by_prefix = [kind for prefix, kind in _BY_PREFIX.items() if key.startswith(prefix)]
    is_latest = key == layout.latest_report_file(name) and key != layout.PROMOTION_LOG
    return [*by_prefix, LATEST if is_latest else RECORDS][0], ""


class _Rules:
    """The rule of each kind of item."""

    def __init__(
        self, lake: Lake, needs: Needs, settings: Settings, now: datetime, units: dict[str, _Units]
    ) -> None:
        self._needs, self._settings, self._now = needs, settings, now
        self._last_written: dict[str, datetime] = {}
        for parts in units.values():
            for (kind, name), versions in parts.items():
                if kind == RUN:
                    newest = max(one.modified for one in versions)
                    self._last_written[name] = max(newest, self._last_written.get(name, newest))
        self._latest = (
            lake.read_model(layout.BRONZE_LATEST, BronzePointer)
            if lake.exists(layout.BRONZE_LATEST)
            else None
        )
        self._used_files = set(self._find_used_files(lake))

    def judge(self, kind: str, name: str, versions: list[StoredVersion]) -> Verdict:
        """Decide how long an item is kept."""
        rules = {
            RUN: self._judge_run,
            RAW: self._judge_raw,
            UPLOAD: self._judge_upload,
            LIVE: self._judge_live,
            SCORES: self._judge_scores,
            SESSIONS: self._judge_sessions,
        }
        if kind in _DEPENDENT:
            return Verdict(_DEPENDENT[kind])
        rule = rules.get(kind)
        return rule(name, versions) if rule else Verdict(PERMANENT)

    def _find_used_files(self, lake: Lake) -> Iterator[str]:
        """Hashes of the raw files that kept pointers name."""
        for key in lake.keys(f"{layout.BRONZE}/"):
            run_id = layout.find_run(key)
            is_pointer = run_id or key == layout.BRONZE_LATEST or layout.is_bronze_from_inbox(key)
            if is_pointer and not (run_id and self._judge_run(run_id, []).is_expired):
                yield lake.read_model(key, BronzePointer).sha256

    def _judge_run(self, run_id: str, _: list[StoredVersion]) -> Verdict:
        if need := self._needs.runs.get(run_id):
            return Verdict(f"as long as {need} needs it")
        days = self._settings.retention.run_days
        written = self._last_written[run_id]
        return judge_age(written, days, "MLOPS_RETENTION__RUN_DAYS", self._now)

    def _judge_raw(self, sha256: str, versions: list[StoredVersion]) -> Verdict:
        if sha256 in self._used_files:
            return Verdict("as long as a kept run uses it")
        if not self._settings.retention.run_days:
            return Verdict("kept: MLOPS_RETENTION__RUN_DAYS is 0")
        ends = max(one.modified for one in versions) + GRACE
        return Verdict("no kept run uses it", is_expired=ends <= self._now, until=ends)

    def _judge_upload(self, key: str, versions: list[StoredVersion]) -> Verdict:
        sources = [self._settings.ingest.source]
        if self._latest:
            sources += [self._latest.source, *(file.name for file in self._latest.files)]
        if any(_names(source, key) for source in sources):
            return Verdict("as long as training reads it")
        written = max(one.modified for one in versions)
        days = self._settings.retention.inbox_days
        return judge_age(written, days, "MLOPS_RETENTION__INBOX_DAYS", self._now)

    def _judge_live(self, day: str, _: list[StoredVersion]) -> Verdict:
        days = self._settings.drift.live_retention_days
        return judge_age(_end_of(day), days, "MLOPS_DRIFT__LIVE_RETENTION_DAYS", self._now)

    def _judge_scores(self, day: str, _: list[StoredVersion]) -> Verdict:
        days = self._settings.score.retention_days
        return judge_age(_end_of(day), days, "MLOPS_SCORE__RETENTION_DAYS", self._now)

    def _judge_sessions(self, day: str, _: list[StoredVersion]) -> Verdict:
        ends = _end_of(day)
        reason = "until the sessions would have expired"
        return Verdict(reason, is_expired=ends <= self._now, until=ends)


def _names(source: str, key: str) -> bool:
    """Whether a source is an uploaded file, or a folder, prefix or pattern that includes it."""
    start = source.find(layout.BRONZE_INBOX)
    pattern = source[start:]
    return start >= 0 and fnmatchcase(key, pattern if pattern == key else f"{pattern}*")


def _end_of(day: str) -> datetime:
    """The end of a day (UTC, YYYY-MM-DD)."""
    return datetime.fromisoformat(day).replace(tzinfo=UTC) + timedelta(days=1)
