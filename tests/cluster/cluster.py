"""kubectl, Helm and port-forwards for the tests, and waits that tolerate a service being away."""

from __future__ import annotations

import base64
import json
import socket
import subprocess
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import httpx

from k8s.process import ClusterError
from k8s.release import CHART, RELEASE
from pipeline.errors import LakeError, RegistryError
from pipeline.polling import poll_until

T = TypeVar("T")

TIMEOUT_SECONDS = 600.0
"""Many times what a step takes, even on a busy machine: it only bounds a step that hangs."""

UNAVAILABLE = (
    httpx.TransportError,
    httpx.HTTPStatusError,
    subprocess.SubprocessError,
    ConnectionError,
    ClusterError,
    LakeError,
    RegistryError,
)
"""The errors of a service that is starting or being replaced."""


def wait_for(
    what: str,
    probe: Callable[[], T | None],
    *,
    timeout_seconds: float = TIMEOUT_SECONDS,
    interval_seconds: float = 1.0,
) -> T:
    """Call a probe until its result is true, and return that.

    Raises:
        AssertionError: If it is not before the deadline; with the last result or error.
    """
    last: object = None

    def call() -> T | None:
        nonlocal last
        try:
            result = probe()
        except UNAVAILABLE as error:
            last = error
            return None
        last = result
        return result or None

    found = poll_until(call, timeout_seconds=timeout_seconds, interval_seconds=interval_seconds)
    assert found is not None, f"no {what} within {timeout_seconds:g} s; last result: {last!r}"
    return found


@dataclass
class PortForward:
    """A Service's port on 127.0.0.1 by `kubectl port-forward`, restarted when its pod goes away."""

    command: list[str]
    port: int
    process: subprocess.Popen[bytes] | None = None
    stopped: threading.Event = field(default_factory=threading.Event)
    thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> PortForward:
        self.thread = threading.Thread(target=self._keep_running, daemon=True)
        self.thread.start()
        wait_for(f"connection to port {self.port}", self._accepts, interval_seconds=0.2)
        return self

    def stop(self) -> None:
        self.stopped.set()
        if self.process:
            self.process.terminate()
        if self.thread:
            self.thread.join(10)

    def _keep_running(self) -> None:
        while not self.stopped.is_set():
            self.process = subprocess.Popen(
                self.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            self.process.wait()
            self.stopped.wait(0.5)

    def _accepts(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


@dataclass
class Cluster:
    """One release in one namespace of the cluster that the kubectl context names."""

    context: str
    namespace: str
    forwards: dict[tuple[str, str], PortForward] = field(default_factory=dict)

    def get_command(self, *arguments: str) -> list[str]:
        return ["kubectl", "--context", self.context, "--namespace", self.namespace, *arguments]

    def kubectl(self, *arguments: str, timeout_seconds: float = 120, check: bool = True) -> str:
        """Run kubectl and return what it prints."""
        completed = subprocess.run(
            self.get_command(*arguments),
            capture_output=True,
            text=True,
            timeout=timeout_seconds,
            check=False,
        )
        if check and completed.returncode:
            raise subprocess.SubprocessError(
                f"kubectl {' '.join(arguments)}: {completed.stderr.strip()}"
            )
        return completed.stdout

    def create(self, manifest: dict[str, Any]) -> None:
        """Create a resource."""
        subprocess.run(
            self.get_command("create", "--filename=-"),
            input=json.dumps(manifest),
            text=True,
            check=True,
            capture_output=True,
            timeout=120,
        )

    def create_secret(self, name: str, values: Mapping[str, str]) -> None:
        """Create a Secret."""
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}}
        self.create({**secret, "stringData": values})

    def helm(self, *arguments: str, timeout_seconds: float = 1200) -> str:
        """Run Helm and return what it prints."""
        command = ["helm", "--kube-context", self.context, "--namespace", self.namespace]
        return subprocess.run(
            [*command, *arguments],
            check=True,
            timeout=timeout_seconds,
            stdout=subprocess.PIPE,
            text=True,
        ).stdout

    def upgrade(self, *options: str) -> None:
        """Upgrade the release with options of `helm upgrade`, and wait until it is ready."""
        wait = ("--wait", "--wait-for-jobs", "--timeout=15m")
        self.helm("upgrade", RELEASE, str(CHART), *options, *wait)

    def get(self, *arguments: str) -> dict[str, Any]:
        """The parsed output of `kubectl get ARGUMENTS -o json`."""
        parsed: dict[str, Any] = json.loads(self.kubectl("get", *arguments, "-o", "json"))
        return parsed

    def read_secret(self, name: str) -> dict[str, str]:
        """The decoded values of a Secret."""
        data = self.get("secret", name)["data"]
        return {key: base64.b64decode(value).decode() for key, value in data.items()}

    def list_pods(self, component: str) -> list[dict[str, Any]]:
        """The pods of one component that are not being deleted."""
        pods = self.get("pods", "-l", f"app.kubernetes.io/component={component}")["items"]
        return [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]

    def wait_until_rolled_out(self, *names: str) -> None:
        """Wait until these resources (KIND/NAME; by default all) match their specifications."""
        every = [
            f"{kind}/{item['metadata']['name']}"
            for kind in ("deployments", "statefulsets")
            for item in self.get(kind)["items"]
        ]
        for name in names or every:
            self.kubectl("rollout", "status", name, "--timeout=900s", timeout_seconds=960)

    def forward(self, service: str, port: str) -> PortForward:
        """The named port of a Service on this machine; the same one for the whole session."""
        if (service, port) not in self.forwards:
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                local = free.getsockname()[1]
            command = self.get_command("port-forward", f"service/{service}", f"{local}:{port}")
            self.forwards[service, port] = PortForward(command, local).start()
        return self.forwards[service, port]

    def close(self) -> None:
        """Stop the port-forwards."""
        for forward in self.forwards.values():
            forward.stop()

    def describe(self) -> str:
        """The state of the namespace: its pods, their last events, and the end of each log."""
        events = self.kubectl("get", "events", "--sort-by=.lastTimestamp", check=False)
        parts = [
            self.kubectl("get", "pods,hpa,pvc", "-o", "wide", check=False),
            "\n".join(events.splitlines()[-40:]),
        ]
        for name in self.kubectl("get", "pods", "-o", "name", check=False).split():
            log = self.kubectl("logs", name, "--all-containers", "--tail=15", check=False)
            parts.append(f"--- {name}\n{log}")
        return "\n\n".join(parts)
