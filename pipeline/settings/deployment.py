"""Settings of promotion and rollback."""

from __future__ import annotations

from pydantic import Field

from pipeline.environment import Section

MAX_SHADOW_WAIT_SECONDS = 5_400
"""Longest time that `validate` may wait; Airflow ends a task after two hours (dags/pods.py)."""


class DeploymentSettings(Section):
    require_approval: bool = False
    """Let `promote` move a version into production only with the name of the person who approved
    it."""
    summary_file: str = ""
    """File to which `validate` also writes its gate table in Markdown; empty for none. Airflow
    shows it to the person who approves."""
    lock_timeout_seconds: int = Field(default=600, gt=0)
    """Time after which an unfinished move of the `production` alias counts as dead; the next move
    completes it first."""
    rollout_timeout_seconds: float = Field(default=120, gt=0)
    """How long all predictors may take to serve a version that was promoted or rolled back to."""
    watch_period_seconds: float = Field(default=5, ge=0)
    """How long the predictors' error counts are watched once all of them serve the new version."""
    poll_interval_seconds: float = Field(default=1, gt=0)
    """Pause between two polls of the predictors."""
    request_timeout_seconds: float = Field(default=5, gt=0)
    """Timeout of one request to a predictor."""
    max_failed_predictions: int = Field(default=0, ge=0)
    """Largest number of failed predictions in the watch period; with more, `previous` is put back
    into production."""
    answer_tolerance: float = Field(default=1e-4, gt=0)
    """Largest difference between a live probability and the registered model's: live
    probabilities are rounded."""
    min_positives: int = Field(default=5, ge=1)
    """Fewest positive rows that a group, or the rows new to both models, must have to be judged."""
    refresh_margin: float = Field(default=0.02, ge=0, lt=0.5)
    """Loss in ROC AUC that is accepted when the champion's own recipe was trained on newer data:
    the new model is promoted if it is not worse by this. Challenges that are open keep theirs."""
    min_shadow_rows: int = Field(default=200, ge=1)
    """Fewest rows of shadow traffic that the gate on shadow agreement needs."""
    shadow_wait_seconds: float = Field(default=0, ge=0, le=MAX_SHADOW_WAIT_SECONDS)
    """How long `validate` waits for `MIN_SHADOW_ROWS` rows of shadow traffic if there is a
    champion; 0 to judge what there is. At most 1.5 hours, because Airflow ends a task after 2."""
