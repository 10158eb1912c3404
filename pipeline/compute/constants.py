"""Keyword arguments that are the same for every part, as they are sent to workers.

Their large arrays pass through the lake: Dask would send them with every part.
"""

from __future__ import annotations

import contextlib
import functools
import pickle
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.storage.lake import Lake, sha256_hex

ARRAY_BYTES = 1 << 20
"""Arrays from this size on are stored in the lake."""

_lock = threading.Lock()


@dataclass(frozen=True)
class SentConstants:
    """Keyword arguments that a worker can load.

    Attributes:
        data: The pickled arguments, without their large arrays.
        arrays: Keys and hashes of the objects with the bytes of these arrays.
    """

    data: bytes
    arrays: tuple[tuple[str, str], ...] = ()

    def load(self, lake: Lake) -> Mapping[str, Any]:
        """Return the arguments.

        The threads of a worker share them, and the worker keeps them until it loads others.

        Args:
            lake: The lake of the worker.

        Raises:
            LakeError: If an array is missing or was modified.
        """
        with _lock:
            return _load(self, lake)


@functools.lru_cache(maxsize=1)
def _load(sent: SentConstants, lake: Lake) -> Mapping[str, Any]:
    buffers = [lake.read(key, sha256) for key, sha256 in sent.arrays]
    constants: dict[str, Any] = pickle.loads(sent.data, buffers=buffers)  # noqa: S301 - sent by the stage
    return constants


@contextlib.contextmanager
def send_constants(
    lake: Lake, constants: Mapping[str, Any], array_key: Callable[[str], str] | None
) -> Iterator[SentConstants]:
    """Pickle arguments, and store their large arrays in the lake until the end of the context.

    Args:
        lake: The lake.
        constants: The arguments.
        array_key: Returns the key of an array from its hash; None pickles arrays of any size.

    Yields:
        What to send.

    Raises:
        LakeError: If an array cannot be stored.
    """
    arrays: dict[str, str] = {}
    order: list[tuple[str, str]] = []

    def store(buffer: pickle.PickleBuffer) -> bool:
        """Store an array; return whether it is pickled instead."""
        view = buffer.raw()
        if array_key is None or view.nbytes < ARRAY_BYTES:
            return True
        data = bytes(view)
        sha256 = sha256_hex(data)
        if sha256 not in arrays:
            arrays[sha256] = array_key(sha256)
            lake.write(arrays[sha256], data)
        order.append((arrays[sha256], sha256))
        return False

    try:
        data = pickle.dumps(constants, protocol=5, buffer_callback=store)
        yield SentConstants(data, tuple(order))
    finally:
        for key in arrays.values():
            lake.delete(key)
