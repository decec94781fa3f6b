/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decisions inside cordond: for the start page, for what an app's sign-in
 * needs next, and for `why`. The same cd_decide() that enforcement points
 * call, on the same snapshot, with inputs from the state.
 */
#ifndef CD_CONTROLLER_JUDGE_H
#define CD_CONTROLLER_JUDGE_H

#include <cordon/decide.h>

#include "controller/device.h"
#include "controller/people.h"
#include "controller/session.h"

/* A request and what it borrows from. */
struct cd_case {
	struct cd_request request;
	struct cd_arena *arena;
};

/* HTTP GET / on an app as an anonymous visitor, now. */
int cd_case_new(const struct cd_snapshot *snapshot, struct cd_str app,
		struct cd_case **ret_case);
void cd_case_free(struct cd_case **c);

/* The person and the groups; risk, best factor. */
int cd_case_person(struct cd_ctl *ctl, struct cd_case *c,
		   const struct cd_person *p);
/* mfa.*, session.*; and the session's device. */
int cd_case_session(struct cd_ctl *ctl, struct cd_case *c,
		    const struct cd_session *s);
int cd_case_device(struct cd_ctl *ctl, struct cd_case *c, int64_t device);
void cd_case_addr(struct cd_case *c, struct cd_str addr);
int cd_case_path(struct cd_case *c, struct cd_str path);

/* What this person would get at an app now, from this session and address. */
struct cd_decision cd_judge(struct cd_ctl *ctl, const struct cd_session *s,
			    const struct cd_person *p, struct cd_str app,
			    struct cd_str path, struct cd_str addr);

#endif
