"""The key of every object in the lake. No other module contains one.

A key is `LAYER/REST`; a layer is a folder on disk and a bucket on S3. A stage finds its inputs by
`run_id`, the id of the pipeline run.
"""

from __future__ import annotations

import hashlib
import re

BRONZE, SILVER, GOLD, MODELS, REPORTS = LAYERS = ("bronze", "silver", "gold", "models", "reports")

ANY, ANY_SHA256 = "*", "?" * 64
"""Parts of patterns of keys, in the syntax of S3 policies: any text, and any hash."""

SPLITS = ("train", "validation", "test")
"""The splits of gold."""
TRAINING_SPLITS = SPLITS[:2]
"""The splits that the registered model is fitted on."""

BRONZE_LATEST = "bronze/latest.json"
BRONZE_INBOX = "bronze/inbox"
"""Prefix for files that people upload for the next training run."""
LISTS_TO_SCORE = "bronze/scoring/"
"""Prefix for lists that people upload to have them scored."""
LIST_NAME = r"[^/\s.][^/\r\n]{0,199}\.csv"
"""Regular expression of their names. No other object below SCORES ends like this."""
ERASED = "bronze/erased/"
"""Prefix of what is known about erased persons: no rows, and nothing that names them."""
ERASED_PERSONS = "bronze/erased/persons/"
SILVER_LIVE = "silver/live/"
ENDED_SESSIONS = "silver/sessions/"
SCORES = "silver/scores/"
SCORES_SUFFIXES = ("parquet", "csv")
"""The formats in which the predictions of a list are stored."""
GOLD_PREFIX = "gold/"
MODELS_PREFIX = "models/"
STOP_MARKER = "models/stopped.json"
"""Exists while the answers of all predictors are stopped."""
MLFLOW_ARTIFACTS = "models/mlflow/"
"""Prefix below which the platform's MLflow server stores its artifacts."""
PROMOTION_RECORDS = "reports/promotions/"
PROMOTION_LOG = "reports/promotions.jsonl"
RETRAINING_REQUESTS = "reports/drift/retrainings/"
CHALLENGES = "reports/challenges/"

RUNNING = "reports/running/"
"""Prefix of the marks of running stages and erasures; see pipeline/storage/exclusion.py."""
RUNNING_ERASURES = "reports/running/subject/"

_SHARED_FOLDERS = (
    SILVER_LIVE,
    SCORES,
    ENDED_SESSIONS,
    PROMOTION_RECORDS,
    "reports/drift/",
    CHALLENGES,
    "reports/test_splits/",
    RUNNING,
)
"""Folders that belong to no single run."""

DRIFT_REPORT, EVIDENTLY_PAGE, DRIFT_PAGE = DRIFT_FILES = (
    "drift_report.json",
    "drift_report.html",
    "drift_page.html",
)
"""File names of a drift report; see `report_file` and `latest_report_file`."""
MODEL_CARD_MARKDOWN, MODEL_CARD_HTML = "model_card.md", "model_card.html"
"""File names of a model card; see `report_file`."""
HUGGING_FACE_CARD = "README.md"
"""File name of the model card with the metadata of the Hugging Face Hub; see `report_file`."""
VALIDATION_PAGE = "validation.html"
"""File name of the report of `validate` for people; see `report_file`."""
DATA_CHECK, DATA_CHECK_PAGE = "data_check.json", "data_check.html"
"""File names of a data check; see `report_file`."""
SOURCE_CHANGES = "source_changes.json"
"""File name of what the newest raw file has that was not expected; see `latest_report_file`."""

_LIVE_TRAFFIC = re.compile(
    rf"{SILVER_LIVE}(?P<day>[0-9-]{{10}})/"
    r"((?P<hour>[0-9]{2})-[0-9]+\.parquet|.+-(?P<milliseconds>[0-9]+)\.jsonl\.gz)"
)


def bucket_name(layer: str, prefix: str) -> str:
    """Return the name of a layer's bucket in a lake whose URL is `s3://PREFIX`."""
    return f"{prefix}-{layer}" if prefix else layer


def inbox_file(name: str) -> str:
    """Key of a file that a person uploaded."""
    return f"{BRONZE_INBOX}/{name}"


def bronze_file(sha256: str) -> str:
    """Key of the raw file with this hash."""
    return f"bronze/{sha256}.csv"


def bronze_manifest(sha256: str) -> str:
    """Key of the list of parts of the raw file with this hash."""
    return f"bronze/{sha256}.json"


def bronze_from_inbox(name: str) -> str:
    """Key of the pointer to the rows of a file that was deleted from the inbox."""
    return f"bronze/from_inbox/{name}.json"


def bronze_pointer(run_id: str) -> str:
    """Key of the pointer to the raw file that the run ingested."""
    return f"bronze/runs/{run_id}.json"


def erased_person(person: str) -> str:
    """Key of the tombstone of a person; see Pseudonyms.make_erased_id."""
    return f"{ERASED_PERSONS}{person}.json"


def erased_model(mlflow_run_id: str) -> str:
    """Key of the mark of a model that was trained on rows of an erased person."""
    return f"{ERASED}models/{mlflow_run_id}.json"


