// SPDX-License-Identifier: Apache-2.0
/*
 * Every limit of <cordon/policy.h> that the front end keeps: just within is
 * fine, one more is CD_E_LIMIT and says where.
 */
#include "policy_text.h"

/* Parses (and checks, when asked); the first message's text and place. */
static int run(const struct cd_buf *text, bool check, char *message,
	       uint32_t *line)
{
	struct cd_source source = {"t", cd_buf_get(text)};
	struct cd_policy *policy cd_auto(cd_policy_free) = NULL;
	struct cd_diag *diag cd_auto(cd_diag_free) = NULL;
	int err;

	ok_eq_int(text->err, 0);
	ok_eq_int(cd_diag_new(&diag), 0);
	err = cd_policy_parse(&source, 1, diag, &policy);
	if (!err && check)
		err = cd_policy_check(policy, NULL, diag);
	snprintf(message, 200, "%s",
		 cd_diag_count(diag) ? cd_diag_get(diag, 0)->text : "");
	*line = cd_diag_count(diag) ? cd_diag_get(diag, 0)->line : 0;
	return err;
}

/* make() writes a text with n of something: max are fine, one more not. */
static void limit(void (*make)(struct cd_buf *out, unsigned int n),
		  unsigned int max, int want, const char *want_message)
{
	char message[200];
	uint32_t line;
	struct cd_buf b;

	cd_buf_init(&b, 64 << 20);
	make(&b, max);
	if (!ok_eq_int(run(&b, true, message, &line), 0))
		note("%s", message);
	cd_buf_clear(&b);
	make(&b, max + 1);
	ok_eq_int(run(&b, true, message, &line), want);
	ok_eq_str(message, want_message);
	ok_true(line > 0);
	cd_buf_done(&b);
}

static void fill(struct cd_buf *out, unsigned int n, char c)
{
	for (unsigned int i = 0; i < n; i++)
		cd_buf_char(out, c);
}

static void name(struct cd_buf *out, unsigned int n)
{
	cd_buf_puts(out, "segment ");
	fill(out, n, 'a');
	cd_buf_puts(out, " cidr 10.0.0.0/8\n");
}

static void rule_name(struct cd_buf *out, unsigned int n)
{
	cd_buf_puts(out, "allow \"");
	fill(out, n, 'a');
	cd_buf_puts(out, "\" from any to any\n");
}

static void string(struct cd_buf *out, unsigned int n)
{
	cd_buf_puts(out, "allow \"x\" from any to any owner \"");
	fill(out, n, 'a');
	cd_buf_puts(out, "\"\n");
}

TEST(names_and_strings)
{
	limit(name, CD_MAX_NAME, CD_E_LIMIT, "more than 128 bytes in a name");
	limit(rule_name, CD_MAX_NAME, CD_E_LIMIT,
	      "more than 128 bytes in this string");
	limit(string, CD_MAX_STRING, CD_E_LIMIT,
	      "more than 1024 bytes in one word or string");
}

static void list(struct cd_buf *out, unsigned int n)
{
	cd_buf_puts(out, "allow \"x\" from user a");
	for (unsigned int i = 1; i < n; i++)
		cd_buf_puts(out, ", user a");
	cd_buf_puts(out, " to any\n");
}

static void values(struct cd_buf *out, unsigned int n)
{
	cd_buf_puts(out, "allow \"x\" from any to any when dst.port in 1");
	for (unsigned int i = 1; i < n; i++)
		cd_buf_printf(out, ", %u", i);
	cd_buf_puts(out, "\n");
}

TEST(lists)
{
	limit(list, CD_MAX_LIST, CD_E_LIMIT,
	      "more than 4096 elements in one list");
	limit(values, CD_MAX_LIST, CD_E_LIMIT,
	      "more than 4096 elements in one list");
}

static void parentheses(struct cd_buf *out, unsigned int n)
{
	cd_buf_puts(out, "hosts h where ");
	fill(out, n, '(');
	cd_buf_puts(out, "a=b");
	fill(out, n, ')');
	cd_buf_puts(out, "\nallow \"x\" from hosts h to any\n");
}

/* a=b and (a=b or (a=b and ...)): n levels of nodes */
static void tree(struct cd_buf *out, unsigned int n)
{
	cd_buf_puts(out, "hosts h where ");
	for (unsigned int i = 1; i + 1 < n; i++)
		cd_buf_puts(out, i % 2 ? "a=b and (" : "a=b or (");
	cd_buf_puts(out, n % 2 ? "a=b or a=b" : "a=b and a=b");
	fill(out, n - 2, ')');
	cd_buf_puts(out, "\nallow \"x\" from hosts h to any\n");
}

static void atoms(struct cd_buf *out, unsigned int n)
{
	cd_buf_puts(out, "allow \"x\" from any to any when device.managed");
	for (unsigned int i = 1; i < n; i++)
		cd_buf_puts(out, " and device.managed");
	cd_buf_puts(out, "\n");
}

TEST(conditions)
{
	limit(parentheses, CD_MAX_NESTING, CD_E_LIMIT,
	      "more than 32 levels of nesting");
	limit(tree, CD_MAX_NESTING, CD_E_LIMIT,
	      "more than 32 levels of nesting");
	limit(atoms, CD_MAX_ATOMS, CD_E_LIMIT,
	      "more than 256 parts in one condition");
}

