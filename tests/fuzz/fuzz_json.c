/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON: any bytes are read to an end or an error in bounded steps, brackets
 * balance, and every text that was read is written and read again as itself.
 */
#include <stdint.h>

#include "base/json.h"

static void same_again(const struct cd_json *j)
{
	static char store[1 << 16], again[1 << 16];
	struct cd_str text, back;
	struct cd_json_writer w;
	struct cd_json k;
	struct cd_buf b;

	if (cd_json_text(j, store, sizeof(store), &text) < 0)
		return;
	cd_buf_init(&b, 1 << 20);
	cd_json_writer_init(&w, &b, 0);
	cd_json_put_str(&w, text);
	cd_json_init(&k, cd_buf_get(&b));
	cd_assert(cd_json_next(&k) == CD_JSON_STRING);
	cd_assert(cd_json_text(&k, again, sizeof(again), &back) == 0);
	cd_assert(cd_str_equal(text, back));
	cd_assert(cd_json_next(&k) == CD_JSON_END);
	cd_buf_done(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cd_json j;
	unsigned int depth = 0, events = 0;
	enum cd_json_event e;
	int64_t n;

	if (size > 20000)
		return 0;
	cd_json_init(&j, cd_str_make(data, size));
	while ((e = cd_json_next(&j)) != CD_JSON_END && e != CD_JSON_ERROR) {
		cd_assert(++events <= size);
		if (e == CD_JSON_OBJECT || e == CD_JSON_ARRAY)
			depth++;
		if (e == CD_JSON_OBJECT_END || e == CD_JSON_ARRAY_END)
			depth--;
		cd_assert(depth == j.depth && depth <= CD_JSON_DEPTH_MAX);
		if (e == CD_JSON_STRING || e == CD_JSON_KEY)
			same_again(&j);
		if (e == CD_JSON_NUMBER)
			cd_json_int(&j, &n);
		if (e == CD_JSON_KEY && cd_json_is(&j, "skip"))
			cd_json_skip(&j);
		depth = j.depth;
	}
	cd_assert(e == CD_JSON_ERROR ? j.error != NULL : depth == 0);
	return 0;
}
