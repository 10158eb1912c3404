"""What a stage can say instead of succeeding.

PipelineError           the stage failed; the message says what happened, with which value, and what to do
├── SettingsError       an environment variable or argument is unknown, malformed or contradicts another
├── SourceError         the data source could not be read
├── DataError           the data breaks the contract of pipeline/columns.py
├── LakeError           the lake cannot be read or written, or an object's bytes are not what was recorded
├── RegistryError       MLflow is away, or does not hold what is asked for
├── PromotionError      `production` is being moved by another run, or is not what the candidate was judged against
└── VerifyError         the live predictor does not serve what was promoted
NothingToDo             the stage ended well with nothing done; its command exits with stages.SKIPPED
"""

from __future__ import annotations


class PipelineError(Exception):
    """A stage failed; str() is a sentence for people."""

    retryable = True
    """Whether the same command may go well at another time, with nothing else changed."""


class SettingsError(PipelineError):
    """An environment variable or argument is unknown, malformed or contradicts another."""

    retryable = False


class SourceError(PipelineError):
    """The data source could not be read."""


class DataError(PipelineError):
    """The data breaks the contract of pipeline/columns.py."""

    retryable = False


class LakeError(PipelineError):
    """The lake cannot be read or written, or an object's bytes are not what was recorded."""


class RegistryError(PipelineError):
    """MLflow is away, or does not hold what is asked for."""


class PromotionError(PipelineError):
    """`production` is being moved by another run, or is not what the candidate was judged against."""


class VerifyError(PipelineError):
    """The live predictor does not serve what was promoted."""

    retryable = False


class StageSkipped(Exception):
    """The stage ended well with nothing done; str() says why."""
