#!/usr/bin/env bash
# What the browser test needs besides Python: playwright-core, and Chromium.
# Does nothing where both are there already.
set -euo pipefail
cd "$(dirname "$0")"

if ! command -v npm > /dev/null; then
  echo "The browser test needs Node 20 or newer, with npm: install it first." >&2
  exit 1
fi

# A stamp beside what was installed says for which lock file it was.
wanted=$(cksum package.json package-lock.json)
if [ "$(cat node_modules/.ready 2> /dev/null)" != "$wanted" ]; then
  echo "Installing playwright-core into tests/browser/node_modules ..."
  npm ci --no-audit --no-fund --ignore-scripts --loglevel=error > /dev/null
  printf '%s\n' "$wanted" > node_modules/.ready
fi

if [ ! -x /usr/bin/chromium ]; then
  echo "Installing Chromium with apt (once for this machine) ..."
  as_root=()
  if [ "$(id -u)" != 0 ]; then as_root=(sudo); fi
  "${as_root[@]}" apt-get update -qq
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -qq --no-install-recommends chromium > /dev/null
fi
