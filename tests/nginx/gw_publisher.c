// SPDX-License-Identifier: Apache-2.0
/*
 * Stands in for the agent: fills a run directory with what a gateway maps.
 *
 *	gw-publisher RUN
 *
 * Commands on standard input, one a line; each is answered by "ok" or by
 * "error TEXT". What it writes is not signed: verifying signatures is the
 * agent's work, and a gateway reads what the agent let through.
 *
 *	policy FILE [SERIAL [LIFE]]   compile and publish; LIFE in seconds
 *	bundle FILE                   publish these bytes as they are
 *	newer                         the last image, of a version to come
 *	save FILE                     write the last bundle to a file
 *	subject NAME GROUP,...|- [risk=N] [disabled]
 *	subject-gone NAME
 *	device NAME [ATTR=N]... [age=SECONDS]
 *	session TOKEN USER APP|- [device=NAME] [idle=N] [life=N] [auth=AGE]
 *	sessions PREFIX FIRST LAST USER APP
 *	cert PEM USER|- [idle=N]      a session known by a client certificate; -
 *	                              takes it out of the table
 *	revoke TOKEN | remove TOKEN
 *	revoke-some PREFIX FIRST LAST
 *	table                         a new session table, empty
 *	time                          monotonic milliseconds, before the answer
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <openssl/pem.h>
#include <openssl/sha.h>
#include <openssl/x509.h>

#include <cordon/policy.h>

#include "base/buf.h"
#include "base/bundle_layout.h"
#include "shm/control.h"
#include "shm/ring.h"
#include "shm/session_table.h"
#include "snapshot/layout.h"

#define RINGS 8
#define WORDS 12

static const char *run;
static struct cd_control *control;
static struct cd_table *table;
static struct cd_buf bundle;
static uint64_t serial;
static const struct cd_table_limits limits = {8192, 1024, 1024};

static const char *in_run(const char *name)
{
	static char path[4096];

	snprintf(path, sizeof(path), "%s/%s", run, name);
	return path;
}

static int slurp(const char *path, struct cd_buf *out)
{
	FILE *f = fopen(path, "rb");
	char part[65536];
	size_t n;

	if (!f)
		return -errno;
	while ((n = fread(part, 1, sizeof(part), f)) > 0)
		cd_buf_put(out, part, n);
	fclose(f);
	return out->err;
}

static int spill(const char *path, struct cd_str bytes)
{
	char tmp[4096];
	FILE *f;

	snprintf(tmp, sizeof(tmp), "%s.new", path);
	f = fopen(tmp, "wb");
	if (!f)
		return -errno;
	if (fwrite(bytes.ptr, 1, bytes.len, f) != bytes.len || fclose(f))
		return -EIO;
	return rename(tmp, path) ? -errno : 0;
}

/* ---- policy ---- */

static int publish(void)
{
	int err = spill(in_run("policy/current"), cd_buf_get(&bundle));

	if (!err)
		cd_control_bump(&control->policy_gen);
	return err;
}

static void bundle_make(const void *image, size_t size, int64_t life)
{
	unsigned char hash[SHA256_DIGEST_LENGTH];
	SHA256(image, size, hash);
	cd_buf_clear(&bundle);
	cd_buf_puts(&bundle, CD_BUNDLE_MAGIC);
	cd_buf_u32(&bundle, CD_BUNDLE_VERSION);
	cd_buf_u32(&bundle, CD_BUNDLE_HEADER);
	cd_buf_u64(&bundle, serial);
	cd_buf_u64(&bundle, 0);
	cd_buf_u64(&bundle, (uint64_t)(time(NULL) + life));
	cd_buf_put(&bundle, hash, sizeof(hash));
	cd_buf_extend(&bundle, CD_BUNDLE_AUDIENCE);
	cd_buf_u64(&bundle, size);
	cd_buf_extend(&bundle, CD_BUNDLE_HEADER - bundle.len);
	cd_buf_put(&bundle, image, size);
}

