/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Certificates of the administrator's own: files that somebody else renews.
 * Looked at every two seconds; one that changed is taken when key and
 * certificate belong together, are for the host and are valid now, else what
 * is served stays, and the log and an event say why, once for each state of
 * the files. Rejected: inotify, which does not see a folder that is renamed into
 * place, as certbot's links are.
 */
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/front_impl.h"
#include "sys/file.h"
#include "sys/log.h"
#include "token/x509.h"

#define WATCH_S 2

/* What a file looked like; all zero: it is not there. */
struct look {
	dev_t dev;
	ino_t ino;
	off_t size;
	struct timespec changed; /* ctime: no program can set it back */
};

struct watch {
	struct look looks[2]; /* certificate, key */
	const char *why; /* it was not taken; NULL: it was */
	bool tried;
};

struct cd_cert_files {
	struct event *timer;
	struct watch watches[CD_AGENT_CERTS_MAX];
};

/* "*.example.com" covers every name one label below example.com. */
static bool covers(struct cd_str host, struct cd_str name)
{
	const char *dot;

	if (cd_str_equal(host, name))
		return true;
	if (!cd_str_has_prefix(host, CD_STR("*.")) || !name.len)
		return false;
	dot = memchr(name.ptr, '.', name.len);
	return dot && dot > name.ptr &&
	       cd_str_equal(cd_str_make(host.ptr + 1, host.len - 1),
			    cd_str_make(dot,
					name.len - (size_t)(dot - name.ptr)));
}

bool cd_cert_files_cover(const struct cd_front *f, struct cd_str name)
{
	for (size_t i = 0; i < f->config->n_certs; i++)
		if (covers(f->config->certs[i].host, name))
			return true;
	return false;
}

/* ---- one pair ---- */

static int append(const char *path, struct cd_buf *pem)
{
	char *data = NULL;
	size_t len = 0;
	int r = cd_file_read(path, CD_CERT_MAX, &data, &len);

	if (r < 0)
		return r;
	cd_buf_put(pem, data, len);
	cd_buf_puts(pem, "\n");
	cd_wipe(data, len);
	free(data);
	return pem->err;
}

static const char *why_not(struct cd_str pem, struct cd_str host)
{
	struct cd_secret *key cd_auto(cd_secret_free) = NULL;
	struct cd_cert_info info;
	char wild[CD_FRONT_PATH];
	const char *dot = memchr(host.ptr, '.', host.len);
	int64_t now = cd_front_now();
	int n = dot ? snprintf(wild, sizeof(wild), "*%.*s",
			       (int)(host.len - (size_t)(dot - host.ptr)),
			       dot) :
		      0;
	int r = cd_secret_from(pem, &key);

	if (r == 0)
		r = cd_cert_read(pem, key, &info);
	if (r == CD_E_DENIED)
		return "key and certificate do not belong together";
	if (r < 0)
		return "no certificate with its key";
	if (!cd_cert_has_name(pem, host) &&
	    !(n > 0 && cd_cert_has_name(pem, cd_str_make(wild, (size_t)n))))
		return "the certificate is for other names";
	if (now < info.not_before || now >= info.not_after)
		return "the certificate is not valid at this time";
	return NULL;
}

/* NULL when it is served now. */
static const char *take(struct cd_front *f, const struct cd_agent_cert *c)
{
	struct cd_buf pem;
	const char *why;
	int r;

	cd_buf_init(&pem, 2 * CD_CERT_MAX + 2);
	r = append(c->path, &pem);
	if (r == 0 && c->key_path)
		r = append(c->key_path, &pem);
	if (r == -EACCES)
		why = "the agent's user may not read it";
	else if (r < 0)
		why = cd_strerror(r);
	else
		why = why_not(cd_buf_get(&pem), c->host);
	if (!why) {
		r = cd_front_pem_store(f, c->host, cd_buf_get(&pem));
		why = r < 0 ? cd_strerror(r) : NULL;
	}
	cd_buf_wipe(&pem);
	return why;
}

static void tell(struct cd_front *f, const struct cd_agent_cert *c,
		 const char *why)
{
	struct cd_event_encoder *e;

	if (why)
		CD_LOG_WARN("CERTIFICATE_FILE_REFUSED",
			    cd_log_str("host", c->host),
			    cd_log_z("file", c->path), cd_log_z("why", why));
	else
		CD_LOG_INFO("CERTIFICATE_FILE", cd_log_str("host", c->host),
			    cd_log_z("file", c->path));
	e = cd_ship_event_begin(f->ship, CD_EVENT_CERTIFICATE);
	cd_event_put_str(e, CD_EVENT_F_TARGET, c->host);
	cd_event_put_num(e, CD_EVENT_F_OUTCOME,
			 why ? CD_OUTCOME_FAILURE : CD_OUTCOME_SUCCESS);
	cd_event_puts(e, CD_EVENT_F_DETAIL, why ? why : "from its file");
	cd_ship_event_end(f->ship);
}

/* ---- watching ---- */

static struct look look_at(const char *path)
{
	struct look l;
	struct stat st;

	memset(&l, 0, sizeof(l)); /* compared bytewise */
	if (!path || stat(path, &st) < 0)
		return l;
	l.dev = st.st_dev;
	l.ino = st.st_ino;
	l.size = st.st_size;
	l.changed = st.st_ctim;
	return l;
}

static void watch(struct cd_front *f, size_t i)
{
	const struct cd_agent_cert *c = &f->config->certs[i];
	struct watch *w = &f->cert_files->watches[i];
	struct look looks[2] = {look_at(c->path), look_at(c->key_path)};
	bool same = w->tried && !memcmp(looks, w->looks, sizeof(looks));
	const char *why;

	if (same && !w->why)
		return;
	/* a refused one is tried again: time and rights change without it */
	why = take(f, c);
	if (!same || why != w->why)
		tell(f, c, why);
	memcpy(w->looks, looks, sizeof(looks));
	w->why = why;
	w->tried = true;
}

static void on_timer(evutil_socket_t fd cd_unused, short what cd_unused,
		     void *ctx)
{
	struct cd_front *f = ctx;

	for (size_t i = 0; i < f->config->n_certs; i++)
		watch(f, i);
}

int cd_cert_files_start(struct cd_front *f)
{
	static const struct timeval every = {WATCH_S, 0};

	if (!f->config->n_certs)
		return 0;
	f->cert_files = cd_calloc(1, sizeof(*f->cert_files));
	if (!f->cert_files)
		return -ENOMEM;
	f->cert_files->timer = event_new(f->base, -1, EV_PERSIST, on_timer, f);
	if (!f->cert_files->timer ||
	    event_add(f->cert_files->timer, &every) < 0)
		return -ENOMEM;
	on_timer(-1, 0, f);
	return 0;
}

void cd_cert_files_stop(struct cd_front *f)
{
	if (f->cert_files && f->cert_files->timer)
		event_free(f->cert_files->timer);
	free(f->cert_files);
	f->cert_files = NULL;
}
