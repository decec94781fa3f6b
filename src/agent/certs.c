/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Served certificates. Every minute, and soon after a new policy: which names
 * are served (cordond says), which of run/tls/NAME.pem is missing, past two
 * thirds of its life, or for another name; for those a key is made here, a
 * request sent, and key and chain renamed into place together. The key never
 * leaves this host. Names with a certificate file of their own are left to
 * cert_files.c.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "agent/front_impl.h"
#include "base/json.h"
#include "sys/file.h"
#include "sys/log.h"
#include "token/x509.h"

#define LOOK_MS 60000
#define SOON_MS 20
#define RETRY_MS 2000
#define NAMES_MAX 4096
#define NAME_MAX_BYTES 253
#define PEM_MODE 0640

struct cd_certs {
	struct cd_front *front;
	char (*names)[NAME_MAX_BYTES + 1];
	size_t n, at; /* names to look at; the one in hand */
	bool busy; /* a request is out */
	bool again; /* look again when done */
	bool failed; /* something did not work: look again soon */
	struct cd_tls_key *key; /* of the request that is out */
};

static void next_name(struct cd_certs *c);

static void look_in(struct cd_certs *c, unsigned int ms)
{
	struct timeval tv = {ms / 1000, (ms % 1000) * 1000};

	event_add(c->front->certs_timer, &tv);
}

static void finish(struct cd_certs *c)
{
	c->busy = false;
	look_in(c, c->again ? SOON_MS : c->failed ? RETRY_MS : LOOK_MS);
	c->again = false;
	c->failed = false;
}

/* RUN/tls/NAME.pem; the file of *.example.com is _.example.com.pem. */
static bool pem_path(const struct cd_front *f, struct cd_str name,
		     char out[CD_FRONT_PATH])
{
	bool wild = cd_str_has_prefix(name, CD_STR("*"));
	int n = snprintf(out, CD_FRONT_PATH, "%s/tls/%s%.*s.pem",
			 f->config->run, wild ? "_" : "",
			 (int)(name.len - wild), name.ptr + wild);

	return n > 0 && n < CD_FRONT_PATH;
}

int cd_front_pem_store(const struct cd_front *f, struct cd_str name,
		       struct cd_str pem)
{
	char path[CD_FRONT_PATH];

	if (!pem_path(f, name, path))
		return -ENAMETOOLONG;
	return cd_file_write(path, pem, PEM_MODE, (uid_t)-1, (gid_t)-1);
}

static int store(struct cd_certs *c, struct cd_str name, struct cd_str key,
		 struct cd_str chain)
{
	struct cd_buf b;
	int r;

	cd_buf_init(&b, 4 * CD_CERT_MAX);
	cd_buf_str(&b, key);
	cd_buf_str(&b, chain);
	r = b.err ? b.err : cd_front_pem_store(c->front, name, cd_buf_get(&b));
	cd_buf_wipe(&b);
	return r;
}

/* ---- what is there ---- */

static bool is_fresh(struct cd_str pem, struct cd_str name)
{
	struct cd_cert_info info;
	struct cd_secret *key cd_auto(cd_secret_free) = NULL;
	int64_t now = cd_front_now();

	/* key and chain are one text: each reader takes its own part */
	return cd_secret_from(pem, &key) == 0 &&
	       cd_cert_read(pem, key, &info) == 0 &&
	       cd_cert_has_name(pem, name) && now >= info.not_before &&
	       now < info.not_before +
			       (info.not_after - info.not_before) / 3 * 2;
}

static bool needs_new(struct cd_certs *c, struct cd_str name)
{
	char path[CD_FRONT_PATH], *pem = NULL;
	size_t len = 0;
	bool fresh;

	if (!pem_path(c->front, name, path))
		return false;
	if (cd_file_read(path, CD_CERT_MAX, &pem, &len) < 0)
		return true;
	fresh = is_fresh(cd_str_make(pem, len), name);
	cd_wipe(pem, len);
	free(pem);
	return !fresh;
}

/* ---- asking for one ---- */

static void on_chain(void *ctx, struct cd_httpc_answer *a)
{
	struct cd_certs *c = ctx;
	struct cd_secret *key cd_auto(cd_secret_free) = NULL;
	struct cd_str chain = cd_buf_get(&a->body);
	struct cd_str name = cd_str_from(c->names[c->at]);
	struct cd_cert_info info;
	int r = a->err;

	if (r == 0 && a->status != 200)
		r = CD_E_DENIED;
	if (r == 0)
		r = cd_tls_key_pem(c->key, &key);
	if (r == 0)
		r = cd_cert_read(chain, key, &info);
	if (r == 0 && !cd_cert_has_name(chain, name))
		r = CD_E_DENIED;
	if (r == 0)
		r = store(c, name, cd_secret_reveal(key), chain);
	if (r == 0)
		CD_LOG_INFO("CERTIFICATE_RENEWED", cd_log_str("name", name),
			    cd_log_num("not_after", info.not_after));
	else
		CD_LOG_WARN("CERTIFICATE_FAILED", cd_log_str("name", name),
			    cd_log_num("status", a->status), cd_log_err(r));
	c->failed |= r < 0;
	c->at++;
	next_name(c);
}

/* Names hold nothing that must be escaped but '*' and ':'. */
static void put_name(char *out, size_t size, const char *name)
{
	size_t n = 0;

	for (; *name && n + 4 < size; name++) {
		if (*name == '*' || *name == ':')
			n += (size_t)snprintf(out + n, size - n, "%%%02X",
					      (unsigned char)*name);
		else
			out[n++] = *name;
	}
	out[n] = 0;
}