static void complain(const struct cd_diag *diag)
{
	for (size_t i = 0; i < cd_diag_count(diag); i++) {
		const struct cd_message *m = cd_diag_get(diag, i);

		fprintf(stderr, "# %s:%u:%u: %s\n", m->file ? m->file : "",
			m->line, m->column, m->text);
	}
}

static int compile(const char *name, struct cd_str text, void **ret_image,
		   size_t *ret_size)
{
	struct cd_source source = {name, text};
	struct cd_diag *diag cd_auto(cd_diag_free) = NULL;
	struct cd_policy *policy cd_auto(cd_policy_free) = NULL;
	int err = cd_diag_new(&diag);

	if (!err)
		err = cd_policy_parse(&source, 1, diag, &policy);
	if (!err)
		err = cd_policy_compile(policy, NULL, diag, ret_image,
					ret_size);
	if (err)
		complain(diag);
	return err;
}

static int do_policy(int n, char **w)
{
	struct cd_buf text cd_auto(cd_buf_done);
	void *image cd_auto(cd_freep) = NULL;
	size_t size = 0;
	int err;

	cd_buf_init(&text, 16 << 20);
	if (n < 2)
		return -EINVAL;
	err = slurp(w[1], &text);
	if (!err)
		err = compile(w[1], cd_buf_get(&text), &image, &size);
	if (err)
		return err;
	serial = n > 2 ? strtoull(w[2], NULL, 10) : serial + 1;
	bundle_make(image, size, n > 3 ? strtoll(w[3], NULL, 10) : 3600);
	return publish();
}

static int do_bundle(int n, char **w)
{
	int err;

	cd_buf_clear(&bundle);
	err = n < 2 ? -EINVAL : slurp(w[1], &bundle);
	return err ? err : publish();
}

static int do_newer(int n, char **w)
{
	struct cd_buf image cd_auto(cd_buf_done);
	const uint32_t version = CD_SNAPSHOT_VERSION + 1;

	(void)n;
	(void)w;
	cd_buf_init(&image, 256 << 20);
	cd_buf_put(&image, bundle.data + CD_BUNDLE_HEADER,
		   bundle.len - CD_BUNDLE_HEADER);
	memcpy(image.data + offsetof(struct cd_snapshot, version), &version,
	       sizeof(version));
	bundle_make(image.data, image.len, 3600);
	return publish();
}

/* ---- sessions ---- */

static void changed(void)
{
	cd_control_bump(&control->change_gen);
}

static const char *option(int n, char **w, const char *name)
{
	size_t len = strlen(name);

	for (int i = 1; i < n; i++)
		if (!strncmp(w[i], name, len) && w[i][len] == '=')
			return w[i] + len + 1;
	return NULL;
}

static uint32_t number(int n, char **w, const char *name, uint32_t otherwise)
{
	const char *text = option(n, w, name);

	return text ? (uint32_t)strtoul(text, NULL, 10) : otherwise;
}

static bool has_word(int n, char **w, const char *word)
{
	for (int i = 1; i < n; i++)
		if (!strcmp(w[i], word))
			return true;
	return false;
}

static int do_subject(int n, char **w)
{
	struct cd_str groups[CD_TABLE_GROUPS_MAX], rest;
	struct cd_subject_row row = {.groups = groups, .best_factor = -1};
	int err;

	if (n < 3)
		return -EINVAL;
	row.name = cd_str_from(w[1]);
	rest = strcmp(w[2], "-") ? cd_str_from(w[2]) : CD_STR_NULL;
	while (rest.ptr && row.n_groups < CD_TABLE_GROUPS_MAX)
		groups[row.n_groups++] = cd_str_split(rest, ',', &rest);
	row.risk = (uint8_t)number(n, w, "risk", 1);
	row.best_factor = 2;
	row.disabled = has_word(n, w, "disabled");
	err = cd_table_subject_put(table, &row);
	changed();
	return err;
}

static int do_subject_gone(int n, char **w)
{
	int err = n < 2 ? -EINVAL :
			  cd_table_subject_remove(table, cd_str_from(w[1]));

	changed();
	return err;
}

