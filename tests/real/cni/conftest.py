# SPDX-License-Identifier: Apache-2.0
"""What pytest finds by name: the fixtures of this suite."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from runtime import netns, network, tools  # noqa: E402, F401
