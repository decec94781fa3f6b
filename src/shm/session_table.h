/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The session table: who is signed in, as every enforcement point of a host
 * sees it. One file, one writer (the agent's front), any number of readers in
 * other processes that map it read-only.
 *
 * A session is found by the SHA-256 of its token; a stolen table signs nobody
 * in. It refers to its subject (a person) and its device, which many sessions
 * share, so that a group change is one write.
 *
 * Reading takes no lock: every record has a sequence counter that is odd
 * while the writer is in it; a reader copies the record and takes the copy
 * only when the counter was even and is the same after. Retries are bounded:
 * a writer that died inside a record makes that one record "not found", which
 * refuses. The next agent writes a new file, renames it into place and
 * increments the control page's table_gen.
 *
 * Names of groups, apps and operating systems are interned in an append-only
 * area: a view borrows them straight from the map. What is interned is never
 * freed; CD_E_LIMIT tells the writer to build a new file, which holds only
 * what is still in use.
 *
 * Epochs: every change takes the next number of one counter; the epoch of a
 * view is the greatest among its session, subject and device. It moves when
 * any of the three does.
 */
#ifndef CD_SHM_SESSION_TABLE_H
#define CD_SHM_SESSION_TABLE_H

#include <cordon/decide.h>

#include "base/str.h"

#define CD_SESSION_KEY_LEN 32
#define CD_TABLE_NAME_MAX 255 /* name of a person or device, bytes */
#define CD_TABLE_WORD_MAX 255 /* name of a group, app or system, bytes */
#define CD_TABLE_GROUPS_MAX 256 /* groups of one person */
#define CD_TABLE_SESSIONS_MAX (1u << 24)

enum cd_session_state { CD_SESSION_LIVE = 1, CD_SESSION_REVOKED = 2 };

enum cd_device_attr {
	CD_DEVICE_MANAGED, /* 0 or 1 */
	CD_DEVICE_ENCRYPTED, /* 0 or 1 */
	CD_DEVICE_OS, /* text */
	CD_DEVICE_OS_AGE, /* seconds, when it was vouched for */
	CD_DEVICE_FIREWALL, /* 0 or 1 */
	CD_DEVICE_SCREEN_LOCK, /* 0 or 1 */
	CD_DEVICE_ATTRS,
};

/* What the writer puts; all strings borrowed for the call. Times are Unix
 * seconds; 0: not known (auth_time: no second factor was ever proved). */
struct cd_subject_row {
	struct cd_str name;
	const struct cd_str *groups;
	uint32_t n_groups;
	uint8_t risk; /* CD_T_RISK 1..3; 0: unknown */
	int8_t best_factor; /* CD_T_FACTOR; -1: unknown */
	bool disabled;
};

struct cd_device_row {
	struct cd_str name;
	struct {
		bool known;
		uint32_t value;
		struct cd_str text; /* CD_DEVICE_OS */
		uint32_t vouched_at;
	} attrs[CD_DEVICE_ATTRS];
};

struct cd_session_row {
	uint8_t key[CD_SESSION_KEY_LEN]; /* SHA-256 of the token */
	uint64_t id;
	struct cd_str subject; /* a subject that was put before */
	struct cd_str device; /* empty: none; unknown ones are made, empty */
	struct cd_str app; /* empty: a person session (sign-in host) */
	uint32_t created, auth_time;
	uint32_t expires; /* absolute; 0: never */
	uint32_t idle_limit; /* seconds; 0: none */
	uint32_t last_seen;
	uint8_t mfa_kind; /* CD_T_FACTOR */
	uint8_t state; /* enum cd_session_state */
	uint16_t flags; /* of the sessions' owner, passed through */
};

struct cd_table_limits {
	uint32_t sessions, subjects, devices;
};

/* ---- writer ---- */

struct cd_table;

/* Makes an empty table in `path`.new with `mode`; readers still see the old
 * file until cd_table_publish(). -EINVAL for limits of 0 or too large. */
int cd_table_create(const char *path, const struct cd_table_limits *limits,
		    unsigned int mode, struct cd_table **ret_table);
/* Renames the file into place; the caller then increments table_gen. */
int cd_table_publish(struct cd_table *table);
/* Unmaps; the file stays. */
void cd_table_free(struct cd_table **table);

/* Put: insert or replace; CD_E_LIMIT when full, -EINVAL for a row outside the
 * limits above, CD_E_NOTFOUND for a session of a subject that is not there.
 * Remove: CD_E_NOTFOUND when absent. The sessions of a removed subject are
 * not found by readers any more; those of a removed device have none. A
 * change that leaves a row as it is moves no epoch. */
int cd_table_subject_put(struct cd_table *table,
			 const struct cd_subject_row *row);
int cd_table_subject_remove(struct cd_table *table, struct cd_str name);
int cd_table_device_put(struct cd_table *table,
			const struct cd_device_row *row);
int cd_table_device_remove(struct cd_table *table, struct cd_str name);
int cd_table_session_put(struct cd_table *table,
			 const struct cd_session_row *row);
int cd_table_session_remove(struct cd_table *table,
			    const uint8_t key[CD_SESSION_KEY_LEN]);
/* Moves last_seen forward; no epoch moves. */
int cd_table_session_seen(struct cd_table *table,
			  const uint8_t key[CD_SESSION_KEY_LEN], uint32_t when);
/* Removes what is past its absolute expiry among the next `look` slots; call
 * it from a timer. Returns how many went. */
uint32_t cd_table_expire(struct cd_table *table, uint32_t now, uint32_t look);

struct cd_table_stats {
	uint32_t sessions, subjects, devices;
	uint64_t epoch;
	size_t file_size;
	size_t words_used, words_size; /* interned names */
};
void cd_table_stats(const struct cd_table *table,
		    struct cd_table_stats *ret_stats);

/* ---- reader ---- */

struct cd_table_map;

/* -ENOENT..., CD_E_CORRUPT, CD_E_VERSION. */
int cd_table_map(const char *path, struct cd_table_map **ret_map);
void cd_table_unmap(struct cd_table_map **map);
/* How many sessions it can hold: slots are numbered below this. */
uint32_t cd_table_map_sessions(const struct cd_table_map *map);

struct cd_device_value {
	bool known;
	uint32_t value;
	struct cd_str text;
	uint32_t vouched_at;
};

/*
 * A consistent copy. Strings of person and device point into the view
 * itself, those of groups, app and system into the map: both must live while
 * the view is used, and a copied view must not outlive the first.
 */
struct cd_session_view {
	uint64_t id;
	uint64_t epoch;
	uint32_t slot; /* number of the session in this map */
	uint32_t created, auth_time, expires, idle_limit, last_seen;
	uint8_t state, mfa_kind;
	uint16_t flags;
	struct cd_str app;
	/* the person */
	struct cd_str user;
	uint8_t risk;
	int8_t best_factor;
	bool disabled;
	uint32_t n_groups;
	/* the device; has_device false: none, or it was removed */
	bool has_device;
	struct cd_str device;
	struct cd_device_value attrs[CD_DEVICE_ATTRS];
	struct cd_name groups[CD_TABLE_GROUPS_MAX];
	char user_text[CD_TABLE_NAME_MAX + 1];
	char device_text[CD_TABLE_NAME_MAX + 1];
};

/* 0; CD_E_NOTFOUND: no such session, its subject is gone, or its record could
 * not be read (a writer died in it). Time does not depend on the number of
 * sessions. Looks at no clock and no limit: see cd_session_check(). */
int cd_session_lookup(const struct cd_table_map *map,
		      const uint8_t key[CD_SESSION_KEY_LEN],
		      struct cd_session_view *ret_view);
/* The epoch alone, for whoever holds a decision: 0 when not found. */
uint64_t cd_session_epoch(const struct cd_table_map *map,
			  const uint8_t key[CD_SESSION_KEY_LEN]);

/* An instant of a record may be so far ahead of this host's clock, s; one
 * further ahead was written before the clock was set back. */
#define CD_SESSION_AHEAD 3600

enum cd_session_verdict {
	CD_SESSION_OK,
	CD_SESSION_IS_REVOKED, /* or the person is disabled */
	CD_SESSION_IS_EXPIRED, /* idle or absolute limit */
};
/* last_seen: the caller's own, when it is later than the table's. A session
 * that began more than CD_SESSION_AHEAD after `now` is expired: its limits
 * would come that much later than they should. */
enum cd_session_verdict cd_session_check(const struct cd_session_view *view,
					 uint32_t last_seen, uint32_t now);
/* The first instant after `now`, Unix seconds, at which the clock alone makes
 * the same view say something else: a limit that comes, a record that no
 * longer lies too far ahead, the device's values included. INT64_MAX: none. */
int64_t cd_session_turns_at(const struct cd_session_view *view,
			    uint32_t last_seen, uint32_t now);

#endif
