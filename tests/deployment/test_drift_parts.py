"""drift: large tables are counted part by part."""

from __future__ import annotations

import io
from functools import partial

import pyarrow.parquet as pq

from pipeline.columns import FEATURE_NAMES, LABEL
from pipeline.drift.columns import PREDICTION
from pipeline.drift.outcome import compare_datasets
from pipeline.drift.tables import load_gold, load_silver
from pipeline.storage.artifacts.data import SilverManifest, hash_table
from pipeline.storage.layout import silver_manifest, silver_rows, silver_rows_part
from pipeline.tracking.registry import PRODUCTION
from tests.support.deployment_env import GOLD_RUN, DeploymentEnv
from tests.support.table_parts import write_parts


def test_large_tables_are_counted_in_parts(env: DeploymentEnv) -> None:
    """The report is the same for parts of any size, and its counts are those of all rows."""
    env.register("good", PRODUCTION)
    context = env.context("check")
    lake = context.lake
    version = context.registry.get_by_alias(PRODUCTION)
    assert version is not None
    bundle = context.registry.get_version_bundle(version)
    rows = pq.read_table(io.BytesIO(lake.read(silver_rows(GOLD_RUN))))
    whole, threshold = load_silver(context, GOLD_RUN, bundle), bundle.manifest.threshold
    assert whole.totals is None
    reports = []
    for size in (rows.num_rows, 300, 77):
        parts = write_parts(lake, rows, size, partial(silver_rows_part, f"parts-{size}"))
        manifest = SilverManifest(
            bronze="", sha256=hash_table(parts), rows=rows.num_rows, rejected=0, parts=parts
        )
        lake.write_model(silver_manifest(f"parts-{size}"), manifest)
        current = load_silver(context, f"parts-{size}", bundle, held_rows=250)
        assert len(current.frame) == 250
        for name in (*FEATURE_NAMES, LABEL.name, PREDICTION):
            found, expected = current.count(name), whole.count(name)
            assert found.values.tolist() == expected.values.tolist()
            assert found.counts.tolist() == expected.counts.tolist()
        positives = current.count_predicted_positive(threshold)
        assert positives == whole.count_predicted_positive(threshold)
        outcome = compare_datasets(
            context, load_gold(context, bundle, 200), current, model=bundle.manifest
        )
        report = outcome.report.model_dump(exclude={"created", "current"})
        reports.append(report | {"rows": outcome.report.current.rows})
    assert reports[0] == reports[1] == reports[2]
    assert reports[0]["rows"] == rows.num_rows
