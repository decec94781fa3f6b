/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads feeds, for the compiler and for whoever fetches them.
 */
#include "policy/feed.h"

#include <stdio.h>

#include "policy/ast.h"

/* The first column of a line, without comment. */
static struct cd_str first_column(struct cd_str line)
{
	struct cd_str rest;

	line = cd_str_trim(cd_str_split(line, '#', &rest));
	for (size_t i = 0; i < line.len; i++)
		if (line.ptr[i] == ',' || line.ptr[i] == ';' ||
		    line.ptr[i] == ' ' || line.ptr[i] == '\t')
			line.len = i;
	if (line.len >= 2 && line.ptr[0] == '"' &&
	    line.ptr[line.len - 1] == '"')
		line = cd_str_make(line.ptr + 1, line.len - 2);
	return line;
}

/* A DNS name as feeds write it, lower case into out (256 bytes): at least two
 * labels, so that a heading is not taken for one. */
static bool read_name(struct cd_str s, char out[256], struct cd_str *ret_name)
{
	size_t label = 0, dots = 0;

	if (s.len && s.ptr[s.len - 1] == '.')
		s.len--;
	if (s.len == 0 || s.len > 253)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		char ch = s.ptr[i];

		if (ch >= 'A' && ch <= 'Z')
			ch = (char)(ch + 32);
		if (ch == '.' ? label == 0 :
				!((ch >= 'a' && ch <= 'z') ||
				  (ch >= '0' && ch <= '9') || ch == '-' ||
				  ch == '_'))
			return false;
		label = ch == '.' ? 0 : label + 1;
		dots += ch == '.';
		if (label > 63)
			return false;
		out[i] = ch;
	}
	*ret_name = cd_str_make(out, s.len);
	return label && dots;
}

/* Fills e; its name may lie in text (256 bytes). */
static bool read_entry(struct cd_str s, char text[256], struct cd_feed_entry *e)
{
	*e = (struct cd_feed_entry){.wildcard = false};
	if (cd_prefix_parse(s, &e->prefix) == 0)
		return true;
	e->wildcard = cd_str_has_prefix(s, CD_STR("*."));
	if (e->wildcard)
		s = cd_str_make(s.ptr + 2, s.len - 2);
	return read_name(s, text, &e->name);
}

static bool is_heading(const struct cd_feed_found *found, struct cd_str line)
{
	return found->entries == 0 && !found->heading && line.len &&
	       memchr(line.ptr, ',', line.len);
}

int cd_feed_read(struct cd_str text,
		 void (*fn)(void *ctx, const struct cd_feed_entry *entry),
		 void *ctx, struct cd_feed_found *ret_found)
{
	struct cd_feed_entry e;
	char name[256];

	*ret_found = (struct cd_feed_found){.line = 0};
	while (text.len) {
		struct cd_str rest, line = cd_str_split(text, '\n', &rest);
		struct cd_str word = first_column(line);

		text = rest;
		ret_found->line++;
		if (word.len == 0)
			continue;
		if (!read_entry(word, name, &e)) {
			if (!is_heading(ret_found, line)) {
				cd_quote(word, ret_found->word,
					 sizeof(ret_found->word));
				return CD_E_SYNTAX;
			}
			ret_found->heading = true;
			continue;
		}
		if (++ret_found->entries > CD_MAX_FEED_ENTRIES)
			return CD_E_LIMIT;
		if (fn)
			fn(ctx, &e);
	}
	return 0;
}

int cd_feed_check(struct cd_str text, struct cd_feed_found *ret_found)
{
	return cd_feed_read(text, NULL, NULL, ret_found);
}

void cd_feed_why(struct cd_str place, const struct cd_feed_found *found,
		 char *out, size_t size)
{
	char safe[300];

	/* Escaped as in quotes, but as FILE:LINE is written: without them. */
	cd_quote(place, safe, sizeof(safe));
	safe[strlen(safe) - 1] = 0;
	if (found->entries > CD_MAX_FEED_ENTRIES)
		snprintf(out, size, "%s has more than %u entries", safe + 1,
			 CD_MAX_FEED_ENTRIES);
	else
		snprintf(
			out, size,
			"%s:%zu: %s is neither an address, a prefix nor a name",
			safe + 1, found->line, found->word);
}

bool cd_policy_feed(const struct cd_policy *policy, size_t index,
		    struct cd_feed *ret_feed)
{
	const struct cd_ast_feed *f;

	if (index >= policy->n_of_kind[CD_AST_FEED])
		return false;
	f = (const void *)policy->of_kind[CD_AST_FEED][index];
	*ret_feed = (struct cd_feed){
		.name = f->head.name.s,
		.location = f->location.s,
		.is_url = f->is_url,
		.report = f->report,
		.refresh = f->refresh ? f->refresh : CD_FEED_REFRESH,
	};
	return true;
}
