/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Borrowed strings (struct cd_str) and what is done with them. Nothing here
 * allocates; nothing depends on the locale.
 */
#ifndef CD_BASE_STR_H
#define CD_BASE_STR_H

#include <string.h>

#include "base/base.h"

#define CD_STR(lit) ((struct cd_str)CD_STR_INIT(lit))
#define CD_STR_NULL ((struct cd_str){NULL, 0})
/* For printf: "%.*s", CD_STR_FMT(s) */
#define CD_STR_FMT(s) (int)(s).len, (s).ptr ? (s).ptr : ""

static inline struct cd_str cd_str_from(const char *z)
{
	return (struct cd_str){z, z ? strlen(z) : 0};
}

static inline struct cd_str cd_str_make(const void *p, size_t len)
{
	return (struct cd_str){p, len};
}

static inline bool cd_str_equal(struct cd_str a, struct cd_str b)
{
	return a.len == b.len &&
	       (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

/* ASCII case-insensitive equality. */
bool cd_str_equal_nocase(struct cd_str a, struct cd_str b);
/* Bytewise order, shorter first on a common prefix: <0, 0, >0. */
int cd_str_compare(struct cd_str a, struct cd_str b);
bool cd_str_has_prefix(struct cd_str s, struct cd_str prefix);
bool cd_str_has_suffix(struct cd_str s, struct cd_str suffix);
/* Without leading and trailing blanks (space, tab, CR, LF). */
struct cd_str cd_str_trim(struct cd_str s);
/* Splits off the part before the first `sep`; *rest is what follows it.
 * Without a sep the whole is returned and *rest is empty with ptr NULL. */
struct cd_str cd_str_split(struct cd_str s, char sep, struct cd_str *rest);
/* Heap copy with a terminating NUL, or NULL. */
char *cd_str_dup(struct cd_str s);

/* 64-bit hash for tables of trusted or bounded content: FNV-1a with a final
 * mix. Stable across versions and machines: snapshots store it. */
uint64_t cd_hash(const void *p, size_t len);
static inline uint64_t cd_str_hash(struct cd_str s)
{
	return cd_hash(s.ptr, s.len);
}

/* Decimal without sign, blanks or overflow. -EINVAL or -ERANGE. */
int cd_str_parse_u64(struct cd_str s, uint64_t *ret_n);

/* Edits from a to b, for did-you-mean: a byte added, removed or changed, or
 * two neighbours exchanged (optimal string alignment); both at most 64 bytes are looked
 * at, longer strings give a distance above `max`. */
unsigned int cd_str_distance(struct cd_str a, struct cd_str b,
			     unsigned int max);

/* Well-formed UTF-8 (no surrogates, no overlong forms, no NUL). */
bool cd_utf8_is_valid(struct cd_str s);

/* Puts a quoted, escaped and shortened form of user bytes into out, always
 * terminated: safe in a log line or a message. Returns out. */
const char *cd_quote(struct cd_str s, char *out, size_t out_size);

#endif
