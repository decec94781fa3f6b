/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The change stream: what cordond tells enforcement points about people,
 * sessions and devices, as records in signed batches. Layout and vectors:
 * docs/protocol/change.md.
 *
 * A record is u32 length (of all that follows it), u64 seq, u16 kind,
 * u16 version, body. A batch is a 128-byte header, a 64-byte Ed25519
 * signature over that header, and the records:
 *	magic "CDCHANG1", u64 first, u64 last, u32 bytes, u32 count,
 *	32 bytes SHA-256 of the records, 64 bytes audience (agent name or "*")
 * A batch covers every sequence number first..last that concerns its
 * audience; records inside ascend and may leave numbers out. The receiver's
 * next batch must begin at its last + 1; anything else is a gap, except a
 * batch that opens with RESYNC_BEGIN, which replaces all that is known. A
 * resync may span batches: RESYNC_BEGIN stands first in the first,
 * RESYNC_END last in the last, `first` and `last` of all of them are the
 * sequence number whose state they hold. RESYNC_BEGIN repeats the number that
 * the receiver made up for this very poll: an older one, though signed, is
 * another's or another time's.
 *
 * Versions: a body of a version this program knows must end where the known
 * fields end; a newer one may be longer. Kinds it does not know decode with
 * `kind` as met and no body, and are counted by the caller.
 */
#ifndef CD_TOKEN_CHANGE_H
#define CD_TOKEN_CHANGE_H

#include <cordon/attrs.h>

#include "base/buf.h"
#include "token/ed25519.h"
#include "token/sha256.h"

#define CD_CHANGE_MAGIC "CDCHANG1"
#define CD_CHANGE_NAME_MAX 255 /* bytes of any name */
#define CD_CHANGE_GROUPS_MAX 256 /* groups of one person */
#define CD_CHANGE_ATTRS_MAX 32 /* attributes of one device */
#define CD_CHANGE_RECORD_MAX (80 * 1024)
#define CD_CHANGE_BATCH_MAX (1024 * 1024) /* bytes of records in a batch */
#define CD_CHANGE_AUDIENCE 64
#define CD_CHANGE_SIGNED 128 /* bytes of a batch header that are signed */
#define CD_CHANGE_HEADER (CD_CHANGE_SIGNED + CD_ED25519_SIGNATURE)

enum cd_change_kind {
	CD_RECORD_SUBJECT = 1, /* a person, whole, as now known */
	CD_RECORD_SUBJECT_GONE = 2, /* deleted: its sessions end too */
	CD_RECORD_SESSION = 3, /* a live session, whole */
	CD_RECORD_SESSION_END = 4,
	CD_RECORD_DEVICE = 5, /* a device, whole, as now known */
	CD_RECORD_DEVICE_GONE = 6,
	CD_RECORD_BUNDLE = 7, /* fetch this bundle */
	CD_RECORD_RESYNC_BEGIN = 8,
	CD_RECORD_RESYNC_END = 9,
};

/* What a person session, an app session and a client certificate share. */
enum cd_session_kind {
	CD_SESSION_APP = 1, /* cookie of one app; `app` names it */
	CD_SESSION_CERT = 2, /* client certificate: key = SHA-256(cert DER) */
};

enum cd_session_end {
	CD_END_SIGNED_OUT = 1,
	CD_END_REVOKED = 2,
	CD_END_EXPIRED = 3,
	CD_END_REPLACED = 4,
};

#define CD_CHANGE_SUBJECT_DISABLED 0x01

struct cd_change_subject {
	uint64_t id; /* never reused */
	uint64_t epoch; /* grows with every record about this person */
	struct cd_str name;
	uint8_t risk; /* 0 unknown, 1 low, 2 medium, 3 high */
	int8_t best_factor; /* CD_T_FACTOR; -1 unknown */
	uint8_t flags; /* CD_CHANGE_SUBJECT_* */
	uint16_t n_groups;
	struct cd_str groups[CD_CHANGE_GROUPS_MAX]; /* sorted, distinct */
};

