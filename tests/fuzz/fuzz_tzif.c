/* SPDX-License-Identifier: Apache-2.0 */
/* Time zone files of arbitrary bytes: what is accepted is ascending, within
 * the offsets that RFC 8536 knows, and begins with what holds since always. */
#include "base/buf.h"
#include "policy/tzif.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct cd_snap_turn *t;
	struct cd_buf out;
	size_t n;

	cd_buf_init(&out, 1 << 20);
	if (cd_tzif_parse(cd_str_make(data, size), &out) == 0) {
		t = (const void *)out.data;
		n = out.len / sizeof(*t);
		cd_assert(n >= 1 && n <= CD_TZIF_MAX + 300);
		for (size_t i = 0; i < n; i++) {
			cd_assert(i == 0 || t[i].at > t[i - 1].at);
			cd_assert(t[i].offset >= -93599 &&
				  t[i].offset <= 93599);
		}
	}
	cd_buf_done(&out);
	return 0;
}