static void segments(struct cd_buf *out, unsigned int n)
{
	cd_buf_puts(out, "segment s1 cidr ::/0\n");
	for (unsigned int i = 2; i <= n; i++)
		cd_buf_printf(out, "segment s%u in s%u cidr ::/%u\n", i, i - 1,
			      i);
}

static void groups(struct cd_buf *out, unsigned int n)
{
	for (unsigned int i = n; i > 1; i--)
		cd_buf_printf(out, "group g%u = group g%u\n", i, i - 1);
	cd_buf_puts(out, "group g1 = user a\n");
	cd_buf_printf(out, "allow \"x\" from group g%u to any\n", n);
}

/* Declared from the inside out, so that what is deep is met first. */
static void postures(struct cd_buf *out, unsigned int n)
{
	cd_buf_puts(out, "posture p1 = device.managed\n");
	for (unsigned int i = 2; i <= n; i++)
		cd_buf_printf(out, "posture p%u = p%u\n", i, i - 1);
	cd_buf_printf(out, "allow \"x\" from any on p%u to any\n", n);
}

/* Two to the power of n - 1 atoms when written out: 256 are allowed. */
static void doubling(struct cd_buf *out, unsigned int n)
{
	cd_buf_puts(out, "posture p1 = device.managed\n");
	for (unsigned int i = 2; i <= n; i++)
		cd_buf_printf(out, "posture p%u = p%u and p%u\n", i, i - 1,
			      i - 1);
	cd_buf_printf(out, "allow \"x\" from any on p%u to any\n", n);
}

TEST(definitions_in_each_other)
{
	limit(segments, CD_MAX_NESTING, CD_E_CHECK,
	      "more than 32 levels of nesting");
	limit(groups, CD_MAX_NESTING, CD_E_CHECK,
	      "more than 32 levels of nesting");
	limit(postures, CD_MAX_NESTING, CD_E_CHECK,
	      "more than 32 levels of nesting");
	limit(doubling, 9, CD_E_CHECK,
	      "posture 'p10' has more than 256 parts with those of its postures");
}

static void rules(struct cd_buf *out, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		cd_buf_printf(out, "allow \"%u\" from any to any\n", i);
}

static void sets(struct cd_buf *out, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		cd_buf_printf(out, "hosts h%u where a=b\n", i);
}

static void apps(struct cd_buf *out, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		cd_buf_printf(out, "app a%u\n  tcp h:1\n", i);
}

TEST(counts)
{
	limit(rules, CD_MAX_RULES, CD_E_LIMIT,
	      "more than 65536 rules, tests and assertions");
	limit(sets, CD_MAX_SETS, CD_E_LIMIT, "more than 65536 definitions");
	limit(apps, CD_MAX_APPS, CD_E_LIMIT, "more than 16384 apps");
}

static void bytes(struct cd_buf *out, unsigned int n)
{
	cd_buf_puts(out, "version 1");
	while (out->len < n) {
		cd_buf_char(out, '\n');
		fill(out, CD_MIN(n - (unsigned int)out->len, 1000u), ' ');
	}
}

TEST(file_size)
{
	char message[200];
	uint32_t line;
	struct cd_buf b;

	cd_buf_init(&b, 64 << 20);
	bytes(&b, CD_MAX_FILE_SIZE);
	ok_eq_uint(b.len, CD_MAX_FILE_SIZE);
	ok_eq_int(run(&b, false, message, &line), 0);
	cd_buf_char(&b, ' ');
	ok_eq_int(run(&b, false, message, &line), CD_E_LIMIT);
	ok_eq_str(message, "the file has more than 16777216 bytes");
	cd_buf_done(&b);
}

TEST(file_count)
{
	static struct cd_source sources[CD_MAX_FILES + 1];
	struct cd_policy *policy cd_auto(cd_policy_free) = NULL;
	struct cd_policy *none = NULL;

	for (size_t i = 0; i < CD_ARRAY_SIZE(sources); i++)
		sources[i] = (struct cd_source){"t", CD_STR("version 1\n")};
	ok_eq_int(cd_policy_parse(sources, CD_MAX_FILES, NULL, &policy), 0);
	ok_eq_int(cd_policy_parse(sources, CD_MAX_FILES + 1, NULL, &none),
		  CD_E_LIMIT);
	ok_true(none == NULL);
}

/* The worst that a byte can cost must not be more than the arena has. */
TEST(dense_text_fits_the_arena)
{
	char message[200];
	uint32_t line;
	struct cd_buf b;

	cd_buf_init(&b, 64 << 20);
	for (unsigned int i = 0; i < 200; i++) {
		cd_buf_printf(&b, "allow \"%u\" from any", i);
		for (unsigned int k = 1; k < CD_MAX_LIST; k++)
			cd_buf_puts(&b, ",any");
		cd_buf_puts(&b, " to any\n");
	}
	if (!ok_eq_int(run(&b, false, message, &line), 0))
		note("%s", message);
	cd_buf_done(&b);
}
