#!/bin/bash
# `make tools`: what `make up` needs. On Debian as root it installs what is missing, from package registries alone, and starts Docker;
# KIND_FROM_SOURCE_CACHE may name a folder of compiled programs. Elsewhere it says what is missing and where to get it.
set -euo pipefail
cd "$(dirname "$0")"

declare -A homes=(
  [docker]=https://docs.docker.com/engine/install/
  [kind]=https://kind.sigs.k8s.io/docs/user/quick-start/#installation
  [kubectl]=https://kubernetes.io/docs/tasks/tools/
  [helm]=https://helm.sh/docs/intro/install/
)
missing=()
for name in docker kind kubectl helm; do
  if command -v "$name" > /dev/null; then echo "$name: $(command -v "$name")"; else missing+=("$name"); fi
done

if [[ ! -e /etc/debian_version || $EUID != 0 ]]; then
  for name in "${missing[@]}"; do echo "$name is missing: ${homes[$name]}"; done
  if [[ ${#missing[@]} == 0 ]] && ! docker info > /dev/null 2>&1; then
    echo 'docker: its daemon does not answer this user; start it, and see that you may use it (`docker info` tells why not)'
    exit 1
  fi
  exit $((${#missing[@]} > 0))
fi

packages=()
if ! docker info > /dev/null 2>&1 && ! command -v dockerd > /dev/null; then packages+=(docker.io); fi
for name in debootstrap zstd; do # for clusters without a container registry
  command -v $name > /dev/null || packages+=("$name")
done
needs_go() { # a program of ours is neither there nor compiled in the cache
  for name in kind helm; do
    if ! command -v $name > /dev/null && ! compgen -G "${KIND_FROM_SOURCE_CACHE:-/nowhere}/$name-*.zst" > /dev/null; then return; fi
  done
  ! command -v kubectl > /dev/null && ! compgen -G "${KIND_FROM_SOURCE_CACHE:-/nowhere}/kube*.zst" > /dev/null
}
if needs_go && ! command -v go > /dev/null; then packages+=(golang-go); fi
if [[ ${#packages[@]} != 0 ]]; then
  echo "installing ${packages[*]}"
  apt-get update -qq
  if [[ " ${packages[*]} " == *' docker.io '* ]]; then # newer Debians have the client and BuildKit in packages of their own
    for name in docker-cli docker-buildx; do
      if apt-cache show $name > /dev/null 2>&1; then packages+=("$name"); fi
    done
  fi
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}" > /dev/null
fi
for name in kind kubectl helm; do
  if ! command -v $name > /dev/null; then ../contrib/kind-from-source/build program $name /usr/local/bin; fi
done
../contrib/kind-from-source/build docker
for name in "${missing[@]}"; do echo "$name: $(command -v "$name"), new"; done
echo "docker: $(docker version --format '{{ .Server.Version }}'), its daemon answers"
