#!/usr/bin/env bash
# Deploys the app to AWS Lambda; ./deploy-lambda.sh --help says what it can do.
# PYTHON= names an interpreter with requirements-dev.txt; without it .venv is made.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

if [ -z "${PYTHON:-}" ]; then
    command -v make >/dev/null || { echo "make is missing: install it, or set PYTHON=." >&2; exit 1; }
    make --silent .venv/.ready
    PYTHON=.venv/bin/python
fi
command -v "$PYTHON" >/dev/null || { echo "PYTHON=$PYTHON is not there." >&2; exit 1; }
exec "$PYTHON" -m deploy "$@"
