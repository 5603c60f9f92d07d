/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODEPREP_ERR_H
#define NODEPREP_ERR_H

/*
 * err - the error value, and the two idioms of ownership that every module shares.
 *
 * Contract   `err` is the last parameter, never NULL and untouched on success. A failing function
 *            sets it once and returns a negative number; np_wrap() puts context in front of it.
 * Texts      one line, lower case, no full stop, the value in 'quotes', what would be right. They are escaped
 *            as np_text_escape() does, since a server's message may hold anything. A text that is cut
 *            ends in "...". Nothing is allocated, so that running out of memory can be reported.
 * Codes      what a program decides on. One table in err.c maps each to the exit status
 *            (docs/contract.md) and to the CNI error code (CNI specification 1.1.0, section 5, and
 *            docs/cni-plugin.md, "Errors").
 */

enum np_code {
	NP_OK,
	NP_E_USAGE, /* the command line or the environment asks for something impossible */
	NP_E_SPEC, /* input that cannot be right, or contradicts other input */
	NP_E_WINDOW, /* the MMIO window asked for cannot hold the GPUs */
	NP_E_NOT_FOUND, /* a class, a context, an API that is not there */
	NP_E_REFUSED, /* the API server or TLS said no: identity, admission, certificate */
	NP_E_FORBIDDEN, /* the API server said no: the user's rights */
	NP_E_CONFLICT, /* another client wrote meanwhile */
	NP_E_RETRY, /* unreachable, overloaded or out of time: later may go well */
	NP_E_IO, /* a file or descriptor that cannot be read or written */
	NP_E_NOMEM,
	NP_E_BUG,
	NP_E_VERSION, /* a version of the exec protocol, or a command that it lacks */
	NP_E_DECODE, /* bytes of the exec protocol that are no JSON object */
	NP_E_DRIFT, /* a class is no longer as its pools need it */
	NP_E_RECORD, /* the record in a class's annotation is not one that nodeprep wrote */
	NP_E_NOT_ALLOWED, /* the owner of a class does not allow the pool's namespace to change it */
	NP_CODE_MAX
};

#define NP_ERR_TEXT_MAX 1024

struct np_err {
	enum np_code code;
	char text[NP_ERR_TEXT_MAX];
};

/* clang-format off */
#define NP_ERR_INIT { .code = NP_OK, .text = "" }
/* clang-format on */

/* Sets *err to `code` and the formatted text; returns -code. */
int np_fail(struct np_err *err, enum np_code code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Reports that memory ran out; returns -NP_E_NOMEM. */
int np_fail_nomem(struct np_err *err);

/* Puts the formatted text and ": " in front of the text of *err; returns -err->code. */
int np_wrap(struct np_err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Hands on what `err` holds: `return np_err_ret(err);` returns -err->code. */
static inline int np_err_ret(const struct np_err *err)
{
	return -(int)err->code;
}

/* Returns the exit status that tells `code` (0, 2 to 6 or 70). */
int np_code_exit_status(enum np_code code);

/* Returns the code with the higher exit status; `a` where they are equal. */
enum np_code np_code_worse(enum np_code a, enum np_code b);

/* Returns the CNI error code that tells `code`. */
unsigned np_code_cni(enum np_code code);

/* Returns the stable word for `code` that the JSON forms print, such as "not-found". */
const char *np_code_name(enum np_code code);

/* Runs `fn` on the variable's address when it leaves its scope. */
#define NP_AUTO(fn) __attribute__((cleanup(fn)))

/* Yields the pointer and leaves NULL behind: ownership moves on. */
#define np_take(p)                            \
	({                                    \
		__typeof__(p) np_took_ = (p); \
		(p) = NULL;                   \
		np_took_;                     \
	})

/* free() for NP_AUTO; `p` is the address of a pointer. */
void np_freep(void *p);

#endif
