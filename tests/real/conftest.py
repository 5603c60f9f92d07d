# SPDX-License-Identifier: Apache-2.0
"""The suites of tests/real use the fixtures of tests/e2e, with the real kube-apiserver."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))
sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "e2e"))

from fixtures import *  # noqa: E402, F403
