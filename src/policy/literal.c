// SPDX-License-Identifier: Apache-2.0
/*
 * Literals by type. One table says for each type what people are told, which
 * operators it has and who reads it; the rest are the readers. Rejected: to
 * keep literals as text and read them in the compiler, which would find a
 * mistyped duration only after the parser's place was gone.
 */
#include "policy/literal.h"

#include "base/addr.h"
#include "base/time.h"

typedef int literal_reader(struct cd_arena *arena, struct cd_str text,
			   struct cd_ast_value *ret);

struct word_value {
	const char *word;
	int64_t value;
};

static int find_word(const struct word_value *words, size_t n,
		     struct cd_str text, int64_t *ret)
{
	for (size_t i = 0; i < n; i++)
		if (cd_str_equal(text, cd_str_from(words[i].word))) {
			*ret = words[i].value;
			return 0;
		}
	return -EINVAL;
}

static const char *find_value(const struct word_value *words, size_t n,
			      int64_t value)
{
	for (size_t i = 0; i < n; i++)
		if (words[i].value == value)
			return words[i].word;
	return NULL;
}

static const struct word_value bools[] = {{"no", 0}, {"yes", 1}};
static const struct word_value risks[] = {{"low", 1},
					  {"medium", 2},
					  {"high", 3}};
static const struct word_value factors[] = {{"none", 0},
					    {"password", 1},
					    {"totp", 2},
					    {"webauthn", 3}};
static const struct word_value protos[] = {{"tcp", 6},
					   {"udp", 17},
					   {"icmp", 1},
					   {"icmp6", 58}};
static const struct word_value subjects[] = {{"person", CD_SUBJECT_PERSON},
					     {"anonymous",
					      CD_SUBJECT_ANONYMOUS},
					     {"host", CD_SUBJECT_HOST}};

static int read_bool(struct cd_arena *arena cd_unused, struct cd_str text,
		     struct cd_ast_value *ret)
{
	return find_word(bools, CD_ARRAY_SIZE(bools), text, &ret->i);
}

static int read_risk(struct cd_arena *arena cd_unused, struct cd_str text,
		     struct cd_ast_value *ret)
{
	return find_word(risks, CD_ARRAY_SIZE(risks), text, &ret->i);
}

static int read_factor(struct cd_arena *arena cd_unused, struct cd_str text,
		       struct cd_ast_value *ret)
{
	return find_word(factors, CD_ARRAY_SIZE(factors), text, &ret->i);
}

static int read_subject(struct cd_arena *arena cd_unused, struct cd_str text,
			struct cd_ast_value *ret)
{
	return find_word(subjects, CD_ARRAY_SIZE(subjects), text, &ret->i);
}

static int read_uint(struct cd_str text, uint64_t max, int64_t *ret)
{
	uint64_t n;
	int err = cd_str_parse_u64(text, &n);

	if (err)
		return err;
	if (n > max)
		return -ERANGE;
	/* One spelling for one number: no leading zeros. */
	if (text.len > 1 && text.ptr[0] == '0')
		return -EINVAL;
	*ret = (int64_t)n;
	return 0;
}

static int read_proto(struct cd_arena *arena cd_unused, struct cd_str text,
		      struct cd_ast_value *ret)
{
	if (!find_word(protos, CD_ARRAY_SIZE(protos), text, &ret->i))
		return 0;
	return read_uint(text, 255, &ret->i);
}

static int read_int(struct cd_arena *arena cd_unused, struct cd_str text,
		    struct cd_ast_value *ret)
{
	return read_uint(text, INT64_MAX, &ret->i);
}

static int read_duration(struct cd_arena *arena cd_unused, struct cd_str text,
			 struct cd_ast_value *ret)
{
	return cd_duration_parse(text, &ret->i);
}

static int read_time(struct cd_arena *arena cd_unused, struct cd_str text,
		     struct cd_ast_value *ret)
{
	return cd_rfc3339_parse(text, &ret->i);
}

static int read_string(struct cd_arena *arena cd_unused, struct cd_str text,
		       struct cd_ast_value *ret)
{
	ret->s = text;
	return text.len ? 0 : -EINVAL;
}

