"""What each identity may do with the lake: the stage table, and the policies made from it."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any

import pytest

from pipeline.commands.policies import make_policies
from pipeline.model import bundle
from pipeline.stages import STAGES, get_identities
from pipeline.storage import access, layout
from pipeline.storage.access import BUNDLE, Access
from pipeline.storage.layout import ANY, LAYERS
from tests.support.lake_access import GuardedStore
from tests.support.lake_keys import KEYS

IDENTITIES = get_identities()
POLICIES = make_policies("school")
NAMES = pytest.mark.parametrize("name", IDENTITIES)
VERBS = {
    "reads": "s3:GetObject",
    "writes": "s3:PutObject",
    "deletes": "s3:DeleteObject",
    "erases": "s3:DeleteObjectVersion",
}


def allows(policy: dict[str, Any], action: str, arn: str, prefix: str | None = None) -> bool:
    """Evaluate a policy as S3 does: whether a statement allows the action."""
    return any(
        action in statement["Action"]
        and any(fnmatchcase(arn, pattern) for pattern in statement["Resource"])
        and (
            "Condition" not in statement
            or any(
                fnmatchcase(prefix or "", pattern)
                for pattern in statement["Condition"]["StringLike"]["s3:prefix"]
            )
        )
        for statement in policy["Statement"]
    )


def get_arn(key: str) -> str:
    return f"arn:aws:s3:::school-{key}"


@NAMES
def test_a_policy_allows_what_the_table_says(name: str) -> None:
    """For every object of the lake and every action, the policy and the table agree."""
    own = IDENTITIES[name]
    for key in KEYS:
        for field, action in VERBS.items():
            expected = own.allows(field, key)
            if field == "deletes":
                expected = expected or own.allows("erases", key)
            assert allows(POLICIES[name], action, get_arn(key)) is expected, (key, action)
        layer, _, rest = key.partition("/")
        for prefix in (rest, rest.rpartition("/")[0] + "/", ""):
            allowed = allows(POLICIES[name], "s3:ListBucket", get_arn(layer), prefix)
            assert allowed is own.allows_listing(f"{layer}/{prefix}"), (key, prefix)


@NAMES
def test_policies_are_least(name: str) -> None:
    """No policy has a wildcard for actions, and none but `backup` reads a whole bucket.

    No list has a value twice, which MinIO refuses.
    """
    buckets = {get_arn(layer) for layer in LAYERS}
    for statement in POLICIES[name]["Statement"]:
        conditions = statement.get("Condition", {}).values()
        for values in (statement["Resource"], *(one["s3:prefix"] for one in conditions)):
            assert len(values) == len(set(values))
        assert statement["Effect"] == "Allow"
        assert not any("*" in action for action in statement["Action"])
        for resource in statement["Resource"]:
            bucket, slash, key = resource.partition("/")
            assert bucket in buckets, resource
            if slash and name != "backup":
                assert key.strip(ANY + "/"), resource


def test_every_object_is_written_by_somebody() -> None:
    """An identity may write each object of the lake, except files that people upload."""
    by_subject = (layout.ERASED, layout.RUNNING_ERASURES)  # which only `subject` writes
    written = [key for key in KEYS if not key.startswith(by_subject)]
    unwritten = {key for key in written if not who("writes", key) - {"erasure"}}
    assert unwritten == {layout.inbox_file("x.csv"), layout.list_to_score("x.csv")}


def who(field: str, key: str) -> set[str]:
    """Return the identities whose access to a key has that field."""
    return {name for name, own in IDENTITIES.items() if own.allows(field, key)}


@pytest.mark.parametrize(
    ("field", "key", "expected"),
    [
        ("writes", layout.SILVER_LIVE + "2026-01-01/pod-1.jsonl.gz", {"predictor"}),
        ("deletes", layout.SILVER_LIVE + "2026-01-01/pod-1.jsonl.gz", {"compact"}),
        (
            "reads",
            layout.SILVER_LIVE + "2026-01-01/pod-1.jsonl.gz",
            {"drift", "compact", "retention", "backup"},
        ),
        ("deletes", layout.live_traffic_hour("2026-01-01", "00", 0), set()),
        ("erases", layout.live_traffic_hour("2026-01-01", "00", 0), {"retention"}),
        ("erases", layout.bronze_file("0" * 64), {"retention"}),
        ("erases", layout.PROMOTION_LOG, set()),
        ("reads", layout.inbox_file("x.csv"), {"ingest", "backup"}),
        ("reads", layout.list_to_score("x.csv"), {"score", "worker", "backup"}),
        (
            "reads",
            layout.scores_table("2026-01-01", "run-1", "x.csv", "csv"),
            {"backup"},
        ),
        ("writes", layout.bronze_file("0" * 64), {"ingest"}),
        ("deletes", layout.bronze_file("0" * 64), set()),
        ("writes", layout.gold_split("run-1", "test"), {"features", "worker"}),
        ("writes", layout.MLFLOW_ARTIFACTS + "1/run/artifacts/model.onnx", {"mlflow"}),
        ("reads", layout.MLFLOW_ARTIFACTS + "1/run/artifacts/model.onnx", {"mlflow", "backup"}),
        ("writes", layout.STOP_MARKER, {"commands", "answers"}),
        ("deletes", layout.STOP_MARKER, {"commands", "answers"}),
        (
            "reads",
            layout.STOP_MARKER,
            {
                "validate",
                "verify",
                "drift",
                "score",
                "predictor",
                "commands",
                "answers",
                "erasure",
                "backup",
            },
        ),
        ("writes", layout.PROMOTION_LOG, {"promote", "verify", "demote", "commands", "answers"}),
        (
            "writes",
            layout.model_file(bundle.ONNX),
            {"register", "promote", "verify", "demote", "commands", "answers"},
        ),
    ],
)
def test_who_may(field: str, key: str, expected: set[str]) -> None:
    """Only these identities may use the objects that matter most.

    The identity `erasure` also may read, replace and erase what has rows of persons.
    """
    has_rows = any(fnmatchcase(key, pattern) for pattern in access.PERSONS_ROWS)
    is_used = field in ("reads", "writes", "erases")
    assert who(field, key) == expected | ({"erasure"} if has_rows and is_used else set())


def test_the_bundle_has_every_file() -> None:
    """The patterns of the bundle match its files, and nothing else that is below `models/`."""
    for name in (bundle.ONNX, bundle.PICKLE, bundle.REFITS, bundle.MANIFEST):
        assert any(fnmatchcase(layout.model_file(name), pattern) for pattern in BUNDLE), name
    own = Access(reads=BUNDLE)
    assert not own.allows("reads", layout.MLFLOW_ARTIFACTS + "1/run/artifacts/model.onnx")


def list_layout_functions() -> Iterator[str]:
    for name, function in inspect.getmembers(layout, inspect.isfunction):
        if inspect.signature(function).return_annotation == "str" and name != "bucket_name":
            yield name


def test_the_list_of_keys_is_complete() -> None:
    """KEYS has a key of every function of the layout, those that return prefixes included."""
    for name in list_layout_functions():
        function = getattr(layout, name)
        parameters = inspect.signature(function).parameters.values()
        arguments = [1 if item.annotation == "int" else "*" for item in parameters]
        pattern = re.sub(r"[0-9a-f]{32}", "*", function(*arguments))  # a hash of an argument
        assert any(fnmatchcase(key, pattern + "*") for key in KEYS), name


def test_objects_outside_the_lake() -> None:
    """`ingest` may also read the sources in the values, and nobody else may."""
    policies = make_policies("school", ["exports/*.csv"])
    arn = "arn:aws:s3:::exports/2026/students.csv"
    allowed = {name for name, policy in policies.items() if allows(policy, "s3:GetObject", arn)}
    assert allowed == {"ingest"}
    assert not allows(POLICIES["ingest"], "s3:GetObject", arn)
    bucket = "arn:aws:s3:::exports"
    folder = make_policies("school", ["exports/2026/*.csv", "exports/one.csv"])["ingest"]
    (listing,) = [item for item in folder["Statement"] if item["Resource"] == [bucket]]
    assert listing["Condition"] == {"StringLike": {"s3:prefix": "2026/*"}}


def test_a_stage_cannot_leave_its_row() -> None:
    """In the tests of the stages, an object that a row lacks is an error that names the row."""

    class Store:
        def read(self, key: str) -> bytes:
            return key.encode()

        def keys(self, prefix: str, before: str | None) -> list[str]:
            return [prefix]

        url = write = read

    stage = STAGES[2]
    store = GuardedStore(Store(), stage.name, stage.access)
    assert store.read("silver/run-1/rows.parquet") == b"silver/run-1/rows.parquet"
    assert store.keys("silver/run-1/rows.parquet", None)
    assert store.url("gold/x") == b"gold/x"
    for method, key in (("read", "bronze/latest.json"), ("write", "silver/run-1/rows.parquet")):
        with pytest.raises(AssertionError, match=f"features may not {method} '{key}'"):
            getattr(store, method)(key)
    with pytest.raises(AssertionError, match="features may not keys 'silver/'"):
        store.keys("silver/", None)


def test_workers_may_only_what_their_stages_may() -> None:
    """Every object that a worker may use is one of a stage with tasks, which it works for."""
    worker = access.SERVICES["worker"].access
    own = [stage.access for stage in STAGES if stage.tasks]
    for field in ("reads", "writes", "deletes", "erases"):
        for key in KEYS:
            if worker.allows(field, key):
                assert any(one.allows(field, key) for one in own), (field, key)
    assert not worker.deletes + worker.erases + worker.lists


def test_access_can_be_combined() -> None:
    """The union allows what either allows, once."""
    both = Access(reads=("a", "b")) | Access(reads=("b",), writes=("c",))
    assert both == Access(reads=("a", "b"), writes=("c",))


def test_services_have_no_name_of_a_stage() -> None:
    """Each identity has one access."""
    assert not access.SERVICES.keys() & {stage.name for stage in STAGES}
