/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decodes into one buffer of which fields are offsets: the buffer may move
 * while it grows, and is wiped as one.
 */
#include "controller/form.h"

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* One name or value, with a NUL behind it. */
static int decode(struct cd_buf *out, struct cd_str s)
{
	size_t i;
	int hi, lo;

	for (i = 0; i < s.len; i++) {
		char c = s.ptr[i];

		if (c == '+') {
			c = ' ';
		} else if (c == '%') {
			if (s.len - i < 3)
				return -EINVAL;
			hi = digit(s.ptr[i + 1]);
			lo = digit(s.ptr[i + 2]);
			if (hi < 0 || lo < 0)
				return -EINVAL;
			c = (char)(hi << 4 | lo);
			i += 2;
		}
		if (!c)
			return -EINVAL;
		cd_buf_char(out, c);
	}
	cd_buf_char(out, 0);
	return out->err;
}

static bool has(const struct cd_form *form, const char *name, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (!strcmp(form->text.data + form->fields[i].name, name))
			return true;
	return false;
}

int cd_form_parse(struct cd_form *form, struct cd_str body)
{
	struct cd_str name, value;
	int r;

	memset(form, 0, sizeof(*form));
	/* Decoding never makes anything longer than one NUL a part. */
	cd_buf_init(&form->text, body.len + 2 * CD_FORM_FIELDS + 2);
	while (body.ptr) {
		name = cd_str_split(body, '&', &body);
		if (!name.len)
			continue;
		if (form->n == CD_FORM_FIELDS)
			return CD_E_LIMIT;
		name = cd_str_split(name, '=', &value);
		form->fields[form->n].name = form->text.len;
		r = decode(&form->text, name);
		form->fields[form->n].value = form->text.len;
		if (!r)
			r = decode(&form->text, value);
		if (r < 0)
			return r;
		if (has(form, form->text.data + form->fields[form->n].name,
			form->n))
			return -EINVAL;
		form->n++;
	}
	return 0;
}

void cd_form_done(struct cd_form *form)
{
	cd_buf_wipe(&form->text);
	form->n = 0;
}

const char *cd_form_get(const struct cd_form *form, const char *name)
{
	size_t i;

	for (i = 0; i < form->n; i++)
		if (!strcmp(form->text.data + form->fields[i].name, name))
			return form->text.data + form->fields[i].value;
	return "";
}
