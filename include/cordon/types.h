/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Types that every public header shares: borrowed strings, error numbers and
 * diagnostics for people.
 *
 * Results. A function that can fail returns one `int`: 0, or a negative
 * number: an errno value as it is (-ENOMEM, -EINVAL...), or one of enum
 * cd_error. An output parameter `ret_x` is untouched on failure. Text for
 * people goes into a struct cd_diag, never into a log.
 */
#ifndef CORDON_TYPES_H
#define CORDON_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A borrowed string: not terminated, may hold any byte, ptr may be NULL when
 * len is 0. Passed by value. */
struct cd_str {
	const char *ptr;
	size_t len;
};

#define CD_STR_INIT(lit)               \
	{                              \
		(lit), sizeof(lit) - 1 \
	}

/* Our own error numbers, all below -1000. cd_strerror() names each. */
enum cd_error {
	CD_E_SYNTAX = -1001, /* text does not parse; see the diag */
	CD_E_CHECK = -1002, /* text parses and does not check; see the diag */
	CD_E_LIMIT = -1003, /* a named limit was exceeded */
	CD_E_CORRUPT = -1004, /* bytes do not hold what they claim */
	CD_E_VERSION = -1005, /* newer than this program understands */
	CD_E_SIGNATURE = -1006, /* signature, audience or serial refused */
	CD_E_NOTFOUND = -1007, /* the thing named does not exist */
	CD_E_EXPIRED = -1008, /* past its not-after */
	CD_E_DENIED = -1009, /* not permitted to this caller */
	CD_E_UNSUPPORTED = -1010, /* understood, and not available here */
};

const char *cd_strerror(int err);

enum cd_severity { CD_NOTE, CD_WARNING, CD_ERROR };

/* One message for a person. `line` and `column` count from 1; 0: the message
 * is about the whole file. `file` indexes the inputs of the call that filled
 * the diag. `text` and `hint` are owned by the cd_diag. */
struct cd_message {
	enum cd_severity severity;
	const char *file; /* borrowed from the caller's input, or NULL */
	uint32_t line;
	uint32_t column;
	const char *text;
	const char *hint; /* "did you mean 'mfa.age'?", or NULL */
};

/* A bounded list of messages. After CD_DIAG_MAX messages further ones are
 * counted and not kept; errors are counted always. */
#define CD_DIAG_MAX 64

struct cd_diag;

int cd_diag_new(struct cd_diag **ret_diag);
void cd_diag_free(struct cd_diag **diag);
size_t cd_diag_count(const struct cd_diag *diag);
const struct cd_message *cd_diag_get(const struct cd_diag *diag, size_t i);
size_t cd_diag_errors(const struct cd_diag *diag);
size_t cd_diag_warnings(const struct cd_diag *diag);

/* Adds a message; printf-like. diag may be NULL (then nothing happens).
 * User bytes in arguments are quoted by the caller (cd_quote in base). */
void cd_diag_add(struct cd_diag *diag, enum cd_severity severity,
		 const char *file, uint32_t line, uint32_t column,
		 const char *fmt, ...)
#if defined(__GNUC__)
	__attribute__((format(printf, 6, 7)))
#endif
	;
/* Gives the last message a hint ("did you mean ...?"). */
void cd_diag_hint(struct cd_diag *diag, const char *fmt, ...)
#if defined(__GNUC__)
	__attribute__((format(printf, 2, 3)))
#endif
	;

#ifdef __cplusplus
}
#endif
#endif
