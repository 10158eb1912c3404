"""register: one version a run, staged only when its gates hold; and what is left when a stage is killed."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from typing import Any

import pytest

from pipeline.__main__ import main
from pipeline.context import Context
from pipeline.errors import StageSkipped
from pipeline.evaluation.model_card import figures
from pipeline.model.bundle import MANIFEST, ONNX, read_fallback
from pipeline.model.training import TrainingResult
from pipeline.stages import EXIT_SKIPPED, evaluate, register, train
from pipeline.storage.lake import sha256_hex
from pipeline.tracking import run_logging
from pipeline.tracking.registry import MANIFEST_TAG, PRODUCTION, STAGING
from tests.deployment.faults import Fuse, Killed, dying
from tests.model.conftest import RUN, copy_gold
from tests.support.lake import read_json

NewContext = Callable[..., Context]
STAGES = (train, evaluate, register)


def trained(context: Context) -> None:
    for stage in STAGES:
        stage.run(context)


def test_a_version_is_complete(new_context: NewContext, at_hand: TrainingResult) -> None:
    """Alias, tags with the lineage, and a manifest with version, metrics and gates, whose hash the version holds."""
    context = new_context(code_version="abc")
    trained(context)
    version = context.registry.get_by_alias(STAGING)
    assert version is not None
    manifest = context.registry.get_bundle(version.run_id, version.tags[MANIFEST_TAG]).manifest
    report = read_json(context.lake, f"reports/{RUN}/evaluation.json")
    assert (manifest.version, manifest.run_id) == (version.number, version.run_id)
    assert {name: metric.model_dump() for name, metric in manifest.metrics.items()} == report[
        "metrics"
    ]
    assert [gate.model_dump() for gate in manifest.gates] == report["gates"]
    assert version.tags["pipeline_run_id"] == RUN
    assert version.tags["code_version"] == "abc"
    assert (
        version.tags["gold_test"]
        == read_json(context.lake, f"gold/{RUN}/manifest.json")["splits"]["test"]["sha256"]
    )


def test_the_fallback_is_the_version(new_context: NewContext, at_hand: TrainingResult) -> None:
    """models/ holds the registered bundle, of the hashes its manifest says."""
    context = new_context()
    trained(context)
    version = context.registry.get_by_alias(STAGING)
    assert version is not None
    bundle = read_fallback(context.lake)
    assert sha256_hex(context.lake.read(f"models/{MANIFEST}")) == version.tags[MANIFEST_TAG]
    assert bundle == context.registry.get_bundle(version.run_id)


def test_a_candidate_does_not_replace_what_is_in_production(
    new_context: NewContext, at_hand: TrainingResult
) -> None:
    """Once a version is in production, models/ is its copy: predictors must not start from a candidate that nobody promoted."""
    first = new_context()
    trained(first)
    first.registry.set_alias(PRODUCTION, "1")
    copy_gold(first.lake, "run-2")
    trained(new_context("run-2"))
    staged = first.registry.get_by_alias(STAGING)
    assert staged is not None
    assert staged.number == "2"
    assert read_fallback(first.lake).manifest.version == "1"


def test_registering_again_makes_no_second_version(
    new_context: NewContext, at_hand: TrainingResult
) -> None:
    """The same run is the same version."""
    context = new_context()
    trained(context)
    before = context.registry.list_versions()
    register.run(context)
    assert context.registry.list_versions() == before


def test_an_older_run_does_not_take_the_alias_back(
    new_context: NewContext, at_hand: TrainingResult
) -> None:
    """Registering an earlier run again leaves the newer version staged, and its copy in models/."""
    first = new_context()
    trained(first)
    copy_gold(first.lake, "run-2")
    trained(new_context("run-2"))
    register.run(first)
    version = first.registry.get_by_alias(STAGING)
    assert version is not None
    assert version.number == "2"
    assert read_fallback(first.lake).manifest.version == "2"


def test_a_refused_candidate_is_not_registered(
    new_context: NewContext, at_hand: TrainingResult
) -> None:
    """The stage has nothing to do, says which gate and by how much, and leaves registry and models/ as they were."""
    context = new_context(gates={"min_recall": 1, "min_balanced_accuracy": 1})
    train.run(context)
    evaluate.run(context)
    value = read_json(context.lake, f"reports/{RUN}/evaluation.json")["metrics"][
        "balanced_accuracy"
    ]["value"]
    gap = rf"min_balanced_accuracy is {value:.4g}, the bound is 1 \(off by {1 - value:.4g}\)"
    with pytest.raises(StageSkipped, match=gap):
        register.run(context)
    assert context.registry.get_by_alias(STAGING) is None
    assert not context.lake.keys("models/")


def test_nothing_to_do_is_an_exit_code(
    new_context: NewContext,
    at_hand: TrainingResult,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """On the command line a refused candidate is exit code 99 with the reason, which a scheduler shows as skipped."""
    context = new_context(gates={"min_roc_auc": 1})
    train.run(context)
    evaluate.run(context)
    monkeypatch.setenv("MLOPS_LAKE__URL", context.settings.lake.url)
    assert main(["register", "--run-id", RUN]) == EXIT_SKIPPED
    assert (
        "nothing to do: the candidate of run run-1 is not registered: min_roc_auc is"
        in capsys.readouterr().err
    )


WRITES = {train: 8, evaluate: 11, register: 7}
"""Writes of each stage: objects in the lake and calls that change MLflow."""
KILLS = (
    [(train, at) for at in range(1, 9)]
    + [(evaluate, at) for at in (1, 8, 9, 10, 11)]
    + [(register, at) for at in range(1, 8)]
)
"""Where each is killed: of evaluate's figures and cards, which are alike, at the first and the last."""


