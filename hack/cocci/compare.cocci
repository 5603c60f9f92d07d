// SPDX-License-Identifier: Apache-2.0
// What strcmp() and its kin return is compared with 0.

@@ identifier f = {strcmp, strncmp, strcasecmp, strncasecmp, memcmp}; expression list a; @@
- !f(a)
+ f(a) == 0

@@ expression e; @@
(
- e == false
+ !e
|
- e != false
+ e
|
- e == true
+ e
)
