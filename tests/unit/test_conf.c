/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cordon.conf: every kind of value, every kind of mistake with its line, and
 * which URLs a secret may travel to.
 */
#include "tap.h"

#include <unistd.h>

#include "sys/conf.h"

static const char whole[] = "# sign-in\n"
			    "oidc_issuer https://id.example.com/realm\n"
			    "\n"
			    "  oidc_client_id\tcordon \r\n"
			    "oidc_client_secret_file /etc/cordon/secret\n"
			    "oidc_title Example & Sons\n"
			    "oidc_create no\n"
			    "oidc_max_age 30m";

TEST(values_of_every_kind_are_read)
{
	struct cd_conf c cd_auto(cd_conf_done) = {0};

	if (!ok_eq_int(cd_conf_parse(cd_str_from(whole), "x", NULL, &c), 0))
		return;
	ok_eq_str(c.oidc_issuer, "https://id.example.com/realm");
	ok_eq_str(c.oidc_client_id, "cordon");
	ok_eq_str(c.oidc_client_secret_file, "/etc/cordon/secret");
	ok_eq_str(c.oidc_title, "Example & Sons");
	ok_eq_str(c.oidc_scopes, "openid profile email");
	ok_false(c.oidc_create);
	ok_eq_int(c.oidc_max_age, 1800);
	ok_true(!c.oidc_ca_file);
}

TEST(an_absent_file_gives_the_defaults)
{
	struct cd_conf c cd_auto(cd_conf_done) = {0};

	ok_eq_int(cd_conf_load("/nonexistent/cordon.conf", NULL, &c), 0);
	ok_true(!c.oidc_issuer);
	ok_true(c.oidc_create);
	ok_eq_int(c.oidc_max_age, 43200);
}

TEST(a_folder_is_not_a_file)
{
	struct cd_conf c = {0};
	struct cd_diag *d cd_auto(cd_diag_free) = NULL;

	ok_eq_int(cd_diag_new(&d), 0);
	ok_eq_int(cd_conf_load("/", d, &c), -EISDIR);
	ok_eq_uint(cd_diag_errors(d), 1);
}

static void refused(const char *text, uint32_t line, const char *words,
		    const char *hint)
{
	struct cd_diag *d cd_auto(cd_diag_free) = NULL;
	struct cd_conf c = {.oidc_max_age = 77};
	const struct cd_message *m;

	ok_eq_int(cd_diag_new(&d), 0);
	if (!ok_eq_int(cd_conf_parse(cd_str_from(text), "f.conf", d, &c),
		       -EINVAL))
		fail("accepted: %s", text);
	ok_eq_int(c.oidc_max_age, 77); /* untouched */
	m = cd_diag_get(d, 0);
	if (!ok_true(m))
		return;
	ok_eq_str(m->file, "f.conf");
	ok_eq_uint(m->line, line);
	if (!strstr(m->text, words))
		fail("%s does not say %s", m->text, words);
	if (hint && !(m->hint && strstr(m->hint, hint)))
		fail("%s does not hint %s", m->hint ? m->hint : "", hint);
}

TEST(mistakes_name_their_line)
{
	refused("\noidc_isuer https://x.example", 2, "unknown setting",
		"'oidc_issuer'");
	refused("oidc_client_secret hunter2", 1, "unknown setting",
		"'oidc_client_secret_file'");
	refused("zzz 1", 1, "unknown setting", NULL);
	refused("oidc_create maybe", 1, "oidc_create", "yes or no");
	refused("oidc_max_age 10", 1, "oidc_max_age", "duration");
	refused("oidc_ca_file pem", 1, "oidc_ca_file", "absolute");
	refused("oidc_issuer http://id.example.com", 1, "oidc_issuer", "https");
	refused("oidc_client_id", 1, "oidc_client_id", "text");
	refused("oidc_client_id a\noidc_client_id b", 2, "twice", NULL);
	refused("oidc_client_id a\x01", 1, "oidc_client_id", NULL);
	refused("oidc_client_id \xff\xfe", 1, "oidc_client_id", NULL);
}

