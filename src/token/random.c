/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libcrypto's private generator, seeded by the kernel and reseeded after a
 * fork. The library folders make no system calls of their own.
 */
#include "token/random.h"

#include <openssl/rand.h>

void cd_random(void *ret_bytes, size_t len)
{
	cd_assert(len <= INT32_MAX);
	cd_assert(len == 0 || RAND_priv_bytes(ret_bytes, (int)len) == 1);
}

uint64_t cd_random_u64(void)
{
	uint64_t v;

	cd_random(&v, sizeof(v));
	return v;
}
