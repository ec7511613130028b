#!/bin/sh
# Makes the virtual environment $1 with the newest Python at hand (3.11 at least; PYTHON=... chooses) and the locked uv in it.
set -eu
venv=$1
fits() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }
if ! [ -x "$venv/bin/python" ]; then
    for python in ${PYTHON:-python3 python3.13 python3.12 python3.11} ''; do
        if [ -n "$python" ] && fits "$python"; then break; fi
    done
    if [ -z "$python" ]; then
        echo "Orrery needs Python 3.11 or newer, and found none${PYTHON:+ at PYTHON=$PYTHON}. Install it, or name it: make run PYTHON=/path/to/python3" >&2
        exit 1
    fi
    if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        echo "$python cannot make virtual environments: its ensurepip module is missing. On Debian and Ubuntu: apt-get install python3-venv" >&2
        exit 1
    fi
    "$python" -m venv "$venv"
fi
mkdir -p "$venv/made"
"$venv/bin/python" -m pip install --quiet --require-hashes -r requirements/bootstrap.txt
