// SPDX-License-Identifier: Apache-2.0
// A cast that takes const from a json_t bears a name.

@@ typedef json_t, uintptr_t; expression e; @@
(
- json_incref((json_t *)(uintptr_t)e)
+ np_json_ref(e)
|
- (json_t *)(uintptr_t)e
+ np_json_mut(e)
|
- mutable_json(e)
+ np_json_mut(e)
)