static int read_upper(struct cd_str text, size_t min, size_t max,
		      struct cd_ast_value *ret)
{
	if (text.len < min || text.len > max)
		return -EINVAL;
	for (size_t i = 0; i < text.len; i++)
		if ((text.ptr[i] < 'A' || text.ptr[i] > 'Z') &&
		    !(i && text.ptr[i] == '-' && max > 2))
			return -EINVAL;
	ret->s = text;
	return 0;
}

static int read_country(struct cd_arena *arena cd_unused, struct cd_str text,
			struct cd_ast_value *ret)
{
	return read_upper(text, 2, 2, ret);
}

static int read_method(struct cd_arena *arena cd_unused, struct cd_str text,
		       struct cd_ast_value *ret)
{
	return read_upper(text, 1, 32, ret);
}

static int read_addr(struct cd_arena *arena cd_unused, struct cd_str text,
		     struct cd_ast_value *ret)
{
	struct cd_ast_prefix prefix = {0};
	int err = cd_literal_prefix(text, &prefix);

	if (err)
		return err;
	ret->addr = prefix.addr;
	ret->bits = prefix.bits;
	return 0;
}

static int read_port(struct cd_arena *arena cd_unused, struct cd_str text,
		     struct cd_ast_value *ret)
{
	struct cd_str hi, lo = cd_str_split(text, '-', &hi);
	int err = read_uint(lo, 65535, &ret->i);

	if (err)
		return err;
	ret->j = ret->i;
	if (!hi.ptr)
		return 0;
	err = read_uint(hi, 65535, &ret->j);
	return err ? err : ret->j > ret->i ? 0 : -EINVAL;
}

static int read_labels(struct cd_arena *arena cd_unused, struct cd_str text,
		       struct cd_ast_value *ret)
{
	ret->s = cd_str_split(text, '=', &ret->s2);
	if (ret->s.len > CD_MAX_NAME || ret->s2.len > CD_MAX_NAME)
		return -ERANGE;
	return ret->s.len && ret->s2.len ? 0 : -EINVAL;
}

static int read_name(struct cd_arena *arena, struct cd_str text,
		     struct cd_ast_value *ret)
{
	return cd_literal_dns(arena, text, &ret->s);
}

static int read_path(struct cd_arena *arena cd_unused, struct cd_str text,
		     struct cd_ast_value *ret)
{
	if (cd_literal_path_problem(text))
		return -EINVAL;
	ret->s = text;
	return 0;
}

#define BIT(op) (1u << CD_OP_##op)
#define EQUAL (BIT(EQ) | BIT(NE))
#define LISTS (BIT(IN) | BIT(NOT_IN))
#define ORDER (BIT(LT) | BIT(LE) | BIT(GT) | BIT(GE))

static const struct literal_type {
	literal_reader *read;
	unsigned int ops;
	const char *wanted;
} types[] = {
	[CD_T_BOOL] = {read_bool, EQUAL, "yes or no"},
	[CD_T_DURATION] = {read_duration, EQUAL | ORDER,
			   "a duration such as 30s, 15m, 12h or 7d"},
	[CD_T_INT] = {read_int, EQUAL | ORDER | LISTS, "a number"},
	[CD_T_STRING] = {read_string, EQUAL | LISTS | BIT(LIKE), "text"},
	[CD_T_COUNTRY] = {read_country, EQUAL | LISTS,
			  "a country code of two capitals such as DE"},
	[CD_T_RISK] = {read_risk, EQUAL | ORDER | LISTS, "low, medium or high"},
	[CD_T_FACTOR] = {read_factor, EQUAL | ORDER | LISTS,
			 "none, password, totp or webauthn"},
	[CD_T_SET] = {read_string, BIT(HAS), "a name"},
	[CD_T_ADDR] = {read_addr, EQUAL | LISTS,
		       "an address or prefix such as 10.0.0.0/8"},
	[CD_T_PORT] = {read_port, EQUAL | ORDER | LISTS,
		       "a port such as 443, or a range such as 8000-8100"},
	[CD_T_PROTO] = {read_proto, EQUAL | LISTS,
			"tcp, udp, icmp, icmp6 or a protocol number"},
	[CD_T_LABELS] = {read_labels, BIT(HAS), "a label such as tier=web"},
	[CD_T_NAME] = {read_name, EQUAL | LISTS | BIT(LIKE),
		       "a DNS name such as www.example.com"},
	[CD_T_PATH] = {read_path, EQUAL | LISTS | BIT(LIKE),
		       "a normalised path such as /api/users"},
	[CD_T_METHOD] = {read_method, EQUAL | LISTS,
			 "a method in capitals such as GET"},
	[CD_T_APP] = {read_string, EQUAL | LISTS, "the name of an app"},
	[CD_T_SUBJECT] = {read_subject, EQUAL | LISTS,
			  "person, anonymous or host"},
	[CD_T_TIME] = {read_time, 0, "an instant such as 2026-11-23T18:00:00Z"},
	[CD_T_APPROVERS] = {read_string, 0, "a name"},
};

