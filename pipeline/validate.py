"""Holds the registered candidate (alias `staging`) to the deployment gates, beside the champion (alias `production`).

Both are scored, as they are served, on the gold test split that the candidate's lineage names. The verdict is written to
`reports/<run_id>/validation.json`, where `promote` reads it. A candidate that fails a gate, or is the champion's equal, ends the
stage with nothing done: production stays as it is.
"""

from __future__ import annotations

import numpy as np

from pipeline import gates
from pipeline.columns import FEATURE_NAMES, LABEL
from pipeline.comparison import Scored, differences, metrics_of
from pipeline.console import say
from pipeline.context import Context, now
from pipeline.errors import NothingToDo
from pipeline.frames import from_parquet
from pipeline.promotions import REJECTED, VERIFIED, aliases_of, number_of
from pipeline.registry import MANIFEST_TAG, PRODUCTION, STAGING
from pipeline.scoring import fail_probability, open_session


def run(context: Context) -> None:
    """Judges the candidate, writes the verdict."""
    registry, lake, settings = context.registry, context.lake, context.settings
    aliases = aliases_of(registry)
    candidate, production = aliases.staging, aliases.production
    if candidate is None:
        raise NothingToDo(f"no version has the alias `{STAGING}`; register a candidate first")
    if REJECTED in candidate.tags:
        raise NothingToDo(f"version {candidate.number} was rejected: {candidate.tags[REJECTED]}")
    champion = production
    if production is not None and production.number == candidate.number:
        if VERIFIED in production.tags:
            raise NothingToDo(f"version {candidate.number} is in `{PRODUCTION}` already, and verified")
        champion = aliases.previous  # it was promoted, but no run lived to verify it

    ours = registry.bundle(candidate.run_id, candidate.tags.get(MANIFEST_TAG))
    theirs = None if champion is None else registry.bundle(champion.run_id, champion.tags.get(MANIFEST_TAG))
    lineage = ours.manifest.lineage
    test = from_parquet(lake.read(f"gold/{lineage.pipeline_run_id}/test.parquet", lineage.gold["test"]))
    rows, label = test[list(FEATURE_NAMES)].to_numpy(), test[LABEL.name].to_numpy()
    session = open_session(ours)
    scored = Scored(fail_probability(session, rows), ours.manifest.threshold)
    metrics = metrics_of(label, scored, 1000, settings.seed)
    values: dict[str, float | None] = {name: metric.value for name, metric in metrics.items()}
    examples = ours.manifest.examples
    values["onnx_difference"] = float(
        np.max(np.abs(fail_probability(session, examples.inputs) - np.array(examples.fail_probability)))
    )
    values["champion_gain"] = None
    if theirs is not None:
        other = Scored(fail_probability(open_session(theirs), rows), theirs.manifest.threshold)
        values["champion_gain"] = differences(label, scored, other, 1000, settings.seed)["roc_auc"].value
    results = gates.judge(settings.gates, "validate", values)
    gates.show(f"Version {candidate.number} beside version {number_of(champion) or 'none'}", results)
    problem = gates.failed(results)
    if theirs is not None and theirs.manifest.files == ours.manifest.files:
        problem = "the candidate is the champion's equal: the same files"
    decision = problem or "every gate holds"
    lake.write_json(
        f"reports/{context.run_id}/validation.json",
        {
            "run_id": context.run_id,
            "at": now(),
            "candidate": candidate.number,
            "champion": number_of(champion),
            "production": number_of(production),
            "holds": not problem,
            "decision": decision,
            "metrics": {name: metric.model_dump() for name, metric in metrics.items()},
            "gates": [result.model_dump() for result in results],
        },
    )
    if problem:
        raise NothingToDo(f"version {candidate.number} is not promoted, `{PRODUCTION}` stays: {problem}")
    say(f"validate: version {candidate.number} may be promoted")
