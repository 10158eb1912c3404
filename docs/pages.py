"""Write every file, and every block of a file, that is generated from the code: `make docs`.

A test in tests/meta fails when one of them differs from the code.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from docs import columns_schema, stage_table, values
from docs.gates_page import gates_page
from docs.stage_table import table
from pipeline.__main__ import COMMANDS
from pipeline.columns import FEATURES, LABEL, Category, Feature
from pipeline.environment import variables
from pipeline.stages import EXIT_CODES, get_identities
from pipeline.storage.layout import ANY_SHA256
from serving.settings import Settings

FOLDER = Path(__file__).parent / "reference"


def stages_page() -> str:
    """Return docs/reference/stages.md."""
    commands = table(
        ("command", "what it does"),
        [(f"`python -m pipeline {name}`", what) for name, what in COMMANDS.items()],
    )
    exit_codes = table(
        ("exit code", "meaning"), [(str(code), meaning) for code, meaning in EXIT_CODES.items()]
    )
    return f"""# Stages and commands

A stage is a module in `pipeline/stages/`, a command, a container image and an Airflow task.
`python -m pipeline STAGE --run-id ID` runs one, and `--help` describes its options.
To add one, see [Add a stage](/docs/how-to/add-a-stage.md).

{stage_table.markdown_table()}

## Objects of the lake

On the cluster, each stage and each other client has its own identity in the object store,
which refuses it everything that is not in its row. The tests of the stages refuse it, too. `*`
stands for any text.

{_identities_table()}

## Other commands

{commands}

`stop` and `resume` are also DAGs of Airflow, for people without a shell
([stop all answers](/docs/how-to/roll-back.md#stop-all-answers)).

## Exit codes

{exit_codes}
"""


def _identities_table() -> str:
    """Which objects each identity may use."""
    rows = [
        (
            f"`{name}`",
            _list_patterns(access.reads),
            _list_patterns(access.writes),
            _list_patterns((*access.deletes, *access.erases)),
        )
        for name, access in get_identities().items()
    ]
    return table(("identity", "reads", "writes", "deletes"), rows)


def _list_patterns(patterns: Sequence[str]) -> str:
    short = (pattern.replace(ANY_SHA256, "SHA256") for pattern in patterns)
    return ", ".join(f"`{pattern}`" for pattern in sorted(short))


def settings_page() -> str:
    """Return docs/reference/settings.md."""
    rows = [
        (f"`{name}`", f"`{default}`" if str(default) else "", description)
        for name, (description, default) in variables(Settings).items()
    ]
    return f"""# Settings

All settings are environment variables. They are the same for every stage and the predictor, on one
machine and on the cluster (`settings:` in the chart's values). `python -m pipeline settings` shows
the current values.

A variable that begins with `MLOPS_` and is not in this table is an error. Stages accept every
`MLOPS_PREDICTOR__` variable; the predictor checks those.

{table(("variable", "default", "meaning"), rows)}
"""


def columns_page() -> str:
    """Return docs/reference/columns.md."""

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

Generated from [pipeline/columns.yaml](/pipeline/columns.yaml), which describes the survey. To
describe another table, see [Bring your own data](/docs/how-to/bring-your-own-data.md).

{table(("name", "raw header", "accepted", "meaning"), rows)}
"""


PAGES: dict[str, Callable[[], str]] = {
    "stages.md": stages_page,
    "settings.md": settings_page,
    "gates.md": gates_page,
    "columns.md": columns_page,
    "values.md": values.page,
}
"""Generated pages of docs/reference."""
GENERATED: dict[Path, Callable[[], str]] = {
    stage_table.README: stage_table.readme,
    stage_table.SKAFFOLD: stage_table.skaffold,
    stage_table.VALUES: stage_table.chart_values,
    values.SCHEMA: values.schema,
    columns_schema.PATH: columns_schema.schema,
    **{FOLDER / name: page for name, page in PAGES.items()},
}
"""Generated files, each with the function that returns its text. values.md is made from values.yaml
and its schema, and so comes after them."""


def main() -> None:
    """Write every generated file."""
    for path, generate in GENERATED.items():
        path.write_text(generate())


if __name__ == "__main__":
    main()
