// SPDX-License-Identifier: Apache-2.0
/*
 * cordon.conf: what is taken is what the manual says (absolute paths, URLs
 * that secrets may travel to, text without control characters), and written
 * down again it is taken again and means the same.
 */
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "memfile.h"
#include "sys/conf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_TEXT(const char *v)
{
	for (; v && *v; v++)
		cd_assert((unsigned char)*v >= ' ' && *v != 0x7f);
}

static void check_FILE(const char *v)
{
	cd_assert(!v || *v == '/');
	check_TEXT(v);
}

static void check_URL(const char *v)
{
	cd_assert(!v || cd_url_is_safe(cd_str_from(v)));
	cd_assert(!v || !strncmp(v, "https://", 8) ||
		  !strncmp(v, "http://127.", 11) || !strncmp(v, "http://[", 8));
	check_TEXT(v);
}

static void check_BOOL(bool v)
{
	(void)v;
}

static void check_SECONDS(int64_t v)
{
	cd_assert(v >= 0);
}

static void put_TEXT(struct cd_buf *b, const char *key, const char *v)
{
	if (v)
		cd_buf_printf(b, "%s %s\n", key, v);
}

#define put_FILE put_TEXT
#define put_URL put_TEXT

static void put_BOOL(struct cd_buf *b, const char *key, bool v)
{
	cd_buf_printf(b, "%s %s\n", key, v ? "yes" : "no");
}

static void put_SECONDS(struct cd_buf *b, const char *key, int64_t v)
{
	cd_buf_printf(b, "%s %" PRId64 "s\n", key, v);
}

static bool same_TEXT(const char *a, const char *b)
{
	return (!a && !b) || (a && b && !strcmp(a, b));
}

#define same_FILE same_TEXT
#define same_URL same_TEXT

static bool same_BOOL(bool a, bool b)
{
	return a == b;
}

static bool same_SECONDS(int64_t a, int64_t b)
{
	return a == b;
}

static void round_trip(const struct cd_conf *conf)
{
	struct cd_conf again = {0};
	struct cd_buf b;

	cd_buf_init(&b, CD_CONF_MAX + CD_CONF_LINE_MAX);
#define CD_CONF_ROW(key, type, def, doc) \
	check_##type(conf->key);         \
	put_##type(&b, #key, conf->key);
#include "sys/conf.def"
#undef CD_CONF_ROW
	cd_assert(cd_conf_parse(cd_buf_get(&b), "again", NULL, &again) == 0);
#define CD_CONF_ROW(key, type, def, doc) \
	cd_assert(same_##type(conf->key, again.key));
#include "sys/conf.def"
#undef CD_CONF_ROW
	cd_conf_done(&again);
	cd_buf_done(&b);
}

/* As a file it means what it means as text. */
static void load(struct cd_str text, int want)
{
	static struct memfile file = MEMFILE_INIT;
	struct cd_conf conf = {0};

	memfile_set(&file, text.ptr, text.len);
	cd_assert(cd_conf_load(file.path, NULL, &conf) == want);
	cd_conf_done(&conf);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cd_str text = cd_str_make(data, size);
	struct cd_conf conf = {0};
	struct cd_diag *diag cd_auto(cd_diag_free) = NULL;
	int r;

	cd_assert(cd_diag_new(&diag) == 0);
	r = cd_conf_parse(text, "cordon.conf", diag, &conf);
	if (r == 0)
		round_trip(&conf);
	cd_assert((r == 0) == (cd_diag_errors(diag) == 0));
	load(text, r);
	cd_conf_done(&conf);
	return 0;
}
