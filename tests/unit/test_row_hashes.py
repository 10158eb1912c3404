"""Hashes of row numbers."""

from __future__ import annotations

import numpy as np

from pipeline.row_hashes import hash_rows


def test_hashes_are_those_of_splitmix64() -> None:
    """The first outputs of the reference implementation for the seed 1234567."""
    assert hash_rows(0, 5, 1234567).tolist() == [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]


def test_a_hash_depends_on_the_row_number_only() -> None:
    """Parts of any size give the hashes of the whole table; another seed gives others."""
    whole = hash_rows(0, 100, 7)
    parts = [hash_rows(first, min(30, 100 - first), 7) for first in range(0, 100, 30)]
    assert np.concatenate(parts).tolist() == whole.tolist()
    assert np.unique(whole).size == 100
    assert not np.isin(hash_rows(0, 100, 8), whole).any()
