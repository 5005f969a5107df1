#!/usr/bin/env bash
# Real clients against the sandboxes: the vendors' own of HubSpot and Pipedrive, simple-salesforce and jsforce.
#
#   tests/clients/run.sh                    starts the sandboxes (through `cargo test`) and runs all clients
#   tests/clients/run.sh python|node|pipedrive|jsforce URL    installs one client and runs it against a sandbox at URL
#   tests/clients/run.sh simple-salesforce URL KEY    the same; KEY is the file of the app's private key
#
# What is installed goes to $BATON_CLIENTS_DIR (default: target/clients) and is kept. Exit code 69: the
# language or the package cannot be had here; anything else but 0: the client disagrees with the sandbox.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
dir=${BATON_CLIENTS_DIR:-${CARGO_TARGET_DIR:-$here/../../target}/clients}
unavailable() { echo "clients: $1" >&2; exit 69; }

case "${1:-all}" in
all)
  cd "$here/../.."
  BATON_REQUIRE_CLIENTS=1 exec cargo test --test it sandbox_clients:: -- --nocapture
  ;;
python)
  command -v python3 >/dev/null || unavailable "python3 is not installed"
  venv=$dir/python
  if ! "$venv/bin/python" -c 'import hubspot' 2>/dev/null; then
    python3 -m venv "$venv" >&2 || unavailable "python3 cannot make a virtual environment"
    "$venv/bin/pip" install --quiet --disable-pip-version-check -r "$here/python/requirements.txt" >&2 \
      || unavailable "hubspot-api-client cannot be installed from the Python package index"
  fi
  exec "$venv/bin/python" "$here/python/check.py" "$2"
  ;;
node)
  command -v npm >/dev/null || unavailable "node and npm are not installed"
  mkdir -p "$dir/node"
  cp "$here/node/package.json" "$here/node/check.js" "$dir/node/"
  cd "$dir/node"
  if ! node -e 'require("@hubspot/api-client")' 2>/dev/null; then
    npm install --no-audit --no-fund --loglevel=error >&2 || unavailable "@hubspot/api-client cannot be installed from the npm registry"
  fi
  exec node check.js "$2"
  ;;
simple-salesforce)
  command -v python3 >/dev/null || unavailable "python3 is not installed"
  venv=$dir/simple-salesforce
  if ! "$venv/bin/python" -c 'import simple_salesforce' 2>/dev/null; then
    python3 -m venv "$venv" >&2 || unavailable "python3 cannot make a virtual environment"
    "$venv/bin/pip" install --quiet --disable-pip-version-check simple-salesforce==1.12.10 >&2 \
      || unavailable "simple-salesforce cannot be installed from the Python package index"
  fi
  exec "$venv/bin/python" "$here/python/salesforce.py" "$2" "$3"
  ;;
jsforce)
  command -v npm >/dev/null || unavailable "node and npm are not installed"
  mkdir -p "$dir/jsforce"
  cp "$here/node/salesforce.js" "$dir/jsforce/"
  cd "$dir/jsforce"
  [ -f package.json ] || echo '{"private":true,"dependencies":{"jsforce":"3.10.16"}}' > package.json
  if ! node -e 'require("jsforce")' 2>/dev/null; then
    npm install --no-audit --no-fund --loglevel=error >&2 || unavailable "jsforce cannot be installed from the npm registry"
  fi
  exec node salesforce.js "$2"
  ;;
pipedrive)
  command -v npm >/dev/null || unavailable "node and npm are not installed"
  mkdir -p "$dir/pipedrive"
  cp "$here/pipedrive/package.json" "$here/pipedrive/check.js" "$dir/pipedrive/"
  cd "$dir/pipedrive"
  if ! node -e 'require("pipedrive/v2")' 2>/dev/null; then
    npm install --no-audit --no-fund --loglevel=error >&2 || unavailable "pipedrive cannot be installed from the npm registry"
  fi
  exec node check.js "$2"
  ;;
*)
  echo "usage: $0 [python|node|pipedrive|jsforce URL | simple-salesforce URL KEY]" >&2
  exit 64
  ;;
esac
