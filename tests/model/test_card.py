"""The model card after `evaluate`: its sections, and its metadata for the Hugging Face Hub."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
import yaml

from pipeline.columns import CARD, FEATURES, SENSITIVE
from pipeline.context import Context, open_context
from pipeline.model.ablation_table import tabulate_ablations
from pipeline.model.training import TrainingResult
from pipeline.settings import Settings
from pipeline.stages import evaluate, train
from pipeline.storage.artifacts.base import Interval
from pipeline.storage.artifacts.evaluation import EvaluationReport
from pipeline.storage.artifacts.training import TrainReport
from pipeline.tracking.registry import Version
from tests.model.conftest import QUICK, UseTraining
from tests.support.browser import chromium
from tests.support.gold import RUN
from tests.support.promotions import write_first_promotion

CONTACT = "Data office, data@school.example"
SECTIONS = {
    "Model": "threshold",
    "Intended use": CARD.purpose,
    "Out-of-scope uses": CARD.out_of_scope[0],
    "Who is affected": CARD.affected,
    "How to contest a prediction": CONTACT,
    "Factors": "`course`, `relationship`",
    "Quality": "95 %",
    "Gates of training": "A good model is better than the bound by",
    "Groups": "out of fold",
    "Differences between groups": "inconclusive",
    "How it was chosen": "base rate",
    "Sensitive features": FEATURES[1].sensitive,
    "Feedback loop": "somebody acted",
    "Caveats": "one data set",
    "Data": CARD.source,
    "Versions": "scikit-learn",
}
"""Section of the card -> a part of its text. They cover Mitchell et al., figure 1."""


@pytest.fixture(scope="module")
def context(
    mlflow_file: dict[str, str],
    gold: Path,
    learned: TrainingResult,
    use_training: UseTraining,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Context]:
    """A run whose candidate was trained and evaluated when version 3 was in production."""
    folder = tmp_path_factory.mktemp("card")
    shutil.copytree(gold, folder / "lake")
    sections: dict[str, Any] = {
        "lake": {"url": f"file://{folder}/lake"},
        "mlflow": {**mlflow_file, "name": "card"},
        "card": {"contact": CONTACT, "license": "cc-by-4.0"},
    }
    made = open_context(Settings.model_validate(sections | QUICK), RUN)
    write_first_promotion(made.lake, Version("3", "earlier", {}))
    with pytest.MonkeyPatch.context() as patch:
        use_training(patch, learned)
        train.run(made)
    evaluate.run(made)
    yield made


def read(context: Context, name: str) -> str:
    return context.lake.read(f"reports/{RUN}/{name}").decode()


def test_the_card_has_the_sections_of_mitchell(context: Context) -> None:
    """Each has its heading, once, and what it is about."""
    found = re.split(r"^## (.*)\n", read(context, "model_card.md"), flags=re.MULTILINE)
    headings, texts = found[1::2], found[2::2]
    assert len(set(headings)) == len(headings)
    sections = dict(zip(headings, texts, strict=True))
    assert not [name for name, text in SECTIONS.items() if text not in sections[name]]


def test_the_card_has_the_cost_of_leaving_out_sensitive_features(context: Context) -> None:
    """Each sensitive feature, and all of them, has a row with the interval."""
    ablations = context.lake.read_model(f"reports/{RUN}/train.json", TrainReport).ablations
    assert [one.features for one in ablations] == [
        *([name] for name in SENSITIVE),
        list(SENSITIVE),
    ]
    card = read(context, "model_card.md")
    for row in tabulate_ablations(ablations):
        assert f"| {' | '.join(row)} |" in card


def test_the_report_and_the_card_have_the_differences_between_groups(context: Context) -> None:
    """Both rates are compared in every column with groups; the card has the verdict."""
    report = context.lake.read_model(f"reports/{RUN}/evaluation.json", EvaluationReport)
    columns = {one.group.split()[0] for one in report.group_differences}
    assert columns == {"age", "course", "relationship"}
    card = read(context, "model_card.md")
    for one in report.group_differences:
        start, end = f"| {one.group}", f"| {one.difference.signed} | {one.detectable:.2f} |"
        assert [row for row in card.splitlines() if row.startswith(start) and row.endswith(end)]


def test_the_card_has_the_versions_before(context: Context) -> None:
    """Versions that were in production have their time and reason."""
    row = "| 2026-03-01 08:30 UTC | 3 | promote: every gate holds |"
    assert row in read(context, "model_card.md")


def test_the_metadata_of_the_hub(context: Context) -> None:
    """README.md is the card after metadata that has every metric with its interval."""
    _, front, card = read(context, "README.md").split("---\n", 2)
    sections = read(context, "model_card.md").partition("<!-- status -->")[2]
    assert card.partition("<!-- status -->")[2].strip() == sections.strip()
    assert "](../" not in card
    metadata = yaml.safe_load(front)
    assert metadata["license"] == "cc-by-4.0"
    assert metadata["pipeline_tag"] == "tabular-classification"
    (model,) = metadata["model-index"]
    training = context.lake.read_model(f"reports/{RUN}/train.json", TrainReport)
    evaluation = context.lake.read_model(f"reports/{RUN}/evaluation.json", EvaluationReport)
    measured = {"test": evaluation.metrics, "train": training.cross_validation}
    for result in model["results"]:
        dataset = result["dataset"]
        assert result["task"]["type"] == metadata["pipeline_tag"]
        assert set(dataset) == {"type", "name", "split", "revision"}
        assert re.fullmatch(r"[0-9a-f]{64}", dataset["revision"])
        assert_equal_metrics(result["metrics"], measured.pop(dataset["split"]))
    assert not measured
    assert set(metadata["metrics"]) == set(evaluation.metrics)
    assert set(training.libraries) >= {"python", "scikit-learn", "onnxruntime"}


def assert_equal_metrics(found: list[dict[str, Any]], measured: dict[str, Interval]) -> None:
    """Each metric has type, value, and its interval as text and as numbers."""
    by_name = {metric["type"]: metric for metric in found}
    assert by_name.keys() == measured.keys()
    for name, interval in measured.items():
        metric, ends = by_name[name], {"low": interval.low, "high": interval.high}
        assert metric["value"] == pytest.approx(interval.value, abs=1e-6)
        assert f"{interval.low:.3f} to {interval.high:.3f}" in metric["name"]
        assert metric["args"] == pytest.approx(ends, abs=1e-6)


def test_the_card_fits_a_phone_and_follows_the_mode(context: Context) -> None:
    """Only tables scroll sideways, each within its own frame; dark mode has a dark page."""
    html = read(context, "model_card.html")
    backgrounds = {}
    with chromium() as browser:
        schemes: tuple[Literal["light", "dark"], ...] = ("light", "dark")
        for scheme in schemes:
            page = browser.new_page(viewport={"width": 360, "height": 800}, color_scheme=scheme)
            page.set_content(html)
            assert page.evaluate("document.documentElement.scrollWidth") == 360
            backgrounds[scheme] = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert backgrounds["light"] != backgrounds["dark"]
