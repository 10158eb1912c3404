"""Write the columns file of a table."""

from __future__ import annotations

import itertools
import math
import re
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from pipeline.adoption.judge import MAX_STEPS, Decision
from pipeline.adoption.label import AdoptedLabel
from pipeline.adoption.roles import AdoptedRole, write_roles
from pipeline.adoption.table import Table, is_number
from pipeline.adoption.yaml_text import quote
from pipeline.column_file.checks import RESERVED
from pipeline.column_file.dates import ISO, parse_date
from pipeline.column_file.kinds import OTHER
from pipeline.column_file.names import to_title
from pipeline.column_file.outcome import Outcome, get_options, parse_comparison

MAX_NAME_LENGTH = 40
MAX_DECIMALS = 9


def write_columns(
    table: Table,
    label: AdoptedLabel,
    decisions: Sequence[Decision],
    audit: Sequence[str] = (),
    roles: Sequence[AdoptedRole] = (),
) -> str:
    """Write a columns file.

    Args:
        table: The table.
        label: Its label.
        decisions: What its other columns are.
        audit: Headers of columns that no model sees.
        roles: The person, the term and the groups, which are not among the decisions.

    Returns:
        The text of the file.
    """
    names = make_names([*(one.raw for one in decisions), *(one.raw for one in roles), label.raw])
    title = to_title(re.sub(r"[\W_]+", " ", Path(table.name).stem)) or to_title(names[label.raw])
    lines = [
        f"# The columns of {table.name}, proposed by `adopt` from {table.rows:,} rows.",
        "# Check the ranges, and give units, descriptions and names that people understand.",
        "# Set `groups: true` for categories of people whom the model must treat alike: gates then",
        "# compare its errors between them. Remove features that are not known before the outcome.",
        "",
        f"title: {quote(title)} # of the page; the registered model is named after it",
        "subject: row # what one row is: machine, patient, order",
        "subjects: rows",
        "",
        "features:",
    ]
    usable = [decision for decision in decisions if decision.is_feature]
    for decision in usable:
        if decision.raw not in audit:
            lines += [*_write_feature(decision, names[decision.raw]), ""]
    left_out = [decision for decision in decisions if not decision.is_feature]
    if left_out:
        lines.append("ignore: # columns that are not used and not stored, and why")
        lines += [f"  - {quote(one.raw)} # {one.kind}: {_clean(one.reason)}" for one in left_out]
        lines.append("")
    if audit:
        lines.append("audit_only:")
    for decision in usable:
        if decision.raw in audit:
            lines += [*_write_feature(decision, names[decision.raw], has_groups=True), ""]
    lines += write_roles(roles, names)
    lines += _write_label(label, names[label.raw])
    return "\n".join(lines) + "\n"


def make_names(headers: Sequence[str]) -> dict[str, str]:
    """Make a name for each header: a-z, 0-9 and _, different from all others.

    Args:
        headers: The headers of the file.

    Returns:
        Header -> name.
    """
    names: dict[str, str] = {}
    used = set(RESERVED)
    for header in headers:
        plain = unicodedata.normalize("NFKD", header).encode("ascii", "ignore").decode().lower()
        base = re.sub(r"[^a-z0-9]+", "_", plain).strip("_")[:MAX_NAME_LENGTH].strip("_")
        if not base or not base[0].isalpha():
            base = f"column_{base}".strip("_")
        name, number = base, 2
        while name in used:
            name, number = f"{base}_{number}", number + 1
        used.add(name)
        names[header] = name
    return names


def _write_feature(decision: Decision, name: str, *, has_groups: bool = False) -> Iterator[str]:
    yield f"  - kind: {'number' if decision.is_number else decision.kind}"
    yield f"    name: {name}"
    yield f"    raw: {quote(decision.raw)}"
    if decision.is_number:
        yield from _write_number(decision)
        if has_groups:
            yield f"    group_edges: [{np.nanmedian(decision.values):g}]"
    else:
        yield from _write_category(decision)
        if not has_groups:
            yield "    groups: false"
    if decision.blanks:
        yield f"    required: false # {decision.blanks:,} rows are blank"


