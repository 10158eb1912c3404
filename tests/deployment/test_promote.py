"""promote: one production at all times."""

from __future__ import annotations

from pipeline import promote, validate
from tests.deployment.models import World


def test_a_candidate_that_validate_passed_goes_into_production(world: World) -> None:
    """validate then promote moves `production` to the candidate, and logs it."""
    number = world.register("good")
    context = world.context("run-1")
    validate.run(context)
    promote.run(context)
    assert world.production() == number
