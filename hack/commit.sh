#!/bin/sh
# commit.sh - prints the commit that is built and its date, as C macros: of git, of the archive that git made
# (.commit), or of REVISION and REVISION_DATE, which the image's build sets; "unknown" where none tells.
set -eu
cd "$(dirname "$0")/.."
words=
if [ -e .git ]; then
	# The folder may be another user's.
	words=$(git -c safe.directory='*' log -1 --format='%H %cs' 2>/dev/null || true)
fi
[ -n "$words" ] || words=$(grep -E '^[0-9a-f]{40} ' .commit || true)
commit=${REVISION:-${words% *}} date=${REVISION_DATE:-${words#* }}
case $commit$date in *[!0-9a-z-]*) echo "commit.sh: '$commit $date' is not a commit and its date" >&2 && exit 1 ;; esac
short=$(printf %.12s "$commit")
printf '#define NP_COMMIT%s "%s"\n' '' "${commit:-unknown}" _SHORT "${short:-unknown}" _DATE "${date:-unknown}"
