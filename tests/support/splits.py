"""The splits of a data frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pipeline.columns import LABEL
from pipeline.settings.data import FeaturesSettings
from pipeline.splits.listed import list_places
from pipeline.splits.plan import check_both_classes, check_classes
from pipeline.splits.rows import DecidingColumns
from pipeline.splits.rules import PLACES
from pipeline.storage.layout import SPLITS

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.column_file.roles import Time


def split_rows(
    rows: pd.DataFrame, settings: FeaturesSettings, seed: int, time: Time | None = None
) -> dict[str, pd.DataFrame]:
    """Split rows as `features` splits a small table.

    Returns:
        Name of the split -> its rows, in their original order.
    """
    labels = rows[LABEL.name].to_numpy(np.int64)
    check_both_classes(int((labels == 0).sum()), int(labels.sum()))
    places = list_places(rows, settings, seed, time)
    counts = np.bincount(places * 2 + labels, minlength=2 * len(PLACES)).reshape(-1, 2)
    check_classes(counts, DecidingColumns(time))
    return {name: rows[places == index].reset_index(drop=True) for index, name in enumerate(SPLITS)}
