// SPDX-License-Identifier: Apache-2.0
/*
 * Batches and records from the network: decoded, filtered and shown. What
 * comes out as JSON must be JSON without a control byte; a batch that decodes
 * is, built again from what was read, the same bytes.
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

/* Bytes that a writer leaves as its version has them: u16 version, u16 flags.
 * A reader takes older versions and passes over the flags. */
#define VERSION_AT 4
#define VERSION_SIZE 4

/* Builds the batch from what was read of it, behind something else. */
static void again(const struct cd_batch *batch)
{
	struct cd_str rest = batch->records;
	struct cd_batch_writer w;
	struct cd_event event;
	struct cd_buf b;
	char *got;

	cd_buf_init(&b, 8 + CD_BATCH_MAX);
	cd_buf_u64(&b, 0);
	cd_batch_begin(&w, &b, batch->node, batch->epoch, batch->first);
	while (rest.len > 0) {
		cd_assert(cd_event_decode(rest, &event, &rest) == 0);
		show(&event, batch->node);
		cd_assert(cd_batch_add(&w, event.record) == 0);
	}
	cd_assert(w.count == batch->count);
	cd_assert(cd_batch_end(&w, batch->drops) == 0);
	cd_assert(b.len == 8 + batch->bytes.len);
	got = b.data + 8;
	cd_assert(got[VERSION_AT] == CD_BATCH_VERSION && !got[VERSION_AT + 1] &&
		  !got[VERSION_AT + 2] && !got[VERSION_AT + 3]);
	memcpy(got + VERSION_AT, batch->bytes.ptr + VERSION_AT, VERSION_SIZE);
	cd_assert(!memcmp(got, batch->bytes.ptr, batch->bytes.len));
	cd_buf_done(&b);
}

/* A batch grows to its limit, never past it, and is whole at every size. */
static void fill(const struct cd_event *event)
{
	struct cd_batch_writer w;
	struct cd_batch batch;
	struct cd_buf b;
	int r;

	cd_buf_init(&b, CD_BATCH_MAX);
	cd_batch_begin(&w, &b, CD_STR("node-1"), 1, 2);
	while ((r = cd_batch_add(&w, event->record)) == 0)
		;
	cd_assert(r == CD_E_LIMIT);
	cd_assert(cd_batch_end(&w, 3) == 0);
	cd_assert(b.len <= CD_BATCH_MAX &&
		  b.len + event->record.len > CD_BATCH_MAX);
	cd_assert(cd_batch_decode(cd_buf_get(&b), &batch) == 0);
	cd_assert(batch.count == w.count && batch.epoch == 1 &&
		  batch.first == 2 && batch.drops == 3);
	cd_assert(cd_str_equal(batch.node, CD_STR("node-1")));
	cd_buf_done(&b);
}

/* A buffer that was full before is told at the end, not written past. */
static void small(struct cd_str bytes, const struct cd_event *event)
{
	struct cd_batch_writer w;
	struct cd_buf b;

	cd_buf_init(&b, CD_BATCH_HEADER_SIZE + event->record.len - 1);
	cd_batch_begin(&w, &b, CD_STR("node-1"), 0, 0);
	if (bytes.len > event->record.len)
		cd_assert(cd_batch_add(&w, bytes) == CD_E_CORRUPT);
	cd_assert(cd_batch_add(&w, event->record) != 0);
	cd_assert(cd_batch_end(&w, 0) != 0);
	cd_buf_done(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cd_str bytes = cd_str_make(data, size);
	struct cd_batch batch, header;
	struct cd_event event;

	if (cd_batch_decode(bytes, &batch) == 0) {
		cd_assert(cd_batch_decode_header(bytes, &header) == 0);
		cd_assert(header.count == batch.count &&
			  header.records.ptr == batch.records.ptr);
		again(&batch);
	}
	if (cd_event_decode(bytes, &event, NULL) == 0) {
		show(&event, CD_STR_NULL);
		small(bytes, &event);
		if (event.record.len >= 2048)
			fill(&event);
	}
	return 0;
}
