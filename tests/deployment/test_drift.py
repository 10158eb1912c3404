"""drift: live traffic is compared with the production model's training rows."""

from __future__ import annotations

import gzip
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient

from pipeline.columns import FEATURE_NAMES, LABEL
from pipeline.context import Context
from pipeline.data.source_changes import record_changes
from pipeline.drift.outcome import Outcome
from pipeline.drift.report import Report
from pipeline.drift.simulation import apply_drift
from pipeline.errors import LakeError, PromotionError, StageSkipped
from pipeline.model import onnx
from pipeline.model.arrays import feature_array
from pipeline.stages import drift
from pipeline.storage.artifacts.base import Interval
from pipeline.storage.layout import (
    DRIFT_PAGE,
    DRIFT_REPORT,
    EVIDENTLY_PAGE,
    RETRAINING_REQUESTS,
    drift_report,
    erased_model,
    gold_manifest,
    gold_split,
    latest_report_file,
    report_file,
    silver_rows,
)
from pipeline.storage.parquet import from_parquet
from pipeline.tracking.registry import PRODUCTION
from tests.support.deployment_env import GOLD_RUN, DeploymentEnv
from tests.support.faults import FaultInjector, Killed, kill_points, with_faults
from tests.support.lake import read_json
from tests.support.traffic import log_rows

NOW = datetime.now(UTC).replace(microsecond=0)
REPORTS = (DRIFT_REPORT, EVIDENTLY_PAGE, DRIFT_PAGE)


def sample_rows(env: DeploymentEnv, kind: str = "none", rows: int = 400) -> pd.DataFrame:
    """Sample rows that the production model could have learned from, with this kind of drift."""
    silver = from_parquet(env.context("any").lake.read(silver_rows(GOLD_RUN)))
    return apply_drift(silver.sample(rows, random_state=1), kind, seed=1)


def log_traffic(
    env: DeploymentEnv,
    frame: pd.DataFrame,
    at: datetime = NOW - timedelta(minutes=5),
    pod: str = "pod-a",
    version: str = "1",
) -> str:
    """Write the rows as a predictor logs them, and return the object's key."""
    rows = frame.assign(version=version).to_dict("records")
    return log_rows(env.context("any").lake, at, rows, pod)


def run(
    env: DeploymentEnv, run_id: str = "check", settings: dict[str, Any] | None = None, **window: Any
) -> Report:
    """Run the stage and return the run's report."""
    context = env.context(run_id, drift=settings or {})
    drift.run(context, drift.Window(**window))
    return read_report(context)


def read_report(context: Context) -> Report:
    return context.lake.read_model(drift_report(context.run_id), Report)


def read_requests(env: DeploymentEnv) -> list[str]:
    """Return the run of each retraining request."""
    lake = env.context("any").lake
    return [read_json(lake, key)["run_id"] for key in lake.keys(RETRAINING_REQUESTS)]


