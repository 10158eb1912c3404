"""Exceptions raised by stages and commands.

PipelineError           the command failed; the message has the cause, the value, and what to do
├── SettingsError       an environment variable or argument is unknown, malformed or contradictory
├── ColumnsError        the columns file is missing or has errors
├── SourceError         the data source could not be read
├── DataError           the data breaks the contract of the columns file
├── MemoryLimitError    the table is too large for the memory of the stage
├── LakeError           the lake could not be read or written, or an object's hash is wrong
├── WorkersError        the Dask workers could not be used, or differ from the stage
├── RegistryError       MLflow did not respond, or lacks what was requested
├── PromotionError      another run moves `production`, or it is not the expected version
└── VerifyError         the live predictor does not serve what was promoted
StageSkipped            the stage had nothing to do; its command exits with stages.EXIT_SKIPPED
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import ValidationError

MAX_QUOTED_CHARACTERS = 120


class PipelineError(Exception):
    """A command failed; str() is a sentence for people."""

    retryable = True
    """Whether the same command can succeed later with nothing else changed."""


class SettingsError(PipelineError):
    """An environment variable or argument is unknown, malformed or contradicts another."""

    retryable = False


class ColumnsError(PipelineError):
    """The columns file is missing or has errors; each has a line of the message."""

    retryable = False


class SourceError(PipelineError):
    """The data source could not be read."""


class DataError(PipelineError):
    """The data breaks the contract of the columns file."""

    retryable = False


class MemoryLimitError(PipelineError):
    """The table is too large for the memory of the stage; more memory or fewer rows help."""

    retryable = False


class LakeError(PipelineError):
    """The lake could not be read or written, or an object's hash differs from the recorded one."""


class WorkersError(PipelineError):
    """The Dask scheduler or its workers could not be used, or differ from the stage."""


class RegistryError(PipelineError):
    """MLflow did not respond, or lacks what was requested."""


class PromotionError(PipelineError):
    """Another run moves `production`, or it is not what the candidate was compared with."""


class VerifyError(PipelineError):
    """The live predictor does not serve what was promoted."""

    retryable = False


class StageSkipped(Exception):
    """The stage had nothing to do; str() says why."""


def shorten(text: str) -> str:
    """Cut text from a data file before it is quoted in an error.

    A file that is not the expected one may hold secrets, such as /proc/self/environ, and may have
    no line breaks, so no error may print more of it than this.
    """
    if len(text) <= MAX_QUOTED_CHARACTERS:
        return text
    return text[: MAX_QUOTED_CHARACTERS - 1] + "…"


def describe_first(error: ValidationError, whole: str) -> str:
    """Describe the first problem of a document that pydantic refused, without a full stop.

    Args:
        error: Pydantic's error.
        whole: What to call the document, if the problem is not that of one field.
    """
    first = error.errors()[0]
    return f"{'.'.join(str(part) for part in first['loc']) or whole}: {first['msg']}"
