"""The object store's templates, and the Job that makes the buckets."""

from __future__ import annotations

import base64

from pipeline.__main__ import COMMANDS
from tests.support.chart_scenarios import EXTERNAL
from tests.support.helm import container, find, names, render, variables


def test_keys_are_the_stages_keys() -> None:
    """MinIO's user is what the stages read under S3's usual names, of one Secret."""
    manifests = render()
    given = variables(container(find(manifests, "StatefulSet", "minio")))
    secret = "student-mlops-objectstore"
    assert given["MINIO_ROOT_USER"] == {
        "secretKeyRef": {"name": secret, "key": "AWS_ACCESS_KEY_ID"}
    }
    assert given["MINIO_ROOT_PASSWORD"] == {
        "secretKeyRef": {"name": secret, "key": "AWS_SECRET_ACCESS_KEY"}
    }
    data = find(manifests, "Secret", "objectstore")["data"]
    assert data.keys() == {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}
    assert len(base64.b64decode(data["AWS_SECRET_ACCESS_KEY"])) == 32


def test_data_and_keys_outlive_the_release() -> None:
    """`helm uninstall` leaves every volume, and every Secret without which a volume is of no use, and says so."""
    manifests = render()
    kept = {
        (item["kind"], item["metadata"]["name"])
        for item in manifests
        if item["metadata"].get("annotations", {}).get("helm.sh/resource-policy") == "keep"
    }
    assert kept == {
        (kind, name)
        for kind in ("PersistentVolumeClaim", "Secret")
        for name in names(manifests, kind)
    }
    assert len(kept) == 6


def test_ports_on_the_nodes() -> None:
    """Both ports can be had on the nodes."""
    service = find(render(file="values-kind.yaml"), "Service", "minio")["spec"]
    assert {port["name"]: port["nodePort"] for port in service["ports"]} == {
        "s3": 30900,
        "console": 30901,
    }


def test_storage_values() -> None:
    """Size and class are the claim's; a claim of one's own replaces it."""
    claim = find(
        render({"minio": {"persistence": {"size": "9Gi", "storageClass": "fast"}}}),
        "PersistentVolumeClaim",
        "minio",
    )
    assert claim["spec"]["resources"]["requests"]["storage"] == "9Gi"
    assert claim["spec"]["storageClassName"] == "fast"
    manifests = render({"minio": {"persistence": {"existingClaim": "mine"}}})
    assert "student-mlops-minio" not in names(manifests, "PersistentVolumeClaim")
    volumes = find(manifests, "StatefulSet", "minio")["spec"]["template"]["spec"]["volumes"]
    assert volumes[0]["persistentVolumeClaim"]["claimName"] == "mine"


def job(**values: object) -> str:
    (name,) = names(render(dict(values)), "Job")
    return name


def test_another_image_is_another_job() -> None:
    """A Job cannot be changed, so that an upgrade makes a new one where anything of it differs, and only there."""
    assert job() == job(settings={"MLOPS_SEED": 3})
    assert job() != job(image={"tag": "new"})
    assert job() != job(objectStore={"bucketPrefix": "school"})


def test_the_job_runs_a_command_that_is_there() -> None:
    """The buckets are made by the pipeline's own command, in the image of ingest."""
    manifests = render()
    made = container(next(item for item in manifests if item["kind"] == "Job"))
    assert made["args"] == ["buckets"]
    assert "buckets" in COMMANDS
    assert made["image"] == "localhost/student-mlops/ingest:0.1.0"


def test_replaced() -> None:
    """Another store takes its place: its endpoint and its keys reach the stages, the buckets' Job and MLflow."""
    manifests = render(EXTERNAL)
    assert names(manifests, "StatefulSet") == ["student-mlops-airflow-scheduler"]
    assert names(manifests, "Secret") == []
    assert (
        find(manifests, "ConfigMap", "settings")["data"]["MLOPS_LAKE__ENDPOINT"]
        == "https://s3.school.org:8443"
    )
    made = container(next(item for item in manifests if item["kind"] == "Job"))
    assert variables(made)["MLOPS_LAKE__ENDPOINT"] == "https://s3.school.org:8443"
    assert made["envFrom"] == [{"secretRef": {"name": "store-keys"}}]
    assert (
        names(
            render(
                {**EXTERNAL, "objectStore": {**EXTERNAL["objectStore"], "createBuckets": False}}
            ),
            "Job",
        )
        == []
    )


def test_aws_needs_no_endpoint() -> None:
    """An empty endpoint is AWS: the variable is not set at all, as the settings want it."""
    store = {"existingSecret": "keys", "region": "eu-central-1"}
    manifests = render({**EXTERNAL, "objectStore": store})
    settings = find(manifests, "ConfigMap", "settings")["data"]
    assert "MLOPS_LAKE__ENDPOINT" not in settings
    assert settings["AWS_DEFAULT_REGION"] == "eu-central-1"
