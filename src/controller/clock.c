/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One transaction a step: every stored instant, and the records that tell
 * agents. Rejected: a clock of our own that never goes back (after a step
 * forward by mistake nobody's second factor would be right until a restart),
 * and ending every session (a correction by a minute would sign out everyone).
 */
#include "controller/clock.h"

#include <stdio.h>
#include <time.h>

#include "controller/audit.h"
#include "controller/device.h"
#include "controller/policy.h"
#include "controller/session.h"
#include "sys/log.h"
#include "sys/store.h"

#define NS INT64_C(1000000000)

static int64_t ns_of(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return ts.tv_sec * NS + ts.tv_nsec;
}

int64_t cd_steady(void)
{
	return ns_of(CLOCK_BOOTTIME) / NS;
}

/* All that is compared with the wall clock. ?1: seconds to go back. */
static const char *const shifts[] = {
	"UPDATE session SET created = created - ?1,"
	" auth_time = auth_time - ?1,"
	" mfa_time = CASE mfa_time WHEN 0 THEN 0 ELSE mfa_time - ?1 END,"
	" seen = seen - ?1, expires = expires - ?1",
	"UPDATE link SET created = created - ?1, expires = expires - ?1",
	"UPDATE code SET expires = expires - ?1",
	"UPDATE device_attr SET at = at - ?1",
	"UPDATE policy SET confirm_by = confirm_by - ?1 WHERE confirm_by > 0",
};

static int shift(struct cd_ctl *ctl, int64_t by)
{
	char target[64];

	for (size_t i = 0; i < CD_ARRAY_SIZE(shifts); i++) {
		int64_t n = cd_store_run(ctl->store, shifts[i], "i", by);

		if (n < 0)
			return (int)n;
	}
	snprintf(target, sizeof(target), "%lld s back", (long long)by);
	return cd_audit(ctl, "cordond", "clock.step", cd_str_from(target), NULL,
			NULL);
}

static int note_time(struct cd_ctl *ctl)
{
	int64_t n = cd_store_run(ctl->store,
				 "INSERT INTO setting VALUES('clock', ?1)"
				 " ON CONFLICT(name) DO UPDATE SET value = ?1",
				 "i", cd_now());

	return n < 0 ? (int)n : 0;
}

static int step_back(struct cd_ctl *ctl, int64_t by)
{
	int r = cd_ctl_begin(ctl);

	if (r < 0)
		return r;
	r = shift(ctl, by);
	if (!r)
		r = note_time(ctl);
	if (!r)
		r = cd_sessions_publish(ctl);
	if (!r)
		r = cd_devices_publish(ctl);
	r = cd_ctl_end(ctl, r);
	if (r < 0)
		CD_LOG_ERROR("CLOCK_SET_BACK", cd_log_num("seconds", by),
			     cd_log_err(r));
	else
		CD_LOG_WARN("CLOCK_SET_BACK", cd_log_num("seconds", by));
	return r;
}

int cd_clock_start(struct cd_ctl *ctl)
{
	int64_t noted = 0, now = cd_now();
	int r = cd_store_int(ctl->store, &noted,
			     "SELECT ifnull(max(value), 0) FROM setting"
			     " WHERE name = 'clock'",
			     "");

	if (r < 0)
		return r;
	ctl->clock_ahead = ns_of(CLOCK_REALTIME) - ns_of(CLOCK_BOOTTIME);
	ctl->clock_noted = cd_steady();
	if (noted - now > CD_CLOCK_SLACK_S)
		return step_back(ctl, noted - now);
	return note_time(ctl);
}

int cd_clock_tick(struct cd_ctl *ctl)
{
	int64_t ahead = ns_of(CLOCK_REALTIME) - ns_of(CLOCK_BOOTTIME);
	int64_t back = ctl->clock_ahead - ahead;
	int r;

	if (back > CD_CLOCK_SLACK_S * NS) {
		/* rounded up: no life gets longer */
		r = step_back(ctl, (back + NS - 1) / NS);
		if (r < 0)
			return r; /* seen again at the next look */
		cd_policy_clock_back(ctl, (back + NS - 1) / NS);
	}
	if (back > CD_CLOCK_SLACK_S * NS || back < 0)
		ctl->clock_ahead = ahead;
	/* a step forward is noted at once: cordond may be away when the clock
	 * is put right */
	if (back > -CD_CLOCK_SLACK_S * NS &&
	    cd_steady() - ctl->clock_noted < CD_CLOCK_NOTED_S)
		return 0;
	ctl->clock_noted = cd_steady();
	return note_time(ctl);
}
