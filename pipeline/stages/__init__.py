"""The table of stages: each row is a module, a command, a container image and an Airflow task.

This is the only hand-written list of stages. `make docs` generates every other one from it: the
stages in the chart's values and schema, in skaffold.yaml, in README and in docs/reference.

Only the standard library may be imported here, and modules that import nothing else: Airflow reads
the table in an image that holds none of the stages' dependencies.
"""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.storage import layout
from pipeline.storage.access import (
    BUNDLE,
    COMPARE_MODELS,
    DRIFT_REPORTS,
    JUDGE_CANDIDATE,
    MOVE_PRODUCTION,
    RECORDS,
    SERVICES,
    UPDATE_CARDS,
    VERIFY,
    Access,
    mark_running,
    reports,
)
from pipeline.storage.layout import ANY

EXIT_OK = 0
EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_PERMANENT = 3
EXIT_SKIPPED = 99
EXIT_INTERRUPTED = 130  # what shells report for a program that was ended by Ctrl-C

EXIT_CODES: dict[int, str] = {
    EXIT_OK: "done",
    EXIT_FAILED: "failed",
    EXIT_USAGE: "wrong usage",
    EXIT_PERMANENT: "a stage of a run failed and would fail again; Airflow does not retry it",
    EXIT_SKIPPED: "nothing to do, which Airflow shows as skipped",
    EXIT_INTERRUPTED: "interrupted",
}
"""Exit codes of `python -m pipeline` and what each means."""


@dataclass(frozen=True)
class Resources:
    """Default resources of a stage's pod, as Kubernetes quantities. Chart values override them."""

    cpu: str = "100m"
    memory: str = "128Mi"
    memory_limit: str = "512Mi"


@dataclass(frozen=True)
class Task:
    """A task of a DAG, which Airflow runs in a pod.

    Attributes:
        name: The command, and the Airflow task.
        dag: The DAG that the task belongs to.
        after: Tasks of the same DAG that must succeed first.
        reads: Inputs, for the documentation.
        writes: Outputs, for the documentation.
        summary: What the task does, in one sentence.
        emits: The Airflow asset that the task updates, on which other DAGs are scheduled.
        internet: Whether the pod may connect to addresses outside the cluster.
        calls_predictor: Whether the pod may connect to the predictor, and receives its API key.
        mlflow_user: The user of MLflow with whose login the pod connects; None for a task that
            does not use MLflow. values.yaml describes the users.
        reads_keys: Whether the pod sees the keys of persons, and receives the secret of their
            pseudonyms.
        tasks: Modules with functions that Dask's workers call for the task. If it has any, the
            pod may connect to Dask's scheduler, and receives its certificate.
    """

    name: str
    dag: str
    after: tuple[str, ...]
    reads: str
    writes: str
    summary: str
    emits: str | None = None
    internet: bool = False
    calls_predictor: bool = False
    mlflow_user: str | None = None
    reads_keys: bool = False
    tasks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Stage(Task):
    """A row of the table: a task that runs in an image of its own.

    Its name is also that of the module in `pipeline/stages/`, of the image, and of the dependency
    group in pyproject.toml.

    Attributes:
        access: The objects of the lake that the stage may use. On the cluster the object store
            refuses it every other one.
        commands: Modules of `pipeline/commands/` that the image also holds.
        resources: Default resources of the pod.
    """

    access: Access = Access()
    commands: tuple[str, ...] = ()
    resources: Resources = Resources()


