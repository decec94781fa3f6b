/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text to request. Scalars go through one parser per type, whether they come
 * from JSON or from the command line; a JSON number or boolean is first turned
 * into the text it stands for, so that there is one set of rules.
 */
#include "decide/input.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/addr.h"
#include "base/json.h"
#include "base/time.h"

#define NAMES_MAX 4096 /* elements of one set */

struct input {
	struct cd_arena *arena;
	struct cd_request *r;
	struct cd_json j;
	char *error;
};

static int complain(char *error, const char *fmt, ...) cd_printf(2, 3);

static int complain(char *error, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(error, CD_INPUT_ERROR_MAX, fmt, ap);
	va_end(ap);
	return -EINVAL;
}

static int bad_value(char *error, enum cd_attr attr, struct cd_str text)
{
	const struct cd_attr_row *row = cd_attr_get(attr);
	char quoted[64];

	return complain(error, "%s: %s is not a %s", row->name,
			cd_quote(text, quoted, sizeof(quoted)),
			cd_type_name(row->type));
}

/* ---- scalars ----------------------------------------------------------- */
struct word {
	const char *text;
	int64_t value;
};

static bool find_word(const struct word *words, size_t n, struct cd_str text,
		      int64_t *ret)
{
	for (size_t i = 0; i < n; i++)
		if (cd_str_equal_nocase(text, cd_str_from(words[i].text))) {
			*ret = words[i].value;
			return true;
		}
	return false;
}

static const struct word bools[] = {
	{"yes", 1},
	{"no", 0},
	{"true", 1},
	{"false", 0},
};
static const struct word risks[] = {
	{"low", 1},
	{"medium", 2},
	{"high", 3},
};
static const struct word factors[] = {
	{"none", 0},
	{"password", 1},
	{"totp", 2},
	{"webauthn", 3},
};
static const struct word protos[] = {
	{"tcp", 6},
	{"udp", 17},
	{"icmp", 1},
	{"icmp6", 58},
};
static const struct word subjects[] = {
	{"person", CD_SUBJECT_PERSON},
	{"anonymous", CD_SUBJECT_ANONYMOUS},
	{"host", CD_SUBJECT_HOST},
};
static const struct word kinds[] = {
	{"packet", CD_KIND_PACKET}, {"name", CD_KIND_NAME},
	{"tls", CD_KIND_TLS},	    {"http", CD_KIND_HTTP},
	{"shell", CD_KIND_SHELL},   {"login", CD_KIND_LOGIN},
};

static bool parse_number(struct cd_str text, uint64_t max, int64_t *ret)
{
	uint64_t n;

	if (cd_str_parse_u64(text, &n) || n > max)
		return false;
	*ret = (int64_t)n;
	return true;
}

static bool parse_duration(struct cd_str text, int64_t *ret)
{
	return cd_duration_parse(text, ret) == 0 ||
	       parse_number(text, (uint64_t)CD_DURATION_MAX, ret);
}

static bool parse_int(enum cd_type type, struct cd_str text, int64_t *ret)
{
	switch (type) {
	case CD_T_BOOL:
		return find_word(bools, CD_ARRAY_SIZE(bools), text, ret);
	case CD_T_RISK:
		return find_word(risks, CD_ARRAY_SIZE(risks), text, ret);
	case CD_T_FACTOR:
		return find_word(factors, CD_ARRAY_SIZE(factors), text, ret);
	case CD_T_SUBJECT:
		return find_word(subjects, CD_ARRAY_SIZE(subjects), text, ret);
	case CD_T_PROTO:
		return find_word(protos, CD_ARRAY_SIZE(protos), text, ret) ||
		       parse_number(text, 255, ret);
	case CD_T_PORT:
		return parse_number(text, 65535, ret);
	case CD_T_INT:
		return parse_number(text, INT64_MAX, ret);
	case CD_T_DURATION:
		return parse_duration(text, ret);
	case CD_T_TIME:
		return cd_rfc3339_parse(text, ret) == 0;
	default:
		return false;
	}
}

static int copy_case(struct input *in, struct cd_str text, bool upper,
		     struct cd_str *ret)
{
	char *p = cd_arena_alloc(in->arena, text.len + 1);

