# mypy: ignore-errors
# Runs in a separate environment with its package.
"""Validate a raw file and split its rows, with Polars' streaming engine.

Arguments: the file, the output folder, the seed.
"""

import polars as pl
from survey import (
    BUCKET_BITS,
    CODES,
    HASH_BITS,
    HEADERS,
    RANGES,
    SPLITS,
    find_bounds,
    read_arguments,
    report,
)

source, folder, seed = read_arguments()
folder.mkdir(parents=True, exist_ok=True)
raw = {name: pl.col(header) for name, header in HEADERS.items()}
numbers = {name: column.cast(pl.Float64, strict=False) for name, column in raw.items()}
checks = {name: numbers[name].is_in(codes) for name, codes in CODES.items()}
checks |= {name: numbers[name].is_between(*bounds) for name, bounds in RANGES.items()}
checks["age"] &= numbers["age"] % 1 == 0
checks = {name: check.fill_null(False) for name, check in checks.items()}
is_valid = pl.all_horizontal(checks.values())

# All values are read as text, because the rejected rows are written as they were.
rows = pl.scan_csv(source, infer_schema=False).with_row_index("row", 1)
silver = rows.filter(is_valid).select(
    numbers["age"].cast(pl.Int64).alias("age"),
    *(numbers[name].alias(name) for name in HEADERS if name not in ("age", "fail")),
    (1 - numbers["fail"]).cast(pl.Int64).alias("fail"),
)
reasons = [
    pl.when(~check).then(pl.format("'{}' is {}", pl.lit(HEADERS[name]), raw[name].fill_null("")))
    for name, check in checks.items()
]
reason = pl.concat_str(reasons, separator="; ", ignore_nulls=True)
rejected = rows.filter(~is_valid).select(*raw.values(), "row", reason.alias("reason"))
sinks = [
    silver.sink_parquet(folder / "silver.parquet", compression="zstd", lazy=True),
    rejected.sink_csv(folder / "rejected.csv", lazy=True),
]
pl.collect_all(sinks, engine="streaming")

place, bucket = pl.col("place"), pl.col("place") // 2 ** (HASH_BITS - BUCKET_BITS)
numbered = (
    pl.scan_parquet(folder / "silver.parquet")
    .with_row_index("index")
    .with_columns(place=pl.col("index").hash(seed))
)
counts = numbered.group_by("fail", bucket.alias("bucket")).len().collect(engine="streaming")
histogram = {
    label: counts.filter(pl.col("fail") == label).select("bucket", "len").rows() for label in (0, 1)
}


def read_bucket(label, number):
    found = numbered.filter((pl.col("fail") == label) & (bucket == number)).select("place")
    return found.collect(engine="streaming")["place"].sort().to_list()


bounds = {
    key: pl.lit(bound, dtype=pl.UInt64)
    for key, bound in find_bounds(histogram, read_bucket).items()
}
is_below = {
    split: place <= pl.when(pl.col("fail") == 1).then(bounds[1, split]).otherwise(bounds[0, split])
    for split in ("test", "validation")
}
members = {
    "train": ~is_below["validation"],
    "validation": is_below["validation"] & ~is_below["test"],
    "test": is_below["test"],
}
sinks = [
    numbered.filter(members[split])
    .drop("index", "place")
    .sink_parquet(folder / f"{split}.parquet", compression="zstd", lazy=True)
    for split in SPLITS
]
pl.collect_all(sinks, engine="streaming")

totals = {
    split: pl.scan_parquet(folder / f"{split}.parquet")
    .select(pl.len(), pl.col("fail").sum())
    .collect()
    .row(0)
    for split in SPLITS
}
count = pl.scan_csv(folder / "rejected.csv", infer_schema=False).select(pl.len()).collect().item()
report(count, totals, "self")