const char *cd_literal_wanted(enum cd_type type)
{
	return types[type].wanted;
}

bool cd_literal_has_op(enum cd_type type, enum cd_ast_op op)
{
	return types[type].ops & 1u << op;
}

int cd_literal_parse(struct cd_arena *arena, enum cd_type type,
		     struct cd_str text, struct cd_ast_value *ret)
{
	struct cd_ast_value v = {.type = type, .span = ret->span};
	int err = types[type].read(arena, text, &v);

	if (!err)
		*ret = v;
	return err;
}

int cd_literal_parse_glob(struct cd_arena *arena cd_unused, enum cd_type type,
			  struct cd_str text, struct cd_ast_value *ret)
{
	if (text.len == 0)
		return -EINVAL;
	*ret = (struct cd_ast_value){
		.type = type, .span = ret->span, .s = text};
	return 0;
}

static bool is_dns_byte(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
	       c == '_';
}

static bool is_dns_label(struct cd_str s)
{
	if (s.len == 0 || s.len > 63 || s.ptr[0] == '-' ||
	    s.ptr[s.len - 1] == '-')
		return false;
	for (size_t i = 0; i < s.len; i++)
		if (!is_dns_byte(s.ptr[i]))
			return false;
	return true;
}

/* Lower case; borrowed when it already is. */
static int to_lower(struct cd_arena *arena, struct cd_str text,
		    struct cd_str *ret)
{
	size_t i = 0;
	char *p;

	while (i < text.len && !(text.ptr[i] >= 'A' && text.ptr[i] <= 'Z'))
		i++;
	*ret = text;
	if (i == text.len)
		return 0;
	p = cd_arena_alloc(arena, text.len + 1);
	if (!p)
		return cd_arena_is_full(arena) ? CD_E_LIMIT : -ENOMEM;
	for (i = 0; i < text.len; i++)
		p[i] = text.ptr[i] >= 'A' && text.ptr[i] <= 'Z' ?
			       (char)(text.ptr[i] + 32) :
			       text.ptr[i];
	*ret = cd_str_make(p, text.len);
	return 0;
}

int cd_literal_dns(struct cd_arena *arena, struct cd_str text,
		   struct cd_str *ret)
{
	struct cd_str rest, label;
	int err;

	if (text.len == 0 || text.len > 253)
		return -EINVAL;
	err = to_lower(arena, text, &text);
	if (err)
		return err;
	rest = text;
	do {
		label = cd_str_split(rest, '.', &rest);
		if (!is_dns_label(label))
			return -EINVAL;
	} while (rest.ptr);
	*ret = text;
	return 0;
}

int cd_literal_domain(struct cd_arena *arena, struct cd_str text,
		      struct cd_ast_domain *ret)
{
	bool wildcard = cd_str_has_prefix(text, CD_STR("*."));
	int err;

	if (wildcard)
		text = cd_str_make(text.ptr + 2, text.len - 2);
	err = cd_literal_dns(arena, text, &ret->name);
	if (!err)
		ret->wildcard = wildcard;
	return err;
}

int cd_literal_prefix(struct cd_str text, struct cd_ast_prefix *ret)
{
	struct cd_prefix p;
	int err = cd_prefix_parse(text, &p);

	if (err)
		return err;
	if (!cd_prefix_is_exact(&p))
		return -EDOM;
	ret->addr = p.addr;
	ret->bits = p.len;
	return 0;
}