STAGES: tuple[Stage, ...] = (
    Stage(
        name="ingest",
        dag="training",
        after=(),
        reads="the data source",
        writes="bronze",
        summary="Fetch the raw file and store its bytes under their SHA-256.",
        access=Access(
            reads=(
                layout.inbox_file(ANY),
                layout.bronze_from_inbox(ANY),
                layout.bronze_file(layout.ANY_SHA256),
                layout.ERASED_PERSONS + ANY,
                layout.BRONZE_LATEST,
            ),
            erases=(layout.inbox_file(ANY),),
            writes=(
                layout.bronze_file(layout.ANY_SHA256),
                layout.bronze_manifest(layout.ANY_SHA256),
                layout.bronze_from_inbox(ANY),
                layout.bronze_pointer(ANY),
                layout.BRONZE_LATEST,
                layout.latest_report_file(layout.SOURCE_CHANGES),
            ),
        ),
        internet=True,
        reads_keys=True,
        commands=("buckets",),
        resources=Resources(memory_limit="1Gi"),  # generates the rows of `sample:ROWS` in memory
    ),
    Stage(
        name="preprocess",
        dag="training",
        after=("ingest",),
        reads="bronze",
        writes="silver, rejected rows, data check",
        summary="Validate every row, apply our column names and types, flip the label, and check "
        "what can be learned from the rows.",
        access=VERIFY
        | Access(
            reads=(
                layout.bronze_pointer(ANY),
                layout.bronze_file(layout.ANY_SHA256),
                layout.bronze_manifest(layout.ANY_SHA256),
                layout.silver_rows(ANY),
                layout.silver_rows_part(ANY, ANY),
            ),
            writes=(
                layout.silver_rows(ANY),
                layout.silver_rows_part(ANY, ANY),
                layout.silver_rejected(ANY),
                layout.silver_rejected_part(ANY, ANY),
                layout.silver_manifest(ANY),
                *reports(layout.DATA_CHECK, layout.DATA_CHECK_PAGE),
                layout.latest_report_file(layout.SOURCE_CHANGES),
                layout.dask_report(ANY, "preprocess"),
            ),
        ),
        tasks=("pipeline.data.silver",),
        resources=Resources(memory="256Mi", memory_limit="2Gi"),  # blocks of rows, and a sample
    ),
    Stage(
        name="features",
        dag="training",
        after=("preprocess",),
        reads="silver",
        writes="gold splits and manifest",
        summary="Split the rows into train, validation and test, stratified and seeded.",
        access=VERIFY
        | Access(
            reads=(
                layout.silver_manifest(ANY),
                layout.silver_rows(ANY),
                layout.silver_rows_part(ANY, ANY),
                layout.gold_array(ANY, layout.ANY_SHA256),
            ),
            writes=(
                layout.gold_split(ANY, ANY),
                layout.gold_split_part(ANY, ANY, ANY),
                layout.gold_array(ANY, layout.ANY_SHA256),
                layout.gold_manifest(ANY),
                layout.dask_report(ANY, "features"),
            ),
            deletes=(layout.gold_array(ANY, layout.ANY_SHA256),),
        ),
        tasks=("pipeline.splits.passes", "pipeline.splits.write"),
        resources=Resources(memory="256Mi", memory_limit="2Gi"),  # parts, a few at a time
    ),
    Stage(
        name="train",
        dag="training",
        after=("features",),
        reads="gold train and validation",
        writes="MLflow run, candidate model",
        summary="Select a model family and a threshold by nested cross-validation; export the "
        "model as skops and ONNX.",
        access=VERIFY
        | Access(
            reads=(
                layout.gold_manifest(ANY),
                *(layout.gold_split(ANY, split) for split in layout.TRAINING_SPLITS),
                *(layout.gold_split_part(ANY, split, ANY) for split in layout.TRAINING_SPLITS),
                layout.train_report(ANY),
                *reports(layout.DATA_CHECK, layout.DATA_CHECK_PAGE),
            ),
            writes=(
                layout.train_report(ANY),
                layout.out_of_fold(ANY),
                layout.dask_report(ANY, "train"),
            ),
        ),
        mlflow_user="trainer",
        tasks=("pipeline.compute.fits", "pipeline.model.selection", "pipeline.model.calibration"),
        resources=Resources(cpu="250m", memory="512Mi", memory_limit="2Gi"),
    ),
    Stage(
        name="evaluate",
        dag="training",
        after=("train",),
        reads="gold test, candidate, champion",
        writes="metrics, plots, model card, gate table",
        summary="Measure the candidate with 95 % intervals, compare it with the champion, "
        "and check the gates.",
        access=JUDGE_CANDIDATE
        | Access(
            reads=(layout.gold_manifest(ANY), RECORDS, *reports(layout.DATA_CHECK)),
            writes=(
                layout.evaluation_report(ANY),
                *reports(
                    layout.MODEL_CARD_HTML,
                    layout.MODEL_CARD_MARKDOWN,
                    layout.HUGGING_FACE_CARD,
                    "*.svg",
                ),
            ),
        ),
        mlflow_user="trainer",
        resources=Resources(memory="384Mi", memory_limit="2Gi"),  # draws plots
    ),
    Stage(
        name="register",
        dag="training",
        after=("evaluate",),
        reads="gate table",
        writes="registry version with alias `staging`, the first ones in models/",
        summary="Register the candidate if it passes every gate.",
        access=UPDATE_CARDS
        | Access(
            reads=(
                layout.train_report(ANY),
                layout.evaluation_report(ANY),
                *reports(layout.DATA_CHECK),
            ),
            writes=BUNDLE,
        ),
        mlflow_user="deployer",
        emits="candidate",
    ),
    Stage(
        name="validate",
        dag="deployment",
        after=(),
        reads="`staging` and `production` versions",
        writes="validation report",
        summary="Check the registered candidate against the deployment gates and the champion.",
        access=UPDATE_CARDS
        | JUDGE_CANDIDATE
        | Access(
            reads=(layout.STOP_MARKER,),
            writes=(layout.validation_report(ANY), *reports(layout.VALIDATION_PAGE)),
        ),
        mlflow_user="reader",
        calls_predictor=True,
        commands=(
            "rollback",
            "history",
            "compare",
            "stop",
            "resume",
            "retain",
            "holdings",
            "subject",
        ),
        resources=Resources(memory="256Mi", memory_limit="1Gi"),  # scores two models
    ),
    Stage(
        name="promote",
        dag="deployment",
        after=("validate",),
        reads="validation report",
        writes="aliases `production` and `previous`, promotion record, models/",
        summary="Move the `production` alias to the candidate.",
        access=MOVE_PRODUCTION | Access(reads=(layout.validation_report(ANY),)),
        mlflow_user="deployer",
    ),
    Stage(
        name="verify",
        dag="deployment",
        after=("promote",),
        reads="the live predictor",
        writes="promotion record; on failure, alias `production` back",
        summary="Wait until the predictor serves the new version and agrees with the registry; "
        "otherwise roll back.",
        access=MOVE_PRODUCTION | Access(reads=(layout.STOP_MARKER,)),
        mlflow_user="deployer",
        calls_predictor=True,
    ),
    Stage(
        name="drift",
        dag="drift",
        after=(),
        reads="gold reference, silver current",
        writes="drift report, MLflow run",
        summary="Compare recent traffic with the model's training data; request retraining if "
        "drift exceeds the threshold.",
        access=VERIFY
        | Access(
            reads=(
                layout.gold_manifest(ANY),
                layout.gold_split(ANY, ANY),
                layout.gold_split_part(ANY, ANY, ANY),
                layout.silver_manifest(ANY),
                layout.silver_rows(ANY),
                layout.silver_rows_part(ANY, ANY),
                layout.SILVER_LIVE + ANY,
                layout.latest_report_file(layout.SOURCE_CHANGES),
                layout.RETRAINING_REQUESTS + ANY,
                RECORDS,
                layout.PROMOTION_LOG,
                layout.erased_model(ANY),
                layout.STOP_MARKER,
            ),
            writes=(
                *DRIFT_REPORTS,
                layout.RETRAINING_REQUESTS + ANY,
                layout.dask_report(ANY, "drift"),
            ),
        ),
        tasks=("pipeline.drift.tables",),
        mlflow_user="trainer",
        emits="drift",
        resources=Resources(memory="384Mi", memory_limit="2Gi"),  # holds a window of traffic
    ),
    Stage(
        name="demote",
        dag="drift",
        after=(),
        reads="`production`, `previous`, newest labelled gold",
        writes="demotion report, promotion record",
        summary="Re-check the production model on the newest labelled rows; roll back if it "
        "fails with 95 % confidence and `previous` passes.",
        access=MOVE_PRODUCTION
        | COMPARE_MODELS
        | Access(
            reads=(layout.BRONZE_LATEST,),
            writes=(layout.demotion_report(ANY),),
            lists=(layout.GOLD_PREFIX,),
        ),
        mlflow_user="deployer",
        calls_predictor=True,
        resources=Resources(memory="256Mi", memory_limit="1Gi"),  # scores two models
    ),
    Stage(
        name="compact",
        dag="compaction",
        after=(),
        reads="live traffic of the hours that have ended",
        writes="a Parquet file per hour",
        summary="Replace the small objects of live traffic by a Parquet file per hour.",
        access=Access(
            reads=(layout.SILVER_LIVE + ANY,),
            writes=(layout.live_traffic_hour(ANY, ANY, ANY),),
            deletes=(layout.live_traffic_object(ANY, ANY, ANY),),
        ),
        resources=Resources(memory="192Mi", memory_limit="1Gi"),  # holds a file's rows
    ),
    Stage(
        name="score",
        dag="scoring",
        after=(),
        reads="uploaded lists, the model in models/, promotion records",
        writes="predictions",
        summary="Score the rows of uploaded lists with the model in production.",
        access=VERIFY
        | Access(
            reads=(
                layout.list_to_score(ANY),
                *map(layout.model_file, ("model.onnx", "manifest.json")),
                RECORDS,
                layout.STOP_MARKER,
                layout.scores_manifest(ANY, ANY, ANY),
            ),
            writes=(
                *(layout.scores_table(ANY, ANY, ANY, kind) for kind in layout.SCORES_SUFFIXES),
                *(layout.scores_part(ANY, ANY, ANY, ANY, kind) for kind in layout.SCORES_SUFFIXES),
                layout.scores_manifest(ANY, ANY, ANY),
                layout.dask_report(ANY, "score"),
            ),
            erases=(layout.list_to_score(ANY),),
            lists=(layout.LISTS_TO_SCORE, layout.SCORES),
        ),
        tasks=("pipeline.scoring.part_scores",),
        resources=Resources(memory="256Mi", memory_limit="1Gi"),  # parts of a list
    ),
)

