#!/bin/sh
# Writes requirements/*.txt from pyproject.toml. Pinned versions stay unless asked: `make lock ARGS=--upgrade`.
set -eu
cd "$(dirname "$0")/.."
lock() { output=$1; shift; .venv/bin/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header --no-annotate \
    --python-version 3.11 "$@" -o "requirements/$output"; }
echo 'uv>=0.9' | lock bootstrap.txt - "$@"
lock run.txt pyproject.toml --extra run --extra build "$@"
lock dev.txt pyproject.toml --extra dev --constraints requirements/run.txt "$@"
# what the hub's image adds to the one that its chart expects
printf '%s\n' jupyterhub jupyterhub-kubespawner jupyterhub-nativeauthenticator | lock hub.txt - --constraints requirements/run.txt "$@"
# PyTorch is installed before this one, for the accelerator at hand: neither it nor what it brings is locked.
lock all.txt pyproject.toml --extra all --extra build --constraints requirements/run.txt --overrides requirements/without-torch.txt "$@"
