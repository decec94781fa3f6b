// SPDX-License-Identifier: Apache-2.0
/*
 * usage: mkbatch NODE EPOCH FIRST COUNT [USER]
 *        mkbatch NODE EPOCH FIRST 1 health APP ADDRESS|- PORT DETAIL
 *                up|down|gone AGO [SERVER-NAME]
 *
 * Writes a batch to standard output, as an agent sends it: of decisions, or of
 * what a health check found AGO seconds ago.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/addr.h"
#include "event/batch.h"

static void put_decision(struct cd_event_encoder *e, unsigned long long number,
			 const char *user)
{
	cd_event_put_num(e, CD_EVENT_F_VERDICT,
			 number % 2 ? CD_ALLOW : CD_DENY);
	cd_event_puts(e, CD_EVENT_F_USER, user);
	cd_event_puts(e, CD_EVENT_F_APP, "payroll");
}

static void put_health(struct cd_event_encoder *e, int argc, char **argv)
{
	struct cd_addr addr = {.family = 0};

	if (strcmp(argv[1], "-") && cd_addr_parse(cd_str_from(argv[1]), &addr))
		exit(2);
	cd_event_puts(e, CD_EVENT_F_APP, argv[0]);
	if (strcmp(argv[4], "gone"))
		cd_event_put_num(e, CD_EVENT_F_OUTCOME,
				 strcmp(argv[4], "up") ? CD_OUTCOME_FAILURE :
							 CD_OUTCOME_SUCCESS);
	if (argc > 6)
		cd_event_puts(e, CD_EVENT_F_HOST, argv[6]);
	cd_event_put_addr(e, CD_EVENT_F_DST_IP, &addr);
	cd_event_put_num(e, CD_EVENT_F_DST_PORT, strtoull(argv[2], NULL, 10));
	cd_event_puts(e, CD_EVENT_F_DETAIL, argv[3]);
}

int main(int argc, char **argv)
{
	unsigned long long epoch, first, count;
	struct cd_batch_writer w;
	struct cd_buf b;
	bool health;

	if (argc < 5)
		return 2;
	health = argc >= 12 && !strcmp(argv[5], "health");
	epoch = strtoull(argv[2], NULL, 10);
	first = strtoull(argv[3], NULL, 10);
	count = strtoull(argv[4], NULL, 10);
	cd_buf_init(&b, CD_BATCH_MAX);
	cd_batch_begin(&w, &b, cd_str_from(argv[1]), epoch, first);
	for (unsigned long long i = 0; i < count; i++) {
		unsigned char mem[CD_EVENT_MAX];
		struct cd_event_encoder e;
		struct timespec ts;

		clock_gettime(CLOCK_REALTIME, &ts);
		if (health)
			ts.tv_sec -= strtol(argv[11], NULL, 10);
		cd_event_begin(&e, mem, sizeof(mem),
			       health ? CD_EVENT_UPSTREAM_HEALTH :
					CD_EVENT_DECISION,
			       first + i,
			       (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec);
		if (health)
			put_health(&e, argc - 6, argv + 6);
		else
			put_decision(&e, first + i,
				     argc > 5 ? argv[5] : "alice");
		cd_batch_add(&w, cd_str_make(mem, cd_event_end(&e)));
	}
	if (cd_batch_end(&w, 0))
		return 1;
	fwrite(b.data, 1, b.len, stdout);
	cd_buf_done(&b);
	return 0;
}
