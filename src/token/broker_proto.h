/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is spoken on run/keys/keys.sock (a stream socket). A frame is
 *	u32 length	of all that follows: 4 + body
 *	u16 verb	enum cd_verb, the same in the answer
 *	u16 status	0 in a request; enum cd_broker_status in an answer
 *	body
 * Integers little endian. `str` below is u16 length and bytes. Requests may
 * be pipelined; answers come in order. A malformed frame, a length above the
 * maximum or an unknown verb ends the connection. Peers are known by
 * SO_PEERCRED; a verb that is not theirs is answered DENIED.
 *
 * An answer with a status other than 0 has an empty body.
 * Layout and vectors: docs/protocol/broker.md.
 */
#ifndef CD_TOKEN_BROKER_PROTO_H
#define CD_TOKEN_BROKER_PROTO_H

#include "base/buf.h"

#define CD_BROKER_FOLDER "keys" /* in the run folder, the broker's alone */
#define CD_BROKER_SOCKET CD_BROKER_FOLDER "/keys.sock"
#define CD_BROKER_FRAME 8 /* bytes before the body */
#define CD_BROKER_BODY_MAX (32 * 1024)

/* Who may ask: bits, from the peer's uid. */
enum cd_broker_peer {
	CD_PEER_ANYONE = 1 << 0,
	CD_PEER_CONTROLLER = 1 << 1,
	CD_PEER_GATEWAY = 1 << 2,
};

/* CD_VERB(id, number, peers, burst, per_second)
 *
 * burst and per_second bound what all peers together may ask: a token
 * bucket for each verb, CD_BROKER_BUSY when it is empty. Append-only.
 *
 * request body -> answer body
 * PUBLIC_KEYS	u8 enum cd_public_what -> its bytes
 * SIGN_BUNDLE	152 bytes (token/bundle.h) -> 64 bytes
 * SIGN_CHANGES	128 bytes (token/change.h) -> 64 bytes
 * ISSUE_LEAF	u32 life s, u16 n, n str names, str CSR (PEM) -> PEM chain
 * ISSUE_CLIENT	u32 life s, u64 session, str user, str CSR (PEM)
 *		-> 32 bytes session key, PEM chain
 * SEAL		str purpose, str context, str plain -> sealed
 * UNSEAL	str purpose, str context, str sealed -> plain; purpose "totp"
 *		is refused: such a secret never comes out again
 * TOTP_NEW	str context, str issuer, str account -> str sealed (purpose
 *		"totp"), str base32, str otpauth URI
 * TOTP_VERIFY	str context, str sealed, str code, u64 last -> u64 step;
 *		REFUSED when the code is wrong or used; the broker's clock
 * ASSERT	str session token (as in the cookie), str app
 *		-> i64 exp (Unix s), JWT; REFUSED when the session is not
 *		live, not this app's, or its person is gone or disabled
 */
#define CD_VERBS(X)                                         \
	X(PUBLIC_KEYS, 1, CD_PEER_ANYONE, 2000, 1000)       \
	X(SIGN_BUNDLE, 2, CD_PEER_CONTROLLER, 200, 20)      \
	X(SIGN_CHANGES, 3, CD_PEER_CONTROLLER, 20000, 5000) \
	X(ISSUE_LEAF, 4, CD_PEER_CONTROLLER, 200, 20)       \
	X(ISSUE_CLIENT, 5, CD_PEER_CONTROLLER, 500, 50)     \
	X(SEAL, 6, CD_PEER_CONTROLLER, 2000, 200)           \
	X(UNSEAL, 7, CD_PEER_CONTROLLER, 2000, 200)         \
	X(TOTP_NEW, 8, CD_PEER_CONTROLLER, 500, 50)         \
	X(TOTP_VERIFY, 9, CD_PEER_CONTROLLER, 20000, 2000)  \
	X(ASSERT, 10, CD_PEER_GATEWAY, 40000, 20000)

enum cd_verb {
#define X(id, number, peers, burst, per_second) CD_VERB_##id = number,
	CD_VERBS(X)
#undef X
};

enum cd_broker_status {
	CD_BROKER_OK = 0,
	CD_BROKER_DENIED = 1, /* not this peer's verb */
	CD_BROKER_BAD = 2, /* the body does not parse or is out of range */
	CD_BROKER_BUSY = 3, /* rate limit; try later */
	CD_BROKER_REFUSED = 4, /* understood, and no */
	CD_BROKER_INTERNAL = 5, /* the broker met an error of its own */
};

enum cd_public_what {
	CD_PUBLIC_TRUST = 0, /* text of a trust file, see token/trust.h */
	CD_PUBLIC_SERVER_CA = 1, /* PEM */
	CD_PUBLIC_CLIENT_CA = 2, /* PEM */
	CD_PUBLIC_JWKS = 3, /* key set of identity assertions, JSON */
};

struct cd_broker_frame {
	uint16_t verb;
	uint16_t status;
	struct cd_str body; /* borrowed */
};

/* Appends a frame. */
void cd_broker_put(struct cd_buf *out, uint16_t verb, uint16_t status,
		   struct cd_str body);
/* The first frame of bytes: 1 and how much it took, 0 when it is not whole
 * yet, CD_E_CORRUPT when it never will be. */
int cd_broker_take(struct cd_str bytes, struct cd_broker_frame *ret,
		   size_t *ret_used);

/* u16 length and bytes; a longer string sticks CD_E_LIMIT to out. */
void cd_broker_put_str(struct cd_buf *out, struct cd_str s);
struct cd_str cd_broker_read_str(struct cd_reader *r);

/* "ASSERT", or "?"; peers that may use it, 0 for an unknown verb. */
const char *cd_verb_name(uint16_t verb);
unsigned int cd_verb_peers(uint16_t verb);
/* "REFUSED", or "?"; and the CD_E_ or errno value of a status. */
const char *cd_broker_status_name(uint16_t status);
int cd_broker_status_error(uint16_t status);

#endif
