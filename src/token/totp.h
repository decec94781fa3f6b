/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Time-based one-time passwords: RFC 6238 with what every authenticator app
 * speaks: SHA-1, six digits, steps of 30 s from the Unix epoch. A code of the
 * step before or after is accepted too, for clocks and slow fingers.
 *
 * Replay (RFC 6238 section 5.2): a code is good once. Verifying gives the
 * step it matched; the caller stores it with the user, in the transaction
 * that accepts the sign-in, and passes it as `last` next time.
 */
#ifndef CD_TOKEN_TOTP_H
#define CD_TOKEN_TOTP_H

#include "base/buf.h"
#include "token/secret.h"

#define CD_TOTP_SECRET 20 /* bytes of a secret that we make */
#define CD_TOTP_SECRET_MIN 10
#define CD_TOTP_SECRET_MAX 64
#define CD_TOTP_STEP 30 /* s */
#define CD_TOTP_DIGITS 6

int cd_totp_new(struct cd_secret **ret_secret);

/* Code of a step (unix seconds / 30), six digits and a NUL. -EINVAL when the
 * secret's length is out of range. */
int cd_totp_code(const struct cd_secret *secret, uint64_t step,
		 char ret_code[CD_TOTP_DIGITS + 1]);

/* 0 and the step that matched; CD_E_DENIED when the code is wrong, malformed,
 * or of a step <= last. now: Unix seconds; last: 0 for a new secret. */
int cd_totp_verify(const struct cd_secret *secret, struct cd_str code,
		   int64_t now, uint64_t last, uint64_t *ret_step);

/* The secret in base32, to be typed; and the otpauth:// URI for a QR code.
 * Label and issuer are percent-encoded. */
int cd_totp_base32(const struct cd_secret *secret, struct cd_secret **ret_text);
int cd_totp_uri(const struct cd_secret *secret, struct cd_str issuer,
		struct cd_str account, struct cd_secret **ret_uri);

#endif
