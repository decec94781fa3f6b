// SPDX-License-Identifier: Apache-2.0
/*
 * Batches and records from the network: decoded, filtered and shown. What
 * comes out as JSON must be JSON without a control byte.
 */
#include "base/json.h"
#include "event/batch.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void show(const struct cd_event *event, struct cd_str node)
{
	enum cd_json_event e;
	char text[64];
	struct cd_buf b;
	struct cd_json j;

	cd_buf_init(&b, 1 << 20);
	cd_event_json(event, node, &b);
	cd_assert(b.err == 0);
	cd_json_init(&j, cd_buf_get(&b));
	do
		e = cd_json_next(&j);
	while (e != CD_JSON_END && e != CD_JSON_ERROR);
	cd_assert(e == CD_JSON_END);
	for (size_t i = 0; i < b.len; i++)
		cd_assert((unsigned char)b.data[i] >= 0x20);
	cd_buf_done(&b);
	for (unsigned int f = 0; f < CD_EVENT_INPUT_BASE + CD_ATTR_COUNT + 2;
	     f++) {
		size_t n = cd_event_text(event, f, text, sizeof(text), NULL);

		cd_assert(n < sizeof(text) && text[n] == 0);
		(void)cd_event_has(event, f, CD_STR("alice"));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cd_str bytes = cd_str_make(data, size);
	struct cd_event event;
	struct cd_batch batch;

	if (cd_batch_decode(bytes, &batch) == 0) {
		struct cd_str rest = batch.records;

		while (rest.len > 0 &&
		       cd_event_decode(rest, &event, &rest) == 0)
			show(&event, batch.node);
	}
	if (cd_event_decode(bytes, &event, NULL) == 0)
		show(&event, CD_STR_NULL);
	return 0;
}