COMMAND_TASKS: tuple[Task, ...] = (
    Task(
        name="stop",
        dag="stop",
        after=(),
        reads="`production`",
        writes="the marker that stops the answers, promotion record",
        summary="Stop the answers of all predictors.",
        calls_predictor=True,
        mlflow_user="deployer",
    ),
    Task(
        name="resume",
        dag="resume",
        after=(),
        reads="`production`",
        writes="promotion record; deletes the marker",
        summary="Let the predictors answer again.",
        calls_predictor=True,
        mlflow_user="deployer",
    ),
)
"""Commands that people also start in Airflow. Their pods have the image of `validate`, which holds
the commands, and the identity `answers`."""

DAGS: tuple[str, ...] = tuple(dict.fromkeys(task.dag for task in (*STAGES, *COMMAND_TASKS)))
"""Ids of the DAGs, in the order of the table; those of commands come last."""


def get_stage(name: str) -> Stage:
    """Return the row of a stage.

    Raises:
        KeyError: If the table has no such stage.
    """
    return {stage.name: stage for stage in STAGES}[name]


def get_dag_stages(dag: str) -> tuple[Stage, ...]:
    """Return the rows of a DAG in the order of the table."""
    return tuple(stage for stage in STAGES if stage.dag == dag)


def get_dag_tasks(dag: str) -> tuple[Task, ...]:
    """Return the tasks of a DAG: its stages, or its command."""
    return tuple(task for task in (*STAGES, *COMMAND_TASKS) if task.dag == dag)


def get_task_modules() -> tuple[str, ...]:
    """Return the modules with functions that Dask's workers call, in the order of the table."""
    return tuple(dict.fromkeys(module for stage in STAGES for module in stage.tasks))


def get_identities() -> dict[str, Access]:
    """Return what each identity of the object store may do: one per stage, then the services'."""
    services = {name: service.access for name, service in SERVICES.items()}
    stages = {stage.name: stage.access | mark_running(stage.name) for stage in STAGES}
    return stages | services
