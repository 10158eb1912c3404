"""`python -m k8s up | urls | down | report | images | sbom | publish | sizes`."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from k8s import access, cluster, first_run, images, kind_images, publish, release, sbom, sizes
from k8s.airflow import AirflowClient
from k8s.process import ClusterError, exclusive_lock, run
from pipeline.column_file.reader import find_columns, read_columns
from pipeline.console import echo
from pipeline.errors import ColumnsError


def up(
    data: str | None,
    columns: str | None,
    values_file: str | None,
    *,
    training: bool,
    node_count: int,
) -> None:
    """Install the platform on a kind cluster, and train a first model. Safe to run again.

    Args:
        data: A path or a data source; None for the installed release's.
        columns: Path of a columns file; None for the one next to the data, else the release's.
        values_file: Path of a file with values of the chart; None for those of values-kind.yaml.
        training: Train if data is given or no model is served.
        node_count: The number of nodes of a new cluster.
    """
    start = time.monotonic()
    path = columns or (find_columns(data) if data else None)
    text = check_columns(Path(path)) if path else None
    values = read_values(Path(values_file)) if values_file else {}
    artifacts = images.list_needed_artifacts(values)
    cluster.check_tools()
    from_source = cluster.is_built_from_source()
    node_image = cluster.prepare_from_source() if from_source else None
    cluster.ensure_cluster(node_image, node_count)
    tags = images.build(artifacts, get_from_source_arguments(artifacts) if from_source else {})
    references = [f"{item.image}:{tags[item.name]}" for item in artifacts]
    kind_images.load([*references, *release.list_prebuilt_images()], cluster.list_nodes())
    source = first_run.choose_source(data or release.get_source())
    release.install(tags, source, release.get_columns() if text is None else text, values)
    if data and source != data:
        first_run.upload(data, source)
    url = access.get_urls()["predictor"]
    first_run.wait_until_ready(url)
    if training:
        if data or first_run.get_served_model(url) is None:
            airflow = AirflowClient(access.get_urls()["airflow"], *access.get_airflow_login())
            first_run.train(airflow, source)
            airflow.close()
        first_run.wait_for_model(url)
        echo(first_run.describe_prediction(url))
    access.show()
    echo(
        f"up in {time.monotonic() - start:.0f} s; `make urls` shows the table again, "
        "`make down` deletes everything"
    )


def check_columns(path: Path) -> str:
    """Return the text of a columns file.

    Raises:
        ClusterError: If the file cannot be read or has errors.
    """
    try:
        read_columns(path)
    except ColumnsError as error:
        raise ClusterError(str(error)) from None
    return path.read_text(encoding="utf-8")


def read_values(path: Path) -> dict[str, Any]:
    """Return the values in a file.

    Raises:
        ClusterError: If the file cannot be read, or does not hold a mapping.
    """
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ClusterError(f"Reading the values in {path} failed: {error}") from error
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise ClusterError(f"{path} has no mapping of values of the chart, such as `auth:`.")
    return values


def get_from_source_arguments(artifacts: Sequence[images.Artifact]) -> dict[str, dict[str, str]]:
    """Build arguments, by artifact, for a machine that can reach no container registry.

    The base images are built on this machine and have no digest. Go programs are compiled on this
    machine, and copied into their images.
    """
    bases = {item.name: images.get_base_tags(item) for item in artifacts}
    python = bases["predictor"]["PYTHON"]
    programs = [name for name, base in bases.items() if "GO" in base]
    timeout_seconds = cluster.COMPILE_TIMEOUT_SECONDS
    run(cluster.FROM_SOURCE, "context", *programs, timeout_seconds=timeout_seconds)
    return bases | {name: {"GO": python} for name in programs}


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m k8s", description="The platform on a kind cluster of this machine."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    up_parser = commands.add_parser(
        "up", help="create the cluster, build the images, install the chart, train a first model"
    )
    up_parser.add_argument(
        "--data",
        metavar="SOURCE",
        help="gdrive:ID, https://..., s3://BUCKET/KEY, a path, sample or sample:ROWS",
    )
    up_parser.add_argument(
        "--columns",
        metavar="PATH",
        help="columns file (default: DATA.columns.yaml, else the installed release's)",
    )
    up_parser.add_argument(
        "--values", metavar="PATH", help="file with values of the chart; pass it at each run"
    )
    up_parser.add_argument(
        "--no-training", dest="training", action="store_false", help="do not train a model"
    )
    up_parser.add_argument(
        "--nodes",
        type=int,
        default=1,
        metavar="N",
        help="number of nodes of a new cluster; default: %(default)s",
    )
    commands.add_parser("urls", help="show the URLs and the logins")
    commands.add_parser("report", help="describe the pods that are not ready")
    commands.add_parser("images", help="build the images whose files changed")
    commands.add_parser("sbom", help="write a bill of materials of each image to local/sbom")
    publish_parser = commands.add_parser("publish", help="push and sign the images and the chart")
    publish_parser.add_argument("--registry", required=True, help="such as ghcr.io/school")
    publish_parser.add_argument("--version", required=True, help="such as 1.2.0")
    commands.add_parser("sizes", help="write docs/reference/images.md from the last build")
    commands.add_parser("down", help="delete the cluster")
    return parser.parse_args()


def main() -> int:
    arguments = parse_arguments()
    try:
        if arguments.command == "up":
            with exclusive_lock("up"):
                up(
                    arguments.data,
                    arguments.columns,
                    arguments.values,
                    training=arguments.training,
                    node_count=arguments.nodes,
                )
        elif arguments.command == "urls":
            access.show()
        elif arguments.command == "report":
            echo(release.describe_pods())
        elif arguments.command == "images":
            images.build(images.list_artifacts(), {})
        elif arguments.command == "sbom":
            sbom.write()
        elif arguments.command == "publish":
            publish.publish(arguments.registry, arguments.version)
        elif arguments.command == "sizes":
            sizes.write(images.get_built_tags())
        else:
            cluster.delete_cluster()
    except ClusterError as error:
        echo(f"error: {error}", "red")
        return 1
    except KeyboardInterrupt:
        echo("interrupted; run the same command again to continue")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
