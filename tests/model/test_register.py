"""register: one version per run, only if the gates passed; and killed training stages."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.__main__ import main
from pipeline.context import Context
from pipeline.data_check.report import read_data_check
from pipeline.errors import StageSkipped
from pipeline.evaluation.model_card import figures
from pipeline.gate_table import get_gate
from pipeline.model.bundle import MANIFEST, ONNX, read_fallback
from pipeline.model.decision import is_positive
from pipeline.model.onnx import open_graph, positive_probability
from pipeline.model.training import TrainingResult
from pipeline.stages import EXIT_SKIPPED, evaluate, register, train
from pipeline.storage.artifacts.data import GoldManifest
from pipeline.storage.artifacts.evaluation import EvaluationReport
from pipeline.storage.lake import sha256_hex
from pipeline.storage.layout import (
    DATA_CHECK,
    DATA_CHECK_PAGE,
    MODELS_PREFIX,
    SOURCE_CHANGES,
    evaluation_report,
    gold_manifest,
    model_file,
)
from pipeline.tracking import run_logging
from pipeline.tracking.registry import MANIFEST_TAG, PRODUCTION, STAGING, Version
from tests.support.faults import FaultInjector, Killed, sample_kill_points, with_faults
from tests.support.gold import RUN, copy_gold

NewContext = Callable[..., Context]
STAGES = (train, evaluate, register)
GUIDE = Path(__file__).parents[2] / "docs" / "how-to" / "use-the-registered-model.md"


def run_stages(context: Context) -> None:
    for stage in STAGES:
        stage.run(context)


def get_staged(context: Context) -> Version:
    version = context.registry.get_by_alias(STAGING)
    assert version is not None
    return version


def test_a_version_is_complete(registered: Context) -> None:
    """Tags hold the lineage; the manifest has metrics, gates and cautions; its hash is a tag."""
    context = registered
    version = get_staged(context)
    manifest = context.registry.get_version_bundle(version).manifest
    report = context.lake.read_model(evaluation_report(RUN), EvaluationReport)
    gold = context.lake.read_model(gold_manifest(RUN), GoldManifest)
    assert (manifest.version, manifest.run_id) == (version.number, version.run_id)
    assert (manifest.metrics, manifest.gates) == (report.metrics, report.gates)
    check = read_data_check(context.lake, RUN)
    assert check is not None
    assert manifest.cautions == check.sentences != []
    expected_tags = {
        "pipeline_run_id": RUN,
        "code_version": "abc",
        "gold_test": gold.splits["test"].sha256,
        MANIFEST_TAG: sha256_hex(manifest.to_bytes()),
    }
    assert expected_tags.items() <= version.tags.items()


def test_the_fallback_is_the_registered_bundle(registered: Context) -> None:
    """models/ holds the bundle, and its manifest has the hash in the version's tag."""
    context = registered
    version = get_staged(context)
    assert sha256_hex(context.lake.read(model_file(MANIFEST))) == version.tags[MANIFEST_TAG]
    assert read_fallback(context.lake) == context.registry.get_version_bundle(version)


def test_a_candidate_does_not_replace_the_copy_of_production(
    new_context: NewContext, pretrained: TrainingResult
) -> None:
    """Predictors must not start from a candidate while a version is in production."""
    first = new_context()
    run_stages(first)
    first.registry.set_alias(PRODUCTION, "1")
    copy_gold(first.lake, "run-2")
    run_stages(new_context("run-2"))
    assert get_staged(first).number == "2"
    assert read_fallback(first.lake).manifest.version == "1"


def test_a_second_run_registers_no_second_version(registered: Context) -> None:
    """The same run is the same version."""
    versions = registered.registry.list_versions()
    register.run(registered)
    assert registered.registry.list_versions() == versions


def test_an_older_run_does_not_take_the_alias_back(
    new_context: NewContext, pretrained: TrainingResult
) -> None:
    """If an earlier run is registered again, the newer version keeps alias and models/."""
    first = new_context()
    run_stages(first)
    copy_gold(first.lake, "run-2")
    run_stages(new_context("run-2"))
    register.run(first)
    assert get_staged(first).number == "2"
    assert read_fallback(first.lake).manifest.version == "2"


