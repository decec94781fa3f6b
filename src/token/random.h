/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random bytes for keys, nonces and ids, from libcrypto (kernel seeded). There
 * is no weaker fallback: when it cannot give any, the process ends,
 * because every caller would otherwise have to invent a way to go on.
 */
#ifndef CD_TOKEN_RANDOM_H
#define CD_TOKEN_RANDOM_H

#include "base/base.h"

void cd_random(void *ret_bytes, size_t len);
uint64_t cd_random_u64(void);

#endif
