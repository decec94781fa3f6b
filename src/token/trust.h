/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The trust file: the public keys that an agent pins at enrolment. Text, so
 * that a person can compare it with what the key broker says:
 *
 *	cordon-trust 1
 *	bundle KEYID BASE64URL
 *	changes KEYID BASE64URL
 *	assertion KEYID BASE64URL
 *
 * Each line ends in a newline; every purpose stands once; a purpose that this
 * program does not know is an error (a key of unknown use is not trust).
 */
#ifndef CD_TOKEN_TRUST_H
#define CD_TOKEN_TRUST_H

#include "base/buf.h"
#include "token/ed25519.h"

#define CD_TRUST_MAX 4096 /* bytes of a trust file */

struct cd_trust {
	struct cd_public_key bundle, changes, assertion;
};

int cd_trust_parse(struct cd_str text, struct cd_trust *ret);
void cd_trust_put(const struct cd_trust *trust, struct cd_buf *out);

#endif
