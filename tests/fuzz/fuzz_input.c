/* SPDX-License-Identifier: Apache-2.0 */
/* One JSON request of arbitrary bytes, and each of its lines as a value of
 * every attribute. */
#include "base/arena.h"
#include "base/str.h"
#include "decide/input.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cd_str rest = cd_str_make(data, size), line;
	struct cd_arena *arena cd_auto(cd_arena_free) = NULL;
	char error[CD_INPUT_ERROR_MAX];
	struct cd_request r;

	if (cd_arena_new(1 << 20, &arena))
		return 0;
	if (cd_input_json(rest, arena, &r, error) == 0)
		cd_assert(r.kind == 0 || (r.kind & (r.kind - 1)) == 0);
	cd_request_init(&r);
	line = cd_str_split(rest, '\n', &rest);
	for (int a = 0; a < CD_ATTR_COUNT; a++)
		(void)cd_input_text(&r, (enum cd_attr)a, line, arena, error);
	return 0;
}
