#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# soak.sh BUILD REQUESTS SECONDS - soak.py with the shipped binary, then with a tenth under ASan and UBSan; then
# chaos.py for SECONDS
set -eu
build=$(cd "$1" && pwd)
here=$(cd "$(dirname "$0")" && pwd)
"$here/load.sh" "$build/bench"
/usr/bin/env python3 -B "$here/soak.py" "$build" "$build/nodeprep-hookd" "$2"
/usr/bin/env python3 -B "$here/soak.py" "$build" "$build/san/nodeprep-hookd" $(($2 / 10)) asan
"$here/chaos.sh" "$build" "$3"
