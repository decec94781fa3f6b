// SPDX-License-Identifier: Apache-2.0
/*
 * The tree as JSON, 1:1: a field of the tree is a member of the object, and a
 * field that is zero or not given is left out. Literals are the text that the
 * language has for them. Places are not written: they are those of a text
 * that the JSON may no longer be.
 */
#include "policy/schema.h"

#include <stdlib.h>

#include "base/json.h"
#include "policy/literal.h"

#define OUTPUT_MAX ((size_t)CD_MAX_FILE_SIZE * 64)

struct out {
	struct cd_json_writer w;
	struct cd_buf literal; /* one literal's text */
	int err; /* of any literal so far */
};

static void put_object(struct out *o, const struct cd_schema *schema,
		       const void *base);

uint64_t cd_field_uint(const struct cd_field *f, const void *p)
{
	uint64_t n = 0;

	/* bool and uint8_t, uint16_t, uint32_t and enums */
	if (f->size == 1)
		n = *(const uint8_t *)p;
	else if (f->size == 2)
		n = *(const uint16_t *)p;
	else if (f->size == 4)
		n = *(const uint32_t *)p;
	return n;
}

static void print_value(struct cd_buf *out, const struct cd_ast_value *v)
{
	if (v->type == CD_T_LABELS)
		cd_buf_printf(out, "%.*s=%.*s", CD_STR_FMT(v->s),
			      CD_STR_FMT(v->s2));
	else
		cd_literal_print(out, v);
}

static void print_prefix(struct cd_buf *out, const struct cd_ast_prefix *p)
{
	cd_literal_print_prefix(out, &p->addr, p->bits);
}

static void print_domain(struct cd_buf *out, const struct cd_ast_domain *d)
{
	cd_buf_puts(out, d->wildcard ? "*." : "");
	cd_buf_str(out, d->name);
}

static void print_minutes(struct cd_buf *out, unsigned int minutes)
{
	cd_buf_printf(out, "%02u:%02u", minutes / 60, minutes % 60);
}

/* The text of a field that JSON has no type for. */
static void print_literal(struct cd_buf *out, enum cd_field_kind kind,
			  const void *p)
{
	switch (kind) {
	case CD_F_VALUE:
		return print_value(out, p);
	case CD_F_PREFIX:
		return print_prefix(out, p);
	case CD_F_PORT:
		return cd_literal_print_port(out, p);
	case CD_F_DOMAIN:
		return print_domain(out, p);
	case CD_F_DURATION:
		return cd_literal_print_duration(out, *(const uint32_t *)p);
	case CD_F_UNTIL:
		return cd_literal_print_until(out, *(const int64_t *)p);
	case CD_F_INSTANT:
		return cd_literal_print_instant(out, *(const int64_t *)p);
	case CD_F_DAYS:
		return cd_literal_print_days(out, *(const uint8_t *)p);
	case CD_F_MINUTES:
		return print_minutes(out, *(const uint16_t *)p);
	case CD_F_ATTR:
		cd_buf_puts(out, cd_attr_get(*(const enum cd_attr *)p)->name);
		return;
	default:
		return;
	}
}

static void put_item(struct out *o, const struct cd_field *f,
		     enum cd_field_kind kind, const void *p);

static void put_list(struct out *o, const struct cd_field *f, const void *base)
{
	const char *items =
		*(const char *const *)((const char *)base + f->offset);
	uint32_t n = *(const uint32_t *)(const void *)((const char *)base +
						       f->n_offset);

	cd_json_array(&o->w);
	for (uint32_t i = 0; i < n; i++)
		put_item(o, f, f->item, items + (size_t)i * f->size);
	cd_json_array_end(&o->w);
}

static void put_item(struct out *o, const struct cd_field *f,
		     enum cd_field_kind kind, const void *p)
{
	switch (kind) {
	case CD_F_NAME:
		cd_json_put_str(&o->w, ((const struct cd_ast_name *)p)->s);
		return;
	case CD_F_STR:
		cd_json_put_str(&o->w, *(const struct cd_str *)p);
		return;
	case CD_F_BOOL:
		cd_json_put_bool(&o->w, *(const bool *)p);
		return;
	case CD_F_UINT:
		cd_json_put_int(&o->w, (int64_t)cd_field_uint(f, p));
		return;
	case CD_F_ENUM:
		cd_json_puts(&o->w, f->words[cd_field_uint(f, p)]);
		return;
	case CD_F_OBJECT:
		put_object(o, f->sub, p);
		return;
	case CD_F_POINTER:
		put_object(o, f->sub, *(const void *const *)p);
		return;
	default:
		cd_buf_clear(&o->literal);
		print_literal(&o->literal, kind, p);
		if (!o->err)
			o->err = o->literal.err;
		cd_json_put_str(&o->w, cd_buf_get(&o->literal));
	}
}