class TestVerdicts:
    """What each verdict writes and requests."""

    def test_drift_requests_retraining(self, env: DeploymentEnv) -> None:
        """Drift is reported under the run and as the latest report, and requests retraining."""
        version = env.register("good", PRODUCTION)
        log_traffic(env, sample_rows(env, "scale"))
        report = run(env)
        assert (report.verdict, report.retraining) == ("drift", "requested")
        assert report.reference.model is not None
        assert report.reference.model.version == version
        assert read_requests(env) == ["check"]
        lake = env.context("any").lake
        for name in REPORTS[:2]:
            assert lake.read(report_file("check", name)) == lake.read(latest_report_file(name))
        evidently = lake.read(latest_report_file(EVIDENTLY_PAGE))
        assert evidently.count(b"drift detection method is K-S p_value") == 3
        for prefix, key in (
            ("../", report_file("check", DRIFT_PAGE)),
            ("", latest_report_file(DRIFT_PAGE)),
        ):
            links = re.findall(r'href="([^"]*)"', lake.read(key).decode())
            names = ("model_card.html", "validation.html")
            assert links == [f"{prefix}{GOLD_RUN}/{name}" for name in names]

    @pytest.mark.usefixtures("without_evidently")
    def test_no_drift(self, env: DeploymentEnv) -> None:
        """Traffic like the training rows is reported, and requests nothing."""
        env.register("good", PRODUCTION)
        log_traffic(env, sample_rows(env))
        with pytest.raises(StageSkipped, match="No drift: 0 of 5 features drifted"):
            run(env)
        assert read_report(env.context("check")).verdict == "none"
        assert read_requests(env) == []

    @pytest.mark.usefixtures("without_evidently")
    def test_changes_of_the_raw_file(
        self, env: DeploymentEnv, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Live traffic cannot show them, so report, page and output have them with any verdict."""
        env.register("good", PRODUCTION)
        log_traffic(env, sample_rows(env))
        context = env.context("check")
        (sentence,) = record_changes(context.lake, "r", new_values={"Course": {"art": 3}}).sentences
        with pytest.raises(StageSkipped, match="No drift"):
            run(env)
        report = read_report(context)
        assert (report.verdict, report.source_changes) == ("none", [sentence])
        page = context.lake.read(latest_report_file(DRIFT_PAGE)).decode()
        assert "has new values of &#39;Course&#39; in at least 3 rows" in page
        assert "Nothing has to be done" not in page
        assert sentence[:60] in " ".join(capsys.readouterr().err.split())

    @pytest.mark.usefixtures("without_evidently")
    def test_too_few_rows(self, env: DeploymentEnv) -> None:
        """With too few rows there is no verdict, and the latest report stays."""
        env.register("good", PRODUCTION)
        log_traffic(env, sample_rows(env, "scale"))
        run(env, "before")
        lake = env.context("any").lake
        latest = lake.read(latest_report_file(DRIFT_REPORT))
        since = NOW + timedelta(minutes=1)
        log_traffic(env, sample_rows(env, "scale", 150), at=since)
        expected = "Not enough data: the current data have 150 rows; a verdict needs 200"
        with pytest.raises(StageSkipped, match=expected):
            run(env, since=since, until=since + timedelta(hours=1))
        assert read_report(env.context("check")).verdict == "not enough data"
        assert lake.read(latest_report_file(DRIFT_REPORT)) == latest

    def test_no_traffic(self, env: DeploymentEnv) -> None:
        """No traffic at all is too few rows."""
        env.register("good", PRODUCTION)
        with pytest.raises(StageSkipped, match="the current data have 0 rows"):
            run(env)

    def test_a_model_of_an_erased_person_is_retrained(self, env: DeploymentEnv) -> None:
        """It is retrained without drift, and even without traffic."""
        number = env.register("good", PRODUCTION)
        mark = erased_model(env.registry.get_version(number).run_id)
        env.context("any").lake.write(mark, b"{}")
        assert run(env, "forget").verdict == "not enough data"
        assert len(env.context("any").lake.keys(RETRAINING_REQUESTS)) == 1

    def test_nothing_in_production(self, env: DeploymentEnv) -> None:
        """Without a production model there is nothing to compare with."""
        env.register("good")
        with pytest.raises(StageSkipped, match="has the alias `production`"):
            run(env)

    @pytest.mark.usefixtures("without_evidently")
    def test_cooldown(self, env: DeploymentEnv) -> None:
        """During the cooldown, drift is reported and requests nothing."""
        env.register("good", PRODUCTION)
        log_traffic(env, sample_rows(env, "scale"))
        run(env, "first")
        expected = r"Drift: 3 of 5 .* Retraining is not requested: run first requested it at"
        with pytest.raises(StageSkipped, match=expected):
            run(env, "second")
        second = read_report(env.context("second"))
        assert second.verdict == "drift"
        assert second.retraining is not None
        assert second.retraining.startswith("not requested: run first requested it at")
        assert run(env, "third", {"cooldown_hours": 0}).retraining == "requested"


@pytest.mark.usefixtures("without_evidently")
class TestData:
    """Which rows are compared."""

    def test_reference_is_the_production_models(self, env: DeploymentEnv) -> None:
        """The reference is what the production model learned from, not a later data set."""
        env.register("good", PRODUCTION)
        lake = env.context("any").lake
        splits = read_json(lake, gold_manifest(GOLD_RUN))["splits"]
        lake.write(gold_split("later", "train"), b"not read")
        log_traffic(env, sample_rows(env, "scale"))
        reference = run(env).reference
        learned = ("train", "validation")
        assert reference.splits == {
            gold_split(GOLD_RUN, name): splits[name]["sha256"] for name in learned
        }
        assert reference.rows == sum(splits[name]["rows"] for name in learned)

    def test_changed_reference_is_refused(self, env: DeploymentEnv) -> None:
        """A reference whose hash is not that of the lineage is an error; nothing is written."""
        env.register("good", PRODUCTION)
        log_traffic(env, sample_rows(env, "scale"))
        lake = env.context("any").lake
        key = gold_split(GOLD_RUN, "train")
        lake.write(key, lake.read(key) + b"x")
        with pytest.raises(LakeError, match="was modified outside the pipeline"):
            run(env)
        assert lake.keys("reports/check/") == []
        assert not lake.exists(latest_report_file(REPORTS[0]))

    def test_window(self, env: DeploymentEnv) -> None:
        """Only rows of the window count, over days and pods; the report counts each version's."""
        env.register("good", PRODUCTION)
        drifted = sample_rows(env, "scale", 150)
        log_traffic(env, drifted, at=NOW - timedelta(hours=23), version="1")
        log_traffic(env, drifted, at=NOW - timedelta(minutes=1), pod="pod-b", version="2")
        log_traffic(env, sample_rows(env), at=NOW - timedelta(hours=25))
        current = run(env).current
        assert (current.rows, current.versions) == (300, {"1": 150, "2": 150})
        assert current.objects is not None
        assert current.objects.unreadable == {}

    def test_unreadable_object(self, env: DeploymentEnv) -> None:
        """Objects that are not a traffic log are named and skipped; the others count."""
        env.register("good", PRODUCTION)
        key = log_traffic(env, sample_rows(env, "scale"))
        lake = env.context("any").lake
        cut, text = (key.replace("pod-a", pod) for pod in ("cut", "text"))
        lake.write(cut, lake.read(key)[:500])
        lake.write(text, gzip.compress(b"not JSON\n"))
        current = run(env).current
        assert current.rows == 400
        assert current.objects is not None
        assert set(current.objects.unreadable) == {cut, text}

    def test_busy_window_is_sampled(self, env: DeploymentEnv) -> None:
        """Objects are read until there are `max_rows` rows; the report counts the objects."""
        env.register("good", PRODUCTION)
        for pod in "abcdef":
            log_traffic(env, sample_rows(env, "scale", 100), pod=pod)
        current = run(env, settings={"max_rows": 250}).current
        assert current.rows == 300
        assert current.objects is not None
        assert (current.objects.found, current.objects.read) == (6, 3)

    def test_silver_with_labels(self, env: DeploymentEnv) -> None:
        """With a silver data set as current rows, the labels are compared too."""
        env.register("good", PRODUCTION)
        with pytest.raises(StageSkipped, match="No drift"):
            run(env, silver=GOLD_RUN)
        report = read_report(env.context("check"))
        assert report.current.object == silver_rows(GOLD_RUN)
        assert report.label is not None
        assert report.label.reference.counts is not None
        assert report.label.reference.counts.keys() == {LABEL.positive, LABEL.negative}
        assert not report.label.drifted

    def test_predictions_are_the_production_models(self, env: DeploymentEnv) -> None:
        """The production model scores both sides; logged predictions do not count."""
        env.register("good", PRODUCTION)
        log_traffic(env, sample_rows(env))  # every row is logged with 0.5
        with pytest.raises(StageSkipped):
            run(env)
        prediction = read_report(env.context("check")).prediction
        assert prediction is not None
        assert not prediction.drifted
        assert (prediction.current.std or 0) > 0.01


@pytest.mark.usefixtures("without_evidently")
class TestExpectedPerformance:
    """What the production model reaches on the current rows, without their labels."""

    def test_expected_from_the_probabilities(
        self, env: DeploymentEnv, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Values come from the model's probabilities and threshold, next to measured ones."""
        recall = Interval(value=0.7, low=0.5, high=0.9)
        env.register("good", PRODUCTION, metrics={"recall": recall}, threshold=0.06)
        rows = sample_rows(env, "scale")
        log_traffic(env, rows)
        found = run(env).performance
        assert found is not None
        bundle = env.registry.get_version_bundle(env.registry.get_version("1"))
        probability = onnx.positive_probability(
            onnx.open_session(bundle), feature_array(rows, np.float32)
        ).astype(float)
        predicted = probability >= 0.06
        assert (found.threshold, found.rows, found.predicted_positive) == (
            0.06,
            400,
            predicted.sum(),
        )
        values = {name: interval.value for name, interval in found.expected.items()}
        assert values["positive_rate"] == pytest.approx(probability.mean())
        assert values["precision"] == pytest.approx(probability[predicted].mean())
        assert found.measured["recall"] == recall
        rate = found.measured["positive_rate"]
        assert rate.low < rate.value < rate.high
        line = next(line for line in capsys.readouterr().err.splitlines() if "Recall" in line)
        page = env.context("any").lake.read(latest_report_file(DRIFT_PAGE)).decode()
        for cell in (str(found.expected["recall"]), str(recall)):
            assert cell in line
            assert f"<td>{cell}</td>" in page
        assert "cannot see concept drift" in page


@pytest.mark.usefixtures("without_evidently")
class TestWrites:
    """What is left after a run, and after one that was killed."""

    def test_mlflow_run(self, env: DeploymentEnv) -> None:
        """A run and its retry write one MLflow run, with scores, verdicts and reports."""
        env.register("good", PRODUCTION)
        log_traffic(env, sample_rows(env, "scale"))
        run(env)
        report = run(env)
        client = MlflowClient(env.registry.settings.tracking_uri)
        found = client.search_runs(
            [env.registry.get_or_create_experiment()], "tags.stage = 'drift'"
        )
        assert [item.info.run_name for item in found] == ["drift-check"]
        assert found[0].info.status == "FINISHED"
        metrics = found[0].data.metrics
        for name in FEATURE_NAMES:
            assert metrics[f"{name}_score"] == pytest.approx(report.features[name].score)
            assert metrics[f"{name}_drifted"] == report.features[name].drifted
        assert metrics["drift"] == 1
        assert report.performance is not None
        for name, interval in report.performance.expected.items():
            logged = [metrics[f"expected_{name}{end}"] for end in ("", "_low", "_high")]
            assert logged == pytest.approx([interval.value, interval.low, interval.high])
        assert {item.path for item in client.list_artifacts(found[0].info.run_id)} == set(REPORTS)

    def test_killed_and_run_again(
        self, env: DeploymentEnv, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A run that was killed and run again leaves one request and complete reports."""
        env.register("good", PRODUCTION)
        log_traffic(env, sample_rows(env, "scale"))
        settings = {"cooldown_hours": 0, "max_retrainings_per_day": 2}
        report = run(env, "before", settings)
        lake = env.context("any").lake
        pages = {name: lake.read(latest_report_file(name)) for name in REPORTS[1:]}

        def replay(context: Context, *_: object) -> Outcome:
            """Return the first run's comparison, which is the same in each run and slow."""
            return Outcome(report.model_copy(update={"run_id": context.run_id}), pages)

        monkeypatch.setattr(drift, "compare_datasets", replay)

        def check(faults: FaultInjector) -> None:
            for key in lake.keys(RETRAINING_REQUESTS):
                lake.delete(key)
            context = env.context(f"run-{faults.at}-{faults.after}", drift=settings)
            try:
                drift.run(with_faults(context, faults))
            except Killed:
                drift.run(context)
            assert read_requests(env) == [context.run_id]
            for name in REPORTS[:2]:
                latest = lake.read(latest_report_file(name))
                assert lake.read(report_file(context.run_id, name)) == latest
            assert context.run_id in lake.read(latest_report_file(DRIFT_PAGE)).decode()

        for faults in kill_points(check):
            check(faults)


@pytest.mark.usefixtures("without_evidently")
def test_a_move_without_a_record_fails_the_check(env: DeploymentEnv) -> None:
    """The reports are written first; then the task fails, and whoever watches the DAGs sees it."""
    env.register("good", PRODUCTION)
    log_traffic(env, sample_rows(env))
    context = env.context("check", predictor={"require_record": True})
    with pytest.raises(PromotionError, match="is version 1, and no record has the reason"):
        drift.run(context)
    assert read_report(context).verdict