struct cd_change_session {
	uint64_t id; /* never reused; what admins and events name */
	uint8_t key[CD_SHA256_SIZE]; /* see token/token.h */
	uint64_t subject;
	uint64_t device; /* 0: not known */
	uint8_t kind; /* enum cd_session_kind */
	uint8_t mfa_kind; /* CD_T_FACTOR, of the proof at mfa_time */
	struct cd_str app; /* empty for CD_SESSION_CERT: any tcp app */
	int64_t created; /* Unix seconds, this and all below */
	int64_t auth_time; /* sign-in of the person: session.age */
	int64_t mfa_time; /* second factor last proved; 0: never */
	uint32_t idle; /* seconds; 0: no idle limit */
	int64_t expires; /* absolute */
};

struct cd_change_session_end {
	uint64_t id;
	uint8_t key[CD_SHA256_SIZE];
	uint8_t why; /* enum cd_session_end */
};

/* One device attribute. BOOL, DURATION, INT: i; STRING: s. */
struct cd_change_attr {
	uint16_t attr; /* enum cd_attr */
	bool is_string;
	int64_t i;
	struct cd_str s;
	int64_t vouched_at; /* Unix seconds: when its source last said so */
};

struct cd_change_device {
	uint64_t id;
	uint64_t epoch;
	struct cd_str name;
	uint16_t n_attrs;
	struct cd_change_attr attrs[CD_CHANGE_ATTRS_MAX];
};

struct cd_change_bundle {
	uint64_t serial;
	uint64_t size; /* of header and image */
	uint8_t hash[CD_SHA256_SIZE]; /* of header and image: its name */
};

struct cd_change {
	uint64_t seq;
	uint16_t kind; /* enum cd_change_kind, or one we do not know */
	uint16_t version;
	union {
		struct cd_change_subject subject;
		struct cd_change_session session;
		struct cd_change_session_end session_end;
		struct cd_change_device device;
		struct cd_change_bundle bundle;
		uint64_t gone; /* id, for the two _GONE kinds */
		uint64_t nonce; /* RESYNC_BEGIN: of the poll it answers */
		uint64_t count; /* RESYNC_END: records since RESYNC_BEGIN */
	} u;
};

/* Appends one record (version 1). -EINVAL: a field is out of range; memory
 * and size errors stick to out. Validates as strictly as the decoder. */
int cd_change_encode(const struct cd_change *c, struct cd_buf *out);
/* Takes the next record off r; strings are borrowed from r's bytes.
 * CD_E_CORRUPT. */
int cd_change_decode(struct cd_reader *r, struct cd_change *ret);

struct cd_changes {
	uint64_t first, last;
	uint32_t bytes; /* of the records */
	uint32_t count;
	uint8_t hash[CD_SHA256_SIZE];
	char audience[CD_CHANGE_AUDIENCE + 1];
	struct cd_str records; /* borrowed, decode one after another */
};

/* Header of a batch (without signature) over encoded records; count records
 * are in it. -EINVAL, CD_E_LIMIT. The key broker signs these 128 bytes. */
int cd_changes_header(uint64_t first, uint64_t last, struct cd_str audience,
		      struct cd_str records, uint32_t count,
		      uint8_t ret_header[CD_CHANGE_SIGNED]);

/* Verifies signature, audience, hash and the form of every record (order,
 * count, range). Bytes behind the batch are left alone: *ret_used says how
 * many it took. CD_E_CORRUPT (also: not whole yet), CD_E_SIGNATURE. */
int cd_changes_verify(struct cd_str bytes, const struct cd_public_key *key,
		      struct cd_str audience, struct cd_changes *ret,
		      size_t *ret_used);
/* Form only, for tools and tests that have no key. */
int cd_changes_decode(struct cd_str bytes, struct cd_changes *ret,
		      size_t *ret_used);

#endif