int cd_literal_port(struct cd_str text, struct cd_ast_port *ret)
{
	struct cd_str range, name = cd_str_split(text, '/', &range);
	struct cd_ast_value v = {0};
	int64_t proto;
	int err;

	if (cd_str_equal(text, CD_STR("any"))) {
		ret->proto = 0;
		ret->lo = 0;
		ret->hi = UINT16_MAX;
		return 0;
	}
	if (find_word(protos, CD_ARRAY_SIZE(protos), name, &proto))
		return -EINVAL;
	/* Only TCP and UDP have ports, and they need one. */
	if ((proto == 6 || proto == 17) != (range.ptr != NULL))
		return -EINVAL;
	v.j = UINT16_MAX;
	err = range.ptr ? read_port(NULL, range, &v) : 0;
	if (err)
		return err;
	ret->proto = (uint8_t)proto;
	ret->lo = (uint16_t)v.i;
	ret->hi = (uint16_t)v.j;
	return 0;
}

static const char day_names[7][4] = {"mon", "tue", "wed", "thu",
				     "fri", "sat", "sun"};

static int find_day(struct cd_str text)
{
	for (int i = 0; i < 7; i++)
		if (cd_str_equal(text, cd_str_from(day_names[i])))
			return i;
	return -1;
}

int cd_literal_days(struct cd_str text, uint8_t *ret_days)
{
	struct cd_str last, first = cd_str_split(text, '-', &last);
	int from = find_day(first), to = last.ptr ? find_day(last) : from;
	unsigned int days = 0;

	if (from < 0 || to < 0)
		return -EINVAL;
	for (int d = from;; d = (d + 1) % 7) {
		days |= 1u << d;
		if (d == to)
			break;
	}
	*ret_days = (uint8_t)(*ret_days | days);
	return 0;
}

static int read_minutes(struct cd_str text, uint16_t *ret)
{
	struct cd_str mm, hh = cd_str_split(text, ':', &mm);
	uint64_t h, m;

	if (hh.len != 2 || mm.len != 2 || cd_str_parse_u64(hh, &h) ||
	    cd_str_parse_u64(mm, &m) || m > 59 || h * 60 + m > 1440)
		return -EINVAL;
	*ret = (uint16_t)(h * 60 + m);
	return 0;
}

int cd_literal_hours(struct cd_str text, uint16_t *ret_from, uint16_t *ret_to)
{
	struct cd_str end, begin = cd_str_split(text, '-', &end);
	uint16_t from, to;

	if (read_minutes(begin, &from) || read_minutes(end, &to) ||
	    from == 1440)
		return -EINVAL;
	*ret_from = from;
	/* Midnight as an end is 24:00. */
	*ret_to = to ? to : 1440;
	return 0;
}

int cd_literal_duration(struct cd_str text, uint32_t *ret_seconds)
{
	int64_t s;
	int err = cd_duration_parse(text, &s);

	if (err)
		return err;
	if (s == 0 || s > UINT32_MAX)
		return -ERANGE;
	*ret_seconds = (uint32_t)s;
	return 0;
}

int cd_literal_until(struct cd_str text, int64_t *ret)
{
	int64_t days;
	int err = cd_date_parse(text, &days);

	if (!err)
		*ret = (days + 1) * CD_S_PER_DAY;
	return err;
}

int cd_literal_rate(struct cd_str text, uint32_t *ret_n, uint32_t *ret_period)
{
	struct cd_str period, count = cd_str_split(text, '/', &period);
	int64_t n;
	int err = read_uint(count, UINT32_MAX, &n);

	if (!err && n == 0)
		err = -ERANGE;
	if (!err)
		err = cd_literal_duration(period, ret_period);
	if (!err)
		*ret_n = (uint32_t)n;
	return err;
}

static const char *segment_problem(struct cd_str s)
{
	if (s.len == 0)
		return "a path has no empty segment";
	if (cd_str_equal(s, CD_STR(".")) || cd_str_equal(s, CD_STR("..")))
		return "a normalised path has no '.' or '..'";
	if (s.len > 1 && memchr(s.ptr, '*', s.len))
		return "'*' stands for a whole segment";
	return NULL;
}

const char *cd_literal_path_problem(struct cd_str path)
{
	const char *problem = NULL;
	struct cd_str rest;

	if (path.len == 0 || path.ptr[0] != '/')
		return "a path begins with '/'";
	for (size_t i = 0; i < path.len; i++)
		if (strchr(" ?#%\\;", path.ptr[i]))
			return "a path is matched decoded, without query: no blank, '?', '#', '%', ';' or '\\'";
	rest = cd_str_make(path.ptr + 1, path.len - 1);
	while (!problem && rest.len) {
		struct cd_str segment = cd_str_split(rest, '/', &rest);

		problem = segment_problem(segment);
	}
	return problem;
}

