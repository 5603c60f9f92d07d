#!/bin/sh
# release.sh [--dry-run] [STEP...] - the checklist of a release; all steps in order, or those named:
#
#   version    VERSION is a semantic version, debian/changelog has the same, and so has the tag if there is one
#   changelog  CHANGELOG.md has an entry with the release's date
#   clean      nothing is uncommitted
#   lint       make lint
#   tests      make test, make test-real
#   compat     the compatibility table in docs is what the tests ran
#   dist       archives, packages, chart and krew's manifest in dist/, and tests/release of them
#   reproduce  dist and image once more, in another folder and two days later: the same bytes
#   image      the image; its digest is printed
#   tag        the signed tag vVERSION
#
# --dry-run sets no tag, and permits a pre-release (0.2.0-dev) with an entry of no date yet. Ends with "release: ready"
# or "release: FAILED: STEP...".
set -u
cd "$(dirname "$0")/.." || exit 1
dry=
[ "${1:-}" != --dry-run ] || { dry=1 && shift; }
known="version changelog clean lint tests compat dist reproduce image tag"
steps=${*:-$known}
for step in $steps; do
	case " $known " in *" $step "*) ;; *) echo "release.sh: unknown step '$step': expected $known" >&2 && exit 2 ;; esac
done
version=$(cat VERSION)
core=${version%%-*}
dist=${DIST:-dist}

say() { echo "$*" >&2 && return 1; }

version_step() {
	number='(0|[1-9][0-9]*)'
	echo "$version" | grep -qE "^$number\.$number\.$number(-[0-9A-Za-z.-]+)?\$" ||
		say "VERSION: '$version' is not a semantic version" || return
	[ -n "$dry" ] || [ "$version" = "$core" ] || say "VERSION: '$version' is a pre-release; a release is $core" || return
	packaged=$(sed -n '1s/^nodeprep (\(.*\)) .*/\1/p' debian/changelog)
	[ "$packaged" = "$(echo "$version" | tr - '~')" ] ||
		say "debian/changelog: its first entry is for '$packaged': expected '$(echo "$version" | tr - '~')'" || return
	tagged=$(git rev-parse -q --verify "v$version^{commit}" || true)
	[ -z "$tagged" ] || [ "$tagged" = "$(git rev-parse HEAD)" ] || say "v$version is the tag of another commit, $tagged"
}

changelog_step() {
	entry=$(grep -E "^## $(echo "$core" | sed 's/\./\\./g')( |\$)" CHANGELOG.md) || say "CHANGELOG.md has no entry '## $core'" || return
	[ -n "$dry" ] || echo "$entry" | grep -qE ' \([0-9]{4}-[0-9]{2}-[0-9]{2}\)$' ||
		say "CHANGELOG.md: '$entry' has no date: expected '## $core (YYYY-MM-DD)'"
}

clean_step() {
	changes=$(git status --porcelain)
	[ -z "$changes" ] || say "not committed: $changes"
}

lint_step() { make lint; }
tests_step() { make test && make test-real; }
compat_step() { python3 hack/compatibility.py; }

dist_step() {
	rm -rf "$dist"
	hack/dist.sh all "$dist" && release_tests test_release
}

reproduce_step() {
	[ -f "$dist/SHA256SUMS" ] || say "$dist/SHA256SUMS is missing; run the step dist first" || return
	other=$(mktemp -d)
	DIST_OTHER=1 hack/dist.sh all "$other" && diff "$dist/SHA256SUMS" "$other/SHA256SUMS" && release_tests test_image_twice
	status=$?
	rm -rf "$other"
	return $status
}

release_tests() {
	hack/deps.sh check debian image release && make build/nodeprep &&
		NODEPREP_DIST=$dist NODEPREP_TARGET=none NODEPREP_BIN_DIR=build /usr/bin/python3 -B -m pytest -q \
			-p no:cacheprovider "tests/release/$1.py"
}

image_step() {
	make image && case ${IMAGE:-} in
	'') echo "set IMAGE, and run make image-push, to push it" ;;
	*) make image-push ;;
	esac
}

tag_step() {
	[ -z "$dry" ] || { echo "dry run: not tagged; a release runs: git tag -s v$version" && return; }
	[ -z "$(git rev-parse -q --verify "v$version" || true)" ] || return 0
	git tag -s "v$version" -m "nodeprep $version"
}

failed=
for step in $steps; do
	echo "== $step"
	if "${step}_step"; then echo "  ok      $step"; else echo "  FAILED  $step" && failed="$failed $step"; fi
	# A failed step makes the tag, and all that takes long, pointless.
	case $step:$failed in version:?* | changelog:?* | clean:?* | lint:?* | tests:?* | dist:?*) break ;; esac
done
[ -z "$failed" ] || { echo "release: FAILED:$failed" && exit 1; }
echo "release: ready"
