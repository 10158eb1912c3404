"""drift: live traffic against what the production model learned from, on a real MLflow server."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import pytest

from pipeline.columns import FEATURE_NAMES, LABEL
from pipeline.context import Context
from pipeline.drift.report import Report
from pipeline.drift.simulation import apply_drift
from pipeline.errors import LakeError, StageSkipped
from pipeline.stages import drift
from pipeline.storage.layout import RETRAINING_REQUESTS
from pipeline.storage.parquet import from_parquet
from pipeline.tracking.registry import PRODUCTION
from tests.deployment.faults import Fuse, Killed, dying
from tests.deployment.models import GOLD_RUN, World
from tests.support.lake import read_json

NOW = datetime.now(UTC).replace(microsecond=0)
REPORTS = ("drift_report.json", "drift_report.html", "drift_page.html")


def rows_of(world: World, kind: str = "none", rows: int = 400) -> pd.DataFrame:
    """Rows of silver that the production model came from, drifted in that way."""
    lake = world.context("any").lake
    silver = from_parquet(lake.read(f"silver/{GOLD_RUN}/students.parquet"))
    return apply_drift(silver.sample(rows, random_state=1), kind, seed=1)


def log(
    world: World,
    frame: pd.DataFrame,
    at: datetime = NOW - timedelta(minutes=5),
    pod: str = "pod-a",
    version: str = "1",
) -> str:
    """Writes the rows as a predictor logs them; returns the object's key."""
    lines = (
        json.dumps(
            {
                "at": at.isoformat(),
                "request_id": "r",
                "version": version,
                **row,
                "fail_probability": 0.5,
            }
        )
        for row in frame.to_dict("records")
    )
    key = f"silver/live/{at:%Y-%m-%d}/{pod}-{at.timestamp():.0f}.jsonl.gz"
    world.context("any").lake.write(key, gzip.compress("\n".join(lines).encode()))
    return key


def run(
    world: World, run_id: str = "check", settings: dict[str, Any] | None = None, **arguments: Any
) -> dict[str, Any]:
    """Runs the stage; returns the run's report."""
    context = world.context(run_id, drift=settings or {})
    drift.run(context, drift.Window(**arguments))
    return report_of(context)


def report_of(context: Context) -> dict[str, Any]:
    report: dict[str, Any] = read_json(context.lake, f"reports/{context.run_id}/drift_report.json")
    return report


class TestVerdicts:
    """What ends how."""

    def test_drift_asks_for_retraining(self, world: World) -> None:
        """Drifted traffic: the stage returns, the request is recorded, and the reports lie under the run and as the latest."""
        version = world.register("good", PRODUCTION)
        log(world, rows_of(world, "scale"))
        report = run(world)
        lake = world.context("any").lake
        assert (report["verdict"], report["retraining"]) == ("drift", "requested")
        assert report["reference"]["model"]["version"] == version
        assert [read_json(lake, key)["run_id"] for key in lake.keys(RETRAINING_REQUESTS)] == [
            "check"
        ]
        for name in REPORTS:
            assert lake.read(f"reports/check/{name}") == lake.read(f"reports/{name}")

    def test_no_drift(self, world: World) -> None:
        """Traffic like the training rows: the reports are written and no retraining is requested."""
        world.register("good", PRODUCTION)
        log(world, rows_of(world))
        with pytest.raises(StageSkipped, match="No drift: 0 of 5 features drifted"):
            run(world)
        assert report_of(world.context("check"))["verdict"] == "none"
        assert world.context("any").lake.keys(RETRAINING_REQUESTS) == []

    def test_too_few_rows(self, world: World) -> None:
        """Not enough data is no verdict: it is said and kept under the run, and the last verdict's report stays the latest."""
        world.register("good", PRODUCTION)
        log(world, rows_of(world, "scale"), version="1")
        run(world, "before")
        lake = world.context("any").lake
        latest = lake.read("reports/drift_report.json")
        since = NOW + timedelta(minutes=1)
        log(world, rows_of(world, "scale", 150), at=since)
        with pytest.raises(
            StageSkipped,
            match="Not enough data: the current data have 150 rows; a verdict needs 200",
        ):
            run(world, since=since, until=since + timedelta(hours=1))
        assert report_of(world.context("check"))["verdict"] == "not enough data"
        assert lake.read("reports/drift_report.json") == latest

    def test_no_traffic(self, world: World) -> None:
        """No traffic at all is not enough data."""
        world.register("good", PRODUCTION)
        with pytest.raises(StageSkipped, match="the current data have 0 rows"):
            run(world)

    def test_nothing_in_production(self, world: World) -> None:
        """Without a production model there is nothing to compare with."""
        world.register("good")
        with pytest.raises(StageSkipped, match="has the alias `production`"):
            run(world)

    def test_cooldown(self, world: World) -> None:
        """Drift seen again within the cooldown is reported, and does not ask again."""
        world.register("good", PRODUCTION)
        log(world, rows_of(world, "scale"))
        run(world, "first")
        with pytest.raises(
            StageSkipped,
            match=r"Drift: 3 of 5 .* Retraining is not requested: run first requested it at",
        ):
            run(world, "second")
        second = report_of(world.context("second"))
        assert second["verdict"] == "drift"
        assert second["retraining"].startswith("not requested: run first requested it at")
        assert run(world, "third", {"cooldown_hours": 0})["retraining"] == "requested"


