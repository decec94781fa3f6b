/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine's side of the comparison: a random policy as text, parsed,
 * compiled, opened and checked; and a random request as struct cd_request.
 */
#ifndef TESTS_MODEL_ENGINE_H
#define TESTS_MODEL_ENGINE_H

#include <cordon/policy.h>

#include "base/str.h"
#include "model.h"

struct engine {
	struct cd_policy *policy;
	void *image;
	size_t size;
	const struct cd_snapshot *snapshot;
	char *text;
	size_t text_len;
};

/* Arrays that a converted request points to. */
struct storage {
	struct cd_name groups[M_GROUPS], approvers[M_USERS];
	struct cd_label src[2], dst[2];
};

void engine_done(struct engine *e);
/* 0; 1: the checker refuses it; -1: it does not build, with notes. Always to
 * be followed by engine_done(). */
int engine_new(struct engine *e, const struct m_policy *p);
/* Takes text (heap) instead of a model. */
int engine_from_text(struct engine *e, char *text, size_t len);
/* A random policy that compiles: rules that the checker refuses, because no
 * point could ever decide them, are left out one by one and counted. */
int engine_random(struct engine *e, struct m_policy *p, struct rng *r,
		  unsigned long *refused);
void engine_note(const struct engine *e);
void engine_request(struct cd_request *r, const struct m_request *q,
		    struct storage *s);

#endif
