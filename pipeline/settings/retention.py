"""Settings of `retain`, which deletes what is no longer needed."""

from __future__ import annotations

from pydantic import Field

from pipeline.environment import Section


class RetentionSettings(Section):
    run_days: int = Field(default=180, ge=0)
    """Days after which the rows, reports and MLflow runs of a pipeline run are deleted, if no
    registered model, open challenge or next check needs them; 0 keeps them. Raw files in bronze
    that no kept run refers to are deleted with them."""
    versions: int = Field(default=0, ge=0)
    """Number of the newest registered versions that are kept, with everything that they were made
    from, in addition to those with an alias; 0 keeps all. Older versions are deleted from the
    registry, so that production cannot return to them."""
    inbox_days: int = Field(default=90, ge=0)
    """Days after which a file in the inbox is deleted, unless `MLOPS_INGEST__SOURCE` or the newest
    ingested file names it; 0 keeps it."""
    old_version_days: int = Field(default=30, ge=0)
    """Days for which the object store keeps replaced and deleted versions of an object in bronze; 0
    keeps them. `python -m pipeline buckets` sets this as a lifecycle rule."""
