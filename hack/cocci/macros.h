/* SPDX-License-Identifier: Apache-2.0 */
/* What Coccinelle needs to know to parse this tree (spatch --macro-file). */
#define NP_AUTO(fn)
#define json_auto_t json_t
#define __attribute__(x)
