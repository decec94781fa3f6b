/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SHA-256 (FIPS 180-4) and HMAC-SHA-256 (RFC 2104), in one call or in pieces.
 * None of these can fail or allocate, so that a gateway worker can hash a
 * cookie at every request.
 */
#ifndef CD_TOKEN_SHA256_H
#define CD_TOKEN_SHA256_H

#include "base/str.h"

#define CD_SHA256_SIZE 32

struct cd_sha256 {
	_Alignas(8) unsigned char state[128];
};

void cd_sha256(const void *p, size_t len, uint8_t ret_hash[CD_SHA256_SIZE]);
void cd_sha256_init(struct cd_sha256 *h);
void cd_sha256_add(struct cd_sha256 *h, const void *p, size_t len);
/* Wipes the state. */
void cd_sha256_final(struct cd_sha256 *h, uint8_t ret_hash[CD_SHA256_SIZE]);

void cd_hmac_sha256(struct cd_str key, struct cd_str message,
		    uint8_t ret_mac[CD_SHA256_SIZE]);

#endif
