// SPDX-License-Identifier: Apache-2.0
/*
 * Takes all events out of the rings of a run directory and prints each as
 * JSON, one a line; at the end a line {"drops":N}. With DRAIN it goes on for
 * ever, that many milliseconds between two looks, and prints no event: room
 * for whoever measures what writing them costs.
 *
 *	gw-ring RUN [DRAIN]
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "event/event.h"
#include "shm/ring.h"

static void drain(struct cd_ring_reader *reader)
{
	struct cd_str record;

	while (cd_ring_next(reader, &record) == 1)
		;
	cd_ring_commit(reader);
}

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

/* Each ring that can be read, once. */
static uint64_t look(const char *run, bool print)
{
	uint64_t drops = 0;

	for (int i = 0; i < CD_RING_SLOTS; i++) {
		struct cd_ring_reader *reader = NULL;
		char path[4096];

		snprintf(path, sizeof(path), "%s/shm/rings/%d", run, i);
		if (cd_ring_reader_new(path, &reader))
			continue;
		if (print)
			drops += take_all(reader);
		else
			drain(reader);
		cd_ring_reader_free(&reader);
	}
	return drops;
}

int main(int argc, char **argv)
{
	int ms = argc == 3 ? atoi(argv[2]) : 0;

	if (argc < 2 || argc > 3 || (argc == 3 && (ms < 1 || ms > 10000)))
		return 2;
	while (ms) {
		look(argv[1], false);
		usleep((useconds_t)ms * 1000);
	}
	printf("{\"drops\":%llu}\n", (unsigned long long)look(argv[1], true));
	return 0;
}