class TestData:
    """Which rows are compared."""

    def test_reference_is_the_production_models(self, world: World) -> None:
        """The reference is the production model's own training rows, not a later run's, whatever lies in gold."""
        world.register("good", PRODUCTION)
        lake = world.context("any").lake
        gold = read_json(lake, f"gold/{GOLD_RUN}/manifest.json")
        lake.write("gold/later/train.parquet", b"not looked at")
        log(world, rows_of(world, "scale"))
        reference = run(world)["reference"]
        assert reference["object"] == f"gold/{GOLD_RUN}/train.parquet"
        assert reference["sha256"] == gold["splits"]["train"]["sha256"]
        assert reference["rows"] == gold["splits"]["train"]["rows"]

    def test_changed_reference_is_refused(self, world: World) -> None:
        """A reference whose bytes are not those of the model's lineage is an error, and nothing is written."""
        world.register("good", PRODUCTION)
        log(world, rows_of(world, "scale"))
        lake = world.context("any").lake
        key = f"gold/{GOLD_RUN}/train.parquet"
        lake.write(key, lake.read(key) + b"x")
        with pytest.raises(LakeError, match="was modified outside the pipeline"):
            run(world)
        assert lake.keys("reports/") == []

    def test_window(self, world: World) -> None:
        """Only rows of the window count, over days and pods, and the report says which versions answered them."""
        world.register("good", PRODUCTION)
        drifted = rows_of(world, "scale", 150)
        log(world, drifted, at=NOW - timedelta(hours=23), version="1")
        log(world, drifted, at=NOW - timedelta(minutes=1), pod="pod-b", version="2")
        log(world, rows_of(world), at=NOW - timedelta(hours=25))
        current = run(world)["current"]
        assert (current["rows"], current["versions"]) == (300, {"1": 150, "2": 150})
        assert current["objects"]["unreadable"] == {}

    def test_unreadable_object(self, world: World) -> None:
        """An object that is no traffic log is named and left out; the others count."""
        world.register("good", PRODUCTION)
        key = log(world, rows_of(world, "scale"))
        lake = world.context("any").lake
        cut, text = (key.replace("pod-a", pod) for pod in ("cut", "text"))
        lake.write(cut, lake.read(key)[:500])
        lake.write(text, gzip.compress(b"not JSON\n"))
        current = run(world)["current"]
        assert current["rows"] == 400
        assert set(current["objects"]["unreadable"]) == {cut, text}

    def test_busy_window_is_sampled(self, world: World) -> None:
        """Objects are read until there are `max_rows` rows; the report says how many of how many were."""
        world.register("good", PRODUCTION)
        for pod in "abcdef":
            log(world, rows_of(world, "scale", 100), pod=pod)
        current = run(world, settings={"max_rows": 250})["current"]
        assert current["rows"] == 300
        assert (current["objects"]["found"], current["objects"]["read"]) == (6, 3)

    def test_silver_with_labels(self, world: World) -> None:
        """A silver data set as the current one: label drift is reported too."""
        world.register("good", PRODUCTION)
        with pytest.raises(StageSkipped, match="No drift"):
            run(world, silver=GOLD_RUN)
        report = report_of(world.context("check"))
        assert report["current"]["object"] == f"silver/{GOLD_RUN}/students.parquet"
        assert report["label"]["reference"]["counts"].keys() == {LABEL.positive, LABEL.negative}
        assert report["label"]["drifted"] is False

    def test_prediction_drift_is_of_one_model(self, world: World) -> None:
        """Both sides are scored by the production model, so that a log of another version's answers is no drift."""
        world.register("good", PRODUCTION)
        log(world, rows_of(world))  # logged as 0.5 throughout
        with pytest.raises(StageSkipped):
            run(world)
        prediction = report_of(world.context("check"))["prediction"]
        assert prediction["drifted"] is False
        assert prediction["current"]["std"] > 0.01


