/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Policy text -> checked policy -> snapshot. No I/O: files that a policy
 * names (feeds, time zones) come through a loader callback.
 */
#ifndef CORDON_POLICY_H
#define CORDON_POLICY_H

#include <cordon/snapshot.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Limits, each refused with CD_E_LIMIT and the place. */
#define CD_MAX_FILE_SIZE (16u << 20) /* bytes of one policy file */
#define CD_MAX_FILES 1024
#define CD_MAX_RULES 65536
#define CD_MAX_SETS 65536 /* segments, hosts, groups, services... */
#define CD_MAX_APPS 16384
#define CD_MAX_NESTING 32 /* parentheses, segments, groups */
#define CD_MAX_LIST 4096 /* elements of one comma list */
#define CD_MAX_NAME 128 /* bytes of a name */
#define CD_MAX_STRING 1024 /* bytes of a quoted string */
#define CD_MAX_ATOMS 256 /* atoms of one condition */
#define CD_MAX_CANDIDATES 256 /* rules for one subject x object */
#define CD_MAX_FEED_ENTRIES 4194304
#define CD_MAX_SNAPSHOT_SIZE (512u << 20)

struct cd_policy; /* parsed policy */

struct cd_source {
	const char *name; /* shown in messages */
	struct cd_str text; /* borrowed until cd_policy_free() */
};

/* Parses one or more files as one policy. On a syntax error CD_E_SYNTAX,
 * every message in diag, and no policy. */
int cd_policy_parse(const struct cd_source *sources, size_t n,
		    struct cd_diag *diag, struct cd_policy **ret_policy);
void cd_policy_free(struct cd_policy **policy);

/* The canonical layout of one parsed file, heap text for free(). */
int cd_policy_format(const struct cd_policy *policy, size_t file,
		     char **ret_text, size_t *ret_len);
/* The syntax tree as JSON, 1:1; and back. */
int cd_policy_to_json(const struct cd_policy *policy, char **ret_text,
		      size_t *ret_len);
int cd_policy_from_json(struct cd_str json, struct cd_diag *diag,
			struct cd_policy **ret_policy);

/* ---- feeds: lists of addresses and names that others keep ---- */
#define CD_FEED_REFRESH 3600u /* seconds, when the policy does not say */
#define CD_FEED_WHY 512 /* bytes of a message of cd_feed_why() */

struct cd_feed {
	struct cd_str name, location; /* borrowed from the policy */
	bool is_url; /* else location is a file */
	bool report; /* `mode report` */
	uint32_t refresh; /* seconds */
};

/* The feed with this number, in no order; false: there are no more. */
bool cd_policy_feed(const struct cd_policy *policy, size_t index,
		    struct cd_feed *ret_feed);

struct cd_feed_found {
	size_t entries;
	size_t line; /* lines read; after CD_E_SYNTAX the bad one */
	bool heading; /* a heading was passed over */
	char word[80]; /* what is bad, quoted */
};

/* Is this the text of a feed? 0, CD_E_SYNTAX or CD_E_LIMIT. */
int cd_feed_check(struct cd_str text, struct cd_feed_found *ret_found);
/* "PLACE:LINE: what is wrong", after cd_feed_check() failed. */
void cd_feed_why(struct cd_str place, const struct cd_feed_found *found,
		 char *out, size_t size);

/* What a policy refers to by name. A loader returns heap bytes for free(),
 * -ENOENT when there is none. NULL functions: nothing is there. */
struct cd_loader {
	void *ctx;
	/* feed text by its url or path */
	int (*feed)(void *ctx, struct cd_str location, char **ret, size_t *len);
	/* TZif bytes of an IANA zone ("Europe/Berlin") */
	int (*zone)(void *ctx, struct cd_str zone, char **ret, size_t *len);
	/* The instant, ns since 1970, for a warning about rules whose `until`
	 * is past; 0: no such warning. What is compiled does not depend on
	 * it. */
	int64_t now;
	/* For programs that put nothing into force: assertions, which nothing
	 * proves yet, are warned about instead of refused. */
	bool unproved;
};

/* Names, types, limits, overlaps, rules that no point can decide. CD_E_CHECK
 * when there is an error; warnings alone leave 0. */
int cd_policy_check(const struct cd_policy *policy,
		    const struct cd_loader *loader, struct cd_diag *diag);

/* Checks, and compiles to an image for cd_snapshot_open(); free() it. */
int cd_policy_compile(const struct cd_policy *policy,
		      const struct cd_loader *loader, struct cd_diag *diag,
		      void **ret_image, size_t *ret_size);

/* Runs the `test` statements against a compiled snapshot. Failures are
 * errors in diag at the test's place. now: instant for tests without `at`.
 * Returns 0, or CD_E_CHECK when one fails. */
struct cd_test_result {
	size_t passed, failed;
};
int cd_policy_run_tests(const struct cd_policy *policy,
			const struct cd_snapshot *snapshot, int64_t now,
			struct cd_diag *diag, struct cd_test_result *ret);

#ifdef __cplusplus
}
#endif
#endif
