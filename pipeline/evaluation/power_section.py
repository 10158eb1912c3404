"""The power of gates as a section of a page, for the model card and the page of `validate`."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.evaluation import gates
from pipeline.reporting.document import Block, Table, Text
from pipeline.storage.artifacts.gates import GateResult


def describe_power(results: Sequence[GateResult]) -> list[Block]:
    """Describe what the verdicts of gates can show with the rows at hand.

    Args:
        results: The gates.

    Returns:
        A text and a table; empty if the power of no gate is known.
    """
    rows = [(gates.get_title(name), *cells) for name, *cells in gates.tabulate_power(results)]
    if not rows:
        return []
    return [
        Text(
            "How often each of these gates decides wrongly, given the number of test rows. "
            f"{gates.POWER_MEANING}. The last column is the smallest gain (or loss) that the gate "
            "finds with a probability of 80 %."
        ),
        Table(gates.POWER_HEADER, rows, numeric=(1, 2, 3)),
    ]
