"""Checks of a columns file that compare fields with each other."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

from pipeline.column_file.dates import DAYS_PER_UNIT
from pipeline.column_file.kinds import OTHER, Category, Feature, Number
from pipeline.column_file.model import Columns, Expectation, Label
from pipeline.column_file.names import find_equal_names, to_slug
from pipeline.column_file.outcome import get_options, matches, parse_comparison, to_number
from pipeline.column_file.roles import Role, Time
from pipeline.column_file.yaml_tree import Path

Problem = tuple[Path, str]
"""Where a problem is, and the sentence about it."""

SPLIT_UNIT = "split_unit"
"""Column of gold: rows with the same number stay together when rows are split."""
RESERVED = {"at", "request_id", "version", "probability", SPLIT_UNIT}
"""Fields of a logged row (serving/traffic_log.py) or of gold, which no column can be named
after."""

FREQUENCY_TOLERANCE = 0.01


def find_problems(columns: Columns) -> Iterator[Problem]:
    """Yield what is wrong with a columns file whose fields have the right types.

    Args:
        columns: The contents of the file.

    Yields:
        The path of each wrong value, and a sentence about it.
    """
    if not columns.features:
        yield ("features",), "at least one feature is needed"
    places: list[tuple[Path, Feature | Label | Role]] = [
        (("features", index), feature) for index, feature in enumerate(columns.features)
    ]
    places += [(("audit_only", index), column) for index, column in enumerate(columns.audit_only)]
    places.append((("label",), columns.label))
    places += [((name,), one) for name in ("key", "time") if (one := getattr(columns, name))]
    places += [(("groups", index), group) for index, group in enumerate(columns.groups)]
    names: list[tuple[Path, str]] = [((*path, "name"), column.name) for path, column in places]
    if columns.probability_alias:
        names.append((("probability_alias",), columns.probability_alias))
    yield from _find_repeated(names)
    yield from (
        (path, f"`{name}` is the name of a column that the pipeline adds; choose another")
        for path, name in names
        if name in RESERVED
    )
    if columns.title and not to_slug(columns.title):
        yield ("title",), f"`{columns.title}` has neither a letter nor a digit"
    headers = [((*path, "raw"), column.raw) for path, column in places]
    headers += [(("ignore", index), raw) for index, raw in enumerate(columns.ignore)]
    yield from _find_repeated(headers)
    for path, column in places:
        for field, message in _check_column(column):
            yield (*path, *field), message
    for index, column in enumerate(columns.audit_only):
        if not column.has_groups:
            hint = "add `group_edges`" if isinstance(column, Number) else "remove `groups: false`"
            yield ("audit_only", index), f"`{column.name}` divides no rows into groups; {hint}"
    features = {feature.name: feature for feature in columns.features}
    generated = features | {column.name: column for column in columns.audit_only}
    for index, effect in enumerate(columns.sample_effects):
        path = ("sample_effects", index)
        if effect.feature not in generated:
            yield (*path, "feature"), _unknown_feature(effect.feature, generated)
        if effect.low >= effect.high:
            yield (*path, "high"), f"{effect.high:g} is not larger than `low`, {effect.low:g}"
    for index, expectation in enumerate(columns.expectations):
        for field, message in _check_expectation(expectation, features):
            yield ("expectations", index, *field), message


def _find_repeated(values: Iterable[tuple[Path, str]]) -> Iterator[Problem]:
    first: dict[str, Path] = {}
    for path, value in values:
        if value in first:
            yield path, f"`{value}` occurs twice; each column needs its own"
        first.setdefault(value, path)


def _unknown_feature(name: str, features: Iterable[str]) -> str:
    return f"`{name}` is not a feature; the features are {', '.join(features)}"


def _check_column(column: Feature | Label | Role) -> Iterator[Problem]:
    match column:
        case Number():
            yield from _check_number(column)
        case Category():
            yield from _check_category(column)
        case Label():
            yield from _check_label(column)
        case Time():
            yield from _check_time(column)


def _check_number(number: Number) -> Iterator[Problem]:
    if number.low >= number.high:
        yield ("high",), f"{number.high:g} is not larger than `low`, {number.low:g}"
        return
    bounds = f"not between `low` and `high`, {number.low:g} and {number.high:g}"
    if not number.low <= number.example <= number.high:
        yield ("example",), f"{number.example:g} is {bounds}"
    first, last = number.typical
    if first >= last:
        yield ("typical",), f"{last:g} is not larger than {first:g}"
    elif not (number.low <= first and last <= number.high):
        yield ("typical",), f"{first:g} to {last:g} is {bounds}"
    edges = number.group_edges
    if sorted(set(edges)) != list(edges):
        yield ("group_edges",), "the edges must increase"
    if number.until and number.unit not in DAYS_PER_UNIT:
        yield ("unit",), f"`{number.unit}` must be {' or '.join(DAYS_PER_UNIT)} with `until`"
    if number.until == number.raw:
        yield ("until",), f"`{number.until}` is the column itself"


def _check_category(category: Category) -> Iterator[Problem]:
    names = list(category.codes)
    if len(names) < 2:
        yield ("codes",), "at least two categories are needed"
    for same, name in find_equal_names(names):
        yield (
            ("codes", name),
            f"the categories `{same}` and `{name}` have the same name apart from case, "
            "spaces, hyphens and underscores; rename one of them",
        )
    for name, code in category.codes.items():
        number = to_number(name)
        if math.isfinite(number) and number != code:
            yield (
                ("codes", name),
                f"the name `{name}` is a number, but its code is {code:g}, so {name} would mean "
                f"two categories; use the code {name}",
            )
    if len(set(category.codes.values())) < len(names):
        yield ("codes",), "two categories have the same code"
    if category.example not in category.codes:
        yield ("example",), f"`{category.example}` is not one of {', '.join(names)}"
    if category.unknown == OTHER and category.other_code is None:
        yield ("unknown",), f"`codes` has no category named `{OTHER}`; add it"
    for name in category.titles.keys() - category.codes.keys():
        yield ("titles", name), f"`{name}` is not one of {', '.join(names)}"
    frequencies = category.frequencies
    if len(frequencies) != len(names):
        yield ("frequencies",), f"{len(frequencies)} numbers for {len(names)} categories"
    elif min(frequencies, default=0) < 0 or abs(sum(frequencies) - 1) > FREQUENCY_TOLERANCE:
        yield ("frequencies",), f"the fractions add up to {sum(frequencies):g}, not to 1"


def _check_time(time: Time) -> Iterator[Problem]:
    if len(time.order) == 1:
        yield ("order",), f"`{time.order[0]}` is the only term; at least two are needed"
    yield from _find_repeated((("order", index), term) for index, term in enumerate(time.order))


def _check_label(label: Label) -> Iterator[Problem]:
    for option in get_options(label.negative_raw):
        comparison = parse_comparison(option)
        if matches(label.positive_raw, option if comparison is None else comparison[1]) and (
            comparison is None or "=" in comparison[0]
        ):
            yield ("negative_raw",), f"{option} is the positive outcome already"
    if label.positive == label.negative:
        yield ("negative",), f"`{label.negative}` is the name of the positive outcome already"
    for name in label.titles.keys() - {label.positive, label.negative}:
        yield ("titles", name), f"`{name}` is neither `{label.positive}` nor `{label.negative}`"


def _check_expectation(expectation: Expectation, features: dict[str, Feature]) -> Iterator[Problem]:
    feature = features.get(expectation.feature)
    if feature is None:
        yield ("feature",), _unknown_feature(expectation.feature, features)
        return
    for field in ("safe", "risky"):
        value: float = getattr(expectation, field)
        if isinstance(feature, Category):
            if value not in feature.codes.values():
                yield (field,), f"{value:g} is not a code of {feature.name}"
        elif not feature.low <= value <= feature.high:
            bounds = f"{feature.low:g} and {feature.high:g}"
            yield (field,), f"{value:g} is not between {bounds}, the bounds of {feature.name}"
    if expectation.safe == expectation.risky:
        yield ("risky",), f"{expectation.risky:g} is the safe value already"
