# SPDX-License-Identifier: Apache-2.0
"""The suites of a release use what tests/real has: containers and plain Debian releases."""

import pathlib
import sys

ROOT = pathlib.Path(__file__).parents[1]
for folder in ("e2e", "real", "real/debian"):
    sys.path.insert(0, str(ROOT / folder))
