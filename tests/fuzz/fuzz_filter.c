// SPDX-License-Identifier: Apache-2.0
/*
 * Filters of `cordon events`: lines NAME=VALUES up to a NUL, then the record
 * they are asked of. A further term never lets in what was kept out, and a
 * value of the event itself keeps it in.
 */
#include "controller/event_filter.h"

#include <stdio.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NOW INT64_C(1795460189000000000)

static const struct cd_str node = CD_STR_INIT("gw1");

/* A record for inputs that hold none. */
static size_t make_event(void *out, size_t size)
{
	struct cd_addr a = {4, {10, 20, 4, 7}};
	struct cd_event_encoder e;

	cd_event_begin(&e, out, size, CD_EVENT_ADMIN, 7, NOW);
	cd_event_puts(&e, CD_EVENT_F_ACTOR, "root");
	cd_event_put_addr(&e, CD_EVENT_F_SRC_IP, &a);
	cd_event_put_num(&e, CD_EVENT_F_SEVERITY, CD_SEVERITY_HIGH);
	return cd_event_end(&e);
}

/* Every value that has no meaning of its own finds its event. */
static void own_values(const struct cd_event *event)
{
	char text[CD_FILTER_TEXT_MAX];
	const struct cd_event_field_row *row;
	struct cd_event_filter f;

	for (size_t i = 0; (row = cd_event_field_at(i)); i++) {
		size_t n = cd_event_text(event, row->number, text, sizeof(text),
					 NULL);

		/* a query holds no NUL */
		if (n == 0 || n >= sizeof(text) - 1 || strlen(text) != n ||
		    strpbrk(text, ",*") || row->number == CD_EVENT_F_SEVERITY ||
		    row->number == CD_EVENT_F_NODE)
			continue;
		cd_event_filter_init(&f);
		if (cd_event_filter_add(&f, row->name, text, NOW) == 0)
			cd_assert(cd_event_filter_match(&f, event, node) ||
				  event->ts >= f.until);
	}
}

/* Every name that is offered is taken. */
static void offered(void *ctx, const char *name)
{
	struct cd_event_filter *f = ctx;

	cd_event_filter_init(f);
	cd_assert(cd_event_filter_add(f, name, "1h", NOW) == 0);
}

/* One line: its name and values, or false at the end. */
static bool next_term(struct cd_str *text, char *name, size_t name_size,
		      char *values, size_t values_size)
{
	struct cd_str line, key;

	if (!text->ptr)
		return false;
	line = cd_str_split(*text, '\n', text);
	key = cd_str_split(line, '=', &line);
	snprintf(name, name_size, "%.*s", (int)CD_MIN(key.len, name_size),
		 key.ptr ? key.ptr : "");
	snprintf(values, values_size, "%.*s",
		 (int)CD_MIN(line.len, values_size), line.ptr ? line.ptr : "");
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t n = data && size ? strnlen((const char *)data, size) : 0;
	struct cd_str text = cd_str_make(data, n);
	struct cd_str record = cd_str_make(data + n, size - n);
	char name[80], values[CD_FILTER_TEXT_MAX + 8];
	unsigned char memory[256];
	struct cd_event_filter f;
	struct cd_event event;
	bool in = true;

	if (size == 0)
		return 0;
	if (record.len < 1 ||
	    cd_event_decode(cd_str_make(record.ptr + 1, record.len - 1), &event,
			    NULL))
		cd_assert(
			cd_event_decode(
				cd_str_make(memory,
					    make_event(memory, sizeof(memory))),
				&event, NULL) == 0);
	own_values(&event);
	cd_event_filter_names(offered, &f);
	cd_event_filter_init(&f);
	while (next_term(&text, name, sizeof(name), values, sizeof(values))) {
		int r = cd_event_filter_add(&f, name, values, NOW);
		bool now;

		cd_assert(f.n <= CD_FILTER_TERMS_MAX);
		if (r)
			continue;
		if (!strcmp(name, "since") || !strcmp(name, "until"))
			in = true; /* the last one of these counts */
		now = cd_event_filter_match(&f, &event, node);
		cd_assert(in || !now);
		in = now;
	}
	return 0;
}