	if (!p)
		return complain(in->error, "the request is too large");
	for (size_t i = 0; i < text.len; i++) {
		char c = text.ptr[i];

		if (upper && c >= 'a' && c <= 'z')
			c = (char)(c - 32);
		if (!upper && c >= 'A' && c <= 'Z')
			c = (char)(c + 32);
		p[i] = c;
	}
	*ret = cd_str_make(p, text.len);
	return 0;
}

static int put_string(struct input *in, enum cd_attr attr, struct cd_str text)
{
	enum cd_type type = cd_attr_get(attr)->type;
	int err = 0;

	if (type == CD_T_COUNTRY) {
		if (text.len != 2)
			return bad_value(in->error, attr, text);
		err = copy_case(in, text, true, &text);
	} else if (type == CD_T_NAME) {
		if (text.len > 1 && text.ptr[text.len - 1] == '.')
			text.len--;
		err = copy_case(in, text, false, &text);
	}
	if (!err)
		cd_request_set_str(in->r, attr, text);
	return err;
}

static bool is_string(enum cd_type type)
{
	return type == CD_T_STRING || type == CD_T_COUNTRY ||
	       type == CD_T_NAME || type == CD_T_PATH || type == CD_T_METHOD ||
	       type == CD_T_APP;
}

static int put_names(struct input *in, enum cd_attr attr,
		     const struct cd_name *names, uint32_t n)
{
	cd_request_set_names(in->r, attr, names, n);
	return 0;
}

static int put_scalar(struct input *in, enum cd_attr attr, struct cd_str text)
{
	enum cd_type type = cd_attr_get(attr)->type;
	struct cd_name *one;
	struct cd_addr addr;
	int64_t n;

	if (is_string(type))
		return put_string(in, attr, text);
	if (type == CD_T_SET || type == CD_T_APPROVERS) {
		one = cd_arena_alloc(in->arena, sizeof(*one));
		if (!one)
			return complain(in->error, "the request is too large");
		*one = cd_name_make(text);
		return put_names(in, attr, one, 1);
	}
	if (type == CD_T_ADDR) {
		if (cd_addr_parse(text, &addr))
			return bad_value(in->error, attr, text);
		cd_request_set_addr(in->r, attr, addr);
		return 0;
	}
	if (!parse_int(type, text, &n))
		return bad_value(in->error, attr, text);
	if (type == CD_T_BOOL)
		cd_request_set_bool(in->r, attr, n != 0);
	else
		cd_request_set_int(in->r, attr, n);
	return 0;
}

/* ---- lists as text ----------------------------------------------------- */
static uint32_t count_items(struct cd_str text)
{
	uint32_t n = 1;

	for (size_t i = 0; i < text.len; i++)
		n += text.ptr[i] == ',';
	return n;
}

static int put_list_text(struct input *in, enum cd_attr attr,
			 struct cd_str text)
{
	bool labels = cd_attr_get(attr)->type == CD_T_LABELS;
	uint32_t n = 0, max = count_items(text);
	struct cd_label *l = cd_arena_array(in->arena, max, sizeof(*l));
	struct cd_name *s = cd_arena_array(in->arena, max, sizeof(*s));
	struct cd_str item, value;

	if (!l || !s || max > NAMES_MAX)
		return complain(in->error, "the list is too long");
	for (; text.len; n++) {
		item = cd_str_trim(cd_str_split(text, ',', &text));
		s[n] = cd_name_make(item);
		l[n].key = cd_name_make(cd_str_split(item, '=', &value));
		l[n].value = cd_name_make(value);
		if (item.len == 0 || (labels && value.ptr == NULL))
			return bad_value(in->error, attr, item);
	}
	if (labels)
		cd_request_set_labels(in->r, attr, l, n);
	else
		cd_request_set_names(in->r, attr, s, n);
	return 0;
}

int cd_input_text(struct cd_request *request, enum cd_attr attr,
		  struct cd_str text, struct cd_arena *arena,
		  char error[CD_INPUT_ERROR_MAX])
{
	struct input in = {.arena = arena, .r = request, .error = error};
	enum cd_type type = cd_attr_get(attr)->type;

	text = cd_str_trim(text);
	if (cd_str_equal(text, CD_STR("unknown"))) {
		request->v[attr] = (struct cd_value){.state = CD_UNKNOWN};
		return 0;
	}
	if (type == CD_T_SET || type == CD_T_LABELS || type == CD_T_APPROVERS)
		return put_list_text(&in, attr, text);
	return put_scalar(&in, attr, text);
}

