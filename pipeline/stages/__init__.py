"""The table of stages: a row is a module, a command, a container image and an Airflow task.

Only the standard library is imported here, so that Airflow can read the table without any stage's dependencies.
"""

from __future__ import annotations

from dataclasses import dataclass

EXIT_SKIPPED = 99
"""Exit code of a stage that had nothing to do; Airflow shows its task as skipped."""

EXIT_PERMANENT = 3
"""Exit code of a stage of a run that would fail again; Airflow fails its task without another try."""


@dataclass(frozen=True)
class Stage:
    """`after` names the stages of the same DAG that must have succeeded; `emits` the asset other DAGs are scheduled on."""

    name: str
    dag: str
    after: tuple[str, ...]
    reads: str
    writes: str
    summary: str
    emits: str | None = None
    internet: bool = False


STAGES: tuple[Stage, ...] = (
    Stage(
        "ingest", "training", (), "the data source", "bronze",
        "Fetch the raw survey file and keep its bytes under their hash.", internet=True,
    ),
    Stage(
        "preprocess", "training", ("ingest",), "bronze", "silver, rejected rows",
        "Validate every row, give columns our names and types, flip the label.",
    ),
    Stage(
        "features", "training", ("preprocess",), "silver", "gold splits and manifest",
        "Split the rows, stratified and seeded, into train, validation and test.",
    ),
    Stage(
        "train", "training", ("features",), "gold train and validation", "MLflow run, candidate model",
        "Choose a model family and a threshold by nested cross-validation; export as skops and ONNX.",
    ),
    Stage(
        "evaluate", "training", ("train",), "gold test, candidate, champion", "metrics, plots, model card, gate table",
        "Measure the candidate with bootstrap intervals, beside the champion, and hold it to the gates.",
    ),
    Stage(
        "register", "training", ("evaluate",), "gate table", "registry version with alias `staging`, the first ones in models/",
        "Register the candidate if every gate holds.", emits="candidate",
    ),
    Stage(
        "validate", "deployment", (), "`staging` and `production` versions", "validation report",
        "Hold the registered candidate to the deployment gates, beside the champion.",
    ),
    Stage(
        "promote", "deployment", ("validate",), "validation report",
        "aliases `production` and `previous`, promotion record, models/",
        "Move the `production` alias to the candidate.",
    ),
    Stage(
        "verify", "deployment", ("promote",), "the live predictor", "promotion record; on failure, alias `production` back",
        "Wait until the predictor serves the new version and agrees with the registry, else roll back.",
    ),
    Stage(
        "drift", "drift", (), "gold reference, silver current", "drift report, MLflow run",
        "Compare what the model sees now with what it learned from; ask for retraining past the threshold.",
        emits="drift",
    ),
    Stage(
        "demote", "drift", (), "`production`, `previous`, newest labelled gold", "demotion report, promotion record",
        "Check that the production model still passes; if it surely does not and `previous` does, go back to that.",
    ),
)  # fmt: skip

DAGS: tuple[str, ...] = tuple(dict.fromkeys(stage.dag for stage in STAGES))


def get_stage(name: str) -> Stage:
    """The row called `name`; KeyError if there is none."""
    return {stage.name: stage for stage in STAGES}[name]


def stages_of_dag(dag: str) -> tuple[Stage, ...]:
    """The rows of one DAG, in the order they run."""
    return tuple(stage for stage in STAGES if stage.dag == dag)
