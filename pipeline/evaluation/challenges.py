"""Evidence against a champion, collected over all runs that train models by the same recipe.

A challenger is a recipe, not a single model: the candidate and its parameters, the settings of
`train` and the code version. Retraining by the recipe makes another model from other rows, and
each of them adds evidence on test rows that neither model was trained on and that the challenge
has not used. Each look is stored under the hash of its test split, so that repeating a stage
counts nothing twice. It is stored whether or not the candidate passes its gates, because leaving
out bad results would make the evidence too large.

Without its code version, a recipe that equals the champion's is a refresh, if its rows are others:
it replaces the champion unless it is worse by a margin. Every other challenge must be better. All
challenges that open within a year share one error rate.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from pipeline.evaluation import evidence
from pipeline.evaluation.champion import get_identity
from pipeline.evaluation.datasets import (
    draw_independent_rows,
    drop_rows_of,
    drop_training_rows,
)
from pipeline.evaluation.predictions import SplitPredictions
from pipeline.evaluation.recipes import Recipe, read_recipe
from pipeline.model.arrays import label_array
from pipeline.model.bundle import Bundle, Manifest
from pipeline.settings import Settings
from pipeline.storage import layout
from pipeline.storage.artifacts.base import Artifact
from pipeline.storage.artifacts.evaluation import Evidence
from pipeline.storage.lake import Lake, sha256_hex
from pipeline.storage.tables import find_gold_parts
from pipeline.times import utc_now

YEAR = timedelta(days=365)
DECIMALS = 6


class Challenge(Artifact):
    """A recipe that challenges a champion.

    Attributes:
        champion: MLflow run of the champion.
        version: Version of the champion.
        recipe: The recipe of the candidates.
        is_refresh: Whether it is the champion's own.
        margin: Loss in ROC AUC that is accepted.
        number: Position among the challenges that opened within a year, from 1.
        opened_at: Time of the first look, ISO 8601.
    """

    champion: str
    version: str | None
    recipe: Recipe
    is_refresh: bool
    margin: float
    number: int = 1
    opened_at: str


class Look(Artifact):
    """Evidence on one test split.

    Attributes:
        candidate: MLflow run of the candidate.
        gold_run_id: Id of the run that wrote the test split.
        test: SHA-256 of the test split.
        rows: Rows that are new to both models and to the challenge.
        positives: Positive rows among them.
        differences: Difference in ROC AUC of each unit; see evidence.py.
    """

    candidate: str
    gold_run_id: str
    test: str
    rows: int
    positives: int
    differences: list[float]


def add_evidence(
    lake: Lake, settings: Settings, candidate: SplitPredictions, champion: Bundle
) -> Evidence | None:
    """Add the evidence of a candidate's test rows to that of its recipe, once.

    Args:
        lake: The lake with the gold of both models and the evidence of earlier runs.
        settings: The seed and the margin of a refresh.
        candidate: The candidate with its test rows.
        champion: The champion.

    Returns:
        The evidence of all runs; None if there is nothing to compare, because the models are
        identical or one of them does not accept the API's features.

    Raises:
        LakeError: If the champion's training data or the rows of an earlier look are missing.
    """
    bundle = candidate.bundle
    rival = SplitPredictions(champion, candidate.frame)
    if get_identity(bundle) == get_identity(champion):
        return None
    if not (candidate.signature_matches and rival.signature_matches):
        return None
    recipe = read_recipe(lake, bundle.manifest)
    is_refresh = _is_refresh(lake, recipe, bundle.manifest, champion.manifest)
    names = (champion.manifest.run_id, _hash(recipe, is_refresh))
    challenge = _open(
        lake,
        names,
        Challenge(
            champion=champion.manifest.run_id,
            version=champion.manifest.version,
            recipe=recipe,
            is_refresh=is_refresh,
            margin=settings.deployment.refresh_margin if is_refresh else 0.0,
            opened_at=utc_now(),
        ),
    )
    looks = [lake.read_model(key, Look) for key in lake.keys(layout.challenge_looks(*names))]
    test = bundle.manifest.lineage.gold["test"]
    look = next((look for look in looks if look.test == test), None)
    if look is None:
        rows = _drop_known(lake, candidate.frame, champion.manifest, looks)
        rows = draw_independent_rows(rows, settings.seed)
        look = _look(settings, bundle, champion, rows)
        lake.create(layout.challenge_look(*names, test), look.to_bytes())
        looks.append(look)
    return _summarize(challenge, looks, look)


def _is_refresh(lake: Lake, recipe: Recipe, candidate: Manifest, champion: Manifest) -> bool:
    has_other_rows = candidate.lineage.silver != champion.lineage.silver
    return has_other_rows and recipe.equals_but_for_code(read_recipe(lake, champion))


def _hash(recipe: Recipe, is_refresh: bool) -> str:
    return sha256_hex(recipe.to_bytes() + bytes([is_refresh]))[:16]


def _open(lake: Lake, names: tuple[str, str], unnumbered: Challenge) -> Challenge:
    """Read the challenge, or open it with the next number of the year."""
    key = layout.challenge(*names)
    if not lake.exists(key):
        others = [
            lake.read_model(other, Challenge)
            for other in lake.keys(layout.CHALLENGES)
            if layout.is_challenge(other)
        ]
        recent = [other for other in others if _age(other, unnumbered.opened_at) < YEAR]
        challenge = unnumbered.model_copy(update={"number": len(recent) + 1})
        lake.create(key, challenge.to_bytes())
    return lake.read_model(key, Challenge)


def _age(challenge: Challenge, now: str) -> timedelta:
    return datetime.fromisoformat(now) - datetime.fromisoformat(challenge.opened_at)


def _drop_known(
    lake: Lake, test: pd.DataFrame, champion: Manifest, looks: list[Look]
) -> pd.DataFrame:
    """Keep the test rows that are new to both models and to earlier looks."""
    rows = drop_training_rows(lake, test, champion.lineage)
    for look in looks:
        rows = drop_rows_of(lake, rows, find_gold_parts(lake, look.gold_run_id, "test", look.test))
    return rows


def _look(settings: Settings, candidate: Bundle, champion: Bundle, rows: pd.DataFrame) -> Look:
    labels, differences = label_array(rows), np.zeros(0)
    if 0 < labels.sum() < labels.size:
        first, second = (
            SplitPredictions(model, rows).predictions.probability for model in (candidate, champion)
        )
        differences = evidence.paired_differences(labels, first, second, settings.seed)
    lineage = candidate.manifest.lineage
    return Look(
        candidate=candidate.manifest.run_id,
        gold_run_id=lineage.pipeline_run_id,
        test=lineage.gold["test"],
        rows=len(rows),
        positives=int(labels.sum()),
        differences=np.round(differences, DECIMALS).tolist(),
    )


def _summarize(challenge: Challenge, looks: list[Look], look: Look) -> Evidence:
    differences = [np.array(each.differences) for each in looks]
    every = np.concatenate(differences)
    e_value = evidence.combine(differences, challenge.margin)
    return Evidence(
        is_refresh=challenge.is_refresh,
        margin=challenge.margin,
        e_value=e_value,
        number=challenge.number,
        corrected=e_value * evidence.correction(challenge.number),
        looks=len(looks),
        units=every.size,
        new_units=len(look.differences),
        gain=float(every.mean()) if every.size else None,
        std=float(every.std()) if every.size else None,
    )
