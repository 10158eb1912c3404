"""Another table on the same platform: no image is built again, and no word of the survey is left.

Its rows are of persons with a key. Twenty of them are erased at the end.

The last test of the suite, because it deletes the release and installs it with another table.
"""

from __future__ import annotations

import csv
import io
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest

from k8s import access
from k8s.airflow import AirflowClient
from k8s.process import ROOT
from k8s.release import RELEASE
from pipeline.data.pseudonyms import Pseudonyms
from pipeline.data.raw_csv import find_delimiter
from pipeline.drift.report import DRIFT, NONE
from pipeline.settings.connections import LakeSettings
from pipeline.stages import get_dag_stages
from pipeline.storage.artifacts.data import BronzePointer
from pipeline.storage.lake import Lake, open_lake
from pipeline.storage.layout import (
    BRONZE_INBOX,
    BRONZE_LATEST,
    LAYERS,
    SCORES,
    SILVER_LIVE,
    list_to_score,
)
from tests.cluster.airflow_runs import make_run_id, wait_for_run
from tests.cluster.by_hand import run_by_hand
from tests.cluster.cluster import Cluster, wait_for
from tests.cluster.conftest import delete_release
from tests.cluster.platform import UP_TIMEOUT_SECONDS, get_model
from tests.support.byte_search import find_in_output, find_needles
from tests.support.lake import read_json

CANARIES = 20
"""Number of persons to erase."""
SHIFTED = "Canary-in-another-column"
"""The name of a person in columns where it breaks the rules, so that the row is rejected."""


def write_table(folder: Path) -> tuple[Path, str, str]:
    """Write a table that is not the survey; return it, its label and the label's positives.

    TEST_UCI is the path of P. Cortez's Student Performance (2008). Without it the table is
    scikit-learn's breast cancer (W. Wolberg et al., 1995).
    """
    path = folder / "table.csv"
    if source := os.environ.get("TEST_UCI"):
        path.write_bytes(Path(source).read_bytes())
        return path, "G3", "<10"
    from sklearn.datasets import load_breast_cancer

    cancer = load_breast_cancer(as_frame=True)
    frame = cancer.data.assign(diagnosis=cancer.target_names[cancer.target])
    frame.to_csv(path, index=False)
    return path, "diagnosis", "malignant"


