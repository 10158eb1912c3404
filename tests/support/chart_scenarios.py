"""Sets of values that between them turn every switch of the chart both ways."""

from __future__ import annotations

from tests.support.helm import Values

EXTERNAL: Values = {
    "minio": {"enabled": False},
    "postgresql": {"enabled": False},
    "mlflow": {"enabled": False, "external": {"url": "https://mlflow.school.org/sub"}},
    "objectStore": {
        "existingSecret": "store-keys",
        "external": {"endpoint": "https://s3.school.org:8443"},
    },
    "database": {
        "existingSecret": "database-passwords",
        "external": {"host": "db.school.org", "port": 6432},
    },
    "airflow": {"existingSecret": "airflow-secrets"},
    "networkPolicy": {
        "external": {
            "objectStore": [{"ipBlock": {"cidr": "192.0.2.10/32"}}],
            "database": [
                {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "databases"}}}
            ],
            "mlflow": [{"ipBlock": {"cidr": "192.0.2.30/32"}}],
        }
    },
}
"""Nothing of the platform's state in the cluster."""

EVERYTHING: Values = {
    "image": {
        "registry": "registry.school.org/ml",
        "tag": "v7",
        "pullPolicy": "Always",
        "pullSecrets": ["registry"],
    },
    "images": {
        "train": {"repository": "own/train", "tag": "exact"},
        "predictor": {"digest": f"sha256:{'0' * 64}"},
    },
    "scheduling": {
        "nodeSelector": {"pool": "ml"},
        "tolerations": [{"key": "ml", "operator": "Exists", "effect": "NoSchedule"}],
    },
    "settings": {
        "MLOPS_GATES__MIN_RECALL": 0.7,
        "MLOPS_INGEST__MAX_BYTES": 3000000000,
        "MLOPS_INGEST__SOURCE": "sample:5000",
    },
    "objectStore": {"bucketPrefix": "school", "region": "eu-central-1"},
    "minio": {
        "service": {"type": "NodePort", "nodePort": 30900, "consoleNodePort": 30901},
        "persistence": {"size": "100Gi", "storageClass": "fast"},
    },
    "postgresql": {"persistence": {"existingClaim": "my-claim"}},
    "mlflow": {
        "replicas": 2,
        "workers": 2,
        "allowedHosts": ["mlflow.school.org"],
        "env": {"MLFLOW_LOGGING_LEVEL": "DEBUG"},
    },
    "airflow": {
        "adminUser": "ada",
        "parallelism": 8,
        "env": {"AIRFLOW__CORE__DEFAULT_TIMEZONE": "Europe/Berlin"},
    },
    "predictor": {
        "existingSecret": "api-key",
        "service": {"type": "LoadBalancer"},
        "ingress": {
            "enabled": True,
            "className": "nginx",
            "host": "predict.school.org",
            "tlsSecret": "certificate",
            "annotations": {"cert-manager.io/issuer": "school"},
        },
        "annotations": {"prometheus.io/scrape": "true"},
    },
    "networkPolicy": {
        "pages": [
            {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "ingress-nginx"}}}
        ]
    },
    "global": {"anything": 1},
}
"""Every optional value given."""

SERVING: Values = {"airflow": {"enabled": False}, "predictor": {"autoscaling": {"enabled": False}}}
"""A predictor of a fixed size that nothing retrains."""

TRAINING: Values = {"predictor": {"enabled": False}}
"""Models are trained and registered; something else serves them."""

OPEN: Values = {"networkPolicy": {"enabled": False}, "objectStore": {"createBuckets": False}}
"""No policies; buckets made by somebody else."""

SCENARIOS: dict[str, tuple[Values, str | None]] = {
    "defaults": ({}, None),
    "kind": ({}, "values-kind.yaml"),
    "external": (EXTERNAL, None),
    "everything": (EVERYTHING, None),
    "serving": (SERVING, None),
    "training": (TRAINING, None),
    "open": (OPEN, None),
}
"""Name -> values, and the values file of the chart that they go over."""
