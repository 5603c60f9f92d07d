// SPDX-License-Identifier: Apache-2.0
// `!!` goes where C asks for truth anyway. hack/cocci/run.sh runs it until nothing changes.

@@ expression p, q; @@
(
- !!p
+ p
  && q
|
- !!p
+ p
  || q
)

@@ expression p, q; @@
(
  q &&
- !!p
+ p
|
  q ||
- !!p
+ p
)

@@ expression p, a, b; @@
- !!p
+ p
  ? a : b

@@ expression p; @@
- !(!!p)
+ !p

@@ expression p; statement s; @@
  if (
- !!p
+ p
  ) s

@@ expression p; statement s, t; @@
  if (
- !!p
+ p
  ) s else t

@@ expression p; statement s; @@
  while (
- !!p
+ p
  ) s

@@ expression p, e, i; statement s; @@
  for (i;
- !!p
+ p
  ;e) s

@@ expression p, e; declaration d; statement s; @@
  for (d
- !!p
+ p
  ;e) s

@@ expression p; identifier f = {assert, assert_true, assert_false, require, fuzz_require}; @@
  f(
- !!p
+ p
  )

@@ expression p, e; statement s; @@
  for (;
- !!p
+ p
  ;e) s

@@ expression p; declaration d; statement s; @@
  for (d
- !!p
+ p
  ;) s

@@ expression p, q; @@
(
- (!!p) == q
+ !!p == q
|
- (!!p) != q
+ !!p != q
|
- (!p) == q
+ !p == q
|
- (!p) != q
+ !p != q
)

@@ expression p, q; @@
(
- q == (!!p)
+ q == !!p
|
- q != (!!p)
+ q != !!p
|
- q == (!p)
+ q == !p
|
- q != (!p)
+ q != !p
)
