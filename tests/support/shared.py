"""Results that the workers of pytest-xdist share, so that one of them computes each."""

from __future__ import annotations

import fcntl
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cloudpickle  # type: ignore[import-untyped]  # publishes no types
import pytest


def compute_once(factory: pytest.TempPathFactory, name: str, compute: Callable[[Path], Any]) -> Any:
    """Compute a result in the first worker that needs it; the others wait and read it.

    Args:
        factory: Makes the session's temporary folders.
        name: Name of the result, unique in the tests.
        compute: Returns the result, which cloudpickle must support. It may leave files in the
            folder that it is called with.
    """
    session = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        session = session.parent  # each worker has a folder of its own in it
    folder = session / f"shared-{name}"
    folder.mkdir(exist_ok=True)
    result = folder / "result.pickle"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not result.exists():
            result.write_bytes(cloudpickle.dumps(compute(folder)))
    return pickle.loads(result.read_bytes())