/* ---- JSON -------------------------------------------------------------- */
static int json_error(struct input *in)
{
	return complain(in->error, "column %u: %s", in->j.column,
			in->j.error ? in->j.error : "not what is wanted here");
}

static int decoded(struct input *in, struct cd_str *ret)
{
	char *store = NULL;

	if (in->j.escaped) {
		store = cd_arena_alloc(in->arena, in->j.raw.len + 1);
		if (!store)
			return complain(in->error, "the request is too large");
	}
	if (cd_json_text(&in->j, store, in->j.raw.len, ret))
		return json_error(in);
	return 0;
}

static int put_array(struct input *in, enum cd_attr attr)
{
	enum cd_type type = cd_attr_get(attr)->type;
	struct cd_name *names;
	struct cd_str text;
	uint32_t n = 0, cap = 64;
	int err;

	if (type != CD_T_SET && type != CD_T_APPROVERS)
		return complain(in->error, "%s: a list is not a %s",
				cd_attr_get(attr)->name, cd_type_name(type));
	names = cd_arena_array(in->arena, cap, sizeof(*names));
	while (names && cd_json_next(&in->j) == CD_JSON_STRING) {
		if (n == cap && cap < NAMES_MAX) {
			struct cd_name *more = cd_arena_array(
				in->arena, cap * 4, sizeof(*more));

			if (more)
				memcpy(more, names, cap * sizeof(*more));
			names = more;
			cap *= 4;
		}
		if (!names || n == cap)
			break;
		err = decoded(in, &text);
		if (err)
			return err;
		names[n++] = cd_name_make(text);
	}
	if (!names || (n == cap && in->j.event == CD_JSON_STRING))
		return complain(in->error, "%s: the list is too long",
				cd_attr_get(attr)->name);
	if (in->j.event != CD_JSON_ARRAY_END)
		return json_error(in);
	return put_names(in, attr, names, n);
}

#define LABELS_MAX 256

static int put_labels(struct input *in, enum cd_attr attr)
{
	struct cd_label *l = cd_arena_array(in->arena, LABELS_MAX, sizeof(*l));
	struct cd_str key, value;
	uint32_t n = 0;
	int err;

	while (l && n < LABELS_MAX && cd_json_next(&in->j) == CD_JSON_KEY) {
		err = decoded(in, &key);
		if (err)
			return err;
		if (cd_json_next(&in->j) != CD_JSON_STRING)
			return json_error(in);
		err = decoded(in, &value);
		if (err)
			return err;
		l[n].key = cd_name_make(key);
		l[n++].value = cd_name_make(value);
	}
	if (!l || n == LABELS_MAX)
		return complain(in->error, "%s: too many labels",
				cd_attr_get(attr)->name);
	if (in->j.event != CD_JSON_OBJECT_END)
		return json_error(in);
	cd_request_set_labels(in->r, attr, l, n);
	return 0;
}

static int put_json(struct input *in, enum cd_attr attr, bool aged);

/* {"value": ..., "age": "2h"}: how long ago its source vouched for it. */
static int put_aged(struct input *in, enum cd_attr attr)
{
	int64_t age = 0;
	struct cd_str text;
	bool value = false;
	int err = 0;

	while (!err && cd_json_next(&in->j) == CD_JSON_KEY) {
		if (cd_json_is(&in->j, "value")) {
			value = true;
			cd_json_next(&in->j);
			err = put_json(in, attr, false);
		} else if (cd_json_is(&in->j, "age") &&
			   cd_json_next(&in->j) == CD_JSON_STRING) {
			err = decoded(in, &text);
			if (!err && !parse_duration(text, &age))
				err = bad_value(in->error, attr, text);
		} else {
			err = json_error(in);
		}
	}
	if (err)
		return err;
	if (in->j.event != CD_JSON_OBJECT_END || !value)
		return complain(in->error, "%s: needs \"value\"",
				cd_attr_get(attr)->name);
	in->r->v[attr].age = (uint32_t)CD_MIN(age, (int64_t)UINT32_MAX);
	return 0;
}

