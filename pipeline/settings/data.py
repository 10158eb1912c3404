"""Settings of `ingest`, `preprocess`, `features` and `score`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, SecretStr, model_validator

from pipeline.environment import Section, split_at_commas

ORIGINAL_FILE = "gdrive:16_IoRl6EUCevWf4_l5orzRLjlnVG-WUd"
"""The survey file on Google Drive."""
MIN_KEY_SECRET_LENGTH = 16
"""With fewer characters, a secret could be guessed."""


class IngestSettings(Section):
    source: str = ORIGINAL_FILE
    """Data source: `gdrive:ID`, `https://...`, `s3://BUCKET/KEY`, a path (only if the lake is on
    disk), or `sample` or `sample:ROWS` for generated rows. `s3://BUCKET/PREFIX/`, a folder or a
    path with `*` stands for all its CSV files, which need the same header."""
    timeout_seconds: int = Field(default=60, gt=0)
    """Timeout for connecting to the source, and for each pause while it sends."""
    allowed_hosts: Annotated[tuple[str, ...], BeforeValidator(split_at_commas)] = ()
    """Hosts that a source on the web may be on: `data.school.org,*.example.org`; for Google Drive,
    `drive.google.com`. By default every host, but on a cluster only hosts with public addresses."""
    max_bytes: int = Field(default=2_000_000_000, gt=0)
    """Largest file that is accepted, in bytes."""
    part_bytes: int = Field(default=32 << 20, ge=4096)
    """Size of a part of a raw file, in bytes. Larger files are validated in parts, several at a
    time."""
    extra_columns: Literal["keep", "drop", "refuse"] = "drop"
    """What happens to columns of the source that the columns file does not have. `drop` stores the
    file without them and lists them, `keep` stores them in bronze, where no stage reads them, and
    `refuse` stops the run."""
    key_secret: SecretStr = SecretStr("")
    """Secret from which the pseudonyms of the column `key` are computed, at least 16 characters.
    Empty for a generated one next to the lake, if the lake is on disk. With another secret, persons
    are not recognised in earlier data."""

    @model_validator(mode="after")
    def _check_key_secret(self) -> IngestSettings:
        length = len(self.key_secret.get_secret_value())
        if 0 < length < MIN_KEY_SECRET_LENGTH:
            raise ValueError(
                f"MLOPS_INGEST__KEY_SECRET has {length} characters, and could be guessed; it needs "
                f"at least {MIN_KEY_SECRET_LENGTH}"
            )
        return self


class PreprocessSettings(Section):
    max_rejected_fraction: float = Field(default=0.05, ge=0, le=1)
    """Largest fraction of rows that may be rejected; the stage fails if there are more."""


class FeaturesSettings(Section):
    validation_fraction: float = Field(default=0.15, gt=0, lt=1)
    """Fraction of the rows in the validation split."""
    test_fraction: float = Field(default=0.25, gt=0, lt=1)
    """Fraction of the rows in the test split."""

    @model_validator(mode="after")
    def _check_train_fraction(self) -> FeaturesSettings:
        if self.validation_fraction + self.test_fraction > 0.8:
            raise ValueError(
                f"MLOPS_FEATURES__VALIDATION_FRACTION ({self.validation_fraction:g}) and "
                f"MLOPS_FEATURES__TEST_FRACTION ({self.test_fraction:g}) leave less than 20 % of "
                "the rows to train on; lower one of them"
            )
        return self


class ScoreSettings(Section):
    max_rejected_fraction: float = Field(default=0.05, ge=0, le=1)
    """Largest fraction of the rows of a list that may be rejected; the stage fails if there are
    more, and keeps the list."""
    retention_days: int = Field(default=90, ge=0)
    """Days after which `retain` deletes predictions; 0 keeps them."""
