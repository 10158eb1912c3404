"""The guide's `rotate_fernet_key`, interrupted at each step, without a cluster."""

from __future__ import annotations

import base64
import subprocess
from pathlib import Path

import pytest

from tests.cluster.rotations import read_rotations

OLD = "b2xkb2xkb2xkb2xkb2xkb2xkb2xkb2xkb2xkb2xkb2w="
STEPS = 6
"""Calls of kubectl and helm in a rotation."""
CLUSTER = r"""
# The file `secret` has the keys in the Secret, `pods` those that Airflow runs with, and `database`
# the one that encrypts its values. The call $INTERRUPTED fails before or after its effect.
step() {
  count="$(($(cat calls) + 1))" && echo "$count" > calls
  [ "$count $MOMENT" != "$INTERRUPTED before" ] || exit 1
  "$@" || exit 1
  [ "$count $MOMENT" != "$INTERRUPTED after" ] || exit 1
}
store() { echo "$1" | sed 's/.*"fernet-key": "\([^"]*\)".*/\1/' > secret; }
encrypt() {
  case ",$(cat pods)," in *",$(cat database),"*) ;; *) return 1 ;; esac
  sed 's/,.*//' pods > database
}
helm() { step cp secret pods; }
kubectl() {
  case "$1" in
    get) step cat secret ;;
    patch) step store "${!#}" ;;
    exec) step encrypt ;;
  esac
}
"""


def rotate(folder: Path, interrupted: int, moment: str) -> bool:
    """Run the guide's command; return whether it succeeds."""
    (folder / "calls").write_text("0")
    program = f"{CLUSTER}\n{read_rotations()[0]}\nrotate_fernet_key"
    environment = {"PATH": "/usr/bin:/bin", "INTERRUPTED": str(interrupted), "MOMENT": moment}
    process = subprocess.run(
        ["bash", "-uc", program], cwd=folder, env=environment, check=False, timeout=60
    )
    return process.returncode == 0


def read_keys(folder: Path, name: str) -> list[str]:
    return (folder / name).read_text().strip().split(",")


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("interrupted", range(1, STEPS + 1))
def test_the_values_can_be_decrypted_after_an_interruption(
    tmp_path: Path, interrupted: int, moment: str
) -> None:
    """Also by pods that restart then. The next call leaves one new key."""
    for name in ("secret", "pods", "database"):
        (tmp_path / name).write_text(OLD)
    assert not rotate(tmp_path, interrupted, moment)
    (encrypting,) = read_keys(tmp_path, "database")
    assert encrypting in read_keys(tmp_path, "pods")
    assert encrypting in read_keys(tmp_path, "secret")

    assert rotate(tmp_path, 0, "never")
    assert int((tmp_path / "calls").read_text()) == STEPS
    (key,) = read_keys(tmp_path, "secret")
    assert key != OLD
    assert len(base64.b64decode(key, altchars=b"-_", validate=True)) == 32
    assert read_keys(tmp_path, "pods") == read_keys(tmp_path, "database") == [key]
