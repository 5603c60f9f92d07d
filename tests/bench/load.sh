#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# load.sh WORK - builds the load generator as WORK/load
set -eu
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
${CC:-cc} -O2 -o "$1/load" "$here/load.c" -levent_openssl -levent_core -lssl -lcrypto
