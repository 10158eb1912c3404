"""The cluster as the tests see it: kubectl, ports of Services, waits for states, and what is printed when a test fails."""

from __future__ import annotations

import base64
import json
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx

from pipeline.errors import LakeError, RegistryError

T = TypeVar("T")

# The machines are slow at times: a bound is many times what a step takes, and only says that it will never come.
PATIENCE = 600.0

AWAY = (
    httpx.TransportError,
    httpx.HTTPStatusError,
    subprocess.SubprocessError,
    ConnectionError,
    LakeError,
    RegistryError,
)
"""What a service that is starting, moving or being replaced answers; a wait goes on past it."""


def wait_for(
    what: str, probe: Callable[[], T | None], timeout: float = PATIENCE, pause: float = 1.0
) -> T:
    """The first true answer of `probe`; an AssertionError with its last one after `timeout` seconds."""
    end = time.monotonic() + timeout
    last: object = None
    while True:
        try:
            if found := probe():
                return found
            last = found
        except AWAY as error:
            last = error
        if time.monotonic() > end:
            raise AssertionError(f"waited {timeout:.0f} s for {what}; last seen: {last!r}")
        time.sleep(pause)


@dataclass
class Forward:
    """A Service's port on 127.0.0.1 by `kubectl port-forward`, started again whenever its pod goes away."""

    command: list[str]
    port: int
    process: subprocess.Popen[bytes] | None = None
    stopped: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> Forward:
        threading.Thread(target=self._keep, daemon=True).start()
        wait_for(f"a connection to port {self.port}", self._answers, pause=0.2)
        return self

    def stop(self) -> None:
        self.stopped.set()
        if self.process:
            self.process.terminate()
            self.process.wait(10)

    def _keep(self) -> None:
        while not self.stopped.is_set():
            self.process = subprocess.Popen(
                self.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            self.process.wait()
            self.stopped.wait(0.5)

    def _answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


@dataclass
class Cluster:
    """One release in one namespace of the cluster that kubectl's `context` names."""

    context: str
    namespace: str
    forwards: dict[tuple[str, str], Forward] = field(default_factory=dict)

    def command(self, *arguments: str) -> list[str]:
        return ["kubectl", "--context", self.context, "--namespace", self.namespace, *arguments]

    def kubectl(self, *arguments: str, timeout: float = 120, check: bool = True) -> str:
        ran = subprocess.run(
            self.command(*arguments), capture_output=True, text=True, timeout=timeout, check=False
        )
        if check and ran.returncode:
            raise subprocess.SubprocessError(f"kubectl {' '.join(arguments)}: {ran.stderr.strip()}")
        return ran.stdout

    def helm(self, *arguments: str, timeout: float = 1200) -> str:
        command = [
            "helm",
            "--kube-context",
            self.context,
            "--namespace",
            self.namespace,
            *arguments,
        ]
        return subprocess.run(
            command, check=True, timeout=timeout, stdout=subprocess.PIPE, text=True
        ).stdout

    def get(self, *arguments: str) -> dict[str, Any]:
        """`kubectl get ... -o json`."""
        got: dict[str, Any] = json.loads(self.kubectl("get", *arguments, "-o", "json"))
        return got

    def secret(self, name: str) -> dict[str, str]:
        """The values of a Secret."""
        return {
            key: base64.b64decode(value).decode()
            for key, value in self.get("secret", name)["data"].items()
        }

    def pods(self, component: str) -> list[dict[str, Any]]:
        """The pods of one component that are not on their way out."""
        found = self.get("pods", "-l", f"app.kubernetes.io/component={component}")["items"]
        return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]

    def settled(self) -> None:
        """Returns once every part is as its spec says."""
        for kind in ("deployments", "statefulsets"):
            for item in self.get(kind)["items"]:
                self.kubectl(
                    "rollout",
                    "status",
                    f"{kind}/{item['metadata']['name']}",
                    "--timeout=600s",
                    timeout=660,
                )

    def forward(self, service: str, port: str) -> Forward:
        """The Service's port, by name, on this machine; the same one for the whole session."""
        if (service, port) not in self.forwards:
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                local = free.getsockname()[1]
            command = self.command("port-forward", f"service/{service}", f"{local}:{port}")
            self.forwards[service, port] = Forward(command, local).start()
        return self.forwards[service, port]

    def close(self) -> None:
        for forward in self.forwards.values():
            forward.stop()

    def report(self) -> str:
        """The namespace as it is: pods, what happened to them last, and the last lines of each log."""
        parts = [
            self.kubectl("get", "pods,hpa,pvc", "-o", "wide", check=False),
            "\n".join(
                self.kubectl("get", "events", "--sort-by=.lastTimestamp", check=False).splitlines()[
                    -40:
                ]
            ),
        ]
        for name in self.kubectl("get", "pods", "-o", "name", check=False).split():
            log = self.kubectl("logs", name, "--all-containers", "--tail=15", check=False)
            parts.append(f"--- {name}\n{log}")
        return "\n\n".join(parts)


class StagePods(threading.Thread):
    """Follows the stages' pods while they live: Airflow deletes each when it has ended. `record` outlives the session."""

    def __init__(self, cluster: Cluster, record: Path) -> None:
        super().__init__(daemon=True)
        self.cluster, self.record = cluster, record
        record.parent.mkdir(parents=True, exist_ok=True)
        self.seen: dict[str, dict[str, Any]] = (
            json.loads(record.read_text()) if record.exists() else {}
        )
        self.process: subprocess.Popen[str] | None = None
        self.stopped = threading.Event()

    def run(self) -> None:
        command = self.cluster.command(
            "get", "pods", "-l", "app.kubernetes.io/component=stage", "--watch", "-o", "json"
        )
        while not self.stopped.is_set():
            with subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
            ) as self.process:
                self._read(self.process)
            self.stopped.wait(1)

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        lines: list[str] = []
        for line in process.stdout:  # kubectl writes one indented document after the other
            lines.append(line)
            if line == "}\n":
                pod = json.loads("".join(lines))
                lines = []
                self.seen[pod["metadata"]["name"]] = pod
                self.record.write_text(json.dumps(self.seen))

    def stop(self) -> None:
        self.stopped.set()
        if self.process:
            self.process.terminate()
        self.join(10)

    def of_run(self, run: dict[str, Any]) -> dict[str, dict[str, Any]]:
        """The last state of each stage's last pod in a run of Airflow; a DAG runs once at a time."""
        began, ended = (run[field][:19] for field in ("start_date", "end_date"))
        pods = [
            pod
            for pod in self.seen.values()
            if pod["metadata"]["labels"]["dag_id"] == run["dag_id"]
        ]
        pods = [pod for pod in pods if began <= pod["metadata"]["creationTimestamp"][:19] <= ended]
        pods.sort(key=lambda pod: str(pod["metadata"]["creationTimestamp"]))
        return {pod["metadata"]["labels"]["student-mlops/stage"]: pod for pod in pods}
