/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Secret bytes: keys, tokens, passwords, codes. A type of its own, opaque, so
 * that no formatter accepts it, no struct copy duplicates it and no logger
 * can be handed one by mistake. The memory is left out of core dumps where
 * the kernel can and is wiped when freed.
 *
 * cd_secret_reveal() is the one way to the bytes; grep for it to audit.
 */
#ifndef CD_TOKEN_SECRET_H
#define CD_TOKEN_SECRET_H

#include "base/str.h"

#define CD_SECRET_MAX (64 * 1024)

struct cd_secret;

/* len zero bytes. -ENOMEM, or CD_E_LIMIT above CD_SECRET_MAX. */
int cd_secret_new(size_t len, struct cd_secret **ret_secret);
/* Copies; the caller's copy remains the caller's to wipe. */
int cd_secret_from(struct cd_str bytes, struct cd_secret **ret_secret);
/* len bytes of the system's random generator. */
int cd_secret_random(size_t len, struct cd_secret **ret_secret);
/* Wipes, then frees; also for cd_auto. */
void cd_secret_free(struct cd_secret **secret);

/* Borrowed; valid until cd_secret_free(). Followed by a NUL byte. */
struct cd_str cd_secret_reveal(const struct cd_secret *secret);
/* The same bytes to be written, for those who fill a new secret. */
unsigned char *cd_secret_bytes(struct cd_secret *secret);
size_t cd_secret_len(const struct cd_secret *secret);
/* In time that depends on the lengths only. */
bool cd_secret_equal(const struct cd_secret *a, const struct cd_secret *b);
bool cd_secret_equal_bytes(const struct cd_secret *a, struct cd_str b);

#endif
