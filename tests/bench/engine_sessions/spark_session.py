# mypy: ignore-errors
# Runs in a separate environment with its package.
"""Start Spark with one core, wait for the result of a task, then for the end of the input."""

import sys

from pyspark.sql import SparkSession


def main() -> None:
    session = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false")
    spark = session.getOrCreate()
    assert spark.sparkContext.parallelize([1, 2], 1).map(lambda one: one).sum() == 3
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.read()
    spark.stop()


if __name__ == "__main__":
    main()
