"""How the rows are spread over persons and terms, for tables whose columns file has these roles."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from pipeline.column_file.roles import Roles
from pipeline.data_check.report import PersonCheck, TermCheck

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from pipeline.types import IntArray

MERGE_PERSONS = 100_000
"""Persons whose counts are held in several blocks before they are merged."""


class RoleChecks(NamedTuple):
    """What is measured of the columns with a role; None for roles that the table does not have."""

    persons: PersonCheck | None = None
    terms: TermCheck | None = None
    rows: int = 0
    """Number of rows that were counted."""


class RoleCounter:
    """Counts the rows of persons and terms, whose rows arrive in blocks.

    It holds 16 bytes per person, and twice as much while blocks are merged.
    """

    def __init__(self, roles: Roles) -> None:
        """Begin with no rows.

        Args:
            roles: The roles of the columns file.
        """
        self._roles = roles
        self._rows = 0
        self._persons: list[tuple[NDArray[np.uint64], IntArray]] = []
        self._terms: Counter[str] = Counter()

    def add(self, frame: pd.DataFrame) -> None:
        """Count the rows of a block.

        Args:
            frame: Its valid rows.
        """
        self._rows += len(frame)
        if key := self._roles.key:
            from pandas.util import hash_array

            hashes = hash_array(frame[key.name].dropna().to_numpy(object), categorize=False)
            self._persons.append(np.unique(hashes, return_counts=True))
            sizes = [counts.size for _, counts in self._persons]
            if sum(sizes[1:]) > max(sizes[0], MERGE_PERSONS):
                self._merge_persons()
        if time := self._roles.time:
            self._terms.update(frame[time.name].dropna().tolist())

    def take(self) -> RoleChecks:
        """Return what was measured."""
        return RoleChecks(self._check_persons(), self._check_terms(), self._rows)

    def _merge_persons(self) -> IntArray:
        """Merge the counts of all blocks; return the number of rows of each person."""
        hashes, counts = (np.concatenate(part) for part in zip(*self._persons, strict=True))
        persons, inverse = np.unique(hashes, return_inverse=True)
        rows = np.zeros(persons.size, dtype=np.int64)
        np.add.at(rows, inverse, counts)
        self._persons = [(persons, rows)]
        return rows

    def _check_persons(self) -> PersonCheck | None:
        if self._roles.key is None:
            return None
        rows = self._merge_persons()
        return PersonCheck(
            column=self._roles.key.name,
            persons=rows.size,
            most=int(rows.max()),
            typical=float((rows**2).sum() / rows.sum()),
        )

    def _check_terms(self) -> TermCheck | None:
        time = self._roles.time
        if time is None:
            return None
        terms = sorted(self._terms, key=lambda term: time.parse(term) or ())
        return TermCheck(
            column=time.name,
            terms=len(terms),
            oldest=terms[0],
            newest=terms[-1],
            newest_rows=self._terms[terms[-1]],
        )
