"""Sets of values that together switch every option of the chart on and off."""

from __future__ import annotations

from pipeline.stages import get_identities
from tests.support.helm import ROOT, Values

CERTIFICATE = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"


def _namespace(name: str) -> Values:
    return {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}}


MLFLOW_USERS = ("admin", "trainer", "deployer", "reader", "cleaner")

EXTERNAL: Values = {
    "minio": {"enabled": False},
    "postgresql": {"enabled": False},
    "mlflow": {
        "enabled": False,
        "external": {"url": "https://mlflow.school.org/sub"},
        "users": {"deployer": {"existingSecret": "login-of-deployer"}},
    },
    "objectStore": {
        "existingSecret": "store-keys",
        "external": {"endpoint": "https://s3.school.org:8443"},
    },
    "database": {
        "existingSecret": "database-passwords",
        "external": {"host": "db.school.org", "port": 6432},
    },
    "airflow": {"existingSecret": "airflow-secrets"},
    "pseudonyms": {"existingSecret": "key"},
    "networkPolicy": {
        "external": {
            "objectStore": [{"ipBlock": {"cidr": "192.0.2.10/32"}}],
            "database": [_namespace("databases")],
            "mlflow": [{"ipBlock": {"cidr": "192.0.2.30/32"}}],
        }
    },
}
"""Every service with state is external."""

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
    "columns": (ROOT / "pipeline" / "columns.yaml").read_text(),
    "settings": {
        "MLOPS_GATES__MIN_RECALL": 0.7,
        "MLOPS_INGEST__MAX_BYTES": 3000000000,
        "MLOPS_INGEST__SOURCE": "sample:5000",
    },
    "deployment": {"approval": {"enabled": True, "timeoutHours": 24}},
    "objectStore": {
        "bucketPrefix": "school",
        "region": "eu-central-1",
        "sources": ["exports/*.csv"],
        "identities": {"predictor": {"serviceAccountAnnotations": {"owner": "school"}}},
    },
    "minio": {
        "service": {"type": "NodePort", "nodePort": 30900, "consoleNodePort": 30901},
        "persistence": {"size": "100Gi", "storageClass": "fast"},
        "ingress": {"enabled": True, "host": "minio.school.org", "tlsSecretName": "certificate"},
    },
    "postgresql": {"persistence": {"existingClaim": "my-claim"}},
    "mlflow": {
        "replicas": 2,
        "workers": 2,
        "allowedHosts": ["mlflow.school.org"],
        "httpRoute": {
            "enabled": True,
            "host": "runs.school.org",
            "parentRefs": [{"name": "public", "namespace": "gateways"}],
        },
        "env": {"MLFLOW_LOGGING_LEVEL": "DEBUG", "MLFLOW_DISABLE_TELEMETRY": False},
    },
    "airflow": {
        "adminUser": "ada",
        "parallelism": 8,
        "env": {
            "AIRFLOW__CORE__DEFAULT_TIMEZONE": "Europe/Berlin",
            "AIRFLOW__CORE__LOAD_EXAMPLES": True,
            "AIRFLOW__API__SECRET_KEY": "mine",
        },
    },
    "predictor": {
        "existingSecret": "api-key",
        "apiKeys": {"existingSecret": "callers"},
        "sessions": {"existingSecret": "sessions"},
        "service": {"type": "LoadBalancer"},
        "ingress": {
            "enabled": True,
            "className": "nginx",
            "host": "predict.school.org",
            "tlsSecretName": "certificate",
            "annotations": {"cert-manager.io/issuer": "school"},
        },
        "podAnnotations": {"prometheus.io/scrape": "true", "checksum/config": "mine"},
    },
    "dask": {
        "enabled": True,
        "tls": {"existingSecret": "certificate"},
        "workers": {
            "threads": 2,
            "autoscaling": {"enabled": True, "maxReplicas": 20},
            "scratchSizeLimit": "50Gi",
        },
    },
    "networkPolicy": {"webInterfaces": [_namespace("ingress-nginx")]},
    "global": {"anything": 1},
}
"""Every optional value is set, and every variable and annotation of the user's own replaces one of
the chart's."""