static bool is_zero(const struct cd_field *f, const void *p)
{
	const unsigned char *byte = p;

	if (f->kind == CD_F_ATTR)
		return *(const enum cd_attr *)p == CD_ATTR_NONE;
	if (f->kind == CD_F_NAME)
		return ((const struct cd_ast_name *)p)->s.len == 0;
	if (f->kind == CD_F_STR)
		return ((const struct cd_str *)p)->len == 0;
	for (size_t i = 0; i < f->size; i++)
		if (byte[i])
			return false;
	return true;
}

bool cd_field_is_given(const struct cd_field *f, const void *base)
{
	const char *p = base;

	if (f->flags & CD_F_ALWAYS)
		return true;
	if (f->given_offset)
		return *(const bool *)(p + f->given_offset);
	if (f->kind == CD_F_LIST)
		return *(const uint32_t *)(const void *)(p + f->n_offset);
	return !is_zero(f, p + f->offset);
}

static void put_fields(struct out *o, const struct cd_schema *schema,
		       const void *base)
{
	for (const struct cd_field *f = schema->fields; f->name; f++) {
		if (!cd_field_is_given(f, base))
			continue;
		cd_json_key(&o->w, f->name);
		if (f->kind == CD_F_LIST)
			put_list(o, f, base);
		else
			put_item(o, f, f->kind, (const char *)base + f->offset);
	}
}

static void put_object(struct out *o, const struct cd_schema *schema,
		       const void *base)
{
	cd_json_object(&o->w);
	put_fields(o, schema, base);
	cd_json_object_end(&o->w);
}

static void put_file(struct out *o, const struct cd_ast_file *file)
{
	cd_json_object(&o->w);
	cd_json_key(&o->w, "name");
	cd_json_put_str(&o->w, file->name);
	cd_json_key(&o->w, "statements");
	cd_json_array(&o->w);
	for (uint32_t i = 0; i < file->n_items; i++) {
		const struct cd_ast *s = file->items[i];

		cd_json_object(&o->w);
		cd_json_key(&o->w, "kind");
		cd_json_puts(&o->w, cd_ast_kind_word(s->kind));
		put_fields(o, cd_schema_statement(s->kind), s);
		cd_json_object_end(&o->w);
	}
	cd_json_array_end(&o->w);
	if (file->n_end) {
		cd_json_key(&o->w, "end");
		cd_json_array(&o->w);
		for (uint32_t i = 0; i < file->n_end; i++)
			put_object(o, &cd_schema_comment, &file->end[i]);
		cd_json_array_end(&o->w);
	}
	cd_json_object_end(&o->w);
}

int cd_policy_to_json(const struct cd_policy *policy, char **ret_text,
		      size_t *ret_len)
{
	struct cd_buf out cd_auto(cd_buf_done);
	struct out o = {.err = 0};
	size_t len;
	char *text;
	int err;

	cd_buf_init(&out, OUTPUT_MAX);
	cd_buf_init(&o.literal, CD_MAX_STRING * 8);
	cd_json_writer_init(&o.w, &out, 2);
	cd_json_object(&o.w);
	cd_json_key(&o.w, "cordon");
	cd_json_put_int(&o.w, 1);
	cd_json_key(&o.w, "files");
	cd_json_array(&o.w);
	for (uint32_t i = 0; i < policy->n_files; i++)
		put_file(&o, &policy->files[i]);
	cd_json_array_end(&o.w);
	cd_json_object_end(&o.w);
	cd_buf_char(&out, '\n');
	err = out.err ? out.err : o.err;
	cd_buf_done(&o.literal);
	len = out.len;
	text = err ? NULL : cd_buf_take(&out);
	if (!text)
		return err ? err : -ENOMEM;
	*ret_text = text;
	*ret_len = len;
	return 0;
}
