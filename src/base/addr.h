/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IPv4 and IPv6 addresses and prefixes (struct cd_addr of
 * <cordon/decide.h>). An IPv4-mapped IPv6 address (RFC 4291 2.5.5.2) is the
 * IPv4 address everywhere: two spellings of one host must not be judged
 * differently.
 */
#ifndef CD_BASE_ADDR_H
#define CD_BASE_ADDR_H

#include <cordon/decide.h>

#include "base/str.h"

#define CD_ADDR_SIZE 48 /* text of any address or prefix with its NUL */

/* Strict: four decimal parts without leading zeros, or RFC 4291 text without
 * a zone. -EINVAL. */
int cd_addr_parse(struct cd_str s, struct cd_addr *ret_addr);
/* From 4 or 16 network-order bytes; any other length gives family 0. */
struct cd_addr cd_addr_make(const void *bytes, size_t len);
/* RFC 5952 text; "" for family 0. Returns the length. */
size_t cd_addr_format(const struct cd_addr *a, char *out, size_t size);
/* By family, then numerically. */
int cd_addr_compare(const struct cd_addr *a, const struct cd_addr *b);
/* The following address; false at the last of the family. */
bool cd_addr_next(const struct cd_addr *a, struct cd_addr *ret_next);

/* Global unicast: what `internet` means before segments and hosts are taken
 * away. IPv4 without 0/8, 10/8, 100.64/10, 127/8, 169.254/16, 172.16/12,
 * 192.0.0/24, 192.168/16, 198.18/15, 224/4, 240/4; IPv6 2000::/3. The
 * documentation ranges count, so that examples mean what they say. */
bool cd_addr_is_global(const struct cd_addr *a);

struct cd_prefix {
	struct cd_addr addr;
	uint8_t len; /* 0..32 or 0..128 */
};

/* "10.0.0.0/8", "fd00::/8", or an address (its full length). Bits behind the
 * length are kept as written; see cd_prefix_is_exact(). -EINVAL. */
int cd_prefix_parse(struct cd_str s, struct cd_prefix *ret_prefix);
/* No bit is set behind the length. */
bool cd_prefix_is_exact(const struct cd_prefix *p);
struct cd_addr cd_prefix_first(const struct cd_prefix *p);
struct cd_addr cd_prefix_last(const struct cd_prefix *p);
bool cd_prefix_has(const struct cd_prefix *p, const struct cd_addr *a);

#endif
