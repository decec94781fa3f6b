/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Obligations as JSON. It stands here and not beside the decision because
 * events are decoded without one.
 */
#include "base/obligations.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/time.h"

static void put_text(struct cd_json_writer *w, const char *key,
		     const char *text)
{
	cd_json_key(w, key);
	cd_json_puts(w, text);
}

static void put_flag(struct cd_json_writer *w, const char *key, bool set)
{
	if (!set)
		return;
	cd_json_key(w, key);
	cd_json_put_bool(w, true);
}

static void put_rate(struct cd_json_writer *w, uint32_t count, uint32_t period)
{
	char duration[CD_DURATION_SIZE], text[CD_DURATION_SIZE + 16];

	cd_duration_format(period, duration, sizeof(duration));
	snprintf(text, sizeof(text), "%" PRIu32 "/%s", count, duration);
	put_text(w, "rate", text);
}

void cd_obligations_put(struct cd_json_writer *w,
			const struct cd_obligations *o)
{
	char max[CD_DURATION_SIZE];

	cd_json_object(w);
	if (o->record || o->record_required)
		put_text(w, "record",
			 o->record_required ? "required" : "if possible");
	if (o->max) {
		cd_duration_format(o->max, max, sizeof(max));
		put_text(w, "max", max);
	}
	if (o->rate_count)
		put_rate(w, o->rate_count, o->rate_period);
	put_flag(w, "no_clipboard", o->no_clipboard);
	put_flag(w, "no_upload", o->no_upload);
	put_flag(w, "no_download", o->no_download);
	cd_json_object_end(w);
}