def test_a_candidate_that_fails_a_gate_is_not_registered(
    new_context: NewContext,
    pretrained: TrainingResult,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The stage is skipped with the gate and the gap, and registry and models/ do not change.

    On the command line that is exit code 99, which Airflow shows as skipped.
    """
    context = new_context(gates={"min_recall": 1, "min_balanced_accuracy": 1})
    train.run(context)
    evaluate.run(context)
    report = context.lake.read_model(evaluation_report(RUN), EvaluationReport)
    value = report.metrics["balanced_accuracy"].value
    gap = rf"min_balanced_accuracy is {value:.4g}, the bound is 1 \(off by {1 - value:.4g}\)"
    with pytest.raises(StageSkipped, match=gap):
        register.run(context)
    assert context.registry.get_by_alias(STAGING) is None
    assert not context.lake.keys(MODELS_PREFIX)
    monkeypatch.setenv("MLOPS_LAKE__URL", context.settings.lake.url)
    assert main(["register", "--run-id", RUN]) == EXIT_SKIPPED
    assert f"nothing to do: the candidate of run {RUN} is not registered" in capsys.readouterr().err


def run_with_faults(
    stage: Any, context: Context, faults: FaultInjector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Run a stage whose writes, including those in run_logging, pass through the injector."""
    with monkeypatch.context() as patch:
        for name in ("log_model", "log_inputs"):
            patch.setattr(run_logging, name, faults.wrap(getattr(run_logging, name)))
        stage.run(with_faults(context, faults))


def read_state(context: Context) -> dict[str, Any]:
    """Everything that a run wrote, except IDs that MLflow draws and times."""
    registry, lake = context.registry, context.lake
    with registry.client() as client:
        runs = client.search_runs([registry.get_or_create_experiment()])
        artifacts = [
            sorted(item.path for item in client.list_artifacts(run.info.run_id)) for run in runs
        ]
    return {
        "keys": lake.keys("reports/") + lake.keys(MODELS_PREFIX),
        "evaluation": json.loads(lake.read(evaluation_report(RUN))) | {"mlflow_run_id": ""},
        "runs": [(run.info.status, run.data.metrics, run.data.params) for run in runs],
        "artifacts": artifacts,
        "versions": [
            (version.number, sorted(version.tags)) for version in registry.list_versions()
        ],
        "onnx": registry.get_version_bundle(get_staged(context)).manifest.files[ONNX],
        "fallback": read_fallback(lake).manifest.version,
    }


@pytest.fixture
def figures_drawn_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw the figures of `evaluate` once: they depend only on what it measured."""
    monkeypatch.setattr(evaluate, "draw_figures", first_result(figures.draw_figures))


def first_result(function: Callable[..., Any]) -> Callable[..., Any]:
    results: list[Any] = []

    @functools.wraps(function)
    def call(*arguments: Any, **options: Any) -> Any:
        if not results:
            results.append(function(*arguments, **options))
        return results[0]

    return call


@pytest.mark.timeout(600)
def test_killed_stages_can_be_run_again(
    new_context: NewContext,
    pretrained: TrainingResult,
    figures_drawn_once: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Killed at a write and run again, the stages leave what uninterrupted stages leave.

    In each round every stage is killed once, at another of its writes.
    """
    context = new_context()
    points = []
    for stage in STAGES:
        counter = FaultInjector()
        run_with_faults(stage, context, counter, monkeypatch)
        points.append(sample_kill_points(counter.count))
    expected = read_state(context)
    for number, round_points in enumerate(zip(*points, strict=True)):
        for key in [*context.lake.keys("reports/"), *context.lake.keys(MODELS_PREFIX)]:
            if not key.endswith((DATA_CHECK, DATA_CHECK_PAGE, SOURCE_CHANGES)):  # of `preprocess`
                context.lake.delete(key)
        context = new_context(mlflow_name=f"round-{number}")
        for stage, (at, after) in zip(STAGES, round_points, strict=True):
            with pytest.raises(Killed):
                run_with_faults(stage, context, FaultInjector(at, after), monkeypatch)
            stage.run(context)
        assert read_state(context) == expected, round_points


def test_the_guide_scores_rows_as_the_predictor_does(
    registered: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The program in docs/how-to/use-the-registered-model.md uses the version's threshold."""
    context, registry = registered, registered.registry
    version = get_staged(context)
    registry.set_alias(PRODUCTION, version.number)
    bundle = registry.get_version_bundle(version)

    match = re.search(r"```python\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    assert match is not None
    program = match[1].replace('"student-performance"', repr(registry.name))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", context.settings.mlflow.tracking_uri)
    names: dict[str, Any] = {}
    exec(compile(program, GUIDE.name, "exec"), names)

    served = positive_probability(open_graph(bundle.files[ONNX]), names["rows"])
    gate = get_gate("max_onnx_difference")
    assert gate is not None
    assert names["probability"] == pytest.approx(served, abs=gate.bound)
    expected = is_positive(served, bundle.manifest.threshold)
    assert names["flagged"].tolist() == expected.tolist()
