"""Write a raw file again without the columns that are not stored, and with pseudonyms for keys."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from pipeline.data.raw_csv import find_delimiter
from pipeline.errors import DataError


@dataclass(frozen=True)
class RewrittenFile:
    """A raw file as it is stored.

    Attributes:
        data: Its bytes.
        malformed: Lines at which rows with too few or too many values end. They are stored without
            values, because any value may belong to a column that is not stored.
    """

    data: bytes
    malformed: list[int] = field(default_factory=list)


def rewrite(
    text: str,
    location: str,
    *,
    drop: Collection[str] = (),
    replace: Mapping[str, Callable[[str], str]] = {},
) -> RewrittenFile:
    """Drop columns of a raw file, and replace the values of others.

    Args:
        text: The file's text.
        location: Where it comes from, for errors.
        drop: Headers of the columns to drop.
        replace: Header of a column -> the function that returns the new value.

    Returns:
        The new file, with the delimiter of the old one. Blank lines are left out.

    Raises:
        DataError: If a line cannot be parsed as CSV.
    """
    delimiter = find_delimiter(text)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    file = io.StringIO(newline="")
    writer = csv.writer(file, delimiter=delimiter, lineterminator="\n")
    malformed: list[int] = []
    try:
        header = next(reader)
        kept = [index for index, name in enumerate(header) if name not in drop]
        functions = {header.index(name): make for name, make in replace.items()}
        writer.writerow([header[index] for index in kept])
        for row in reader:
            if len(row) != len(header):
                if not row:
                    continue
                malformed.append(reader.line_num)
                row = [""] * len(header)  # noqa: PLW2901 - the row is replaced on purpose
            for index, make in functions.items():
                row[index] = make(row[index])
            writer.writerow([row[index] for index in kept])
    except csv.Error as error:
        raise DataError(
            f"{location}: line {reader.line_num} cannot be parsed as CSV: {error}. Save the file "
            "as CSV UTF-8 and try again"
        ) from None
    return RewrittenFile(file.getvalue().encode(), malformed)
