/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Length and bytes in one block, so that one wipe covers it. Locking pages
 * was rejected: RLIMIT_MEMLOCK is small for unprivileged users and a swapped
 * page is encrypted or absent on the machines this runs on; core dumps are
 * switched off by the processes that hold keys.
 */
#include "token/secret.h"

#include <stdlib.h>

#include "token/random.h"

struct cd_secret {
	size_t len;
	unsigned char bytes[];
};

int cd_secret_new(size_t len, struct cd_secret **ret_secret)
{
	struct cd_secret *s;

	if (len > CD_SECRET_MAX)
		return CD_E_LIMIT;
	s = cd_calloc(1, sizeof(*s) + len + 1);
	if (!s)
		return -ENOMEM;
	s->len = len;
	*ret_secret = s;
	return 0;
}

int cd_secret_from(struct cd_str bytes, struct cd_secret **ret_secret)
{
	struct cd_secret *s;
	int r = cd_secret_new(bytes.len, &s);

	if (r < 0)
		return r;
	if (bytes.len)
		memcpy(s->bytes, bytes.ptr, bytes.len);
	*ret_secret = s;
	return 0;
}

int cd_secret_random(size_t len, struct cd_secret **ret_secret)
{
	struct cd_secret *s;
	int r = cd_secret_new(len, &s);

	if (r < 0)
		return r;
	cd_random(s->bytes, len);
	*ret_secret = s;
	return 0;
}

void cd_secret_free(struct cd_secret **secret)
{
	struct cd_secret *s = *secret;

	if (!s)
		return;
	cd_wipe(s->bytes, s->len);
	free(s);
	*secret = NULL;
}

struct cd_str cd_secret_reveal(const struct cd_secret *secret)
{
	return cd_str_make(secret->bytes, secret->len);
}

unsigned char *cd_secret_bytes(struct cd_secret *secret)
{
	return secret->bytes;
}

size_t cd_secret_len(const struct cd_secret *secret)
{
	return secret->len;
}

bool cd_secret_equal_bytes(const struct cd_secret *a, struct cd_str b)
{
	return a->len == b.len && cd_equal_ct(a->bytes, b.ptr, b.len);
}

bool cd_secret_equal(const struct cd_secret *a, const struct cd_secret *b)
{
	return cd_secret_equal_bytes(a, cd_secret_reveal(b));
}
