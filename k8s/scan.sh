#!/bin/bash
# Scan the bills of materials in local/sbom, and fail if an image has a critical vulnerability that
# a newer version of a package fixes. GRYPE is the program to scan with.
set -euo pipefail
cd "$(dirname "$0")/.."

failed=()
for file in local/sbom/*.cdx.json; do
  echo "== $file"
  "${GRYPE:-grype}" "sbom:$file" --only-fixed --fail-on critical || failed+=("$file")
done
if [[ ${#failed[@]} != 0 ]]; then
  echo "Critical vulnerabilities with a fix, or a failed scan: ${failed[*]}. Update uv.lock" \
    '(`uv lock --upgrade-package NAME`) or the digests of the base images and of values.yaml.' >&2
  exit 1
fi
