"""Print the S3 policies of the identities, for an object store other than the platform's MinIO.

Each policy allows an identity the objects that it uses, in the buckets of MLOPS_LAKE__URL.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from typing import Any

from pipeline.context import Context
from pipeline.errors import SettingsError
from pipeline.stages import get_identities
from pipeline.storage.access import SERVICES
from pipeline.storage.policies import make_policy


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command to its parser."""
    parser.add_argument(
        "identity",
        nargs="?",
        choices=tuple(get_identities()),
        metavar="IDENTITY",
        help="a stage, or " + ", ".join(SERVICES) + " (default: all, as a JSON object by name)",
    )
    add_source(parser)


def add_source(parser: argparse.ArgumentParser) -> None:
    """Add the option `--source`."""
    parser.add_argument(
        "--source",
        action="append",
        default=[],
        metavar="BUCKET/KEY",
        help="objects outside the lake that `ingest` may read, as in 'exports/*.csv'; repeatable",
    )


def main(context: Context, arguments: argparse.Namespace) -> None:
    """Print the policies as JSON.

    Raises:
        SettingsError: If the lake is not on S3.
    """
    settings = context.settings.lake
    if not settings.is_s3:
        raise SettingsError(
            f"MLOPS_LAKE__URL is {settings.url!r}, whose objects have no policies; set it to the "
            "lake's s3:// URL"
        )
    policies = make_policies(settings.bucket_prefix, arguments.source)
    chosen = policies[arguments.identity] if arguments.identity else policies
    sys.stdout.write(json.dumps(chosen, indent=2) + "\n")


def make_policies(bucket_prefix: str, sources: Sequence[str] = ()) -> dict[str, dict[str, Any]]:
    """Return the S3 policy of each identity.

    Args:
        bucket_prefix: Prefix of the bucket names.
        sources: Objects outside the lake that `ingest` may read, as patterns BUCKET/KEY.
    """
    return {
        name: make_policy(access, bucket_prefix, sources if name == "ingest" else ())
        for name, access in get_identities().items()
    }