/* The value whose first event was just read. */
static int put_json(struct input *in, enum cd_attr attr, bool aged)
{
	struct cd_str text;
	int err;

	switch (in->j.event) {
	case CD_JSON_NULL:
		in->r->v[attr] = (struct cd_value){.state = CD_ABSENT};
		return 0;
	case CD_JSON_TRUE:
		return put_scalar(in, attr, CD_STR("yes"));
	case CD_JSON_FALSE:
		return put_scalar(in, attr, CD_STR("no"));
	case CD_JSON_NUMBER:
		return put_scalar(in, attr, in->j.raw);
	case CD_JSON_STRING:
		err = decoded(in, &text);
		return err ? err : put_scalar(in, attr, text);
	case CD_JSON_ARRAY:
		return put_array(in, attr);
	case CD_JSON_OBJECT:
		if (cd_attr_get(attr)->type == CD_T_LABELS)
			return put_labels(in, attr);
		return aged ? put_aged(in, attr) : json_error(in);
	default:
		return json_error(in);
	}
}

uint8_t cd_input_kind(struct cd_str name)
{
	int64_t kind = 0;

	find_word(kinds, CD_ARRAY_SIZE(kinds), name, &kind);
	return (uint8_t)kind;
}

static int put_kind(struct input *in)
{
	struct cd_str text;
	char quoted[64];
	int err;

	if (cd_json_next(&in->j) != CD_JSON_STRING)
		return json_error(in);
	err = decoded(in, &text);
	if (err)
		return err;
	in->r->kind = cd_input_kind(text);
	if (in->r->kind)
		return 0;
	return complain(in->error,
			"kind: %s is none of packet, name, tls, http, shell, "
			"login",
			cd_quote(text, quoted, sizeof(quoted)));
}

static int unknown_key(struct input *in, struct cd_str key)
{
	enum cd_attr near = cd_attr_nearest(key);
	char quoted[64];

	cd_quote(key, quoted, sizeof(quoted));
	if (near == CD_ATTR_NONE)
		return complain(in->error, "unknown attribute %s", quoted);
	return complain(in->error, "unknown attribute %s (did you mean '%s'?)",
			quoted, cd_attr_get(near)->name);
}

static int put_key(struct input *in, uint64_t *seen)
{
	enum cd_attr attr;
	struct cd_str key;
	int err = decoded(in, &key);

	if (err)
		return err;
	attr = cd_attr_find(key);
	if (attr == CD_ATTR_NONE && !cd_str_equal(key, CD_STR("kind")))
		return unknown_key(in, key);
	if (*seen >> (attr == CD_ATTR_NONE ? 63 : attr) & 1)
		return complain(in->error, "'%.*s' is given twice",
				CD_STR_FMT(key));
	*seen |= UINT64_C(1) << (attr == CD_ATTR_NONE ? 63 : attr);
	if (attr == CD_ATTR_NONE)
		return put_kind(in);
	cd_json_next(&in->j);
	return put_json(in, attr, true);
}

int cd_input_json(struct cd_str line, struct cd_arena *arena,
		  struct cd_request *ret_request,
		  char error[CD_INPUT_ERROR_MAX])
{
	struct cd_request r;
	struct input in = {.arena = arena, .r = &r, .error = error};
	uint64_t seen = 0;
	int err = 0;

	_Static_assert(CD_ATTR_COUNT < 63, "one bit an attribute, and kind");
	if (line.len > CD_INPUT_LINE_MAX)
		return complain(error, "the request is too large");
	cd_request_init(&r);
	cd_json_init(&in.j, line);
	if (cd_json_next(&in.j) != CD_JSON_OBJECT)
		return in.j.event == CD_JSON_ERROR ?
			       json_error(&in) :
			       complain(error, "a request is an object");
	while (!err && cd_json_next(&in.j) == CD_JSON_KEY)
		err = put_key(&in, &seen);
	if (err)
		return err;
	if (in.j.event != CD_JSON_OBJECT_END ||
	    cd_json_next(&in.j) != CD_JSON_END)
		return json_error(&in);
	*ret_request = r;
	return 0;
}