KEYS_OF_THEIR_OWN: Values = {
    "objectStore": {
        "existingSecret": "store-keys",
        "identities": {name: {"existingSecret": f"keys-of-{name}"} for name in get_identities()},
    },
    "database": {"existingSecret": "database-passwords"},
    "mlflow": {
        "existingSecret": "forms",
        "users": {name: {"existingSecret": f"login-of-{name}"} for name in MLFLOW_USERS},
    },
    "airflow": {"existingSecret": "airflow-secrets"},
    "pseudonyms": {"existingSecret": "key"},
}
"""Every Secret exists already, so that two renderings are equal."""

CLOUD: Values = {
    "minio": {"enabled": False},
    "objectStore": {
        "external": {"cloudIdentity": True},
        "serviceAccountAnnotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/buckets"},
        "identities": {
            name: {
                "serviceAccountAnnotations": {
                    "eks.amazonaws.com/role-arn": f"arn:aws:iam::1:role/{name}"
                }
            }
            for name in get_identities()
        },
    },
    "networkPolicy": {"external": {"objectStore": [{"ipBlock": {"cidr": "0.0.0.0/0"}}]}},
}
"""AWS, where every pod has an identity of its own and no key."""

SERVING: Values = {"airflow": {"enabled": False}, "predictor": {"autoscaling": {"enabled": False}}}
"""A predictor of a fixed size, and no training."""

TRAINING: Values = {"predictor": {"enabled": False}}
"""Training without a predictor."""

OPEN: Values = {"networkPolicy": {"enabled": False}, "objectStore": {"createBuckets": False}}
"""No network policies, and existing buckets."""

TLS: Values = {"tls": {"internal": {"enabled": True}}}
"""Connections inside the cluster are encrypted with the chart's own certificates."""

CERT_MANAGER: Values = {
    "tls": {
        "caBundle": CERTIFICATE,
        "internal": {
            "enabled": True,
            "certManager": {"issuer": "school", "kind": "ClusterIssuer"},
            "existingSecrets": {"postgresql": "database-certificate"},
        },
    },
    "proxy": {
        "http": "http://proxy.school.org:3128",
        "https": "http://proxy.school.org:3128",
        "noProxy": [".school.org"],
    },
    "networkPolicy": {"external": {"proxy": [{"ipBlock": {"cidr": "192.0.2.40/32"}}]}},
}
"""Other authorities sign the certificates, and `ingest` uses a proxy."""

WORKERS: Values = {"dask": {"enabled": True}}
"""Dask's scheduler and two workers."""

OIDC: Values = {
    "auth": {
        "oidc": {"issuer": "https://login.school.org/realms/school", "existingSecret": "client"}
    }
}
"""People log in at an issuer."""

OIDC_AND_TLS: Values = {
    "auth": {
        "oidc": {
            "issuer": "https://login.school.org:8443/realms/school",
            "clientId": "mlops",
            "existingSecret": "client",
            "scopes": ["openid", "groups"],
            "logoutUrl": "https://login.school.org:8443/realms/school/end",
            "rolesClaim": "groups",
            "roles": {"viewer": ["staff", "teachers"], "tutor": []},
            "peers": [{"ipBlock": {"cidr": "192.0.2.10/32"}}],
        },
        "proxy": {"existingSecret": "cookies", "replicas": 1},
    },
    "tls": {"caBundle": CERTIFICATE, "internal": {"enabled": True}},
    "mlflow": {
        "ingress": {"enabled": True, "host": "mlflow.school.org", "tlsSecretName": "certificate"}
    },
    "predictor": {
        "ingress": {"enabled": True, "host": "predict.school.org", "tlsSecretName": "certificate"}
    },
    "networkPolicy": {"webInterfaces": [_namespace("ingress-nginx")]},
}
"""The same by encrypted connections, with a private issuer, and with public addresses."""

SCENARIOS: dict[str, tuple[Values, str | None]] = {
    "defaults": ({}, None),
    "kind": ({}, "values-kind.yaml"),
    "external": (EXTERNAL, None),
    "everything": (EVERYTHING, None),
    "serving": (SERVING, None),
    "training": (TRAINING, None),
    "open": (OPEN, None),
    "keys": (KEYS_OF_THEIR_OWN, None),
    "cloud": (CLOUD, None),
    "tls": (TLS, None),
    "cert-manager": (CERT_MANAGER, None),
    "workers": (WORKERS, None),
    "oidc": (OIDC, None),
    "oidc-tls": (OIDC_AND_TLS, None),
}
"""Name -> values, and the chart's values file that they override."""
