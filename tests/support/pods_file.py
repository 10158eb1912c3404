"""The file that tells the DAGs about the stages' pods, as the chart renders it."""

from __future__ import annotations

from typing import Any

from pipeline.stages import COMMAND_TASKS, STAGES
from tests.support.chart_scenarios import MLFLOW_USERS


def make_pods_file() -> dict[str, Any]:
    """Return the content of such a file, with values that differ from every default."""
    return {
        "namespace": "school",
        "image_pull_policy": "IfNotPresent",
        "image_pull_secrets": ["registry-login"],
        "labels": {"app.kubernetes.io/instance": "school"},
        "scheduling": {
            "nodeSelector": {"school/pool": "ml"},
            "tolerations": [{"key": "gpu", "operator": "Exists"}],
        },
        "config_maps": ["school-settings"],
        "columns": {"config_map": "school-columns", "folder": "/etc/school"},
        "ca": {"config_map": "school-ca", "folder": "/etc/school-ca"},
        "secrets_folder": "/run/secrets/school",
        "access": {
            "internet": {
                "labels": {"school/internet": "true"},
                "secrets": [],
                "config_maps": ["school-proxy"],
            },
            "predictor": {
                "labels": {"school/calls-predictor": "true"},
                "secrets": ["school-api-key"],
            },
            "pseudonyms": {"labels": {}, "secrets": ["school-pseudonyms"]},
            "workers": {
                "labels": {"school/uses-workers": "true"},
                "secrets": [],
                "variables": {"MLOPS_DASK__SCHEDULER": "tls://school-dask-scheduler:8786"},
                "certificate": {"secret": "school-dask", "folder": "/etc/school-dask"},
            },
            **{
                f"mlflow-{user}": {"labels": {}, "secrets": [f"school-mlflow-{user}"]}
                for user in MLFLOW_USERS
            },
        },
        "stages": {
            row.name: {
                "image": f"registry.example/student-mlops/{row.name}:1.2.3",
                "secrets": [f"school-s3-{row.name}"],
                "service_account": f"school-{row.name}",
                "resources": {
                    "requests": {"cpu": "100m", "memory": "256Mi"},
                    "limits": {"memory": "1Gi"},
                },
            }
            for row in (*STAGES, *COMMAND_TASKS)
        },
        "schedules": {
            "training": "0 3 * * 1",
            "drift": "*/30 * * * *",
            "compaction": "5 * * * *",
            "scoring": "0 4 * * *",
        },
        "retries": 3,
        "approval": {"enabled": False, "timeout_hours": 48},
    }
