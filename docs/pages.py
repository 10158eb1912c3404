"""Writes the pages of docs/reference that come from the code: `make docs`. A test fails when one is not up to date."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from docs import values
from pipeline.__main__ import COMMANDS
from pipeline.columns import FEATURES, LABEL, Category, Feature
from pipeline.settings import GateSettings, variables
from pipeline.stages import DAGS, stages_of_dag
from serving.settings import Settings

FOLDER = Path(__file__).parent / "reference"


def table(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """A Markdown table."""
    escaped = [tuple(cell.replace("|", "\\|") for cell in row) for row in rows]
    lines = [header, tuple("---" for _ in header), *escaped]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def stages_table() -> str:
    """The stages, as README and the reference page show them."""
    rows = [
        (
            dag,
            f"[`{stage.name}`](/pipeline/stages/{stage.name}.py)",
            stage.summary,
            stage.reads,
            stage.writes,
        )
        for dag in DAGS
        for stage in stages_of_dag(dag)
    ]
    return table(("DAG", "stage", "what it does", "reads", "writes"), rows)


def stages_page() -> str:
    commands = table(
        ("command", "what it does"),
        [(f"`python -m pipeline {name}`", what) for name, what in COMMANDS.items()],
    )
    return f"""# Stages and commands

A stage is a module of `pipeline/`, a command, a container image and an Airflow task.
`python -m pipeline STAGE --run-id ID` runs one; `--help` says more. Exit codes: 0 done, 99 nothing to do, 1 failed, 2 usage.

{stages_table()}

## Other commands

{commands}
"""


def settings_page() -> str:
    rows = [
        (f"`{name}`", f"`{default}`" if str(default) else "", description)
        for name, (description, default) in variables(Settings).items()
    ]
    return f"""# Settings

Environment variables, the same for every stage and the predictor, here and in the cluster (`settings:` in the chart's values).
A variable with the prefix that is not in this table is refused; stages leave `MLOPS_PREDICTOR__...` to the predictor. `python -m pipeline settings` shows the values in force.

{table(("variable", "default", "meaning"), rows)}
"""


def gates_page() -> str:
    rows = []
    for name, info in GateSettings.model_fields.items():
        assert isinstance(info.json_schema_extra, dict)
        judged = info.json_schema_extra["stages"]
        assert isinstance(judged, list)
        rows.append(
            (
                f"`{name}`",
                f"{info.default:g}",
                ", ".join(f"`{stage}`" for stage in judged),
                info.description or "",
            )
        )
    return f"""# Gates

Bounds that a model must hold before it goes on: a `min_` gate from its bound up, a `max_` gate up to its bound.
Each is a setting: `MLOPS_GATES__MIN_ROC_AUC`, say. The values that a model had are in its model card.

{table(("gate", "bound", "judged by", "why"), rows)}
"""


def columns_page() -> str:
    def accepts(feature: Feature) -> str:
        if isinstance(feature, Category):
            return ", ".join(f"`{name}` ({code:g})" for name, code in feature.codes.items())
        return f"{feature.low:g} to {feature.high:g} {feature.unit}"

    rows = [
        (f"`{feature.name}`", feature.raw, accepts(feature), feature.description)
        for feature in FEATURES
    ]
    label = f"`{LABEL.positive}` ({LABEL.positive_raw}), `{LABEL.negative}` ({LABEL.negative_raw})"
    rows.append(
        (f"`{LABEL.name}`", LABEL.raw, label, f"{LABEL.description}; 1 is `{LABEL.positive}`")
    )
    return f"""# Data dictionary

From [pipeline/columns.py](/pipeline/columns.py), the only place that knows the data set.

{table(("name", "raw header", "accepted", "meaning"), rows)}
"""


PAGES = {
    "stages.md": stages_page,
    "settings.md": settings_page,
    "gates.md": gates_page,
    "columns.md": columns_page,
    "values.md": values.page,
}


def main() -> None:
    values.main()
    for name, page in PAGES.items():
        (FOLDER / name).write_text(page())


if __name__ == "__main__":
    main()
