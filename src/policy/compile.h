/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside of the compiler: its state, and its passes in the order in which
 * cd_policy_compile() runs them. Each pass appends to the image in an order
 * that follows from names alone, so that the order of statements and files
 * leaves no trace in it.
 *
 * A pass returns 0, -ENOMEM or CD_E_LIMIT; what is wrong with the policy is
 * an error in the diag, and the compile ends after the pass that found it.
 */
#ifndef CD_POLICY_COMPILE_H
#define CD_POLICY_COMPILE_H

#include "policy/ast.h"
#include "snapshot/write.h"

/* Memory of one compile beside the image's sections. */
#define CD_COMPILE_MEMORY ((size_t)1 << 30)

/* A growing array of numbers. */
struct cd_words {
	struct cd_buf buf;
};

struct cd_atom_slot {
	struct cd_str text; /* ptr NULL: free */
	uint32_t node;
};

struct cd_compile {
	const struct cd_policy *policy;
	const struct cd_loader *loader;
	struct cd_diag *diag;
	struct cd_arena *arena;
	struct cd_writer w;

	/* Statements of a kind by name. */
	struct cd_ast **sorted[CD_AST_KINDS];
	/* sorted position of a segment -> number in the image */
	uint32_t *segment_number;
	/* groups that rules name, by name; position = number in the image */
	struct cd_str *groups;
	uint32_t n_groups;
	/* domain set of feed i = n_domains + i */
	uint32_t n_domains;
	/* enum cd_snap_watch: what rules ask of each feed */
	uint8_t *asked;
	/* text of an atom -> the node that holds it; open addressing */
	struct cd_atom_slot *atoms;
	uint32_t n_atoms, atoms_size;
};

/* ---- compile_feed.c ------------------------------------------------------ */
/* A rule asks the feed of this sorted position, or CD_NIL, for that. */
void cd_compile_ask_feed(struct cd_compile *c, uint32_t feed,
			 enum cd_snap_watch what);
/* After all rules: what is watched of feeds in report mode. */
int cd_compile_watches(struct cd_compile *c);

/* ---- compile_util.c ------------------------------------------------------ */
int cd_compile_sort(struct cd_compile *c);
/* Position of a name among the sorted statements of a kind, or CD_NIL. */
uint32_t cd_compile_find(const struct cd_compile *c, enum cd_ast_kind kind,
			 struct cd_str name);
void cd_words_init(struct cd_words *w);
void cd_words_done(struct cd_words *w);
void cd_words_add(struct cd_words *w, uint32_t x);
uint32_t cd_words_n(const struct cd_words *w);
uint32_t *cd_words_get(struct cd_words *w);
/* Ascending, each once. */
void cd_words_sort(struct cd_words *w);
/* Appends to WORDS; *ret_first, *ret_n: the slice. */
int cd_words_put(struct cd_compile *c, struct cd_words *w, uint32_t *ret_first,
		 uint32_t *ret_n);
/* Owner -> number pairs, laid out as one slice of WORDS for each owner. */
struct cd_pair {
	uint32_t owner, number;
};
void cd_pairs_sort(struct cd_pair *pairs, size_t n);

/* ---- passes ---------------------------------------------------------------- */
int cd_compile_segments(struct cd_compile *c); /* compile_net.c */
int cd_compile_feeds(
	struct cd_compile *c); /* compile_feed.c: feeds and domains */
int cd_compile_groups(struct cd_compile *c); /* compile_group.c */
int cd_compile_hosts(struct cd_compile *c); /* compile_cond.c */
int cd_compile_screens(struct cd_compile *c); /* after the index */
int cd_compile_apps(struct cd_compile *c); /* compile_app.c */
int cd_compile_rules(struct cd_compile *c); /* compile_rule.c */
int cd_compile_index(struct cd_compile *c); /* compile_index.c */

/* Number of a group named by a rule. */
uint32_t cd_compile_group(const struct cd_compile *c, struct cd_str name);
/* A condition as a tree of NODES: its root, CD_NIL for NULL. *flags takes
 * CD_RULE_ bits. */
int cd_compile_cond(struct cd_compile *c, const struct cd_ast_cond *cond,
		    uint32_t *flags, uint32_t *ret_root);
/* Spans: sorted, merged and appended to SPANS4 and SPANS6. Addresses as
 * 128-bit numbers. */
struct cd_span {
	unsigned __int128 lo, hi;
	uint8_t family;
};
struct cd_span cd_span_of(const struct cd_addr *addr, uint8_t bits);
int cd_compile_spans(struct cd_compile *c, struct cd_span *spans, size_t n,
		     struct cd_snap_spans *ret);
void cd_span_bytes(unsigned __int128 x, uint8_t out[16]);
/* The zone of that name, its offsets put into the image. */
int cd_compile_zone(struct cd_compile *c, const struct cd_ast_name *name,
		    uint32_t *ret_zone);

#endif
