#!/usr/bin/env bash
# usage: make-venv.sh PYTHON DIR        makes a virtual environment, also where Debian left ensurepip out
set -euo pipefail
python=$1
dir=$2

if ! command -v "$python" >/dev/null; then
    echo "$python is not here. Install Python 3.11 to 3.13, or name one: make PYTHON=/path/to/python3.12 setup" >&2
    exit 1
fi
if ! "$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))'; then
    echo "$("$python" --version) is too old or too new: kagami runs on 3.11 to 3.13. Name one: make PYTHON=python3.12 setup" >&2
    exit 1
fi
if ! "$python" -c 'import ensurepip' 2>/dev/null; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
        echo "this Python has no venv module: installing python${version}-venv"
        export DEBIAN_FRONTEND=noninteractive
        apt-get update -qq >/dev/null 2>&1 || true  # an unreachable mirror is no reason to stop: the lists may do
        apt-get install -qq -y --no-install-recommends "python${version}-venv" >/dev/null
    else
        echo "this Python has no venv module. On Debian and Ubuntu: sudo apt-get install python3-venv" >&2
        exit 1
    fi
fi
"$python" -m venv "$dir"