static int do_device(int n, char **w)
{
	static const char *const names[CD_DEVICE_ATTRS] = {
		[CD_DEVICE_MANAGED] = "managed",
		[CD_DEVICE_ENCRYPTED] = "encrypted",
		[CD_DEVICE_OS] = "os",
		[CD_DEVICE_OS_AGE] = "os_age",
		[CD_DEVICE_FIREWALL] = "firewall",
		[CD_DEVICE_SCREEN_LOCK] = "screen_lock",
	};
	struct cd_device_row row = {.attrs = {{0}}};
	uint32_t now = (uint32_t)time(NULL) - number(n, w, "age", 0);
	int err;

	if (n < 2)
		return -EINVAL;
	row.name = cd_str_from(w[1]);
	for (int i = 0; i < CD_DEVICE_ATTRS; i++) {
		row.attrs[i].known = option(n, w, names[i]) != NULL;
		row.attrs[i].value = number(n, w, names[i], 0);
		row.attrs[i].text = cd_str_from(option(n, w, names[i]));
		row.attrs[i].vouched_at = now;
	}
	err = cd_table_device_put(table, &row);
	changed();
	return err;
}

static void set_key(struct cd_session_row *row, const void *p, size_t len)
{
	uint64_t id;

	SHA256(p, len, row->key);
	memcpy(&id, row->key, sizeof(id));
	row->id = id >> 1;
}

static struct cd_session_row session_row(const char *token)
{
	uint32_t now = (uint32_t)time(NULL);
	struct cd_session_row row = {.created = now,
				     .last_seen = now,
				     .auth_time = now,
				     .mfa_kind = 2,
				     .state = CD_SESSION_LIVE};

	set_key(&row, token, strlen(token));
	return row;
}

static struct cd_str app_name(const char *word)
{
	return strcmp(word, "-") ? cd_str_from(word) : CD_STR_NULL;
}

static int do_session(int n, char **w)
{
	struct cd_session_row row;
	uint32_t life;
	int err;

	if (n < 4)
		return -EINVAL;
	row = session_row(w[1]);
	row.subject = cd_str_from(w[2]);
	row.app = app_name(w[3]);
	row.device = cd_str_from(option(n, w, "device"));
	row.idle_limit = number(n, w, "idle", 0);
	row.auth_time -= number(n, w, "auth", 0);
	life = number(n, w, "life", 0);
	row.expires = life ? row.created + life : 0;
	err = cd_table_session_put(table, &row);
	changed();
	return err;
}

/* For every number from w[2] to w[3]: PREFIX-NUMBER. */
static int each(int n, char **w, int (*act)(const char *token, char **w))
{
	char token[128];
	int err = n < 4 ? -EINVAL : 0;
	long last = n < 4 ? 0 : strtol(w[3], NULL, 10);

	for (long i = n < 4 ? 0 : strtol(w[2], NULL, 10); !err && i <= last;
	     i++) {
		snprintf(token, sizeof(token), "%s-%ld", w[1], i);
		err = act(token, w);
	}
	changed();
	return err;
}

static int put_one(const char *token, char **w)
{
	struct cd_session_row row = session_row(token);

	row.subject = cd_str_from(w[4]);
	row.app = app_name(w[5]);
	return cd_table_session_put(table, &row);
}

static int remove_one(const char *token, char **w)
{
	struct cd_session_row row = session_row(token);

	(void)w;
	return cd_table_session_remove(table, row.key);
}

static int do_sessions(int n, char **w)
{
	return n < 6 ? -EINVAL : each(n, w, put_one);
}

static int do_revoke_some(int n, char **w)
{
	return each(n, w, remove_one);
}

static int do_remove(int n, char **w)
{
	int err = n < 2 ? -EINVAL : remove_one(w[1], w);

	changed();
	return err;
}

/* Puts the same session again, as ended: needs "revoke TOKEN USER APP". */
static int do_revoke(int n, char **w)
{
	struct cd_session_row row;
	int err;

	if (n < 4)
		return -EINVAL;
	row = session_row(w[1]);
	row.subject = cd_str_from(w[2]);
	row.app = app_name(w[3]);
	row.state = CD_SESSION_REVOKED;
	err = cd_table_session_put(table, &row);
	changed();
	return err;
}

