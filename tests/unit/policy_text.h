/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the tests of the policy's front end share: parse a text or fail, read
 * a file of the source tree, format.
 */
#ifndef TESTS_POLICY_TEXT_H
#define TESTS_POLICY_TEXT_H

#include "base/buf.h"
#include "policy/ast.h"
#include "tap.h"

__attribute__((unused)) static void say_messages(const struct cd_diag *diag)
{
	for (size_t i = 0; i < cd_diag_count(diag); i++) {
		const struct cd_message *m = cd_diag_get(diag, i);

		note("%s:%u:%u: %s", m->file ? m->file : "-", m->line,
		     m->column, m->text);
	}
}

/* NULL after a failed check, with the messages. */
__attribute__((unused)) static struct cd_policy *parse_text(struct cd_str text)
{
	struct cd_source source = {"t", text};
	struct cd_policy *policy = NULL;
	struct cd_diag *diag cd_auto(cd_diag_free) = NULL;

	ok_eq_int(cd_diag_new(&diag), 0);
	if (!ok_eq_int(cd_policy_parse(&source, 1, diag, &policy), 0))
		say_messages(diag);
	return policy;
}

__attribute__((unused)) static struct cd_policy *parse_z(const char *text)
{
	return parse_text(cd_str_from(text));
}

/* Heap text of a file below the source tree. */
__attribute__((unused)) static char *read_source(const char *path, size_t *len)
{
	const char *top = getenv("CORDON_SOURCE");
	char full[4096], *text = NULL;
	FILE *f;

	snprintf(full, sizeof(full), "%s/%s", top ? top : ".", path);
	f = fopen(full, "rb");
	if (!ok_true(f))
		return NULL;
	text = malloc(1 << 20);
	*len = text ? fread(text, 1, 1 << 20, f) : 0;
	fclose(f);
	ok_true(*len > 0);
	return text;
}

__attribute__((unused)) static char *format_text(const struct cd_policy *policy)
{
	char *text = NULL;
	size_t len = 0;

	ok_eq_int(cd_policy_format(policy, 0, &text, &len), 0);
	return text;
}

#endif