def erased_hashes(before: str) -> str:
    """Prefix of the tombstones of an object that had this hash before rows were erased."""
    return f"{ERASED}hashes/{before}/"


def erased_hash(before: str, after: str, key: str) -> str:
    """Key of the tombstone of an object that had one hash, and has another one now."""
    return f"{erased_hashes(before)}{after}/{hashlib.sha256(key.encode()).hexdigest()[:32]}.json"


def erased_hash_of_any_object(before: str, after: str) -> str:
    """Key of a tombstone by an earlier release, which is that of all objects with these hashes."""
    return f"{erased_hashes(before)}{after}.json"


def silver_rows(run_id: str) -> str:
    """Key of the run's validated rows, if they are one part."""
    return f"silver/{run_id}/rows.parquet"


def silver_rows_part(run_id: str, number: int | str) -> str:
    """Key of one of several parts of the run's validated rows; `number` counts from 0."""
    return f"silver/{run_id}/rows/{_number(number)}.parquet"


def silver_rejected(run_id: str) -> str:
    """Key of the run's rejected rows, with reasons, if its raw file is one part."""
    return f"silver/{run_id}/rejected.csv"


def silver_rejected_part(run_id: str, number: int | str) -> str:
    """Key of the rejected rows of one of several parts; `number` counts from 0."""
    return f"silver/{run_id}/rejected/{_number(number)}.csv"


def silver_manifest(run_id: str) -> str:
    """Key of the hashes and counts of the run's silver rows."""
    return f"silver/{run_id}/manifest.json"


def live_traffic_day(day: str) -> str:
    """Prefix of the live traffic logged on a day (UTC, YYYY-MM-DD)."""
    return f"{SILVER_LIVE}{day}/"


def live_traffic_object(day: str, pod: str, number: int | str) -> str:
    """Key of one object of a pod's traffic log; its number is the time in milliseconds."""
    return f"{live_traffic_day(day)}{pod}-{number}.jsonl.gz"


def live_traffic_hour(day: str, hour: str, number: int | str) -> str:
    """Key of a file with the rows that were logged in an hour (UTC, 00 to 23), numbered from 0."""
    return f"{live_traffic_day(day)}{hour}-{number}.parquet"


def is_live_traffic_hour(key: str) -> bool:
    """Whether this is the key of such a file, and not of an object of a pod's traffic log."""
    return key.startswith(SILVER_LIVE) and key.endswith(".parquet")


def find_live_traffic_hour(key: str) -> tuple[str, str] | None:
    """Return the day and the hour in which an object of live traffic was logged.

    Args:
        key: Key of an object of a pod's traffic log, or of a file of an hour.

    Returns:
        The day and the hour (UTC, YYYY-MM-DD and 00 to 23); None for any other key.
    """
    found = _LIVE_TRAFFIC.fullmatch(key)
    if found is None:
        return None
    milliseconds = int(found["milliseconds"] or 0)
    return found["day"], found["hour"] or f"{milliseconds // 3_600_000 % 24:02d}"


def ended_sessions(day: str) -> str:
    """Prefix of the page's sessions that ended by a logout and would expire on a day (UTC)."""
    return f"{ENDED_SESSIONS}{day}/"


def ended_session(day: str, session_id: str) -> str:
    """Key of the empty object of such a session."""
    return f"{ended_sessions(day)}{session_id}"


def list_to_score(name: str) -> str:
    """Key of a list that a person uploaded."""
    return f"{LISTS_TO_SCORE}{name}"


def scores_day(day: str) -> str:
    """Prefix of the predictions of lists that were scored on a day (UTC, YYYY-MM-DD)."""
    return f"{SCORES}{day}/"


def scores_table(day: str, run_id: str, name: str, suffix: str) -> str:
    """Key of the predictions of a list, as `parquet` or `csv`, if they are one part."""
    return f"{scores_day(day)}{run_id}/{name}/predictions.{suffix}"


def scores_part(day: str, run_id: str, name: str, number: int | str, suffix: str) -> str:
    """Key of one of several parts of the predictions of a list; `number` counts from 0."""
    return f"{scores_day(day)}{run_id}/{name}/predictions/{_number(number)}.{suffix}"


def scores_manifest(day: str, run_id: str, name: str) -> str:
    """Key of the hashes, counts and lineage of the predictions of a list."""
    return f"{scores_day(day)}{run_id}/{name}/scores.json"


def is_scores_manifest(key: str, run_id: str) -> bool:
    """Whether this is the key of such a manifest of a run."""
    return key.startswith(SCORES) and f"/{run_id}/" in key and key.endswith("/scores.json")


def gold_split(run_id: str, split: str) -> str:
    """Key of one of SPLITS, if it is one part."""
    return f"gold/{run_id}/{split}.parquet"


def gold_split_part(run_id: str, split: str, number: int | str) -> str:
    """Key of one of several parts of a split; `number` counts from 0."""
    return f"gold/{run_id}/{split}/{_number(number)}.parquet"


