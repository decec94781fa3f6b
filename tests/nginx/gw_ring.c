// SPDX-License-Identifier: Apache-2.0
/*
 * Takes all events out of the rings of a run directory and prints each as
 * JSON, one a line; at the end a line {"drops":N}.
 *
 *	gw-ring RUN
 */
#include <stdio.h>

#include "event/event.h"
#include "shm/ring.h"

static uint64_t take_all(struct cd_ring_reader *reader)
{
	struct cd_ring_stats stats = {0};
	struct cd_event event;
	struct cd_str record, rest;
	struct cd_buf out;

	cd_buf_init(&out, 1 << 20);
	while (cd_ring_next(reader, &record) == 1) {
		cd_buf_clear(&out);
		if (cd_event_decode(record, &event, &rest)) {
			puts("{\"error\":\"corrupt\"}");
			continue;
		}
		cd_event_json(&event, CD_STR("test"), &out);
		puts(out.data);
	}
	cd_ring_commit(reader);
	cd_ring_reader_stats(reader, &stats);
	cd_buf_done(&out);
	return stats.drops;
}

int main(int argc, char **argv)
{
	uint64_t drops = 0;

	for (int i = 0; argc == 2 && i < CD_RING_SLOTS; i++) {
		struct cd_ring_reader *reader = NULL;
		char path[4096];

		snprintf(path, sizeof(path), "%s/shm/rings/%d", argv[1], i);
		if (cd_ring_reader_new(path, &reader))
			continue;
		drops += take_all(reader);
		cd_ring_reader_free(&reader);
	}
	printf("{\"drops\":%llu}\n", (unsigned long long)drops);
	return argc != 2;
}