def run_command(*arguments: str) -> str:
    """Run a module of the product, and return what it prints."""
    done = subprocess.run(  # noqa: PLW1510 - the output is in the message
        [sys.executable, "-m", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=UP_TIMEOUT_SECONDS,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def get_key(number: int) -> str:
    """The key of a person to erase."""
    return f"CANARY-{number:02}"


def get_tutor(number: int) -> str:
    """The tutor that only this person has."""
    return f"Tutor-canary-{number:02}"


def add_rejected_row(path: Path) -> None:
    """Add a row of the first canary that breaks the rule of its label."""
    lines = path.read_text().splitlines()
    delimiter = find_delimiter(lines[0])
    width = len(next(csv.reader(lines, delimiter=delimiter)))
    row = [get_key(0), get_tutor(0), *[SHIFTED] * (width - 2)]
    path.write_text("\n".join([*lines, delimiter.join(row)]) + "\n")


def add_persons(path: Path) -> None:
    """Add the columns Card, with a person for each row, and Tutor."""
    text = path.read_text()
    delimiter = find_delimiter(text)
    header, *rows = csv.reader(io.StringIO(text), delimiter=delimiter)
    persons = [(f"CARD-{number:04}", "AB"[number % 2]) for number in range(len(rows))]
    every = len(rows) // CANARIES
    for number in range(CANARIES):
        persons[number * every] = get_key(number), get_tutor(number)
    with path.open("w", newline="") as file:
        writer = csv.writer(file, delimiter=delimiter)
        writer.writerow(["Card", "Tutor", *header])
        writer.writerows([*person, *row] for person, row in zip(persons, rows, strict=True))


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The table, with the columns file that `adopt` writes next to it."""
    path, label, positive = write_table(tmp_path_factory.mktemp("table"))
    add_persons(path)
    options = [f"--data={path}", f"--label={label}", f"--positive={positive}"]
    run_command("pipeline", "adopt", *options, "--key=Card", "--group=Tutor")
    add_rejected_row(path)
    return path


@pytest.fixture(scope="module")
def output(table: Path) -> str:
    """What `make up DATA=... COLUMNS=...` prints on a cluster without a release."""
    with closing(Cluster(f"kind-{RELEASE}", RELEASE)) as cluster:
        delete_release(cluster)
    columns = str(table.with_suffix(".columns.yaml"))
    return run_command("k8s", "up", "--data", str(table), "--columns", columns)


@pytest.fixture(scope="module")
def predictor(output: str) -> str:
    return access.get_urls()["predictor"]


@pytest.fixture(scope="module")
def other_lake(output: str) -> Lake:
    """The lake of the new release."""
    user, password = access.get_object_store_keys()
    os.environ.update(AWS_ACCESS_KEY_ID=user, AWS_SECRET_ACCESS_KEY=password)
    boto3.setup_default_session()  # the old one keeps the keys of the deleted release
    return open_lake(LakeSettings(url="s3://", endpoint=access.get_urls()["minio"]))


@pytest.fixture(scope="module")
def airflow(output: str) -> Iterator[AirflowClient]:
    login = access.get_airflow_login()
    with closing(AirflowClient(access.get_urls()["airflow"], *login)) as airflow:
        yield airflow


def test_no_image_is_built_again(output: str) -> None:
    """The columns file is a value of the chart, so the images are those of the survey."""
    assert "images: 0 built" in output


def test_a_model_of_the_table_is_served_and_explained(table: Path, predictor: str) -> None:
    """The features are columns of the table, and the example row has an explained answer."""
    with table.open(newline="") as file:
        header = set(next(csv.reader(file)))
    columns = httpx.get(f"{predictor}/columns").json()
    assert {feature["raw"] for feature in columns["features"]} < header
    row = {feature["name"]: feature["example"] for feature in columns["features"]}
    options = {"explain": "true", "log": "false"}
    response = httpx.post(f"{predictor}/predict", params=options, json=row, timeout=60)
    (prediction,) = response.raise_for_status().json()["predictions"]
    assert prediction["label"] in (columns["label"]["positive"], columns["label"]["negative"])
    assert prediction["explanation"]["contributions"].keys() == row.keys()


def test_a_class_list_is_scored_and_checked_for_drift(
    table: Path, predictor: str, other_lake: Lake, airflow: AirflowClient
) -> None:
    """The table's own rows are scored as a CSV list, logged, and compared by the drift DAG."""
    valid = [line for line in table.read_text().splitlines() if SHIFTED not in line]
    response = httpx.post(
        f"{predictor}/predict/csv",
        content="\n".join(valid),
        headers={"Content-Type": "text/csv"},
        timeout=120,
    )
    lines = response.raise_for_status().text.splitlines()
    assert len(lines) == len(valid)
    wait_for("live traffic", lambda: other_lake.keys(SILVER_LIVE))
    run_id = make_run_id("other")
    airflow.trigger("drift", run_id)
    run = wait_for_run(airflow, "drift", run_id)
    states = airflow.get_states("drift", run_id)
    assert run.state == "success", states
    report: dict[str, Any] = read_json(other_lake, f"reports/drift-{run_id}/drift_report.json")
    assert report["verdict"] in (DRIFT, NONE), report["sentence"]


def test_every_stage_succeeded(airflow: AirflowClient) -> None:
    """Training and deployment of the table ended with every task green."""
    for dag_id in ("training", "deployment"):
        (run,) = airflow.list_runs(dag_id)[:1]
        states = airflow.get_states(dag_id, run.run_id)
        assert states == {stage.name: "success" for stage in get_dag_stages(dag_id)}


def test_the_uploaded_file_is_deleted(table: Path, other_lake: Lake) -> None:
    """If bronze lacks some of its columns, no version of it is left in the inbox."""
    pointer = other_lake.read_model(BRONZE_LATEST, BronzePointer)
    versions = other_lake.versions(f"{BRONZE_INBOX}/{table.name}")
    assert bool(versions) == (pointer.sha256 == pointer.source_sha256)


def test_the_survey_is_not_mentioned(predictor: str) -> None:
    """The page's words come from the columns file."""
    assert get_model(predictor)["alias"] == "production"
    assert "fail_probability" not in httpx.get(f"{predictor}/openapi.json").text


def find_canaries(cluster: Cluster, lake: Lake) -> dict[str, set[str]]:
    """Search everything that the platform stores for the canaries.

    Returns:
        Objects and their versions, databases and logs -> the keys, pseudonyms and tutors in them.
    """
    secret = cluster.read_secret(f"{RELEASE}-pseudonyms")["MLOPS_INGEST__KEY_SECRET"]
    pseudonyms = Pseudonyms(secret)
    needles: dict[bytes, str] = {SHIFTED.encode(): SHIFTED}
    for number in range(CANARIES):
        for text in (get_key(number), pseudonyms.make(get_key(number)), get_tutor(number)):
            needles |= {text.encode(): text, text.encode().hex().encode(): f"{text}, in hex"}
    found = find_needles(
        (
            (f"{one.key} {one.version}", lake.read_version(one.key, one.version) or b"")
            for layer in LAYERS
            for one in lake.all_versions(f"{layer}/")
            if not one.is_marker
        ),
        needles,
    )
    commands = {}
    for name in ("AIRFLOW", "MLFLOW"):
        dump = f'pg_dump --username=postgres --dbname="${name}_DATABASE"'
        pod = f"{RELEASE}-postgresql-0"
        commands[f"database {name}"] = cluster.get_command("exec", pod, "--", "sh", "-c", dump)
    cat = ("find", "/logs", "-type", "f", "-exec", "cat", "{}", "+")
    scheduler = f"{RELEASE}-airflow-scheduler-0"
    commands["task logs"] = cluster.get_command("exec", scheduler, "--", *cat)
    for pod in cluster.kubectl("get", "pods", "-o", "name").split():
        commands[f"log of {pod}"] = cluster.get_command("logs", "--all-containers", pod)
    printed = {name: find_in_output(command, needles) for name, command in commands.items()}
    return found | {name: texts for name, texts in printed.items() if texts}


@pytest.mark.full
def test_persons_are_forgotten(table: Path, other_lake: Lake, airflow: AirflowClient) -> None:
    """A byte search finds nothing of 20 persons in any object version, database or log.

    Rejected rows, lists to score and their predictions are searched, too. Nor does it find anything
    after another training on the same file.
    """
    other_lake.write(list_to_score("canaries.csv"), table.read_bytes())
    run_id = make_run_id("canaries")
    airflow.trigger("scoring", run_id, list="canaries.csv")
    assert wait_for_run(airflow, "scoring", run_id).state == "success"
    assert any("/canaries.csv/" in key for key in other_lake.keys(SCORES))
    other_lake.write(list_to_score("waiting.csv"), table.read_bytes())
    with closing(Cluster(f"kind-{RELEASE}", RELEASE)) as cluster:
        found = find_canaries(cluster, other_lake)
        assert {"bronze", "silver", "gold"} <= {name.partition("/")[0] for name in found}
        assert any(SHIFTED in texts and "rejected" in name for name, texts in found.items())
        is_clean = ("task logs", "log of ", SCORES)
        assert not [name for name in found if name.startswith(is_clean)]

        def erase() -> str | None:
            keys = map(get_key, range(CANARIES))
            printed = run_by_hand(cluster, "subject", "erase", *keys, pod="erasure")
            if " as running since " in printed:  # a stage runs
                return None
            return printed

        printed = wait_for("erasure", erase)
        assert printed.count("subject: erased") == CANARIES, printed
        assert "error:" not in printed, printed
        verified = run_by_hand(cluster, "history", "--verify", pod="erasure")
        assert re.search(r"/rejected\.csv: rows erased on \d{4}-\d\d-\d\d", verified), verified
        assert "tombstones of erased rows, signed" in verified, verified
        job = "retention-after-erasure"
        cluster.kubectl("create", "job", job, f"--from=cronjob/{RELEASE}-retention")
        wait = ("wait", f"job/{job}", "--for=condition=Complete", "--timeout=600s")
        cluster.kubectl(*wait, timeout_seconds=660)
        run_id = make_run_id("after-erasure")
        airflow.trigger("training", run_id)
        assert wait_for_run(airflow, "training", run_id).state == "success"
        assert find_canaries(cluster, other_lake) == {}
