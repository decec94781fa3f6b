/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bundle: a 4096-byte signed header and the snapshot image it vouches
 * for. Offsets: base/bundle_layout.h, which the gateway's reader shares.
 * Layout and test vectors: docs/protocol/bundle.md.
 *
 * cordond fills and encodes the header, the key broker signs its first
 * CD_BUNDLE_SIGNED bytes, the agent's broker verifies. What workers map was
 * verified before it was renamed into place.
 */
#ifndef CD_TOKEN_BUNDLE_H
#define CD_TOKEN_BUNDLE_H

#include "base/bundle_layout.h"
#include "base/buf.h"
#include "token/ed25519.h"
#include "token/sha256.h"

struct cd_bundle_header {
	uint64_t serial; /* >= 1, grows with every bundle of an audience */
	int64_t not_before; /* Unix seconds */
	int64_t not_after;
	uint8_t hash[CD_SHA256_SIZE]; /* of the snapshot image */
	/* Name of the agent it is for, or "*" for every agent; NUL padded. */
	char audience[CD_BUNDLE_AUDIENCE + 1];
	uint64_t snapshot_size;
	/* On trial: from this Unix second on, an enforcement point that has
	 * taken no newer bundle returns to the last one with 0 here. */
	int64_t confirm_by;
	uint8_t signature[CD_ED25519_SIGNATURE];
};

/* Writes the 4096 bytes, with h->signature as it is. -EINVAL when a field is
 * out of range. */
int cd_bundle_encode(const struct cd_bundle_header *h,
		     uint8_t ret_bytes[CD_BUNDLE_HEADER]);

/* Reads a header; verifies nothing but its form. CD_E_CORRUPT, or
 * CD_E_VERSION when newer than this program. */
int cd_bundle_decode(struct cd_str bytes, struct cd_bundle_header *ret);

struct cd_bundle_expect {
	struct cd_public_key key;
	struct cd_str audience; /* name of this agent */
	uint64_t last_serial; /* serial must be greater; 0 at first */
	int64_t now; /* Unix seconds */
};

/* The whole bundle, header and image: signature first, then audience, serial,
 * not-after, confirm-by, size, hash. CD_E_SIGNATURE (signature, audience,
 * serial), CD_E_EXPIRED (also a trial that is over), CD_E_VERSION or CD_E_CORRUPT; the place is said in diag.
 * not_before is not enforced: an agent's clock that is behind must not keep a
 * newer policy from coming into force. */
int cd_bundle_verify(struct cd_str bundle,
		     const struct cd_bundle_expect *expect,
		     struct cd_diag *diag, struct cd_bundle_header *ret);

#endif
