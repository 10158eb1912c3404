"""Run Dask's scheduler or a worker, to which stages give the parts of large tables.

The chart runs both; see docs/how-to/run-on-workers.md. They run any code that a client sends, so
that a client needs a certificate: MLOPS_DASK__CA, MLOPS_DASK__CERTIFICATE and MLOPS_DASK__KEY.
"""

from __future__ import annotations

import argparse

from pipeline.compute import servers
from pipeline.context import Context
from pipeline.errors import SettingsError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    roles = parser.add_subparsers(dest="role", required=True, metavar="ROLE")
    scheduler = roles.add_parser("scheduler", help="distribute tasks to workers")
    scheduler.add_argument("--port", type=int, default=servers.SCHEDULER_PORT, help="TLS port")
    scheduler.add_argument(
        "--dashboard-port", type=int, default=servers.DASHBOARD_PORT, help="HTTP port"
    )
    worker = roles.add_parser("worker", help="do the tasks that the scheduler sends")
    worker.add_argument("--name", default="", help="default: the host's name and a random suffix")
    worker.add_argument("--threads", type=int, default=1, help="tasks at the same time")
    worker.add_argument(
        "--drain-timeout",
        type=float,
        default=120,
        metavar="SECONDS",
        help="how long tasks may run after SIGTERM",
    )
    worker.add_argument("--port", type=int, default=servers.WORKER_PORT, help="TLS port, 0 for any")
    worker.add_argument(
        "--health-port", type=int, default=servers.WORKER_HEALTH_PORT, help="HTTP port, 0 for any"
    )


def main(context: Context, arguments: argparse.Namespace) -> None:
    """Run the scheduler or the worker until SIGTERM.

    Raises:
        SettingsError: If the settings name no scheduler.
    """
    settings = context.settings.dask
    if not settings.scheduler:
        raise SettingsError(
            "MLOPS_DASK__SCHEDULER is not set. Set it to the address of the scheduler, "
            "tls://HOST:8786"
        )
    if arguments.role == "scheduler":
        servers.run_scheduler(
            settings, port=arguments.port, dashboard_port=arguments.dashboard_port
        )
    else:
        options = servers.WorkerOptions(
            name=arguments.name,
            threads=arguments.threads,
            drain_timeout_seconds=arguments.drain_timeout,
            port=arguments.port,
            health_port=arguments.health_port,
        )
        servers.run_worker(settings, options)
