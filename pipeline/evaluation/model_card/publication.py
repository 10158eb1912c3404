"""Who answers for a model, its license, and the versions that were in production before it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

NOBODY = "nobody is named; the setting `MLOPS_CARD__CONTACT` names who answers for the model"


@dataclass(frozen=True)
class Change:
    """A change of the version in production.

    Attributes:
        time: When, for people.
        version: The version in production after the change.
        reason: What happened, and why.
    """

    time: str
    version: str
    reason: str


@dataclass(frozen=True)
class Publication:
    """What a card shows that is not part of the evaluation.

    Attributes:
        contact: Who answers questions about the model and objections; empty if nobody is named.
        license: License of the model, an identifier of the Hugging Face Hub; empty for none.
        history: Changes of the version in production before the evaluation, oldest first.
    """

    contact: str = ""
    license: str = ""
    history: Sequence[Change] = ()
