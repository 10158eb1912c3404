"""The person, the term and the groups of a table, as the user names them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from pipeline.adoption.table import Table
from pipeline.adoption.yaml_text import quote
from pipeline.column_file.blanks import is_blank
from pipeline.column_file.roles import TERM_FORMATS, Time
from pipeline.errors import DataError

MAX_ORDERED_TERMS = 50
"""Most terms whose order is proposed."""


@dataclass(frozen=True)
class AdoptedRole:
    """A column with a role.

    Attributes:
        raw: Its header.
        kind: `key`, `time` or `group`.
        reason: What its values are.
        order: The terms in the order of the file, if their order cannot be read from them.
    """

    raw: str
    kind: str
    reason: str
    order: list[str] = field(default_factory=list)


def adopt_roles(
    table: Table, *, key: str = "", time: str = "", groups: Sequence[str] = ()
) -> list[AdoptedRole]:
    """Describe the columns with a role.

    Args:
        table: The table.
        key: Header of the column with the person; empty for none.
        time: Header of the column with the term; empty for none.
        groups: Headers of columns that divide the rows into groups.

    Raises:
        DataError: If all rows are of one term, or too many terms have no order.
    """
    named = [(raw, kind) for raw, kind in ((key, "key"), (time, "time")) if raw]
    named += [(raw, "group") for raw in groups]
    roles = []
    for raw, kind in named:
        values = [cell.strip() for cell in table.columns[raw] if not is_blank(cell)]
        blanks = table.rows - len(values)
        distinct = list(dict.fromkeys(values))
        rejected = f"; {blanks:,} rows are blank and will be rejected" if blanks else ""
        if kind == "time":
            roles.append(_adopt_terms(raw, distinct, rejected))
            continue
        note = f"; {blanks:,} rows are in no group" if blanks and kind == "group" else rejected
        reason = f"{len(distinct):,} different values in {table.rows:,} rows{note}"
        roles.append(AdoptedRole(raw, kind, reason))
    return roles


def _adopt_terms(raw: str, terms: list[str], rejected: str) -> AdoptedRole:
    if len(terms) < 2:
        raise DataError(
            f"All rows are of one term ({raw!r}), so no newer rows would be left to test on. Leave "
            "out TIME (--time)."
        )
    time = Time(name="time", raw=raw)
    places = {term: time.parse(term) for term in terms}
    if unknown := [term for term, place in places.items() if place is None]:
        if len(terms) > MAX_ORDERED_TERMS:
            raise DataError(
                f"{raw!r} has the term {unknown[0]!r:.40}, which is not {TERM_FORMATS}, and too "
                f"many terms ({len(terms):,}) to list in their order."
            )
        return AdoptedRole(raw, "time", f"{len(terms)} terms; check their order{rejected}", terms)
    ordered = sorted(terms, key=lambda term: places[term] or ())
    reason = f"{len(terms):,} terms, {ordered[0]} to {ordered[-1]}{rejected}"
    return AdoptedRole(raw, "time", reason)


def write_roles(roles: Sequence[AdoptedRole], names: dict[str, str]) -> Iterator[str]:
    """Yield the lines of a columns file that describe the roles.

    Args:
        roles: The columns with a role.
        names: Header of each column -> its name.
    """
    for role in (role for role in roles if role.kind != "group"):
        yield f"{role.kind}:"
        yield f"  name: {names[role.raw]}"
        yield f"  raw: {quote(role.raw)}"
        if role.order:
            yield "  # From the oldest to the newest. This is the order of the file: correct it."
            yield f"  order: [{', '.join(map(quote, role.order))}]"
        yield ""
    groups = [role for role in roles if role.kind == "group"]
    if groups:
        yield "groups:"
        for role in groups:
            yield f"  - name: {names[role.raw]}"
            yield f"    raw: {quote(role.raw)}"
        yield ""