def fused(context: Context, fuse: Fuse, monkeypatch: pytest.MonkeyPatch) -> Context:
    """The context, whose writes the fuse counts; those that train leaves to MLflow's own functions too."""
    for name in ("log_model", "log_inputs"):
        monkeypatch.setattr(run_logging, name, fuse.counted(getattr(run_logging, name)))
    return dying(context, fuse)


def state(context: Context) -> dict[str, Any]:
    """What a run left, without the ids that MLflow draws and the time."""
    registry = context.registry
    with registry.client() as client:
        runs = client.search_runs([registry.get_or_create_experiment()])
        logged = [
            sorted(item.path for item in client.list_artifacts(run.info.run_id)) for run in runs
        ]
        data = [(run.info.status, run.data.metrics, run.data.params) for run in runs]
    staged = registry.get_by_alias(STAGING)
    return {
        "keys": context.lake.keys("reports/") + context.lake.keys("models/"),
        "evaluation": json.loads(context.lake.read(f"reports/{RUN}/evaluation.json"))
        | {"mlflow_run_id": ""},
        "runs": data,
        "artifacts": logged,
        "versions": [
            (version.number, sorted(version.tags)) for version in registry.list_versions()
        ],
        "served": staged
        and registry.get_bundle(staged.run_id, staged.tags[MANIFEST_TAG]).manifest.files[ONNX],
        "fallback": read_fallback(context.lake).manifest.version,
    }


@pytest.fixture
def drawn_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures are drawn once for all repetitions: they are a pure function of what was measured."""
    kept: list[dict[str, bytes]] = []
    draw = figures.draw_figures

    @functools.wraps(draw)
    def once(*arguments: Any) -> dict[str, bytes]:
        if not kept:
            kept.append(draw(*arguments))
        return kept[0]

    monkeypatch.setattr(evaluate, "draw_figures", once)


@pytest.fixture(scope="module")
def undisturbed() -> dict[str, Any]:
    """What one undisturbed run leaves; the first test that needs it finds out."""
    return {}


@pytest.mark.parametrize(
    ("stage", "at"), KILLS, ids=lambda one: getattr(one, "__name__", str(one)).rpartition(".")[2]
)
def test_a_killed_stage_is_run_again(  # noqa: PLR0917 - fixtures are arguments
    stage: Any,
    at: int,
    new_context: NewContext,
    at_hand: TrainingResult,
    drawn_once: None,
    undisturbed: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Killed before any one of its writes and run again, a stage leaves what one undisturbed run leaves."""
    context = new_context()
    if not undisturbed:
        for each in STAGES:
            fuse = Fuse(at=0, after=False)
            with monkeypatch.context() as patch:
                each.run(fused(context, fuse, patch))
            assert fuse.count == WRITES[each]
        undisturbed |= state(context)
        for key in [*context.lake.keys("reports/"), *context.lake.keys("models/")]:
            context.lake.delete(key)
        context = new_context(mlflow_name="killed")
    for each in STAGES:
        if each is stage:
            with monkeypatch.context() as patch, pytest.raises(Killed):
                each.run(fused(context, Fuse(at, after=False), patch))
        each.run(context)
    assert state(context) == undisturbed