def gold_array(run_id: str, sha256: str) -> str:
    """Key of an array that workers need to split the run's rows; it exists only meanwhile."""
    return f"gold/{run_id}/arrays/{sha256}.bin"


def gold_manifest(run_id: str) -> str:
    """Key of the hashes and counts of the run's splits."""
    return f"gold/{run_id}/manifest.json"


def is_bronze_from_inbox(key: str) -> bool:
    """Whether this is the key of a pointer to the rows of a file that was deleted."""
    return key.startswith("bronze/from_inbox/")


def is_gold_manifest(key: str) -> bool:
    """Whether this is the key of a gold manifest."""
    return key.startswith(GOLD_PREFIX) and key.endswith("/manifest.json")


def model_file(name: str) -> str:
    """Key of a file of the model bundle in production (`bundle.ONNX` and so on)."""
    return f"{MODELS_PREFIX}{name}"


def report_file(run_id: str, name: str) -> str:
    """Key of a figure or document of the run."""
    return f"reports/{run_id}/{name}"


def latest_report_file(name: str) -> str:
    """Key of a document that each run overwrites, such as the latest drift report."""
    return f"reports/{name}"


def out_of_fold(run_id: str) -> str:
    """Key of the predictions of the outer cross-validation."""
    return report_file(run_id, "out_of_fold.parquet")


def dask_report(run_id: str, stage: str) -> str:
    """Key of Dask's report of what its workers did for a stage."""
    return report_file(run_id, f"dask_{stage}.html")


def train_report(run_id: str) -> str:
    """Key of the report of `train`."""
    return report_file(run_id, "train.json")


def evaluation_report(run_id: str) -> str:
    """Key of the report of `evaluate`."""
    return report_file(run_id, "evaluation.json")


def validation_report(run_id: str) -> str:
    """Key of the report of `validate`."""
    return report_file(run_id, "validation.json")


def demotion_report(run_id: str) -> str:
    """Key of the report of `demote`."""
    return report_file(run_id, "demotion.json")


def drift_report(run_id: str) -> str:
    """Key of the run's drift report."""
    return report_file(run_id, DRIFT_REPORT)


def promotion_record(number: int) -> str:
    """Key of a record of the promotion log."""
    return f"{PROMOTION_RECORDS}{number:06d}.json"


def challenge(champion: str, recipe: str) -> str:
    """Key of the challenge of a champion (its MLflow run) by a recipe (its hash)."""
    return f"{CHALLENGES}{champion}/{recipe}/challenge.json"


def challenge_looks(champion: str, recipe: str) -> str:
    """Prefix of the evidence of a challenge."""
    return f"{CHALLENGES}{champion}/{recipe}/looks/"


def challenge_look(champion: str, recipe: str, test_sha256: str) -> str:
    """Key of the evidence of a challenge on one test split."""
    return f"{challenge_looks(champion, recipe)}{test_sha256}.json"


def is_challenge(key: str) -> bool:
    """Whether this is the key of a challenge, and not of its evidence."""
    return key.startswith(CHALLENGES) and key.endswith("/challenge.json")


def test_split_models(test_sha256: str) -> str:
    """Prefix of the models that were measured on a test split."""
    return f"reports/test_splits/{test_sha256}/"


def test_split_model(test_sha256: str, onnx_sha256: str) -> str:
    """Key of a model that was measured on a test split."""
    return f"{test_split_models(test_sha256)}{onnx_sha256}.json"


def retraining_requests(day: str) -> str:
    """Prefix of the retraining requests of a day (UTC, YYYY-MM-DD)."""
    return f"{RETRAINING_REQUESTS}{day}/"


def retraining_request(day: str, number: int) -> str:
    """Key of a retraining request, numbered from 1 per day."""
    return f"{retraining_requests(day)}{number}.json"


def running_stage(stage: str, run_id: str) -> str:
    """Key of the mark of a stage that is running."""
    return f"{RUNNING}{stage}/{run_id}.json"


def running_erasure(person: str) -> str:
    """Key of the mark of a person's erasure that is running; see Pseudonyms.make_erased_id."""
    return f"{RUNNING_ERASURES}{person}.json"


def find_run(key: str) -> str | None:
    """Return the id of the run that an object belongs to.

    Args:
        key: Key of an object.

    Returns:
        The id; None if the object belongs to no run or to several.
    """
    folder, _, rest = key.removeprefix("bronze/runs/").partition("/")
    if key.startswith("bronze/runs/"):
        return folder.removesuffix(".json")
    run_id, is_below, _ = rest.partition("/")
    has_run = folder in (SILVER, GOLD, REPORTS) and is_below
    return run_id if has_run and not key.startswith(_SHARED_FOLDERS) else None


def files_of_run(run_id: str) -> list[str]:
    """Prefixes of all objects that a training run wrote, except those in bronze."""
    return [f"{layer}/{run_id}" for layer in (SILVER, GOLD, REPORTS)]


def _number(part: int | str) -> str:
    """The number of a part as text that sorts like numbers; a pattern stays as it is."""
    return f"{part:05}" if isinstance(part, int) else part
