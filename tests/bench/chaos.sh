#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# chaos.sh BUILD SECONDS [SEED] - runs chaos.py with what the tests have for servers and programs
set -eu
NODEPREP_BIN_DIR=$(cd "$1" && pwd)
here=$(cd "$(dirname "$0")" && pwd)
export NODEPREP_BIN_DIR PYTHONPATH="$here/../e2e:$here/../real/controller"
mkdir -p "$NODEPREP_BIN_DIR/bench"
exec /usr/bin/env python3 -B "$here/chaos.py" "$@"
