"""How the rows are spread over persons and terms, for tables whose columns file has these roles."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pipeline.column_file.roles import Roles
from pipeline.data_check.report import PersonCheck, TermCheck

if TYPE_CHECKING:
    import pandas as pd


class RoleChecks(NamedTuple):
    """What is measured of the columns with a role; None for roles that the table does not have."""

    persons: PersonCheck | None = None
    terms: TermCheck | None = None


def check_roles(frame: pd.DataFrame, roles: Roles) -> RoleChecks:
    """Measure how the rows are spread over persons and terms.

    Args:
        frame: The valid rows.
        roles: The roles of the columns file.
    """
    return RoleChecks(_check_persons(frame, roles), _check_terms(frame, roles))


def _check_persons(frame: pd.DataFrame, roles: Roles) -> PersonCheck | None:
    """Count the rows of each person."""
    if roles.key is None:
        return None
    rows = frame[roles.key.name].value_counts()
    return PersonCheck(
        column=roles.key.name,
        persons=len(rows),
        most=int(rows.max()),
        typical=float((rows**2).sum() / rows.sum()),
    )


def _check_terms(frame: pd.DataFrame, roles: Roles) -> TermCheck | None:
    """Count the terms, and the rows of the newest one."""
    time = roles.time
    if time is None:
        return None
    rows = frame[time.name].value_counts()
    terms = sorted(rows.index, key=lambda term: time.parse(term) or ())
    return TermCheck(
        column=time.name,
        terms=len(terms),
        oldest=terms[0],
        newest=terms[-1],
        newest_rows=int(rows[terms[-1]]),
    )
