"""The promotion log proves itself: whatever is changed in it afterwards is found."""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Callable

import pytest

from pipeline.commands import history
from pipeline.deployment.rollback import roll_back
from pipeline.errors import PromotionError
from pipeline.model.bundle import Examples, Manifest
from pipeline.stages import promote
from pipeline.storage.lake import Lake, sha256_hex
from pipeline.storage.layout import PROMOTION_RECORDS
from pipeline.tracking.promotion_chain import (
    check_fallback,
    find_interrupted,
    find_problems,
    is_recorded,
)
from pipeline.tracking.promotion_log import NO_RECORD, Action, Move, Record
from pipeline.tracking.registry import MANIFEST_TAG, PRODUCTION, RECORD_TAG, STAGING, Version
from tests.support.deployment_env import DeploymentEnv
from tests.support.forest import LINEAGE

Log = dict[str, bytes]
IN_THE_FUTURE = "9999-01-01T00:00:00+00:00"
LINES = "reports/promotions.jsonl"


def write_history(moves: int = 6) -> tuple[Log, Version]:
    """The objects of a log in which the third move was completed by the fourth."""
    records: list[Record] = []
    for number in range(1, moves + 1):
        resumes = 3 if number == 4 else None
        record = Record(
            number=number,
            action="promote",
            run_id=f"run-{resumes or number}",
            started_by="10001@pod",
            started_at=f"2026-11-0{number}T10:00:00+00:00",
            lock_expires_at=f"2026-11-0{number}T10:10:00+00:00",
            done=number != 3,
            resumes=resumes,
            previous_sha256=records[-1].sha256 if records else NO_RECORD,
            move=Move(
                origin=str(number), to=str(number + 1), previous=str(number), reason="every gate"
            ),
        )
        records.append(record)
    log = {record.key: record.to_bytes() for record in records}
    log[LINES] = "".join(record.to_line() for record in records if record.done).encode()
    return log, Version(records[-1].move.to, "run", {RECORD_TAG: records[-1].sha256})


def check(log: Log, production: Version | None) -> list[str]:
    records = {key: data for key, data in log.items() if key != LINES}
    return find_problems(records, log.get(LINES, b""), production)


def list_record_keys(log: Log) -> list[str]:
    return sorted(log.keys() - {LINES})


def change_a_byte(log: Log, source: random.Random) -> None:
    key = source.choice(list(log))
    data = bytearray(log[key])
    data[source.randrange(len(data))] ^= 1 << source.randrange(7)
    log[key] = bytes(data)


def change_a_field(log: Log, source: random.Random) -> None:
    """Change a value, in the format that the platform writes."""
    key = source.choice(list_record_keys(log))
    fields = json.loads(log[key])
    name = source.choice(["started_by", "started_at", "lock_expires_at", "run_id"])
    log[key] = Record.model_validate(fields | {name: "2026-12-24T00:00:00+00:00"}).to_bytes()


def flip_done(log: Log, source: random.Random) -> None:
    key = source.choice(list_record_keys(log))
    fields = json.loads(log[key])
    log[key] = Record.model_validate(fields | {"done": not fields["done"]}).to_bytes()


def remove_a_record(log: Log, source: random.Random) -> None:
    """Remove a record and move the later ones up, as if it had never been."""
    keys = list_record_keys(log)
    position = source.randrange(len(keys))
    for key, following in zip(keys[position:], keys[position + 1 :], strict=False):
        fields = json.loads(log[following]) | {"number": int(key[-11:-5])}
        log[key] = Record.model_validate(fields).to_bytes()
    del log[keys[-1]]
    rewrite_lines(log)


def delete_an_object(log: Log, source: random.Random) -> None:
    del log[source.choice(list(log))]


def swap_two_records(log: Log, source: random.Random) -> None:
    one, other = source.sample(list_record_keys(log), 2)
    log[one], log[other] = log[other], log[one]


def rewrite_the_rest(log: Log, source: random.Random) -> None:
    """Change a reason, then every later hash and the lines, so that the log agrees with itself."""
    keys = list_record_keys(log)
    position = source.randrange(len(keys))
    previous = None
    for key in keys[position:]:
        fields = json.loads(log[key])
        if previous is None:
            fields["move"]["reason"] = "it was better"
        else:
            fields["previous_sha256"] = previous
        record = Record.model_validate(fields)
        log[key], previous = record.to_bytes(), record.sha256
    rewrite_lines(log)


def rewrite_lines(log: Log) -> None:
    records = [Record.model_validate_json(log[key]) for key in list_record_keys(log)]
    log[LINES] = "".join(record.to_line() for record in records if record.done).encode()


