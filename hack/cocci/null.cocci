// SPDX-License-Identifier: Apache-2.0
// A pointer is asked by its truth: `!p`, `p` in a condition, `!!p` where a value is wanted.
// hack/cocci/run.sh runs it until nothing changes.

@@ expression p, a, b, c, d; @@
(
  p == NULL ? a : b ? c : d
|
  p == NULL ? a ? b : c : d
|
- p == NULL ? a : b
+ p ? b : a
)

@@ expression p; @@
(
- p == NULL
+ !p
|
- NULL == p
+ !p
|
- p != NULL
+ !!p
|
- NULL != p
+ !!p
)
