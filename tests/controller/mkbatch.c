// SPDX-License-Identifier: Apache-2.0
/*
 * usage: mkbatch NODE EPOCH FIRST COUNT [USER]
 *
 * Writes a batch of decisions to standard output, as an agent sends it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "event/batch.h"

int main(int argc, char **argv)
{
	unsigned long long epoch, first, count;
	struct cd_batch_writer w;
	struct cd_buf b;

	if (argc < 5)
		return 2;
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
		cd_event_begin(&e, mem, sizeof(mem), CD_EVENT_DECISION,
			       first + i,
			       (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec);
		cd_event_put_num(&e, CD_EVENT_F_VERDICT,
				 (first + i) % 2 ? CD_ALLOW : CD_DENY);
		cd_event_puts(&e, CD_EVENT_F_USER,
			      argc > 5 ? argv[5] : "alice");
		cd_event_puts(&e, CD_EVENT_F_APP, "payroll");
		cd_batch_add(&w, cd_str_make(mem, cd_event_end(&e)));
	}
	if (cd_batch_end(&w, 0))
		return 1;
	fwrite(b.data, 1, b.len, stdout);
	cd_buf_done(&b);
	return 0;
}
