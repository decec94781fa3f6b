/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Back-off of guesses. Failures are counted for the pair (account, address):
 * after CD_THROTTLE_FREE of them the wait is 4 s and doubles with each, up to
 * CD_THROTTLE_MAX_S. Whoever guesses from elsewhere does not lock the owner out,
 * who has another address. All failures of one address are counted too, with
 * a greater allowance, against guessing over many accounts.
 *
 * Memory is bounded: of 8 entries that share a bucket the least recent goes.
 */
#ifndef CD_CONTROLLER_THROTTLE_H
#define CD_CONTROLLER_THROTTLE_H

#include "base/str.h"

#define CD_THROTTLE_FREE 5
#define CD_THROTTLE_FREE_ADDR 50
#define CD_THROTTLE_MAX_S 900
#define CD_THROTTLE_CODES 10
#define CD_THROTTLE_CODES_S 86400

struct cd_throttle;

int cd_throttle_new(struct cd_throttle **ret_throttle);
void cd_throttle_free(struct cd_throttle **throttle);

/* Seconds to wait before the next attempt is looked at; 0: now. An attempt
 * is counted as failed at once, and forgiven when it was right, so that
 * attempts in parallel do not slip through. */
int64_t cd_throttle_try(struct cd_throttle *t, struct cd_str account,
			struct cd_str addr, int64_t now);
void cd_throttle_forgive(struct cd_throttle *t, struct cd_str account,
			 struct cd_str addr);

/*
 * Codes of one person that did not fit, from wherever they came: a code has
 * six digits, and addresses are cheap. After CD_THROTTLE_CODES the wait grows
 * as above; they are forgotten after a right one, or a day without any. Only
 * for those who have given the right password or hold a session: nobody else
 * can keep the owner waiting, and their entries have room of their own, which
 * strangers cannot push them out of.
 */
int64_t cd_throttle_code(struct cd_throttle *t, struct cd_str person,
			 int64_t now);
void cd_throttle_code_forgive(struct cd_throttle *t, struct cd_str person);

#endif
