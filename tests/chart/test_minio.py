"""The object store's templates, and the Job that creates the buckets."""

from __future__ import annotations

import base64
import json

from pipeline.__main__ import COMMANDS
from tests.support.chart_scenarios import EXTERNAL, OIDC
from tests.support.helm import (
    Manifest,
    find,
    get_container,
    get_names,
    get_secret_names,
    get_variables,
    render,
)


def get_job(manifests: list[Manifest]) -> Manifest:
    """Return the container of the Job that creates the buckets."""
    return get_container(next(item for item in manifests if item["kind"] == "Job"))


def test_minio_gets_the_administrators_keys() -> None:
    """MinIO reads its administrator from files of the Secret, whose password is generated."""
    manifests = render()
    pod = find(manifests, "StatefulSet", "minio")["spec"]["template"]["spec"]
    container = get_container(find(manifests, "StatefulSet", "minio"))
    (source,) = [v["secret"] for v in pod["volumes"] if v["name"] == "administrator"]
    (mount,) = [m["mountPath"] for m in container["volumeMounts"] if m["name"] == "administrator"]
    assert source["secretName"] == "student-mlops-objectstore"
    files = {item["key"]: f"{mount}/{item['path']}" for item in source["items"]}
    variables = get_variables(container)
    assert files == {
        "AWS_ACCESS_KEY_ID": variables["MINIO_ROOT_USER_FILE"],
        "AWS_SECRET_ACCESS_KEY": variables["MINIO_ROOT_PASSWORD_FILE"],
    }
    assert not any("secretKeyRef" in str(value) for value in variables.values())
    data = find(manifests, "Secret", "objectstore")["data"]
    assert data.keys() == {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}
    assert len(base64.b64decode(data["AWS_SECRET_ACCESS_KEY"])) == 32


def test_single_sign_on() -> None:
    """MinIO accepts tokens of the issuer, and the Job creates the policies of the roles."""
    manifests = render(OIDC)
    variables = get_variables(get_container(find(manifests, "StatefulSet", "minio")))
    names = {name for name in variables if name.startswith("MINIO_IDENTITY_OPENID_")}
    assert {name.removeprefix("MINIO_IDENTITY_OPENID_"): variables[name] for name in names} == {
        "CONFIG_URL": "https://login.school.org/realms/school/.well-known/openid-configuration",
        "CLIENT_ID": "student-mlops",
        "CLAIM_NAME": "roles",
    }
    assert "SSL_CERT_FILE" not in variables
    (roles,) = [word for word in get_job(manifests)["args"] if word.startswith("--roles=")]
    assert json.loads(roles.removeprefix("--roles="))["operator"] == ["operator"]
    assert not any("--roles" in word for word in get_job(render())["args"])
    assert not any("OPENID" in name for name in list_variables(render()))


def list_variables(manifests: list[Manifest]) -> list[str]:
    """Return the names of MinIO's variables."""
    return list(get_variables(get_container(find(manifests, "StatefulSet", "minio"))))


def test_the_authority_of_the_issuer() -> None:
    """MinIO trusts the authorities of `tls.caBundle`, if it connects to an issuer."""
    bundle = {"tls": {"caBundle": "-----BEGIN CERTIFICATE-----"}}
    container = get_container(find(render({**OIDC, **bundle}), "StatefulSet", "minio"))
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    assert get_variables(container)["SSL_CERT_FILE"] == f"{mounts['ca']}/ca.crt"


def test_data_and_keys_outlive_the_release() -> None:
    """`helm uninstall` keeps every volume, and every Secret that a volume's data depends on."""
    manifests = render()
    kept = {
        (item["kind"], item["metadata"]["name"])
        for item in manifests
        if item["metadata"].get("annotations", {}).get("helm.sh/resource-policy") == "keep"
    }
    assert kept == {
        (kind, name)
        for kind in ("PersistentVolumeClaim", "Secret")
        for name in get_names(manifests, kind)
        if "-s3-" not in name  # the next installation gives MinIO's users new keys,
        and "-mlflow" not in name  # and MLflow's users new passwords
    }
    assert len(kept) == 7


def test_node_ports() -> None:
    """Both ports can be node ports."""
    service = find(render(file="values-kind.yaml"), "Service", "minio")["spec"]
    assert {port["name"]: port["nodePort"] for port in service["ports"]} == {
        "s3": 30900,
        "console": 30901,
    }


def test_persistence() -> None:
    """The claim has the size and the class of the values; an existing claim replaces it."""
    claim = find(
        render({"minio": {"persistence": {"size": "9Gi", "storageClass": "fast"}}}),
        "PersistentVolumeClaim",
        "minio",
    )
    assert claim["spec"]["resources"]["requests"]["storage"] == "9Gi"
    assert claim["spec"]["storageClassName"] == "fast"
    manifests = render({"minio": {"persistence": {"existingClaim": "mine"}}})
    assert "student-mlops-minio" not in get_names(manifests, "PersistentVolumeClaim")
    volumes = find(manifests, "StatefulSet", "minio")["spec"]["template"]["spec"]["volumes"]
    assert volumes[0]["persistentVolumeClaim"]["claimName"] == "mine"


def test_the_job_runs_an_existing_command() -> None:
    """The Job creates the buckets with the pipeline's command, in the image of `ingest`."""
    job = get_job(render())
    assert job["args"][0] == "buckets"
    assert "buckets" in COMMANDS
    assert job["image"] == "localhost/student-mlops/ingest:0.1.0"


def test_external() -> None:
    """An external store's endpoint and keys reach the stages, the Job and MLflow."""
    manifests = render(EXTERNAL)
    assert get_names(manifests, "StatefulSet") == ["student-mlops-airflow-scheduler"]
    assert get_names(manifests, "Secret") == []
    settings = find(manifests, "ConfigMap", "settings")["data"]
    assert settings["MLOPS_LAKE__ENDPOINT"] == "https://s3.school.org:8443"
    job = get_job(manifests)
    assert get_variables(job)["MLOPS_LAKE__ENDPOINT"] == "https://s3.school.org:8443"
    assert job["args"] == ["buckets"]
    spec = next(item for item in manifests if item["kind"] == "Job")["spec"]["template"]["spec"]
    assert get_secret_names(spec, job) == ["store-keys"]


def test_no_job() -> None:
    """`createBuckets` switches the Job off, unless it also creates the users of MinIO."""
    store = {**EXTERNAL["objectStore"], "createBuckets": False}
    assert get_names(render({**EXTERNAL, "objectStore": store}), "Job") == []
    assert get_names(render({"objectStore": {"createBuckets": False}}), "Job") != []


def test_aws_needs_no_endpoint() -> None:
    """An empty endpoint means AWS: the variable is not set."""
    store = {"existingSecret": "keys", "region": "eu-central-1"}
    settings = find(render({**EXTERNAL, "objectStore": store}), "ConfigMap", "settings")["data"]
    assert "MLOPS_LAKE__ENDPOINT" not in settings
    assert settings["AWS_DEFAULT_REGION"] == "eu-central-1"
