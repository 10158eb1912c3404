"""Waiting for a condition."""

from __future__ import annotations

from pipeline.polling import poll_until


def test_the_first_result_is_returned() -> None:
    """The probe is called until it returns something other than None."""
    results = iter([None, None, "ready", "late"])
    assert poll_until(lambda: next(results), timeout_seconds=60, interval_seconds=0) == "ready"


def test_a_false_result_is_a_result() -> None:
    """Only None means "not yet"."""
    assert poll_until(lambda: 0, timeout_seconds=0, interval_seconds=0) == 0


def test_none_after_the_deadline() -> None:
    """The probe is called once even if there is no time to wait."""
    calls: list[None] = []
    assert poll_until(lambda: calls.append(None), timeout_seconds=0, interval_seconds=60) is None
    assert len(calls) == 1


def test_the_last_call_is_at_the_deadline() -> None:
    """An interval longer than the rest of the time does not prolong the wait."""
    calls: list[None] = []
    assert poll_until(lambda: calls.append(None), timeout_seconds=0.05, interval_seconds=60) is None
    assert len(calls) == 2
