#!/bin/sh
# Checks what pip cannot bring, and says in one line what to install.
PYTHON="${PYTHON:-python3}"

if ! command -v "$PYTHON" >/dev/null 2>&1; then
    echo "rollq needs Python 3.11 or newer: apt-get install python3 python3-venv (or: make PYTHON=/path/to/python3.11)" >&2
    exit 1
fi
if ! "$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    echo "rollq needs Python 3.11 or newer, this is $("$PYTHON" --version): call make PYTHON=/path/to/python3.11" >&2
    exit 1
fi
if ! "$PYTHON" -c 'import ensurepip, venv' >/dev/null 2>&1; then
    echo "Python's venv is missing: apt-get install python3-venv" >&2
    exit 1
fi
if ! "$PYTHON" -c 'import ctypes; ctypes.CDLL("libgomp.so.1")' >/dev/null 2>&1; then
    echo "LightGBM needs the system library libgomp: apt-get install libgomp1" >&2
    exit 1
fi