def _write_number(decision: Decision) -> Iterator[str]:
    values = decision.values[~np.isnan(decision.values)]
    smallest, largest = float(values.min()), float(values.max())
    step = choose_step(values)
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    margin = (largest - smallest) / 2
    low, high = smallest - margin, largest + margin
    elapsed = decision.elapsed
    # Rows that are not there yet can have dates after a fixed one.
    if smallest >= 0 and not (elapsed and parse_date(elapsed.until)):
        low = max(low, 0.0)

    def show(value: float, rounding: float = 0) -> str:
        steps = math.floor(value / step) if rounding < 0 else math.ceil(value / step)
        number = round(steps * step if rounding else value, max(decimals, 0))
        return f"{number:.{decimals}f}" if decimals else f"{number:.0f}"

    typical = f"{show(smallest, -1)}, {show(largest, 1)}"
    example = min(max(float(np.median(values)), smallest), largest)
    yield f"    low: {show(low, -1)}"
    yield f"    high: {show(high, 1)}"
    yield f"    typical: [{typical}]"
    yield f"    step: {step:.{decimals}f}"
    yield f"    unit: {elapsed.unit if elapsed else quote('')}"
    if elapsed:
        yield f"    until: {quote(elapsed.until)}"
        if elapsed.date_format != ISO:
            yield f"    date_format: {quote(elapsed.date_format)}"
    yield f"    description: {quote(decision.raw)}"
    yield f"    example: {show(math.floor(example / step) * step)}"


def choose_step(values: np.ndarray) -> float:
    """Return the resolution of numbers: a power of ten that no value is finer than.

    It is coarser if the range would have more than MAX_STEPS steps.

    Args:
        values: The numbers, with at least two different ones, shape (n_rows,).
    """
    spread = float(values.max() - values.min())
    if bool((values % 1 == 0).all()):
        return 1.0
    decimals = next(
        (
            count
            for count in range(1, MAX_DECIMALS)
            if np.allclose(values, np.round(values, count), rtol=0, atol=10.0 ** -(count + 6))
        ),
        MAX_DECIMALS,
    )
    coarsest = math.ceil(math.log10(spread / MAX_STEPS))
    return min(10.0 ** max(-decimals, coarsest), 0.1)


def _write_category(decision: Decision) -> Iterator[str]:
    names = list(decision.counts)
    codes = _choose_codes(names)
    total = sum(decision.counts.values())
    frequencies = [round(count / total, 6) for count in decision.counts.values()]
    pairs = ", ".join(f"{quote(name)}: {code}" for name, code in codes.items())
    yield f"    codes: {{{pairs}}}"
    if decision.has_names:
        yield "    raw_values: names"
    if decision.is_ordered:
        yield "    ordered: true"
    if decision.has_other:
        yield f"    unknown: {OTHER}"
    yield f"    frequencies: [{', '.join(f'{one:g}' for one in frequencies)}]"
    yield f"    description: {quote(decision.raw)}"
    most_frequent = max(decision.counts, key=lambda name: decision.counts[name])
    yield f"    example: {quote(most_frequent)}"


def _choose_codes(names: Sequence[str]) -> dict[str, int | str]:
    """Give each category a code: a number is its own, and texts get the smallest free numbers."""
    numbers = {float(name) for name in names if is_number(name)}
    free = (code for code in itertools.count() if code not in numbers)
    return {name: name if is_number(name) else next(free) for name in names}


def _write_label(label: AdoptedLabel, name: str) -> Iterator[str]:
    yield "label:"
    yield f"  name: {name}"
    yield f"  raw: {quote(label.raw)}"
    yield f"  positive_raw: {_write_outcome(label.positive)}"
    yield f"  negative_raw: {_write_outcome(label.negative)}"
    yield f"  positive: {quote(_name_outcome(label.raw, label.positive))}"
    yield f"  negative: {quote(_name_outcome(label.raw, label.negative))}"
    yield f"  rate: {max(label.rate, 1e-6):.6g}"
    yield f"  description: {quote(f'Whether {_name_outcome(label.raw, label.positive)}')}"


def _write_outcome(outcome: Outcome) -> str:
    options = [quote(one) if isinstance(one, str) else repr(one) for one in get_options(outcome)]
    return f"[{', '.join(options)}]" if len(options) > 1 else options[0]


def _name_outcome(raw: str, outcome: Outcome) -> str:
    options = get_options(outcome)
    if len(options) == 1 and parse_comparison(options[0]) is not None:
        return f"{raw} {options[0]}"
    return f"{raw} is {' or '.join(map(str, options))}"


def _clean(line: str) -> str:
    return " ".join(line.split())
