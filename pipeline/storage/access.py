"""Which objects of the lake each identity may use.

Each stage has an identity of its name, whose access is in the stage table. SERVICES has the other
identities. Only the standard library may be imported here, as in the stage table.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from fnmatch import fnmatchcase

from pipeline.storage import layout
from pipeline.storage.layout import ANY


@dataclass(frozen=True)
class Access:
    """The objects that an identity may use.

    Keys are patterns in the syntax of S3 policies: `*` stands for any text, `?` for any character.

    Attributes:
        reads: Keys that it may read. It may also find out whether they exist.
        writes: Keys that it may create and replace.
        deletes: Keys that it may delete.
        erases: Keys whose versions it may list, and delete for good.
        lists: Prefixes below which it may list all keys; and all versions, if it may erase any.
        inspects: Layers whose versioning it may look up.
    """

    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    deletes: tuple[str, ...] = ()
    erases: tuple[str, ...] = ()
    lists: tuple[str, ...] = ()
    inspects: tuple[str, ...] = ()

    def __or__(self, other: Access) -> Access:
        """Return the access that allows what either of two allows."""
        merged = {
            field.name: (*getattr(self, field.name), *getattr(other, field.name))
            for field in fields(self)
        }
        return Access(**{name: tuple(dict.fromkeys(keys)) for name, keys in merged.items()})

    @property
    def list_patterns(self) -> tuple[str, ...]:
        """Patterns of the prefixes that may be listed: keys that are read, and below `lists`."""
        return (*self.reads, *(prefix + ANY for prefix in self.lists))

    def allows(self, field: str, key: str) -> bool:
        """Return whether a field of this access has a pattern that the key matches.

        Args:
            field: `reads`, `writes`, `deletes` or `erases`.
            key: Key of an object.
        """
        return _matches(key, getattr(self, field))

    def allows_listing(self, prefix: str) -> bool:
        """Return whether the keys that begin with a prefix may be listed."""
        return _matches(prefix, self.list_patterns)


def _matches(key: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(key, pattern) for pattern in patterns)


def reports(*names: str) -> tuple[str, ...]:
    """Return the patterns of reports of any run."""
    return tuple(layout.report_file(ANY, name) for name in names)


BUNDLE = tuple(map(layout.model_file, ("model.*", "refits.onnx", "manifest.json")))
"""The files of the model bundle in production, without what else is below `models/`."""
RECORDS = layout.PROMOTION_RECORDS + ANY
PROMOTIONS = (RECORDS, layout.PROMOTION_LOG, layout.STOP_MARKER)
"""What `history --verify` checks, in addition to tombstones."""
CARDS = reports(layout.MODEL_CARD_HTML, layout.MODEL_CARD_MARKDOWN, layout.HUGGING_FACE_CARD)
DRIFT_REPORTS = (
    *reports(*layout.DRIFT_FILES),
    *map(layout.latest_report_file, layout.DRIFT_FILES),
)
"""The drift reports of runs, and the latest one."""

VERIFY = Access(reads=(layout.erased_hashes(ANY) + ANY,))
"""Accept objects whose hash has changed because rows of a person were erased."""


def mark_running(stage: str) -> Access:
    """Return the access by which a stage marks itself as running, and finds erasures."""
    own = layout.running_stage(stage, ANY)
    return Access(reads=(layout.RUNNING_ERASURES + ANY,), writes=(own,), deletes=(own,))


UPDATE_CARDS = Access(reads=(RECORDS, *CARDS), writes=CARDS)
"""Write the status of a version into its model card."""
MOVE_PRODUCTION = UPDATE_CARDS | Access(
    reads=BUNDLE, writes=(RECORDS, layout.PROMOTION_LOG, *BUNDLE)
)
"""Move the `production` alias, with its record and the copy of the model in `models/`."""
STOP_ANSWERS = MOVE_PRODUCTION | Access(
    reads=(layout.STOP_MARKER,), writes=(layout.STOP_MARKER,), deletes=(layout.STOP_MARKER,)
)
"""Stop and resume the answers, with a record of each."""
COMPARE_MODELS = VERIFY | Access(
    reads=(
        layout.gold_manifest(ANY),
        layout.gold_split(ANY, ANY),
        layout.gold_split_part(ANY, ANY, ANY),
    )
)
"""Score models on test splits, without the rows that they were trained on."""
JUDGE_CANDIDATE = COMPARE_MODELS | Access(
    reads=(
        layout.train_report(ANY),
        layout.out_of_fold(ANY),
        layout.CHALLENGES + ANY,
        layout.test_split_models(ANY) + ANY,
    ),
    writes=(layout.CHALLENGES + ANY, layout.test_split_models(ANY) + ANY),
)
"""Measure a candidate, and record the evidence that it is better than the champion."""

RUN_REPORTS = (
    *reports(*layout.DRIFT_FILES, layout.VALIDATION_PAGE, layout.DATA_CHECK),
    *reports(layout.DATA_CHECK_PAGE, "*.svg"),
    *CARDS,
    layout.out_of_fold(ANY),
    layout.train_report(ANY),
    layout.evaluation_report(ANY),
    layout.validation_report(ANY),
    layout.demotion_report(ANY),
    layout.dask_report(ANY, ANY),
)
"""Reports of a run; not the records that belong to no run."""
RUN_ROWS = (
    layout.silver_rows(ANY),
    layout.silver_rows_part(ANY, ANY),
    layout.silver_rejected(ANY),
    layout.silver_rejected_part(ANY, ANY),
    layout.gold_split(ANY, ANY),
    layout.gold_split_part(ANY, ANY, ANY),
)
"""Rows of a run in silver and gold."""
PERSONS_ROWS = (
    layout.inbox_file(ANY),
    layout.list_to_score(ANY),
    layout.bronze_file(layout.ANY_SHA256),
    *RUN_ROWS,
    layout.SILVER_LIVE + ANY,
)
"""Objects that have rows of persons, with keys, with pseudonyms, or without both."""
RUN_MANIFESTS = (
    layout.bronze_pointer(ANY),
    layout.silver_manifest(ANY),
    layout.gold_manifest(ANY),
)
RAW_POINTERS = (layout.bronze_pointer(ANY), layout.bronze_from_inbox(ANY), layout.BRONZE_LATEST)


@dataclass(frozen=True)
class Service:
    """An identity that belongs to no stage.

    Attributes:
        subject: Who has it.
        access: The objects that it may use.
    """

    subject: str
    access: Access


SERVICES: dict[str, Service] = {
    "predictor": Service(
        "the predictor",
        Access(
            reads=(
                *BUNDLE,
                RECORDS,
                *reports(
                    layout.MODEL_CARD_HTML,
                    layout.HUGGING_FACE_CARD,
                    layout.VALIDATION_PAGE,
                    layout.DATA_CHECK_PAGE,
                ),
                layout.latest_report_file(layout.DRIFT_PAGE),
                layout.STOP_MARKER,
                layout.ENDED_SESSIONS + ANY,
            ),
            writes=(layout.SILVER_LIVE + ANY, layout.ENDED_SESSIONS + ANY),
        ),
    ),
    "worker": Service(
        "Dask's workers",
        VERIFY
        | Access(
            reads=(
                layout.bronze_file(layout.ANY_SHA256),
                layout.silver_rows(ANY),
                layout.silver_rows_part(ANY, ANY),
                layout.gold_split(ANY, ANY),
                layout.gold_split_part(ANY, ANY, ANY),
                layout.gold_array(ANY, layout.ANY_SHA256),
                layout.list_to_score(ANY),
                *map(layout.model_file, ("model.onnx", "manifest.json")),
            ),
            writes=(
                layout.silver_rows_part(ANY, ANY),
                layout.silver_rejected_part(ANY, ANY),
                layout.gold_split(ANY, ANY),
                layout.gold_split_part(ANY, ANY, ANY),
                *(layout.scores_part(ANY, ANY, ANY, ANY, kind) for kind in layout.SCORES_SUFFIXES),
            ),
        ),
    ),
    "mlflow": Service(
        "the MLflow server",
        Access(
            reads=(layout.MLFLOW_ARTIFACTS + ANY,),
            writes=(layout.MLFLOW_ARTIFACTS + ANY,),
            deletes=(layout.MLFLOW_ARTIFACTS + ANY,),
        ),
    ),
    "commands": Service(
        "the commands that people run on the cluster",
        STOP_ANSWERS | COMPARE_MODELS | Access(reads=(*PROMOTIONS, layout.ERASED + ANY)),
    ),
    "answers": Service("`stop` and `resume` in Airflow", STOP_ANSWERS),
    "retention": Service(
        "`retain` and `holdings`, which delete and list what is kept",
        Access(
            reads=(
                *RAW_POINTERS,
                layout.silver_manifest(ANY),
                layout.gold_manifest(ANY),
                layout.SILVER_LIVE + ANY,
                layout.CHALLENGES + ANY,
                RECORDS,
            ),
            erases=(
                layout.inbox_file(ANY),
                layout.list_to_score(ANY),
                layout.SCORES + ANY,
                layout.bronze_file(layout.ANY_SHA256),
                layout.bronze_manifest(layout.ANY_SHA256),
                *RUN_ROWS,
                layout.gold_array(ANY, layout.ANY_SHA256),
                *RUN_MANIFESTS,
                *RUN_REPORTS,
                layout.SILVER_LIVE + ANY,
                layout.ENDED_SESSIONS + ANY,
            ),
            lists=tuple(f"{layer}/" for layer in layout.LAYERS),
        ),
    ),
    "erasure": Service(
        "`subject`, which shows and erases what is held of a person, and `history --verify`",
        Access(
            reads=(
                *PERSONS_ROWS,
                *DRIFT_REPORTS,
                layout.latest_report_file(layout.SOURCE_CHANGES),
                layout.ERASED + ANY,
                layout.RUNNING + ANY,
                *PROMOTIONS,
            ),
            writes=(
                *PERSONS_ROWS,
                layout.latest_report_file(layout.SOURCE_CHANGES),
                layout.ERASED + ANY,
                layout.running_erasure(ANY),
            ),
            deletes=(layout.RUNNING + ANY,),
            erases=(
                *PERSONS_ROWS,
                layout.bronze_manifest(layout.ANY_SHA256),
                layout.out_of_fold(ANY),
                *DRIFT_REPORTS,
                layout.latest_report_file(layout.SOURCE_CHANGES),
            ),
            lists=tuple(f"{layer}/" for layer in layout.LAYERS if layer != layout.MODELS),
        ),
    ),
    "backup": Service(
        "backups, which read everything; no pod uses it",
        Access(reads=tuple(f"{layer}/{ANY}" for layer in layout.LAYERS)),
    ),
    "test": Service("`helm test`", Access(inspects=layout.LAYERS)),
}
"""The identities that belong to no stage, by name."""

READ_REPORTS = Access(reads=(f"{layout.REPORTS}/{ANY}",))
"""Read all reports, and list them."""
PEOPLE: dict[str, Access] = {
    "viewer": READ_REPORTS,
    "operator": READ_REPORTS
    | Access(
        reads=(layout.STOP_MARKER,),
        writes=(layout.inbox_file(ANY), layout.STOP_MARKER),
        deletes=(layout.STOP_MARKER,),
        lists=(layout.inbox_file(""),),
    ),
    "approver": READ_REPORTS,
}
"""What people may use in the platform's MinIO, by their role. An administrator may do everything,
and a role that is missing here nothing."""
