/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a browser sends that is read by our own code: forms, cookies, targets,
 * hosts. The first byte chooses. What was accepted is held against what it
 * promises.
 */
#include <stdint.h>

#include "controller/form.h"
#include "controller/html.h"
#include "controller/redirect.h"
#include "sys/httpd.h"

/* The form's only field of that name, found by a look at all of them; else
 * the empty text. */
static const char *look_up(const struct cd_form *form, const char *name)
{
	const char *found = NULL;
	size_t i;

	for (i = 0; i < form->n; i++) {
		const char *text = form->text.data + form->fields[i].name;

		if (!cd_str_equal(cd_str_from(text), cd_str_from(name)))
			continue;
		cd_assert(!found); /* no name is there twice */
		found = form->text.data + form->fields[i].value;
	}
	return found ? found : "";
}

static void same_field(const struct cd_form *form, const char *name)
{
	cd_assert(!strcmp(cd_form_get(form, name), look_up(form, name)));
}

/* Any name may be a field of the input: also one that is in no form of ours.
 * So no name is expected to be missing, both ways only agree. */
static void fuzz_form(struct cd_str s)
{
	struct cd_form form;
	size_t i;
	int r = cd_form_parse(&form, s);

	cd_assert(form.n <= CD_FORM_FIELDS);
	for (i = 0; i < form.n; i++) {
		const char *name = form.text.data + form.fields[i].name;
		const char *value = form.text.data + form.fields[i].value;

		same_field(&form, name);
		same_field(&form, value);
		same_field(&form, *name ? name + 1 : "a");
		if (!r)
			cd_assert(cd_form_get(&form, name) == value);
	}
	same_field(&form, "");
	same_field(&form, "\x01 no such field");
	cd_form_done(&form);
	cd_assert(*cd_form_get(&form, "") == 0);
}

/* Nothing that means something in markup survives. */
static void fuzz_escape(struct cd_str s)
{
	struct cd_buf b;
	size_t i;

	cd_buf_init(&b, 1 << 20);
	cd_html_escape(&b, s);
	for (i = 0; i < b.len; i++)
		cd_assert(!strchr("<>\"'", b.data[i]) && b.data[i] != '\n');
	cd_buf_done(&b);
}

static void fuzz_target(struct cd_str s)
{
	struct cd_buf b;
	size_t i;

	if (cd_target_is_safe(s)) {
		cd_assert(s.ptr[0] == '/' && (s.len < 2 || s.ptr[1] != '/'));
		cd_assert(!memchr(s.ptr, '\\', s.len));
		cd_assert(!memchr(s.ptr, '\r', s.len));
	}
	cd_buf_init(&b, 1 << 20);
	cd_buf_url(&b, s);
	for (i = 0; i < b.len; i++)
		cd_assert(b.data[i] > 0x20 && b.data[i] < 0x7f);
	cd_buf_done(&b);
}

static void fuzz_host(struct cd_str s)
{
	char host[64];

	if (cd_url_host(s, host, sizeof(host)))
		cd_assert(host[0] && !strpbrk(host, "/@:?# "));
}

static void fuzz_cookie(struct cd_str s)
{
	struct cd_str v;

	if (cd_cookie_find(s, CD_STR("__Host-cordon"), &v))
		cd_assert(v.ptr >= s.ptr && v.ptr + v.len <= s.ptr + s.len &&
			  !memchr(v.ptr, ';', v.len));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const parts[])(struct cd_str s) = {
		fuzz_form, fuzz_escape, fuzz_target, fuzz_host, fuzz_cookie,
	};

	if (size < 1 || size > 65536)
		return 0;
	parts[data[0] % CD_ARRAY_SIZE(parts)](cd_str_make(data + 1, size - 1));
	return 0;
}
