"""`python -m k8s up | urls | down | report | sizes`."""

from __future__ import annotations

import argparse
import os
import sys
import time

from k8s import access, cluster, first_run, images, kind_images, sizes
from k8s.airflow import Airflow
from k8s.process import ClusterError, Progress, alone, run
from pipeline.console import echo

ROLLOUT_TIMEOUT_SECONDS = 180


def up(data: str | None, training: bool, nodes: int) -> None:
    """The platform and, with `training`, a model that it serves; safe to run again."""
    start = time.monotonic()
    cluster.check_tools()
    chosen = os.environ.get("KIND_FROM_SOURCE")
    from_source = chosen == "1" if chosen else not cluster.registry_is_reachable()
    cluster.create(from_source, nodes)
    tags = images.build(from_source_arguments() if from_source else {})
    kind_images.load(
        [
            *(f"{item.image}:{tags[item.name]}" for item in images.artifacts()),
            *cluster.own_images(),
        ],
        cluster.nodes(),
    )
    source = first_run.source_of(data or cluster.source())
    cluster.install(tags, source)
    if data and source != data:
        first_run.upload(data, source)
    url = access.urls()["predictor"]
    if training:
        if data or first_run.served(url) is None:
            airflow = Airflow(access.urls()["airflow"], *access.airflow_login())
            first_run.train(airflow, source)
        Progress().wait(
            "the predictor",
            lambda: None if first_run.served(url) else "no model yet",
            ROLLOUT_TIMEOUT_SECONDS,
        )
        echo(first_run.predict(url))
    access.show()
    echo(
        f"up in {time.monotonic() - start:.0f} s; `make urls` shows this again, `make down` deletes all of it"
    )


def from_source_arguments() -> dict[str, dict[str, str]]:
    """Build arguments where no registry has golang: MinIO's program lies in the build's context, compiled."""
    run(cluster.FROM_SOURCE, "context", timeout=cluster.COMPILE_SECONDS)
    return {"minio": {"GO": "python:3.13-slim-trixie"}}


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m k8s", description="The platform on a kind cluster of this machine."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    data = commands.add_parser("up", help="cluster, images, chart, a first training run")
    data.add_argument(
        "--data",
        metavar="SOURCE",
        help="gdrive:ID, https://..., s3://BUCKET/KEY, a path, sample or sample:ROWS",
    )
    data.add_argument(
        "--no-training",
        dest="training",
        action="store_false",
        help="without the first training run",
    )
    data.add_argument(
        "--nodes",
        type=int,
        default=1,
        metavar="N",
        help="of a cluster that is made now; default: %(default)s",
    )
    commands.add_parser("urls", help="where it answers, and the logins")
    commands.add_parser("report", help="what is wrong with its pods")
    commands.add_parser(
        "sizes", help="write docs/reference/images.md from the images that were built last"
    )
    commands.add_parser("down", help="delete the cluster")
    arguments = parser.parse_args()
    try:
        if arguments.command == "up":
            with alone("up"):
                up(arguments.data, arguments.training, arguments.nodes)
        elif arguments.command == "urls":
            access.show()
        elif arguments.command == "report":
            echo(cluster.report())
        elif arguments.command == "sizes":
            sizes.write(images.built())
        else:
            cluster.delete()
    except ClusterError as error:
        echo(f"error: {error}", "red")
        return 1
    except KeyboardInterrupt:
        echo("interrupted; the same command goes on from here")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
