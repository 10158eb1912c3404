"""A key of every kind of object in the lake."""

from __future__ import annotations

from pipeline.storage import layout

RUN, SHA256 = "run-1", "0" * 64
DAY = "2026-01-01"

KEYS = (
    layout.dask_report(RUN, "preprocess"),
    layout.inbox_file("x.csv"),
    layout.bronze_file(SHA256),
    layout.bronze_manifest(SHA256),
    layout.bronze_from_inbox("x.csv"),
    layout.bronze_pointer(RUN),
    layout.BRONZE_LATEST,
    layout.erased_person("0" * 32),
    layout.erased_model("0" * 32),
    layout.erased_hash(SHA256, SHA256, "gold/run-1/train.parquet"),
    layout.silver_rows(RUN),
    layout.silver_rows_part(RUN, 0),
    layout.silver_rejected(RUN),
    layout.silver_rejected_part(RUN, 0),
    layout.silver_manifest(RUN),
    layout.live_traffic_object(DAY, "pod", 1),
    layout.live_traffic_hour(DAY, "00", 0),
    layout.ended_session(DAY, "session"),
    layout.list_to_score("x.csv"),
    *(layout.scores_table(DAY, RUN, "x.csv", suffix) for suffix in layout.SCORES_SUFFIXES),
    *(layout.scores_part(DAY, RUN, "x.csv", 0, suffix) for suffix in layout.SCORES_SUFFIXES),
    layout.scores_manifest(DAY, RUN, "x.csv"),
    *(layout.gold_split(RUN, split) for split in layout.SPLITS),
    *(layout.gold_split_part(RUN, split, 0) for split in layout.SPLITS),
    layout.gold_array(RUN, SHA256),
    layout.gold_manifest(RUN),
    *(
        layout.model_file(name)
        for name in ("model.onnx", "model.pkl", "refits.onnx", "manifest.json")
    ),
    layout.STOP_MARKER,
    layout.MLFLOW_ARTIFACTS + "1/run/artifacts/serving/model.onnx",
    *(
        layout.report_file(RUN, name)
        for name in (
            *layout.DRIFT_FILES,
            layout.MODEL_CARD_MARKDOWN,
            layout.MODEL_CARD_HTML,
            layout.HUGGING_FACE_CARD,
            layout.VALIDATION_PAGE,
            layout.DATA_CHECK,
            layout.DATA_CHECK_PAGE,
            "roc.svg",
        )
    ),
    *map(layout.latest_report_file, (*layout.DRIFT_FILES, layout.SOURCE_CHANGES)),
    layout.out_of_fold(RUN),
    layout.train_report(RUN),
    layout.evaluation_report(RUN),
    layout.validation_report(RUN),
    layout.demotion_report(RUN),
    layout.promotion_record(1),
    layout.PROMOTION_LOG,
    layout.challenge("champion", "recipe"),
    layout.challenge_look("champion", "recipe", SHA256),
    layout.test_split_model(SHA256, SHA256),
    layout.retraining_request(DAY, 1),
    layout.running_stage("train", RUN),
    layout.running_erasure("0" * 32),
)
