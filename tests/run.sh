#!/bin/bash
# `make test`: the checks, and all tests without a cluster, on two cores. What needs one core runs
# in the background; its output follows that of the tests.
set -uo pipefail
cd "$(dirname "$0")/.."
python=.venv/bin/python
selected='not cluster and not bench'
outputs=$(mktemp -d)
trap 'rm -rf "$outputs"' EXIT
trap 'trap - INT TERM; kill 0' INT TERM # a script's background processes ignore Ctrl-C

test_dags() { # Airflow's dependencies conflict with the stages', so it has its own environment
  "${MAKE:-make}" --no-print-directory .venvs/airflow/ready && .venvs/airflow/bin/python -m pytest tests/dags
}

print_result() { # NAME PROCESS: wait for a background process, then print its output
  local status=0
  wait "$2" || status=$?
  printf '\n%s: exit code %s\n' "$1" "$status"
  cat "$outputs/$1"
  return "$status"
}

$python -m ruff check . || exit
$python -m ruff format --check . || exit
.venv/bin/lint-imports --no-logo --no-cache || exit
$python -m mypy > "$outputs/mypy" 2>&1 &
mypy=$!
test_dags > "$outputs/dags" 2>&1 &
dags=$!
if [[ ! .venv/compiled -nt .venv/dev ]]; then
  # In a new environment each worker of pytest would compile the modules that the tests import.
  $python -m pytest -m "$selected" --collect-only -qq > /dev/null && touch .venv/compiled
fi
# In the order of their names, the small files of tests/unit come last, and all workers end together.
$python -m pytest -m "$selected" -n 3 --dist loadfile --no-loadscope-reorder
status=$?
print_result mypy $mypy || status=1
print_result dags $dags || status=1
exit $status
