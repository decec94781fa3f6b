/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the other pages need of signing in.
 */
#ifndef CD_CONTROLLER_PAGE_SIGNIN_H
#define CD_CONTROLLER_PAGE_SIGNIN_H

#include "controller/page.h"

/* After a form of ours: to the app, or to the start page when app is empty. */
struct cd_http_answer *cd_page_onward(struct cd_str app, struct cd_str to);
/* Counts an attempt; true: it came too soon, and was answered. */
bool cd_page_throttled(struct cd_call *call, struct cd_str account);

/* 0 and its step, CD_E_DENIED: a wrong or used code. */
int cd_check_code(struct cd_ctl *ctl, const struct cd_person *p,
		  struct cd_str code, uint64_t *ret_step);
/* Inside a transaction: CD_E_DENIED when it was used meanwhile. */
int cd_use_code(struct cd_ctl *ctl, int64_t person, uint64_t step);
/* Inside a transaction: a person session for this browser, in place of the
 * one it had. factor: CD_T_FACTOR that was proved. */
int cd_person_sign_in(struct cd_call *call, const struct cd_person *p,
		      int64_t factor, struct cd_secret **ret_token);
/* The same, for somebody who proved themselves elsewhere at `when`. */
int cd_person_sign_in_at(struct cd_call *call, const struct cd_person *p,
			 int64_t factor, int64_t when,
			 struct cd_secret **ret_token);

#endif