def replace_the_last_records(log: Log, source: random.Random) -> None:
    """Replace the last records by the one of a run that seems to have died."""
    keys = list_record_keys(log)
    position = source.randrange(4, len(keys))
    before = Record.model_validate_json(log[keys[position - 1]])
    fields = json.loads(log[keys[position]])
    fields |= {"done": False, "previous_sha256": before.sha256, "started_by": "somebody@else"}
    fields["move"]["to"] = source.choice(["6", "7", "8"])
    for key in keys[position:]:
        del log[key]
    log[keys[position]] = Record.model_validate(fields).to_bytes()
    rewrite_lines(log)


TAMPERINGS: list[Callable[[Log, random.Random], None]] = [
    change_a_byte,
    change_a_field,
    flip_done,
    remove_a_record,
    delete_an_object,
    swap_two_records,
    rewrite_the_rest,
    replace_the_last_records,
]


def test_an_untouched_log_has_no_problem() -> None:
    assert check(*write_history()) == []
    assert check({}, None) == []


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("tamper", TAMPERINGS, ids=lambda tamper: tamper.__name__)
def test_every_tampering_is_found(tamper: Callable[[Log, random.Random], None], seed: int) -> None:
    log, production = write_history()
    tamper(log, random.Random(seed))
    assert check(log, production)


def test_a_move_without_a_record_is_found() -> None:
    """Somebody moved the alias in MLflow."""
    log, _ = write_history()
    assert check(log, Version("3", "run", {})) == [
        "`production` is version 3, and by reports/promotions/000006.json it is version 7."
    ]
    assert check({}, Version("3", "run", {})) == [
        "`production` is version 3, and no record has the reason."
    ]


def test_the_records_of_an_earlier_release_are_accepted() -> None:
    """They have no hash; the first record with one protects them."""
    log, production = write_history(moves=2)
    old = Record.model_validate_json(log["reports/promotions/000001.json"])
    old = old.model_copy(update={"previous_sha256": None})
    new = Record.model_validate_json(log["reports/promotions/000002.json"])
    new = new.model_copy(update={"previous_sha256": old.sha256})
    log |= {old.key: old.to_bytes(), new.key: new.to_bytes()}
    rewrite_lines(log)
    production = Version(production.number, "run", {RECORD_TAG: new.sha256})
    assert check(log, production) == []

    changed = old.model_copy(update={"started_by": "somebody@else"})
    log[old.key] = changed.to_bytes()
    rewrite_lines(log)
    assert check(log, production) == [
        "reports/promotions/000001.json was changed, or is not the record before"
        " reports/promotions/000002.json."
    ]


def test_a_move_between_its_line_and_its_end_is_no_problem() -> None:
    """The drift check may run while production moves, until the lock of the move expires."""
    log, production = write_history()
    key = list_record_keys(log)[-1]
    fields = json.loads(log[key]) | {"done": False}
    log[key] = Record.model_validate(fields).to_bytes()
    assert check(log, production) == ["reports/promotions.jsonl differs from the records."]
    running = Record.model_validate(fields | {"lock_expires_at": IN_THE_FUTURE})
    log[key] = running.to_bytes()
    rewrite_lines(log)
    production = Version(production.number, "run", {RECORD_TAG: running.sha256})
    assert check(log, production) == []
    log[LINES] += running.to_line().encode()
    assert check(log, production) == []


def test_each_state_of_an_unfinished_move_is_no_problem() -> None:
    """A run that died has set the alias or not, and then the tag or not."""
    log, before = write_history()
    records = [Record.model_validate_json(log[key]) for key in list_record_keys(log)]
    unfinished = records[-1].model_copy(
        update={
            "number": 7,
            "done": False,
            "previous_sha256": records[-1].sha256,
            "move": Move(origin="7", to="5", previous="7", reason="parents complain"),
        }
    )
    log[unfinished.key] = unfinished.to_bytes()
    earlier_tag = records[3].sha256  # the fourth record moved production to version 5
    for production in (
        before,
        Version("5", "run", {RECORD_TAG: earlier_tag}),
        Version("5", "run", {RECORD_TAG: unfinished.sha256}),
    ):
        assert check(log, production) == []
    for wrong in (
        None,
        Version("3", "run", {RECORD_TAG: before.tags[RECORD_TAG]}),
        Version("5", "run", {}),
        Version("5", "run", {RECORD_TAG: before.tags[RECORD_TAG]}),
        Version("7", "run", {RECORD_TAG: unfinished.sha256}),
    ):
        assert len(check(log, wrong)) == 1


def test_the_first_move_may_be_unfinished() -> None:
    """Its version has no tag until the move sets it."""
    log, production = write_history(moves=1)
    fields = json.loads(log["reports/promotions/000001.json"]) | {"done": False}
    log = {"reports/promotions/000001.json": Record.model_validate(fields).to_bytes()}
    assert check(log, None) == check(log, production) == []
    assert check(log, Version(production.number, "run", {})) == []
    assert check(log, Version(production.number, "run", {RECORD_TAG: "0" * 64}))
    assert check(log, Version("3", "run", {}))


