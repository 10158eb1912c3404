"""Let stages and services fail in tests if they use an object that their access lacks."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Any

from pipeline.stages import STAGES
from pipeline.storage.access import Access

FIELDS = {
    "read": "reads",
    "read_range": "reads",
    "chunks": "reads",
    "size": "reads",
    "write": "writes",
    "create": "writes",
    "write_file": "writes",
    "create_file": "writes",
    "delete": "deletes",
    "read_version": "reads",
    "versions": "erases",
    "erase": "erases",
}
"""The field of Access that allows a method of a store."""
LISTINGS = ("keys", "all_versions")
UNGUARDED = (
    "url",
    "new_file",
    "scratch_file",
)  # a new file becomes an object by `write_file` or `create_file`


class GuardedStore:
    """A store of a lake that refuses what an access does not allow."""

    def __init__(self, store: Any, name: str, access: Access) -> None:
        self._store, self._name, self._access = store, name, access

    def __getattr__(self, method: str) -> Any:
        function = getattr(self._store, method)
        if method in UNGUARDED:
            return function

        @functools.wraps(function)
        def guarded(key: str, *arguments: Any) -> Any:
            if method in LISTINGS:
                allowed = self._access.allows_listing(key)
            else:
                allowed = self._access.allows(FIELDS[method], key)
            assert allowed, (
                f"{self._name} may not {method} {key!r}: on the cluster the object store would "
                "refuse it. Add the key in pipeline/stages/__init__.py or storage/access.py"
            )
            return function(key, *arguments)

        return guarded


def guard(name: str, access: Access, function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that gets a context, with a guard on the context's lake.

    Args:
        name: Name of the stage or service whose identity the function has on the cluster.
        access: What the identity may do.
        function: The function.
    """

    @functools.wraps(function)
    def guarded(context: Any, *arguments: Any, **options: Any) -> Any:
        store = context.lake._store
        context.lake._store = GuardedStore(store, name, access)
        try:
            return function(context, *arguments, **options)
        finally:
            context.lake._store = store

    guarded.is_guarded = True  # type: ignore[attr-defined]
    return guarded


def guard_stages() -> None:
    """Guard the entry points of every stage whose module is imported."""
    for stage in STAGES:
        module = sys.modules.get(f"pipeline.stages.{stage.name}")
        for name in ("run", "main"):
            function = getattr(module, name, None)
            if function is not None and not hasattr(function, "is_guarded"):
                setattr(module, name, guard(stage.name, stage.access, function))
