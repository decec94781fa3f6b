/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One table, one pass over the lines. Errors do not stop it: whoever edits
 * the file gets all of them at once. A setting given twice is an error, for
 * which of the two holds would be a guess.
 */
#include "sys/conf.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/addr.h"
#include "base/time.h"

enum conf_type { CONF_TEXT, CONF_FILE, CONF_URL, CONF_BOOL, CONF_SECONDS };

static const struct row {
	const char *key;
	enum conf_type type;
	const char *def;
	size_t at;
} rows[] = {
#define CD_CONF_ROW(key, type, def, doc) \
	{#key, CONF_##type, def, offsetof(struct cd_conf, key)},
#include "sys/conf.def"
#undef CD_CONF_ROW
};

static const char *const needs[] = {
	[CONF_TEXT] = "a text without control characters",
	[CONF_FILE] = "an absolute path",
	[CONF_URL] = "an https URL (http only to a loopback address)",
	[CONF_BOOL] = "yes or no",
	[CONF_SECONDS] = "a duration such as 30s, 15m, 12h or 7d",
};

/* ---- values ---- */

static bool is_loopback(struct cd_str host)
{
	static const uint8_t six[16] = {[15] = 1};
	struct cd_addr a;

	if (host.len > 2 && host.ptr[0] == '[')
		host = cd_str_make(host.ptr + 1, host.len - 2);
	if (cd_addr_parse(host, &a) < 0)
		return false;
	return a.family == 4 ? a.bytes[0] == 127 :
			       !memcmp(a.bytes, six, sizeof(six));
}

/* The host of "host" or "host:digits", brackets and all; empty: neither. */
static struct cd_str host_of(struct cd_str authority)
{
	const char *bracket = NULL;
	size_t n, i;

	if (authority.len && authority.ptr[0] == '[')
		bracket = memchr(authority.ptr, ']', authority.len);
	n = bracket ? (size_t)(bracket - authority.ptr) + 1 : 0;
	while (!bracket && n < authority.len && authority.ptr[n] != ':')
		n++;
	for (i = n; i < authority.len; i++)
		if (i == n ? authority.ptr[i] != ':' :
			     authority.ptr[i] < '0' || authority.ptr[i] > '9')
			return CD_STR_NULL;
	return cd_str_make(authority.ptr, n);
}

static bool is_plain(struct cd_str s, const char *refused)
{
	size_t i;

	for (i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.ptr[i];

		if (c <= ' ' || c >= 0x7f || strchr(refused, c))
			return false;
	}
	return true;
}

bool cd_url_is_safe(struct cd_str url)
{
	struct cd_str rest = url, authority;
	bool tls = cd_str_has_prefix(url, CD_STR("https://"));
	size_t skip = tls ? 8 : 7;
	size_t n = 0;

	if (!tls && !cd_str_has_prefix(url, CD_STR("http://")))
		return false;
	if (!is_plain(url, "#\\\"<>^`{|}"))
		return false;
	rest = cd_str_make(url.ptr + skip, url.len - skip);
	while (n < rest.len && rest.ptr[n] != '/' && rest.ptr[n] != '?')
		n++;
	authority = cd_str_make(rest.ptr, n);
	if (!host_of(authority).len || !is_plain(authority, "@%"))
		return false;
	return tls || is_loopback(host_of(authority));
}

static bool is_text(struct cd_str s)
{
	size_t i;

	for (i = 0; i < s.len; i++)
		if ((unsigned char)s.ptr[i] < ' ' || s.ptr[i] == 0x7f)
			return false;
	return s.len && cd_utf8_is_valid(s);
}

static int set_bool(struct cd_str value, bool *ret)
{
	bool yes = cd_str_equal(value, CD_STR("yes"));

	if (!yes && !cd_str_equal(value, CD_STR("no")))
		return -EINVAL;
	*ret = yes;
	return 0;
}

static int set_text(enum conf_type type, struct cd_str value, char **ret)
{
	bool fine = is_text(value);
	char *copy;

	if (type == CONF_FILE)
		fine = fine && value.ptr[0] == '/';
	if (type == CONF_URL)
		fine = fine && cd_url_is_safe(value);
	if (!fine)
		return -EINVAL;
	copy = cd_str_dup(value);
	if (!copy)
		return -ENOMEM;
	free(*ret);
	*ret = copy;
	return 0;
}

static int set(struct cd_conf *conf, const struct row *row, struct cd_str value)
{
	void *field = (char *)conf + row->at;

	switch (row->type) {
	case CONF_BOOL:
		return set_bool(value, field);
	case CONF_SECONDS:
		return cd_duration_parse(value, field);
	case CONF_TEXT:
	case CONF_FILE:
	case CONF_URL:
		return set_text(row->type, value, field);
	}
	return -EINVAL;
}

/* ---- lines ---- */

struct parser {
	const char *name;
	uint32_t line;
	struct cd_diag *diag;
	struct cd_conf *conf;
	bool seen[CD_ARRAY_SIZE(rows)];
	bool failed;
};

static void complain(struct parser *p, const char *what, struct cd_str word)
{
	char quoted[80];

	cd_diag_add(p->diag, CD_ERROR, p->name, p->line, 1, "%s %s", what,
		    cd_quote(word, quoted, sizeof(quoted)));
	p->failed = true;
}

/* Suggests the closest key; for a bare secret, the row that takes a file. */
static void unknown_key(struct parser *p, struct cd_str key)
{
	unsigned int best = 4, d;
	const char *hint = NULL;
	size_t i;

	for (i = 0; i < CD_ARRAY_SIZE(rows); i++) {
		struct cd_str k = cd_str_from(rows[i].key);

		if (rows[i].type == CONF_FILE && key.len &&
		    cd_str_has_prefix(k, key) &&
		    cd_str_equal(cd_str_make(k.ptr + key.len, k.len - key.len),
				 CD_STR("_file"))) {
			hint = rows[i].key;
			break;
		}
		d = cd_str_distance(key, k, best);
		if (d < best) {
			best = d;
			hint = rows[i].key;
		}
	}
	complain(p, "unknown setting", key);
	if (hint)
		cd_diag_hint(p->diag, "did you mean '%s'?", hint);
}

static size_t find(struct cd_str key)
{
	size_t i;

	for (i = 0; i < CD_ARRAY_SIZE(rows); i++)
		if (cd_str_equal(key, cd_str_from(rows[i].key)))
			break;
	return i;
}

static int parse_line(struct parser *p, struct cd_str line)
{
	struct cd_str key, value;
	size_t n = 0, i;
	int r;

	line = cd_str_trim(line);
	if (!line.len || line.ptr[0] == '#')
		return 0;
	while (n < line.len && line.ptr[n] != ' ' && line.ptr[n] != '\t')
		n++;
	key = cd_str_make(line.ptr, n);
	value = cd_str_trim(cd_str_make(line.ptr + n, line.len - n));
	i = find(key);
	if (i == CD_ARRAY_SIZE(rows)) {
		unknown_key(p, key);
		return 0;
	}
	if (p->seen[i])
		complain(p, "given twice:", key);
	p->seen[i] = true;
	r = set(p->conf, &rows[i], value);
	if (r < 0 && r != -ENOMEM) {
		complain(p, "no value fits", key);
		cd_diag_hint(p->diag, "it needs %s", needs[rows[i].type]);
		r = 0;
	}
	return r;
}

static int defaults(struct cd_conf *conf)
{
	size_t i;
	int r = 0;

	for (i = 0; !r && i < CD_ARRAY_SIZE(rows); i++)
		if (*rows[i].def)
			r = set(conf, &rows[i], cd_str_from(rows[i].def));
	return r;
}

int cd_conf_parse(struct cd_str text, const char *name, struct cd_diag *diag,
		  struct cd_conf *ret_conf)
{
	struct cd_conf conf cd_auto(cd_conf_done) = {0};
	struct parser p = {.name = name, .diag = diag, .conf = &conf};
	struct cd_str line;
	int r = defaults(&conf);

	if (text.len > CD_CONF_MAX) {
		complain(&p, "too long:", cd_str_from(name));
		return -EINVAL;
	}
	while (!r && text.ptr) {
		line = cd_str_split(text, '\n', &text);
		p.line++;
		if (line.len > CD_CONF_LINE_MAX)
			complain(&p, "line too long, it begins",
				 cd_str_make(line.ptr, 40));
		else
			r = parse_line(&p, line);
	}
	if (!r && p.failed)
		r = -EINVAL;
	if (r < 0)
		return r;
	*ret_conf = conf;
	conf = (struct cd_conf){0};
	return 0;
}

void cd_conf_done(struct cd_conf *conf)
{
	size_t i;

	for (i = 0; i < CD_ARRAY_SIZE(rows); i++)
		if (rows[i].type <= CONF_URL)
			free(*(char **)(void *)((char *)conf + rows[i].at));
	*conf = (struct cd_conf){0};
}

/* Up to size bytes of the file; the number read, or an error. */
static ssize_t read_all(const char *path, char *out, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	size_t n = 0;
	ssize_t k = 1;

	if (fd < 0)
		return -errno;
	while (k > 0 && n < size) {
		k = read(fd, out + n, size - n);
		if (k < 0 && errno == EINTR)
			k = 1;
		else if (k > 0)
			n += (size_t)k;
	}
	if (k < 0)
		k = -errno;
	close(fd);
	return k < 0 ? k : (ssize_t)n;
}

int cd_conf_load(const char *path, struct cd_diag *diag,
		 struct cd_conf *ret_conf)
{
	char *text cd_auto(cd_freep) = malloc(CD_CONF_MAX + 1);
	ssize_t n;

	if (!text)
		return -ENOMEM;
	n = read_all(path, text, CD_CONF_MAX + 1);
	if (n == -ENOENT)
		n = 0;
	if (n < 0) {
		cd_diag_add(diag, CD_ERROR, NULL, 0, 0, "%s: %s", path,
			    strerror((int)-n));
		return (int)n;
	}
	/* A message borrows the name, and may outlive the path. */
	return cd_conf_parse(cd_str_make(text, (size_t)n), "cordon.conf", diag,
			     ret_conf);
}
