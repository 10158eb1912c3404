"""The metadata of a model card on the Hugging Face Hub, as YAML in front of the card.

The Hub reads the results from `model-index`, the format of Papers with Code:
https://huggingface.co/docs/hub/model-cards#evaluation-results
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from pipeline.column_file.names import to_slug
from pipeline.columns import SUBJECTS
from pipeline.evaluation.metric_titles import get_metric_title
from pipeline.evaluation.model_card.publication import Publication
from pipeline.evaluation.result import EvaluationResult
from pipeline.reporting.document import Block, Links, to_markdown
from pipeline.storage.artifacts.base import Interval

TASK = {"type": "tabular-classification", "name": "Tabular classification"}


def to_readme(
    title: str, blocks: Sequence[Block], result: EvaluationResult, publication: Publication
) -> str:
    """Render a card for the Hub.

    Args:
        title: Title of the card.
        blocks: Content of the card.
        result: The evaluation that the card shows.
        publication: License of the model.

    Returns:
        The text of a README.md: the metadata between two lines `---`, then the card as Markdown,
        without links to the other reports, which the Hub does not have.
    """
    markdown = to_markdown(title, [block for block in blocks if not isinstance(block, Links)])
    front = yaml.safe_dump(
        make_metadata(result, publication), sort_keys=False, allow_unicode=True, width=100
    )
    return f"---\n{front}---\n\n{markdown}"


def make_metadata(result: EvaluationResult, publication: Publication) -> dict[str, Any]:
    """Collect the metadata.

    Args:
        result: The evaluation.
        publication: License of the model.

    Returns:
        The fields that the Hub knows. The name of each metric includes its 95 % interval, because
        the Hub shows only name and value; `args` has the ends as numbers.
    """
    name = result.manifest.name
    test_rows = "a random sample of the test rows" if result.sample_notes else "test rows"
    results = [
        _make_result(result, "test", test_rows, result.metrics),
        _make_result(
            result,
            "train",
            "training rows, nested cross-validation",
            result.training.cross_validation,
        ),
    ]
    return {
        "license": publication.license or "unknown",
        "library_name": "onnx",
        "pipeline_tag": TASK["type"],
        "tags": [TASK["type"], "onnx", "scikit-learn", result.manifest.family],
        "metrics": list(result.metrics),
        "model-index": [{"name": name, "results": results}],
    }


def _make_result(
    result: EvaluationResult, split: str, rows: str, metrics: Mapping[str, Interval]
) -> dict[str, Any]:
    return {
        "task": dict(TASK),
        "dataset": {
            "type": to_slug(SUBJECTS),
            "name": f"{SUBJECTS.capitalize()}, {rows}",
            "split": split,
            "revision": result.manifest.lineage.gold[split],
        },
        "metrics": [
            {
                "type": metric,
                "value": round(interval.value, 6),
                "name": f"{get_metric_title(metric)} (95 % interval "
                f"{interval.low:.3f} to {interval.high:.3f})",
                "args": {"low": round(interval.low, 6), "high": round(interval.high, 6)},
            }
            for metric, interval in metrics.items()
        ],
    }
