#!/bin/sh
# compile_commands.sh COMMAND FILE... - prints the compilation database (JSON) of the C files among FILE...,
# each compiled by COMMAND in this folder.
set -eu
command=$1
shift
printf '%s\n' "$@" | grep '\.c$' | python3 -c '
import json, os, sys
print(json.dumps([{"directory": os.getcwd(), "file": name, "command": sys.argv[1] + " " + name}
                  for name in sys.stdin.read().split()], indent=1))
' "$command"
