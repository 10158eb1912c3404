#!/bin/bash
# `make tools`: the programs that `make up` and the tests need. On Debian as root it installs the
# missing ones from package registries and starts Docker; KIND_FROM_SOURCE_CACHE may name a folder
# of compiled programs. Elsewhere it reports what is missing and where to get it.
set -euo pipefail
cd "$(dirname "$0")"

declare -A homes=(
  [docker]=https://docs.docker.com/engine/install/
  [kind]=https://kind.sigs.k8s.io/docs/user/quick-start/#installation
  [kubectl]=https://kubernetes.io/docs/tasks/tools/
  [helm]=https://helm.sh/docs/intro/install/
  [chromium]='https://www.chromium.org/getting-involved/download-chromium/ (or Google Chrome)'
  [curl]=https://curl.se/download.html
  [javac]='https://adoptium.net/ (a JDK, 17 or newer)'
  [go]=https://go.dev/doc/install
  [node]='https://nodejs.org/en/download (18 or newer)'
)
declare -A debian_packages=(
  [chromium]=chromium-headless-shell [curl]=curl [javac]=default-jdk-headless [go]=golang-go
  [node]=nodejs
)

find_program() { # NAME: prints its path
  local name=$1 names=("$1")
  if [[ $name == chromium ]]; then # the names that tests/support/browser.py looks for
    names=(chromium-headless-shell chromium chromium-browser)
    names+=(google-chrome google-chrome-stable chrome)
    if [[ -n ${CHROMIUM:-} ]]; then names=("$CHROMIUM"); fi
  fi
  for name in "${names[@]}"; do command -v "$name" && return; done
  return 1
}

missing=()
for name in docker kind kubectl helm chromium curl javac go node; do
  if path=$(find_program "$name"); then echo "$name: $path"; else missing+=("$name"); fi
done

if [[ ! -e /etc/debian_version || $EUID != 0 ]]; then
  for name in "${missing[@]}"; do echo "$name is missing: ${homes[$name]}"; done
  if [[ ${#missing[@]} != 0 ]]; then exit 1; fi
  if ! docker info > /dev/null 2>&1; then
    echo 'The Docker daemon does not answer. Start it; `docker info` shows why it does not.'
    exit 1
  fi
  exit
fi

is_missing() { [[ " ${missing[*]} " == *" $1 "* ]]; }

packages=()
if is_missing docker || ! command -v dockerd > /dev/null; then
  if ! docker info > /dev/null 2>&1; then packages+=(docker.io); fi
fi
for name in "${!debian_packages[@]}"; do
  if is_missing "$name"; then packages+=("${debian_packages[$name]}"); fi
done
for name in debootstrap zstd; do # for contrib/kind-from-source
  if ! command -v $name > /dev/null; then packages+=("$name"); fi
done
if [[ ${#packages[@]} != 0 ]]; then
  echo "installing ${packages[*]}"
  apt-get update -qq
  if [[ " ${packages[*]} " == *' docker.io '* ]]; then
    for name in docker-cli docker-buildx; do # separate packages in newer Debians
      if apt-cache show $name > /dev/null 2>&1; then packages+=("$name"); fi
    done
  fi
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
    "${packages[@]}" > /dev/null
fi
for name in kind kubectl helm; do
  if is_missing $name; then ../contrib/kind-from-source/build program $name /usr/local/bin; fi
done
../contrib/kind-from-source/build docker
for name in "${missing[@]}"; do echo "$name: $(find_program "$name"), new"; done
echo "docker: version $(docker version --format '{{ .Server.Version }}'), its daemon answers"