static int do_cert(int n, char **w)
{
	struct cd_session_row row = session_row("certificate");
	unsigned char *der = NULL;
	FILE *f = n < 3 ? NULL : fopen(w[1], "r");
	X509 *cert = f ? PEM_read_X509(f, NULL, NULL, NULL) : NULL;
	int len = cert ? i2d_X509(cert, &der) : -1, err = -EINVAL;

	if (len > 0) {
		set_key(&row, der, (size_t)len);
		row.subject = cd_str_from(w[2]);
		row.idle_limit = number(n, w, "idle", 0);
		err = strcmp(w[2], "-") ?
			      cd_table_session_put(table, &row) :
			      cd_table_session_remove(table, row.key);
		changed();
	}
	OPENSSL_free(der);
	X509_free(cert);
	if (f)
		fclose(f);
	return err;
}

static int do_save(int n, char **w)
{
	return n < 2 ? -EINVAL : spill(w[1], cd_buf_get(&bundle));
}

static int do_table(int n, char **w)
{
	int err;

	(void)n;
	(void)w;
	cd_table_free(&table);
	err = cd_table_create(in_run("shm/sessions"), &limits, 0644, &table);
	if (!err)
		err = cd_table_publish(table);
	cd_control_bump(&control->table_gen);
	return err;
}

static int do_time(int n, char **w)
{
	struct timespec ts;

	(void)n;
	(void)w;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	printf("%lld\n", (long long)ts.tv_sec * 1000 + ts.tv_nsec / 1000000);
	return 0;
}

/* ---- commands ---- */

static const struct {
	const char *name;
	int (*act)(int n, char **w);
} commands[] = {
	{"policy", do_policy},
	{"bundle", do_bundle},
	{"newer", do_newer},
	{"save", do_save},
	{"subject", do_subject},
	{"subject-gone", do_subject_gone},
	{"device", do_device},
	{"session", do_session},
	{"sessions", do_sessions},
	{"cert", do_cert},
	{"revoke", do_revoke},
	{"remove", do_remove},
	{"revoke-some", do_revoke_some},
	{"table", do_table},
	{"time", do_time},
};

static int command(char *line)
{
	char *words[WORDS], *save = NULL, *word;
	int n = 0;

	for (word = strtok_r(line, " \n", &save); word && n < WORDS;
	     word = strtok_r(NULL, " \n", &save))
		words[n++] = word;
	for (size_t i = 0; n && i < CD_ARRAY_SIZE(commands); i++)
		if (!strcmp(words[0], commands[i].name))
			return commands[i].act(n, words);
	return -ENOSYS;
}

static int set_up(void)
{
	char path[64];
	int err;

	mkdir(in_run("policy"), 0755);
	mkdir(in_run("tls"), 0755);
	mkdir(in_run("shm"), 0755);
	mkdir(in_run("shm/rings"), 0755);
	for (int i = 0; i < RINGS; i++) {
		snprintf(path, sizeof(path), "shm/rings/%d", i);
		err = cd_ring_create(in_run(path), 0, 0666);
		if (err)
			return err;
	}
	err = cd_control_create(in_run("shm/control"), 0644, &control);
	return err ? err : do_table(0, NULL);
}

int main(int argc, char **argv)
{
	char line[4096];
	int err;

	if (argc != 2)
		return 2;
	run = argv[1];
	cd_buf_init(&bundle, 256 << 20);
	setvbuf(stdout, NULL, _IOLBF, 0);
	err = set_up();
	if (err) {
		fprintf(stderr, "%s: %s\n", run, cd_strerror(err));
		return 1;
	}
	while (fgets(line, sizeof(line), stdin)) {
		err = command(line);
		if (err)
			printf("error %s\n", cd_strerror(err));
		else
			puts("ok");
	}
	cd_table_free(&table);
	cd_control_unmap(&control);
	cd_buf_done(&bundle);
	return 0;
}