class TestRecord:
    """The MLflow run."""

    def test_metrics_and_files(self, world: World) -> None:
        """The run holds each feature's score, the verdict, and the reports; a second try is the same run."""
        from mlflow import MlflowClient

        world.register("good", PRODUCTION)
        log(world, rows_of(world, "scale"))
        run(world)
        report = run(world)  # the retry of a task that died after it had asked
        client = MlflowClient(world.registry.settings.tracking_uri)
        found = client.search_runs(
            [world.registry.get_or_create_experiment()], "tags.stage = 'drift'"
        )
        assert [item.info.run_name for item in found] == ["drift-check"]
        assert found[0].info.status == "FINISHED"
        metrics = found[0].data.metrics
        for name in FEATURE_NAMES:
            assert metrics[f"{name}_score"] == pytest.approx(report["features"][name]["score"])
            assert metrics[f"{name}_drifted"] == report["features"][name]["drifted"]
        assert metrics["drift"] == 1
        assert {item.path for item in client.list_artifacts(found[0].info.run_id)} == set(REPORTS)

    @pytest.mark.parametrize("after", [False, True])
    def test_killed_at_any_write(
        self, world: World, monkeypatch: pytest.MonkeyPatch, after: bool
    ) -> None:
        """Killed before or after any of its writes and run again, it ends as if it had never died: one request, whole reports."""
        world.register("good", PRODUCTION)
        log(world, rows_of(world, "scale"))
        settings = {"cooldown_hours": 0, "max_retrainings_per_day": 2}
        run(world, "run-0", settings)
        # What is compared is the same each time, and so is taken from the first run; every write is done anew.
        report = Report(**report_of(world.context("run-0")))
        pages = {name: world.context("any").lake.read(f"reports/{name}") for name in REPORTS[1:]}
        monkeypatch.setattr(
            drift,
            "compare",
            lambda context, *_: drift.Outcome(
                report.model_copy(update={"run_id": context.run_id}), pages
            ),
        )
        lake = world.context("any").lake
        for at in range(1, 20):
            for key in lake.keys(RETRAINING_REQUESTS):
                lake.delete(key)  # each number taken is one more write tried
            context = world.context(f"run-{at}", drift=settings)
            fuse = Fuse(at, after)
            try:
                drift.run(dying(context, fuse))
            except Killed:
                drift.run(context)
            else:
                break
            assert [read_json(lake, key)["run_id"] for key in lake.keys(RETRAINING_REQUESTS)] == [
                context.run_id
            ]
            for name in REPORTS:
                assert lake.read(f"reports/{context.run_id}/{name}") == lake.read(f"reports/{name}")
        # both copies of the reports, the MLflow run's metrics and files, the request
        assert fuse.count == at - 1 == 2 * len(REPORTS) + 3
