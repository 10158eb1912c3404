"""The pod for the commands that people run."""

from __future__ import annotations

from tests.support.helm import get_by_hand_pod, get_pods_file, get_secret_names, render


def test_it_has_the_rights_of_a_stage() -> None:
    """It has the image, settings, keys, account and labels of a stage that calls the predictor."""
    manifests = render({"predictor": {"existingSecret": "api-key"}})
    pod, stages = get_by_hand_pod(manifests), get_pods_file(manifests)
    (container,) = pod["spec"]["containers"]
    predictor, mlflow = stages["access"]["predictor"], stages["access"]["mlflow-deployer"]
    assert container["image"] == stages["stages"]["validate"]["image"]
    config_maps = [source["configMapRef"]["name"] for source in container["envFrom"]]
    assert config_maps == stages["config_maps"]
    secrets = get_secret_names(pod["spec"], container)
    assert secrets == ["student-mlops-s3-commands", *mlflow["secrets"], *predictor["secrets"]]
    assert mlflow["secrets"] == ["student-mlops-mlflow-deployer"]
    assert predictor["secrets"] == ["api-key"]
    assert pod["spec"]["serviceAccountName"] == stages["stages"]["validate"]["service_account"]
    assert pod["metadata"]["labels"] == {**stages["labels"], **predictor["labels"]}


def test_only_its_pod_may_erase() -> None:
    """The pod of `subject` has the secret of the pseudonyms, and no way to the predictor."""
    manifests = render({"predictor": {"existingSecret": "api-key"}})
    pod = get_by_hand_pod(manifests, "erasure")
    (container,) = pod["spec"]["containers"]
    assert get_secret_names(pod["spec"], container) == [
        "student-mlops-s3-erasure",
        "student-mlops-mlflow-cleaner",
        "student-mlops-pseudonyms",
    ]
    assert pod["metadata"]["labels"] == get_pods_file(manifests)["labels"]