TEST(a_secret_written_in_the_file_is_not_repeated)
{
	struct cd_diag *d cd_auto(cd_diag_free) = NULL;
	struct cd_conf c = {0};

	ok_eq_int(cd_diag_new(&d), 0);
	cd_conf_parse(CD_STR("oidc_client_secret hunter2"), "f", d, &c);
	if (ok_eq_uint(cd_diag_count(d), 1))
		ok_true(!strstr(cd_diag_get(d, 0)->text, "hunter2"));
}

TEST(all_mistakes_are_told_at_once)
{
	struct cd_diag *d cd_auto(cd_diag_free) = NULL;
	struct cd_conf c = {0};

	ok_eq_int(cd_diag_new(&d), 0);
	ok_eq_int(cd_conf_parse(CD_STR("a 1\nb 2\noidc_create x\n"), "f", d,
				&c),
		  -EINVAL);
	ok_eq_uint(cd_diag_errors(d), 3);
}

TEST(size_is_bounded)
{
	static char text[CD_CONF_MAX + 2];
	struct cd_conf c cd_auto(cd_conf_done) = {0};

	memset(text, '\n', sizeof(text));
	ok_eq_int(cd_conf_parse(cd_str_make(text, CD_CONF_MAX), "f", NULL, &c),
		  0);
	cd_conf_done(&c);
	ok_eq_int(cd_conf_parse(cd_str_make(text, CD_CONF_MAX + 1), "f", NULL,
				&c),
		  -EINVAL);
	memset(text, 'x', CD_CONF_LINE_MAX + 1);
	ok_eq_int(cd_conf_parse(cd_str_make(text, CD_CONF_LINE_MAX + 1), "f",
				NULL, &c),
		  -EINVAL);
}

TEST(secrets_travel_to_safe_urls_only)
{
	static const char *const safe[] = {
		"https://id.example.com",   "https://id.example.com:8443/a?b=c",
		"https://[2001:db8::1]:44", "http://127.0.0.1:9",
		"http://127.8.9.1/x",	    "http://[::1]:80/",
	};
	static const char *const unsafe[] = {
		"",
		"id.example.com",
		"ftp://id.example.com",
		"HTTPS://id.example.com",
		"https://",
		"https:///x",
		"https://:80",
		"https://user@id.example.com",
		"https://id.example.com/#x",
		"https://id.example.com/a b",
		"https://id.example.com/\x7f",
		"https://id.exa%6dple.com",
		"https://id.example.com:8x",
		"https://id.example.com\\@evil.example",
		"http://id.example.com",
		"http://localhost",
		"http://127.0.0.1.evil.example",
		"http://127.0.0.1@evil.example",
		"http://127.0.0.1:80@evil.example",
		"http://[::1]evil.example",
		"http://[::1",
		"http://128.0.0.1",
		"http://0.0.0.0",
		"http://[::]",
		"http://[fe80::1]",
	};
	size_t i;

	for (i = 0; i < CD_ARRAY_SIZE(safe); i++)
		if (!cd_url_is_safe(cd_str_from(safe[i])))
			fail("refused: %s", safe[i]);
	for (i = 0; i < CD_ARRAY_SIZE(unsafe); i++)
		if (cd_url_is_safe(cd_str_from(unsafe[i])))
			fail("accepted: %s", unsafe[i]);
}

/* The manual has a paragraph for every key, with its default. */
TEST(the_manual_names_every_key)
{
	static const struct {
		const char *key, *def;
	} rows[] = {
#define CD_CONF_ROW(key, type, def, doc) {#key, def},
#include "sys/conf.def"
#undef CD_CONF_ROW
	};
	static char text[32 * 1024];
	char path[4096], want[128];
	size_t i, n;
	FILE *f;

	snprintf(path, sizeof(path), "%s/man/cordon.conf.5.scd",
		 getenv("CORDON_SOURCE") ? getenv("CORDON_SOURCE") : ".");
	f = fopen(path, "r");
	if (!ok_true(f))
		return;
	n = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[n] = 0;
	for (i = 0; i < CD_ARRAY_SIZE(rows); i++) {
		snprintf(want, sizeof(want), "\n*%s* _", rows[i].key);
		if (!strstr(text, want))
			fail("%s is not in %s", rows[i].key, path);
		snprintf(want, sizeof(want), "Default: %s.", rows[i].def);
		if (*rows[i].def && !strstr(text, want))
			fail("%s: not '%s'", rows[i].key, want);
	}
}
