"""What a DAG run passes to its stages: its id, its time and its data source."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from pipeline.stages import DAGS, STAGES
from tests.support.dag_tasks import get_manifest, get_task

LAKE_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")  # what pipeline/context.py accepts


def test_only_ingest_reads_the_source_of_a_run() -> None:
    """`source` of a run replaces the setting; without it the release's setting applies."""
    from dags.training import SOURCE_VARIABLE, set_source

    ingest = get_task("ingest")
    set_source({"params": {"source": None}, "task": ingest})
    assert not ingest.env_vars
    set_source({"params": {"source": "sample:500"}, "task": ingest})
    (container,) = get_manifest(ingest)["spec"]["containers"]
    environment = {variable["name"]: variable["value"] for variable in container["env"]}
    assert environment[SOURCE_VARIABLE] == "sample:500"
    assert environment["MLOPS_IMAGE"]
    ingest.env_vars = []
    hooked = {stage.name for stage in STAGES if get_task(stage.name)._pre_execute_hook}
    assert hooked == {"ingest"}


@pytest.mark.parametrize(
    "source",
    [
        None,
        "sample",
        "sample:1000",
        "gdrive:16_IoRl6EUCevWf4_l5orzRLjlnVG-WUd",
        "https://school.org/data.csv?term=2",
        "http://127.0.0.1:8000/data.csv",
        "s3://bronze/inbox/spring term.csv",
    ],
)
def test_sources_that_a_run_accepts(source: str | None) -> None:
    """A source is Google Drive, the web, S3 or generated rows; without one the settings apply."""
    from dags.training import dag

    assert dag.params.get_param("source").resolve(source) == source


@pytest.mark.parametrize(
    "source",
    [
        "/proc/self/environ",
        "../secrets.csv",
        "students.csv",
        "file:///etc/passwd",
        "sample:",
        "sample:0",
        "sample:ten",
        "gdrive:",
        "gdrive:../x",
        "s3://bronze",
        "s3:///key",
        "https://",
        " sample",
        "sample\n/proc/self/environ",
        "",
    ],
)
def test_sources_that_a_run_refuses(source: str) -> None:
    """Airflow refuses malformed sources, and paths, with which a pod would read its own files."""
    from airflow.sdk.exceptions import ParamValidationError

    from dags.training import dag

    with pytest.raises(ParamValidationError):
        dag.params.get_param("source").resolve(source)


@pytest.mark.parametrize(
    ("dag_id", "dag_run_id", "expected"),
    [
        ("training", "first", "training-first"),
        ("training", "2026.term_1-b", "training-2026.term_1-b"),
        (
            "drift",
            "manual__2026-11-23T08:00:00.123456+00:00_aB1x",
            "drift-20261123T080000-1a964479",
        ),
    ],
)
def test_run_ids(dag_id: str, dag_run_id: str, expected: str) -> None:
    """An id that a person chose stays; one that Airflow generated becomes a time and a hash."""
    from dags.pods import make_run_id

    assert make_run_id(dag_id, dag_run_id, "20261123T080000") == expected


def test_run_ids_are_valid_and_unique() -> None:
    """The lake accepts the id of any DAG run, and no two runs have the same id."""
    from dags.pods import make_run_id

    names = [
        "a",
        "a:b",
        "a+b",
        "a~b",
        "a b",
        "x" * 300,
        "x" * 301,
        "-",
        ".",
        "manual__2026-11-23T08:00:00+00:00",
    ]
    run_ids = {make_run_id(dag, name, "20261123T080000") for dag in DAGS for name in names}
    assert len(run_ids) == len(DAGS) * len(names)
    assert all(LAKE_RUN_ID.fullmatch(run_id) for run_id in run_ids)


def render_arguments(name: str, params: dict[str, str | None] | None = None) -> list[str]:
    """Return the arguments of a task's container, rendered by Airflow for a run of 23 November."""
    task = get_task(name).prepare_for_execution()
    run = SimpleNamespace(run_after=datetime(2026, 11, 23, 8, tzinfo=UTC))
    dag = get_task(name).dag
    task.render_template_fields(
        {"dag": dag, "run_id": "nightly", "dag_run": run, "params": params or {}}
    )
    arguments: list[str] = task.pod_template_dict["spec"]["containers"][0]["args"]
    return arguments


def test_the_run_id_is_rendered_into_the_arguments() -> None:
    """Airflow's template engine renders the run id into the container's arguments."""
    assert render_arguments("demote") == ["demote", "--run-id", "drift-nightly"]


def test_a_cleared_drift_check_compares_the_traffic_of_its_own_time() -> None:
    """The drift check ends its window when the run was due, not when the task runs again."""
    assert render_arguments("drift")[3:] == ["--until", "2026-11-23T08:00:00+00:00"]


def test_a_run_scores_all_lists_or_one() -> None:
    """`list` of a run names an uploaded list."""
    for name, expected in ((None, ""), ("spring term.csv", "spring term.csv")):
        assert render_arguments("score", {"list": name})[3:] == [f"--uploaded={expected}"]


@pytest.mark.parametrize("name", ["a.csv", "spring term.csv", "--x.csv"])
def test_names_of_lists_that_a_run_accepts(name: str) -> None:
    """A name is one of a CSV file."""
    from dags.scoring import dag

    assert dag.params.get_param("list").resolve(name) == name


@pytest.mark.parametrize(
    "name", ["/proc/self/environ", "../x.csv", "a/b.csv", "s3://bronze/x.csv", ".csv", "x.txt", ""]
)
def test_names_of_lists_that_a_run_refuses(name: str) -> None:
    """A path would name the pod's own files."""
    from airflow.sdk.exceptions import ParamValidationError

    from dags.scoring import dag

    with pytest.raises(ParamValidationError):
        dag.params.get_param("list").resolve(name)
