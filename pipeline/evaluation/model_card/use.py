"""The use of a model, for its card: what it is for, who is affected, and what can go wrong."""

from __future__ import annotations

from pipeline.columns import (
    AUDIT_ONLY,
    CARD,
    FEATURES,
    LABEL,
    ROW_COLUMNS,
    SUBJECTS,
)
from pipeline.evaluation.model_card.publication import NOBODY, Publication
from pipeline.evaluation.result import EvaluationResult
from pipeline.model import ablation_table
from pipeline.reporting.document import Block, Heading, Items, Table, Text
from pipeline.storage.artifacts.base import Interval


def describe_use(result: EvaluationResult) -> list[Block]:
    """What the model is for, what it is not for, and who is affected."""
    precision = result.training.cross_validation["precision"]
    cases = sum(result.splits[name].positives for name in ("train", "validation"))
    return [
        Heading("Intended use"),
        *_sentences(CARD.purpose),
        Text(
            f"The model ranks {SUBJECTS} by the probability of the outcome `{LABEL.positive}` "
            f"({LABEL.description.lower()}). A person decides what follows from it: of the "
            f"{SUBJECTS} predicted `{LABEL.positive}` in cross-validation, {_percent(precision)} "
            f"had that outcome. A probability is meant as a frequency: of ten {SUBJECTS} with a "
            f"probability of 10 %, one is expected to {LABEL.predicate}."
        ),
        Text(
            f"The model was trained on one data set with {cases:,} cases of `{LABEL.positive}`. "
            f"It knows nothing about {SUBJECTS} unlike those. Drift detection compares recent "
            "traffic with them, but cannot see whether the outcome still depends on the features "
            "in the same way."
        ),
        Heading("Out-of-scope uses"),
        Items(
            [
                f"Deciding about {SUBJECTS} by the prediction only.",
                f"Predicting {SUBJECTS} of another population, or with values that the training "
                "data does not have. The predictor warns of such values.",
                f"Explaining why {SUBJECTS} have an outcome, or choosing what to change: the model "
                "shows what occurs together with the outcome, not what causes it.",
                *(f"{use}." for use in CARD.out_of_scope),
            ]
        ),
    ]


def describe_affected(result: EvaluationResult, publication: Publication) -> list[Block]:
    """Who is affected by predictions, and how a prediction can be contested."""
    recall = result.training.cross_validation["recall"]
    return [
        Heading("Who is affected"),
        *_sentences(CARD.affected or f"The {SUBJECTS} that are flagged or missed"),
        Text(
            f"Of the {SUBJECTS} with the outcome `{LABEL.positive}` in cross-validation, the model "
            f"flagged {_percent(recall)} and missed the others."
        ),
        Heading("How to contest a prediction"),
        Text(
            f"Contact: {publication.contact or NOBODY}. Whoever is affected, or acts for them, can "
            "ask which values the prediction was made from, have wrong values corrected, and have "
            "the prediction made again. With `?explain=true` the predictor returns how much each "
            "value contributed. Each answer has the version of the model, which leads to this card "
            "and to the training data. The person who acts on the prediction decides about the "
            "objection."
        ),
    ]


def describe_factors() -> list[Block]:
    """By which properties of a row the model is measured."""
    grouped = [column.name for column in ROW_COLUMNS if column.has_groups]
    unseen = [column.name for column in AUDIT_ONLY]
    audit = f" No model sees {_join(unseen)}." if unseen else ""
    measured = (
        f"The model is measured in groups by {_join(grouped)}.{audit} Combinations of groups are "
        "not measured: they have too few cases."
        if grouped
        else "The model is not measured in groups: the columns file declares none."
    )
    return [
        Heading("Factors"),
        Text(
            f"{measured} Values are used as they were entered; nothing shows whether they are true."
        ),
    ]


def describe_ethics(result: EvaluationResult) -> list[Block]:
    """Why sensitive features are used, what they are worth, and how acting changes later labels."""
    return [
        *_describe_sensitive(result),
        Heading("Feedback loop"),
        Text(
            f"Acting on a prediction can prevent the outcome. {SUBJECTS.capitalize()} for which it "
            f"was prevented are recorded as `{LABEL.negative}`. In later data this looks like "
            "needless warnings, and a model trained on them learns that the risk was low. Record "
            f"for which {SUBJECTS} somebody acted, leave these rows out of training, and measure "
            "the effect by a comparison, not by the metrics of this model."
        ),
    ]


def describe_caveats(result: EvaluationResult) -> list[Block]:
    """What the measurements do not show."""
    test = result.splits["test"]
    return [
        Heading("Caveats"),
        Items(
            [
                f"The test split has {test.positives:,} cases of `{LABEL.positive}` among "
                f"{test.rows:,} rows. Read every metric with its interval.",
                "The intervals cover the sampling of rows. They do not cover errors in the labels, "
                "or a data set that is not representative.",
                "All rows come from one data set. Nothing shows that the results hold elsewhere.",
            ]
        ),
    ]


def _describe_sensitive(result: EvaluationResult) -> list[Block]:
    sensitive = [feature for feature in FEATURES if feature.sensitive]
    if not sensitive:
        return []
    return [
        Heading("Sensitive features"),
        Table(
            ("feature", "why the model is given it"),
            [(f"`{feature.name}`", feature.sensitive) for feature in sensitive],
        ),
        *_describe_ablations(result),
    ]


def _describe_ablations(result: EvaluationResult) -> list[Block]:
    ablations = result.training.ablations
    if not ablations:
        return []
    return [
        Text(
            "The selected candidate was also fitted without these features, on the same folds of "
            "the cross-validation. If no benefit is shown, leaving the feature out costs nothing "
            "that these rows can show. It does not make the model independent of the feature: "
            "others may be related to it."
        ),
        Table(ablation_table.HEADER, ablation_table.tabulate_ablations(ablations), numeric=(1,)),
    ]


def _sentences(text: str) -> list[Block]:
    return [Text(f"{text}.")] if text else []


def _percent(interval: Interval) -> str:
    return f"{interval.value:.0%} (95 % interval {interval.low:.0%} to {interval.high:.0%})"


def _join(names: list[str]) -> str:
    quoted = [f"`{name}`" for name in names]
    return ", ".join(quoted) if quoted else "no feature"
