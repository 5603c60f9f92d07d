// SPDX-License-Identifier: Apache-2.0
// An error that is handed up bears a name: np_err_ret().

@@ struct np_err *e; @@
- -(int)e->code
+ np_err_ret(e)

@@ struct np_err e; @@
- -(int)e.code
+ np_err_ret(&e)

// where spatch does not see the type
@@ @@
- -(int)err->code
+ np_err_ret(err)
