/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text to request. Scalars go through one parser per type, whether they come
 * from JSON or from the command line. A JSON number stands for what is counted,
 * true and false for yes and no, and neither for text: a user.name that is
 * 7 or true is somebody else's mistake, not a name.
 */
#include "decide/input.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/addr.h"
#include "base/http.h"
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

/* "addr: WHAT is not an address". */
static int not_a(char *error, enum cd_attr attr, const char *what)
{
	const struct cd_attr_row *row = cd_attr_get(attr);
	const char *type = cd_type_name(row->type);

	if (row->type == CD_T_LABELS)
		return complain(
			error,
			"%s: %s is not an object such as {\"tier\":\"web\"}",
			row->name, what);
	if (row->type == CD_T_SET || row->type == CD_T_APPROVERS)
		return complain(error, "%s: %s is not a list of names",
				row->name, what);
	return complain(error, "%s: %s is not %s %s", row->name, what,
			strchr("aeiou", type[0]) ? "an" : "a", type);
}

static int bad_value(char *error, enum cd_attr attr, struct cd_str text)
{
	char quoted[64];

	return not_a(error, attr, cd_quote(text, quoted, sizeof(quoted)));
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

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_country(struct cd_str text)
{
	return text.len == 2 && is_letter(text.ptr[0]) &&
	       is_letter(text.ptr[1]);
}

static int put_string(struct input *in, enum cd_attr attr, struct cd_str text)
{
	enum cd_type type = cd_attr_get(attr)->type;
	int err = 0;

	if (type == CD_T_COUNTRY && !is_country(text))
		return bad_value(in->error, attr, text);
	if (type == CD_T_PATH && !cd_path_is_normal(text))
		return 0; /* unknown: which page it names is not agreed on */
	if (type == CD_T_COUNTRY) {
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
		return not_a(in->error, attr, "a list");
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
	if (in->j.event == CD_JSON_ERROR)
		return json_error(in);
	if (in->j.event != CD_JSON_ARRAY_END)
		return not_a(in->error, attr, "a list of others");
	return put_names(in, attr, names, n);
}

#define LABELS_MAX 256

/* One label has one value: which of two counts is nobody's to choose. */
static int add_label(struct input *in, struct cd_label *l, uint32_t n,
		     enum cd_attr attr)
{
	struct cd_str key, value;
	int err = decoded(in, &key);

	if (err)
		return err;
	for (uint32_t i = 0; i < n; i++)
		if (cd_str_equal(l[i].key.s, key))
			return complain(in->error, "%s: '%.*s' is given twice",
					cd_attr_get(attr)->name,
					CD_STR_FMT(key));
	if (cd_json_next(&in->j) != CD_JSON_STRING)
		return in->j.event == CD_JSON_ERROR ?
			       json_error(in) :
			       complain(
				       in->error,
				       "%s: the value of '%.*s' is not a string",
				       cd_attr_get(attr)->name,
				       CD_STR_FMT(key));
	err = decoded(in, &value);
	if (err)
		return err;
	l[n].key = cd_name_make(key);
	l[n].value = cd_name_make(value);
	return 0;
}

static int put_labels(struct input *in, enum cd_attr attr)
{
	struct cd_label *l = cd_arena_array(in->arena, LABELS_MAX, sizeof(*l));
	uint32_t n = 0;
	int err;

	while (l && n < LABELS_MAX && cd_json_next(&in->j) == CD_JSON_KEY) {
		err = add_label(in, l, n, attr);
		if (err)
			return err;
		n++;
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

static int put_age(struct input *in, enum cd_attr attr, int64_t *ret_age)
{
	struct cd_str text = in->j.raw;
	char quoted[64];
	int err = 0;

	if (in->j.event == CD_JSON_STRING)
		err = decoded(in, &text);
	else if (in->j.event != CD_JSON_NUMBER)
		return json_error(in);
	if (!err && !parse_duration(text, ret_age))
		err = complain(in->error, "%s: the age %s is not a duration",
			       cd_attr_get(attr)->name,
			       cd_quote(text, quoted, sizeof(quoted)));
	return err;
}

/* {"value": ..., "age": "2h"}: how long ago its source vouched for it. */
static int put_aged(struct input *in, enum cd_attr attr)
{
	bool has_value = false, has_age = false;
	int64_t age = 0;
	int err = 0;

	while (!err && cd_json_next(&in->j) == CD_JSON_KEY) {
		if (!has_value && cd_json_is(&in->j, "value")) {
			has_value = true;
			cd_json_next(&in->j);
			err = put_json(in, attr, false);
		} else if (!has_age && cd_json_is(&in->j, "age")) {
			has_age = true;
			cd_json_next(&in->j);
			err = put_age(in, attr, &age);
		} else {
			err = complain(
				in->error,
				"%s: an object has \"value\" and \"age\", once",
				cd_attr_get(attr)->name);
		}
	}
	if (err)
		return err;
	if (in->j.event == CD_JSON_ERROR)
		return json_error(in);
	if (!has_value)
		return complain(in->error, "%s: needs \"value\"",
				cd_attr_get(attr)->name);
	in->r->v[attr].age = (uint32_t)CD_MIN(age, (int64_t)UINT32_MAX);
	return 0;
}

/* Is this what a JSON number may stand for: text stays text. */
static bool is_counted(enum cd_type type)
{
	return type == CD_T_DURATION || type == CD_T_INT || type == CD_T_PORT ||
	       type == CD_T_PROTO;
}

static int put_bool(struct input *in, enum cd_attr attr, bool value)
{
	if (cd_attr_get(attr)->type != CD_T_BOOL)
		return not_a(in->error, attr, value ? "true" : "false");
	cd_request_set_bool(in->r, attr, value);
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
	case CD_JSON_FALSE:
		return put_bool(in, attr, in->j.event == CD_JSON_TRUE);
	case CD_JSON_NUMBER:
		if (!is_counted(cd_attr_get(attr)->type))
			return not_a(in->error, attr, "a number");
		return put_scalar(in, attr, in->j.raw);
	case CD_JSON_STRING:
		err = decoded(in, &text);
		return err ? err : put_scalar(in, attr, text);
	case CD_JSON_ARRAY:
		return put_array(in, attr);
	case CD_JSON_OBJECT:
		if (cd_attr_get(attr)->type == CD_T_LABELS)
			return put_labels(in, attr);
		return aged ? put_aged(in, attr) :
			      not_a(in->error, attr, "an object");
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
