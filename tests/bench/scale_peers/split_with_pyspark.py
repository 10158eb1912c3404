# mypy: ignore-errors
# Runs in a separate environment with its package.
"""Validate a raw file and split its rows, with PySpark in two threads of one JVM.

Arguments: the file, the output folder, the seed.
"""

from pyspark.sql import SparkSession
from pyspark.sql import functions as sql
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

SETTINGS = {
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.driver.memory": "1g",
    "spark.sql.ansi.enabled": "false",  # a value that is not a number becomes null
    "spark.sql.parquet.compression.codec": "zstd",
    "spark.sql.shuffle.partitions": "2",
}

source, folder, seed = read_arguments()
builder = SparkSession.builder.master("local[2]")
for name, value in SETTINGS.items():
    builder = builder.config(name, value)
spark = builder.getOrCreate()
spark.sparkContext.setLogLevel("ERROR")


def write(frame, name):
    return getattr(frame.write.mode("overwrite"), name)


# All values are read as text, because the rejected rows are written as they were.
raw = {name: sql.col(f"raw_{name}") for name in HEADERS}
numbers = {name: column.cast("double") for name, column in raw.items()}
checks = {name: numbers[name].isin(codes) for name, codes in CODES.items()}
checks |= {name: numbers[name].between(*bounds) for name, bounds in RANGES.items()}
checks["age"] &= numbers["age"] % 1 == 0
checks = {name: sql.coalesce(check, sql.lit(False)) for name, check in checks.items()}
is_valid = sql.lit(True)
for check in checks.values():
    is_valid &= check

rows = (
    spark.read.csv(source, header=True)
    .toDF(*(f"raw_{name}" for name in HEADERS))
    .withColumn("part", sql.spark_partition_id())
    .withColumn("id", sql.monotonically_increasing_id())
)
silver = rows.where(is_valid).select(
    numbers["age"].cast("long").alias("age"),
    *(numbers[name].alias(name) for name in HEADERS if name not in ("age", "fail")),
    (1 - numbers["fail"]).cast("long").alias("fail"),
)
write(silver, "parquet")(str(folder / "silver"))

first = 1
starts = []
for part, count in sorted(rows.groupBy("part").count().collect()):
    starts += [sql.lit(part), sql.lit(first)]
    first += count
number = sql.col("id") - sql.shiftleft(sql.col("part").cast("long"), 33)
reasons = [
    sql.when(
        ~check, sql.concat(sql.lit(f"'{HEADERS[name]}' is "), sql.coalesce(raw[name], sql.lit("")))
    )
    for name, check in checks.items()
]
rejected = rows.where(~is_valid).select(
    *(raw[name].alias(header) for name, header in HEADERS.items()),
    (number + sql.create_map(*starts)[sql.col("part")]).alias("row"),
    sql.concat_ws("; ", *reasons).alias("reason"),
)
write(rejected, "csv")(str(folder / "rejected"), header=True)

numbered = spark.read.parquet(str(folder / "silver")).withColumn(
    "place", sql.xxhash64(sql.monotonically_increasing_id(), sql.lit(seed))
)
bucket = sql.shiftright("place", HASH_BITS - BUCKET_BITS)
histogram = {0: [], 1: []}
for label, number_, count in numbered.groupBy("fail", bucket.alias("bucket")).count().collect():
    histogram[label].append((number_, count))


def read_bucket(label, number):
    found = numbered.where((sql.col("fail") == label) & (bucket == number)).select("place")
    return sorted(row[0] for row in found.collect())


bounds = {key: sql.lit(bound) for key, bound in find_bounds(histogram, read_bucket).items()}
is_below = {
    split: sql.col("place")
    <= sql.when(sql.col("fail") == 1, bounds[1, split]).otherwise(bounds[0, split])
    for split in ("test", "validation")
}
members = {
    "train": ~is_below["validation"],
    "validation": is_below["validation"] & ~is_below["test"],
    "test": is_below["test"],
}
for split in SPLITS:
    write(numbered.where(members[split]).drop("place"), "parquet")(str(folder / split))

totals = {
    split: tuple(
        spark.read.parquet(str(folder / split)).agg(sql.count("*"), sql.sum("fail")).first()
    )
    for split in SPLITS
}
count = spark.read.csv(str(folder / "rejected"), header=True).count()
jvm = spark.sparkContext._jvm.java.lang.ProcessHandle.current().pid()
report(count, totals, "self", jvm)