/* ---- printing ---------------------------------------------------------- */
void cd_literal_print_prefix(struct cd_buf *out, const struct cd_addr *addr,
			     uint8_t bits)
{
	char text[CD_ADDR_SIZE];

	cd_addr_format(addr, text, sizeof(text));
	cd_buf_puts(out, text);
	if (bits != (addr->family == 4 ? 32 : 128))
		cd_buf_printf(out, "/%u", bits);
}

void cd_literal_print_port(struct cd_buf *out, const struct cd_ast_port *port)
{
	const char *name =
		find_value(protos, CD_ARRAY_SIZE(protos), port->proto);

	cd_buf_puts(out, name ? name : "any");
	if (port->proto != 6 && port->proto != 17)
		return;
	cd_buf_printf(out, "/%u", port->lo);
	if (port->hi != port->lo)
		cd_buf_printf(out, "-%u", port->hi);
}

void cd_literal_print_days(struct cd_buf *out, uint8_t days)
{
	const char *comma = "";

	for (int d = 0; d < 7; d++) {
		int end = d;

		if (!(days & 1u << d))
			continue;
		while (end < 6 && days & 1u << (end + 1))
			end++;
		cd_buf_printf(out, "%s%s", comma, day_names[d]);
		if (end > d)
			cd_buf_printf(out, "-%s", day_names[end]);
		d = end;
		comma = ",";
	}
}

void cd_literal_print_hours(struct cd_buf *out, uint16_t from, uint16_t to)
{
	cd_buf_printf(out, "%02u:%02u-%02u:%02u", from / 60u, from % 60u,
		      to / 60u, to % 60u);
}

void cd_literal_print_duration(struct cd_buf *out, int64_t seconds)
{
	char text[CD_DURATION_SIZE];

	cd_duration_format(seconds, text, sizeof(text));
	cd_buf_puts(out, text);
}

void cd_literal_print_until(struct cd_buf *out, int64_t until)
{
	struct cd_civil c = cd_civil_make(until - CD_S_PER_DAY);

	cd_buf_printf(out, "%04d-%02u-%02u", c.year, c.month, c.day);
}

void cd_literal_print_instant(struct cd_buf *out, int64_t ns)
{
	char text[CD_RFC3339_SIZE];

	cd_rfc3339_format(ns, text, sizeof(text));
	cd_buf_puts(out, text);
}

static void print_word(struct cd_buf *out, const struct word_value *words,
		       size_t n, int64_t value)
{
	const char *word = find_value(words, n, value);

	if (word)
		cd_buf_puts(out, word);
	else
		cd_buf_printf(out, "%lld", (long long)value);
}

static void print_number(struct cd_buf *out, const struct cd_ast_value *v)
{
	cd_buf_printf(out, "%lld", (long long)v->i);
	if (v->type == CD_T_PORT && v->j != v->i)
		cd_buf_printf(out, "-%lld", (long long)v->j);
}

void cd_literal_print(struct cd_buf *out, const struct cd_ast_value *v)
{
	switch (v->type) {
	case CD_T_BOOL:
		return print_word(out, bools, CD_ARRAY_SIZE(bools), v->i);
	case CD_T_RISK:
		return print_word(out, risks, CD_ARRAY_SIZE(risks), v->i);
	case CD_T_FACTOR:
		return print_word(out, factors, CD_ARRAY_SIZE(factors), v->i);
	case CD_T_PROTO:
		return print_word(out, protos, CD_ARRAY_SIZE(protos), v->i);
	case CD_T_SUBJECT:
		return print_word(out, subjects, CD_ARRAY_SIZE(subjects), v->i);
	case CD_T_DURATION:
		return cd_literal_print_duration(out, v->i);
	case CD_T_TIME:
		return cd_literal_print_instant(out, v->i);
	case CD_T_ADDR:
		return cd_literal_print_prefix(out, &v->addr, v->bits);
	case CD_T_INT:
	case CD_T_PORT:
		return print_number(out, v);
	case CD_T_LABELS:
		cd_buf_printf(out, "%.*s=%.*s", CD_STR_FMT(v->s),
			      CD_STR_FMT(v->s2));
		return;
	default:
		cd_buf_str(out, v->s);
	}
}
