# mypy: ignore-errors
"""What both programs know of the survey: its headers and its splits."""

import json
import os
import sys
from pathlib import Path

TEST, VALIDATION = 0.25, 0.15
"""Fractions of the rows in the splits."""
SPLITS = ("train", "validation", "test")
HEADERS = {
    "age": "Age",
    "course": "Course (STEM=1, Non-STEM=0)",
    "sleep_hours": "Hours of Sleep",
    "relationship": "In a Relationship (1=Yes, 0=No, 0.5=It's complicated)",
    "review_hours": "Hours Reviewing",
    "fail": "Pass/Fail (1=Pass, 0=Fail)",
}
CODES = {"course": [0.0, 1.0], "relationship": [0.0, 0.5, 1.0], "fail": [0.0, 1.0]}
RANGES = {"age": (15, 100), "sleep_hours": (0, 24), "review_hours": (0, 24)}
HASH_BITS, BUCKET_BITS = 64, 16
"""Leading bits of a row's hash that choose its bucket in a histogram."""


def read_arguments():
    """The source, the output folder and the seed."""
    return sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])


def find_bounds(histogram, read_bucket):
    """Find the largest hash of the rows of each class in `test`, and in `test` or `validation`.

    Args:
        histogram: Class -> pairs of a bucket and its number of rows.
        read_bucket: Returns the sorted hashes of a class and a bucket.

    Returns:
        (class, split) -> the hash.
    """
    bounds = {}
    for label, buckets in histogram.items():
        total = sum(count for _, count in buckets)
        test = round(TEST * total)
        for split, place in (("test", test), ("validation", test + round(VALIDATION * total))):
            end = 0
            for bucket, count in sorted(buckets):
                if end + count >= place:
                    bounds[label, split] = read_bucket(label, bucket)[place - end - 1]
                    break
                end += count
    return bounds


def read_peak(process):
    """The peak resident memory of a process, in MiB."""
    status = Path(f"/proc/{process}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def read_cpu_seconds(process):
    """The processor time of a process and its threads."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def report(rejected, splits, *processes):
    """Print the counts, and the peak memory and the processor time of the processes."""
    found = {
        "rejected": rejected,
        "splits": splits,
        "mebibytes": round(sum(map(read_peak, processes))),
        "cpu_seconds": sum(map(read_cpu_seconds, processes)),
    }
    json.dump(found, sys.stdout)
