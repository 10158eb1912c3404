"""Settings of the gates and of the model card."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field, create_model

from pipeline.environment import Section
from pipeline.gate_table import GATES

if TYPE_CHECKING:

    class GateSettings(Section):
        """Bounds of the gates."""

        def __getattr__(self, name: str) -> float: ...

else:
    GateSettings = create_model(
        "GateSettings",
        __base__=Section,
        __doc__="Bounds of the gates: one field per row of gate_table.py.",
        **{gate.name: (float, Field(gate.bound, description=gate.reason)) for gate in GATES},
    )


class CardSettings(Section):
    contact: str = ""
    """Who answers questions about the model and objections to its predictions: a name with an
    address. The model card shows it."""
    license: str = ""
    """License of the trained models, as an identifier of the Hugging Face Hub such as `cc-by-4.0`;
    empty if none is given."""
    min_group_size: int = Field(default=10, ge=1)
    """Fewest rows of a group that the report and the model card show on its own, or fewest persons
    if the columns file has a `key`. Smaller groups of a column are shown together; 1 shows all."""
