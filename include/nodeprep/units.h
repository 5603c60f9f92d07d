/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODEPREP_UNITS_H
#define NODEPREP_UNITS_H

/*
 * units - sizes, Kubernetes quantities, durations, powers of two.
 *
 * Units      bytes are uint64_t; "GB" of the MMIO keys is 2^30 bytes, as ESXi counts it
 *            (Broadcom KB 323402: one H100 with 80 GB takes 128, rounded to 256).
 * Ownership  borrows its arguments, allocates nothing, no globals, any thread.
 * Errors     NP_E_SPEC: text that is no such number, out of range, or too large for 64 bits.
 *            The text is quoted in the message; the caller adds the place.
 * Sources    quantity grammar: Kubernetes apimachinery, resource.Quantity's documented syntax
 *            (decimal, exponent, suffixes n u m k M G T P E and Ki Mi Gi Ti Pi Ei);
 *            durations: Go's time.ParseDuration, as kubectl's --request-timeout takes them.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct np_err;

#define NP_KIB (UINT64_C(1) << 10)
#define NP_MIB (UINT64_C(1) << 20)
#define NP_GIB (UINT64_C(1) << 30)

/* The largest window that a spec may ask for, in GB (docs/contract.md, "The window"). */
#define NP_WINDOW_GB_MAX UINT64_C(65536)

/* Tells whether `n` is a power of two; 0 is none. */
bool np_is_pow2(uint64_t n);

/* Sets *ret to the smallest power of two >= n (n >= 1); NP_E_WINDOW where that needs 65 bits. */
int np_pow2_ceil(uint64_t n, uint64_t *ret, struct np_err *err);

/* Reads a plain decimal number in [min, max]: digits only, no sign, no blanks. */
int np_u64_parse(const char *text, uint64_t min, uint64_t max, uint64_t *ret, struct np_err *err);

/* Reads a Kubernetes quantity as bytes, a fraction of a byte rounded up as Quantity.Value() does. */
int np_quantity_parse(const char *text, uint64_t *ret_bytes, struct np_err *err);

/* Reads a duration such as "1m30s" or "500ms" as milliseconds; a bare number is seconds. */
int np_duration_parse(const char *text, uint64_t *ret_ms, struct np_err *err);

#define NP_SIZE_TEXT_MAX 32

/* Writes bytes as people read BARs: "16 MB", "64 GB + 48 MB", "4 KB". */
void np_size_text(uint64_t bytes, char buf[static NP_SIZE_TEXT_MAX]);

#endif
