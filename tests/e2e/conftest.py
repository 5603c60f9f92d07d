# SPDX-License-Identifier: Apache-2.0
"""What pytest finds by name: the fixtures, which tests/real shares."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from fixtures import *  # noqa: E402, F403