static int ask(struct cd_certs *c)
{
	struct cd_front *f = c->front;
	struct cd_buf csr cd_auto(cd_buf_done);
	char url[CD_FRONT_URL], name[3 * NAME_MAX_BYTES + 1];
	struct cd_httpc_request q;
	int r;

	cd_tls_key_free(&c->key);
	cd_buf_init(&csr, CD_CSR_MAX);
	r = cd_tls_key_new(&c->key);
	if (r == 0)
		r = cd_csr_new(c->key, &csr);
	if (r < 0)
		return r;
	put_name(name, sizeof(name), c->names[c->at]);
	snprintf(url, sizeof(url), "http://cordon/v1/tls/csr?agent=%s&name=%s",
		 f->name, name);
	q = cd_front_request(f, url);
	q.method = "POST";
	q.content_type = "application/x-pem-file";
	q.body = cd_buf_get(&csr);
	q.answer_max = 2 * CD_CERT_MAX;
	return cd_httpc_start(f->http, &q, on_chain, c, NULL);
}

/* A file for all names of a domain serves this one, unless ours from before
 * that came first. */
static void make_way(const struct cd_front *f, struct cd_str name)
{
	char path[CD_FRONT_PATH];

	for (size_t i = 0; i < f->config->n_certs; i++)
		if (cd_str_equal(f->config->certs[i].host, name))
			return;
	if (pem_path(f, name, path))
		unlink(path);
}

static void next_name(struct cd_certs *c)
{
	for (; c->at < c->n; c->at++) {
		struct cd_str name = cd_str_from(c->names[c->at]);
		int r;

		if (cd_cert_files_cover(c->front, name)) {
			make_way(c->front, name);
			continue;
		}
		if (!needs_new(c, name))
			continue;
		r = ask(c);
		if (r == 0)
			return;
		c->failed = true;
		CD_LOG_WARN("CERTIFICATE_FAILED", cd_log_str("name", name),
			    cd_log_err(r));
	}
	finish(c);
}

/* ---- which names ---- */

static int add_name(struct cd_certs *c, const struct cd_json *j)
{
	char text[NAME_MAX_BYTES];
	struct cd_str name;

	if (j->event != CD_JSON_STRING || j->raw.len > NAME_MAX_BYTES ||
	    cd_json_text(j, text, sizeof(text), &name) < 0 ||
	    !cd_leaf_name_is_valid(name))
		return 0; /* not a name that we would serve */
	if (c->n == NAMES_MAX)
		return CD_E_LIMIT;
	memcpy(c->names[c->n], name.ptr, name.len);
	c->names[c->n++][name.len] = 0;
	return 0;
}

/* {"items":["host",...]} */
static int read_names(struct cd_certs *c, struct cd_str text)
{
	struct cd_json j;
	int r = 0;

	c->n = 0;
	cd_json_init(&j, text);
	if (cd_json_next(&j) != CD_JSON_OBJECT)
		return CD_E_CORRUPT;
	while (cd_json_next(&j) == CD_JSON_KEY) {
		if (!cd_json_is(&j, "items")) {
			cd_json_skip(&j);
			continue;
		}
		if (cd_json_next(&j) != CD_JSON_ARRAY)
			return CD_E_CORRUPT;
		while (r == 0 && cd_json_next(&j) == CD_JSON_STRING)
			r = add_name(c, &j);
		if (r < 0 || j.event != CD_JSON_ARRAY_END)
			return r < 0 ? r : CD_E_CORRUPT;
	}
	return j.event == CD_JSON_OBJECT_END ? 0 : CD_E_CORRUPT;
}

static void on_names(void *ctx, struct cd_httpc_answer *a)
{
	struct cd_certs *c = ctx;
	int r = a->err;

	if (r == 0)
		r = a->status == 200 ? read_names(c, cd_buf_get(&a->body)) :
				       CD_E_NOTFOUND;
	c->at = 0;
	if (r < 0) {
		c->n = 0;
		c->failed = true;
	}
	next_name(c);
}

static void look(evutil_socket_t fd cd_unused, short what cd_unused, void *ctx)
{
	struct cd_certs *c = ctx;
	struct cd_httpc_request q;

	if (c->busy)
		return;
	q = cd_front_request(c->front, "http://cordon/v1/tls/names");
	c->busy = cd_httpc_start(c->front->http, &q, on_names, c, NULL) == 0;
	if (!c->busy)
		look_in(c, RETRY_MS);
}

void cd_front_certs_look(struct cd_front *f)
{
	if (f->certs->busy)
		f->certs->again = true;
	else
		look_in(f->certs, SOON_MS);
}

int cd_front_certs_start(struct cd_front *f)
{
	struct cd_certs *c = cd_calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	f->certs = c;
	c->front = f;
	c->names = cd_calloc(NAMES_MAX, sizeof(*c->names));
	f->certs_timer = evtimer_new(f->base, look, c);
	if (!c->names || !f->certs_timer)
		return -ENOMEM;
	look_in(c, 0);
	return 0;
}

void cd_front_certs_stop(struct cd_front *f)
{
	if (f->certs_timer)
		event_free(f->certs_timer);
	f->certs_timer = NULL;
	if (!f->certs)
		return;
	cd_tls_key_free(&f->certs->key);
	free(f->certs->names);
	free(f->certs);
	f->certs = NULL;
}