def test_a_move_that_a_run_did_not_end_is_named(lake: Lake) -> None:
    """It is no problem of the log, because the next move completes it."""
    add_record(lake, "promote", "1")
    assert find_interrupted(lake) is None
    add_record(lake, "promote", "2", done=False)
    assert "run started the promote of version 2" in (find_interrupted(lake) or "")


def test_the_lines_of_an_earlier_release_are_accepted() -> None:
    """They lack newer fields until the next move writes all lines again."""
    log, production = write_history(moves=1)
    (key,) = list_record_keys(log)
    old = Record.model_validate_json(log[key]).model_copy(update={"previous_sha256": None})
    line = json.loads(old.to_line())
    del line["previous_sha256"]
    log |= {key: old.to_bytes(), LINES: f"{json.dumps(line, sort_keys=True)}\n".encode()}
    assert check(log, Version(production.number, "run", {})) == []


def accepts(lake: Lake, version: str, manifest: Manifest | None = None) -> bool:
    """Whether `check_fallback` accepts a manifest, by default that of the version."""
    try:
        check_fallback(lake, manifest or make_manifest(version))
    except PromotionError as error:
        assert f"is version {version} with the SHA-256" in str(error)
        return False
    return True


def make_manifest(version: str) -> Manifest:
    return Manifest(
        name="student-performance",
        family="random_forest",
        run_id=f"run-{version}",
        version=version,
        created="2026-01-01T00:00:00+00:00",
        threshold=0.5,
        features=[],
        files={},
        lineage=LINEAGE,
        examples=Examples(inputs=[]),
        background=[],
    )


def add_record(lake: Lake, action: Action, to: str, *, done: bool = True) -> None:
    """Write a record; as in the platform's own, one that moves nothing has no hashes."""
    moves = action in ("promote", "rollback")
    hashes = {MANIFEST_TAG: sha256_hex(make_manifest(to).to_bytes())} if moves else {}
    record = Record(
        number=len(lake.keys(PROMOTION_RECORDS)) + 1,
        action=action,
        run_id="run",
        started_by="10001@pod",
        started_at="2026-11-01T10:00:00+00:00",
        lock_expires_at="2026-11-01T10:10:00+00:00",
        done=done,
        move=Move(origin=None, to=to, previous=None, reason="every gate", hashes=hashes),
    )
    lake.write(record.key, record.to_bytes())


def test_the_bundle_of_the_newest_record_is_accepted(lake: Lake) -> None:
    """Another bundle is refused, also one that has the number of the recorded version."""
    assert accepts(lake, "1")  # `register` wrote it
    assert accepts(lake, "2")
    add_record(lake, "promote", "1")
    add_record(lake, "verify", "1")
    changed = make_manifest("1").model_copy(update={"threshold": 0.1})
    assert accepts(lake, "1")
    assert not accepts(lake, "1", changed)
    assert not accepts(lake, "2")
    version = Version("1", "run-1", {MANIFEST_TAG: sha256_hex(changed.to_bytes())})
    assert not is_recorded(lake, version)


def test_two_bundles_are_accepted_while_production_moves(lake: Lake) -> None:
    """The move copies the new bundle; before that, and if it is killed, the old one is there."""
    add_record(lake, "promote", "1")
    add_record(lake, "verify", "1")
    add_record(lake, "promote", "2", done=False)
    assert [accepts(lake, version) for version in ("1", "2", "3")] == [True, True, False]
    add_record(lake, "promote", "2")
    assert [accepts(lake, version) for version in ("1", "2", "3")] == [False, True, False]
    add_record(lake, "rollback", "1")
    assert [accepts(lake, version) for version in ("1", "2", "3")] == [True, False, False]


def test_history_verifies_what_promote_and_rollback_wrote(
    env: DeploymentEnv, capsys: pytest.CaptureFixture[str]
) -> None:
    """`history --verify` accepts the platform's own moves and names a move by hand."""
    champion = env.bare(PRODUCTION)
    candidate = env.bare(STAGING)
    env.verdict("run-1", candidate, champion)
    promote.run(env.context("run-1"))
    roll_back(env.context("any"), "rollback", "parents complain")
    arguments = argparse.Namespace(verify=True, json=False)

    history.main(env.context("any"), arguments)
    assert "2 records, complete and unchanged" in capsys.readouterr().out

    env.registry.set_alias(PRODUCTION, candidate)
    with pytest.raises(PromotionError, match=f"`production` is version {candidate}, and by"):
        history.main(env.context("any"), arguments)
