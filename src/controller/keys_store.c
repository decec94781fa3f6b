/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files by descriptor of their folder, never through links, written beside
 * and renamed: a broker that is killed at any instant leaves whole files.
 */
#include "controller/keys_store.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "token/seal.h"

#define FILE_MAX_BYTES 8192

struct folder {
	int fd;
	bool complete;
	const char *what; /* the file in hand, for messages */
};

static int read_all(int fd, unsigned char *out, size_t len)
{
	while (len > 0) {
		ssize_t n = read(fd, out, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : CD_E_CORRUPT;
		out += n;
		len -= (size_t)n;
	}
	return 0;
}

/* A regular file of ours that nobody else may read. */
static int check_file(int fd, struct stat *st)
{
	if (fstat(fd, st) < 0)
		return -errno;
	if (!S_ISREG(st->st_mode) || st->st_uid != geteuid() ||
	    (st->st_mode & 077))
		return -EACCES;
	return st->st_size > FILE_MAX_BYTES ? CD_E_CORRUPT : 0;
}

static int load(struct folder *f, const char *name, struct cd_secret **ret)
{
	struct cd_secret *s cd_auto(cd_secret_free) = NULL;
	struct stat st;
	int fd, r;

	f->what = name;
	fd = openat(f->fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return errno == ENOENT ? CD_E_NOTFOUND : -errno;
	r = check_file(fd, &st);
	if (r == 0)
		r = cd_secret_new((size_t)st.st_size, &s);
	if (r == 0)
		r = read_all(fd, cd_secret_bytes(s), cd_secret_len(s));
	close(fd);
	if (r == 0)
		*ret = CD_TAKE(s);
	return r;
}

static int write_all(int fd, struct cd_str s)
{
	while (s.len > 0) {
		ssize_t n = write(fd, s.ptr, s.len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		s = cd_str_make(s.ptr + n, s.len - (size_t)n);
	}
	return fsync(fd) < 0 ? -errno : 0;
}

static int store(struct folder *f, const char *name, struct cd_str bytes)
{
	char tmp[64];
	int fd, r;

	f->what = name;
	snprintf(tmp, sizeof(tmp), "%s.new", name);
	if (unlinkat(f->fd, tmp, 0) < 0 && errno != ENOENT)
		return -errno;
	fd = openat(f->fd, tmp,
		    O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	r = write_all(fd, bytes);
	close(fd);
	if (r == 0 &&
	    (renameat(f->fd, tmp, f->fd, name) < 0 || fsync(f->fd) < 0))
		r = -errno;
	return r;
}

/* 32 bytes of a key: read, or made once. */
static int load_or_make(struct folder *f, const char *name,
			struct cd_secret **ret)
{
	struct cd_secret *s cd_auto(cd_secret_free) = NULL;
	int r = load(f, name, &s);

	if (r == CD_E_NOTFOUND && !f->complete) {
		r = cd_secret_random(CD_SEAL_KEY, &s);
		if (r == 0)
			r = store(f, name, cd_secret_reveal(s));
	}
	if (r == 0 && cd_secret_len(s) != CD_SEAL_KEY)
		r = CD_E_CORRUPT;
	if (r == 0)
		*ret = CD_TAKE(s);
	return r == CD_E_NOTFOUND ? CD_E_CORRUPT : r;
}

static int sign_key(struct folder *f, const char *name,
		    struct cd_sign_key **ret)
{
	struct cd_secret *seed cd_auto(cd_secret_free) = NULL;
	int r = load_or_make(f, name, &seed);

	return r < 0 ? r : cd_sign_key_from_seed(seed, ret);
}

struct ca_files {
	enum cd_ca_use use;
	struct cd_str name;
	const char *key, *cert;
};

static const struct ca_files server_files = {CD_CA_SERVER,
					     CD_STR_INIT("Cordon TLS CA"),
					     "server-ca.key", "server-ca.pem"};
static const struct ca_files client_files = {CD_CA_CLIENT,
					     CD_STR_INIT("Cordon client CA"),
					     "client-ca.key", "client-ca.pem"};

static int load_ca(struct folder *f, const struct ca_files *c,
		   struct cd_ca **ret)
{
	struct cd_secret *key cd_auto(cd_secret_free) = NULL;
	struct cd_secret *cert cd_auto(cd_secret_free) = NULL;
	int r = load(f, c->key, &key);

	if (r == 0)
		r = load(f, c->cert, &cert);
	/* a key whose certificate was never written: killed in between */
	if (r < 0)
		return r;
	return cd_ca_load(c->use, key, cd_secret_reveal(cert), ret);
}

static int make_ca(struct folder *f, const struct ca_files *c,
		   const struct cd_keystore_options *o, struct cd_ca **ret)
{
	struct cd_ca *ca cd_auto(cd_ca_free) = NULL;
	struct cd_secret *key cd_auto(cd_secret_free) = NULL;
	struct cd_buf pem cd_auto(cd_buf_done);
	size_t n = c->use == CD_CA_SERVER ? o->n_domains : 0;
	int r;

	cd_buf_init(&pem, FILE_MAX_BYTES);
	r = cd_ca_new(c->use, c->name, o->domains, n, o->now, &ca);
	if (r == 0)
		r = cd_ca_save(ca, &key, &pem);
	if (r == 0)
		r = store(f, c->key, cd_secret_reveal(key));
	if (r == 0)
		r = store(f, c->cert, cd_buf_get(&pem));
	if (r == 0)
		*ret = CD_TAKE(ca);
	return r;
}

static int open_ca(struct folder *f, const struct ca_files *c,
		   const struct cd_keystore_options *o, struct cd_ca **ret)
{
	int r = load_ca(f, c, ret);

	if (r == CD_E_NOTFOUND)
		r = f->complete ? CD_E_CORRUPT : make_ca(f, c, o, ret);
	return r;
}

static int open_all(struct folder *f, const struct cd_keystore_options *o,
		    struct cd_keystore *s)
{
	int r = sign_key(f, "bundle.key", &s->bundle);

	if (r == 0)
		r = sign_key(f, "changes.key", &s->changes);
	if (r == 0)
		r = sign_key(f, "assertion.key", &s->assertion);
	if (r == 0)
		r = load_or_make(f, "seal.key", &s->seal);
	if (r == 0)
		r = open_ca(f, &server_files, o, &s->server_ca);
	if (r == 0)
		r = open_ca(f, &client_files, o, &s->client_ca);
	if (r == 0 && !f->complete)
		r = store(f, "complete", CD_STR_NULL);
	return r;
}

static int open_folder(const char *dir, struct folder *f)
{
	struct stat st;

	f->what = "the folder";
	f->fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (f->fd < 0)
		return -errno;
	if (fstat(f->fd, &st) < 0)
		return -errno;
	if (st.st_uid != geteuid() || (st.st_mode & 077))
		return -EACCES;
	f->complete = faccessat(f->fd, "complete", F_OK, 0) == 0;
	return 0;
}

int cd_keystore_open(const char *dir, const struct cd_keystore_options *options,
		     struct cd_keystore *ret_store, const char **ret_what)
{
	struct cd_keystore s = {0};
	struct folder f = {.fd = -1};
	int r = open_folder(dir, &f);

	if (r == 0)
		r = open_all(&f, options, &s);
	if (f.fd >= 0)
		close(f.fd);
	if (r < 0) {
		*ret_what = f.what;
		cd_keystore_done(&s);
		return r;
	}
	*ret_store = s;
	return 0;
}

void cd_keystore_done(struct cd_keystore *s)
{
	cd_sign_key_free(&s->bundle);
	cd_sign_key_free(&s->changes);
	cd_sign_key_free(&s->assertion);
	cd_secret_free(&s->seal);
	cd_ca_free(&s->server_ca);
	cd_ca_free(&s->client_ca);
}

void cd_keystore_trust(const struct cd_keystore *store,
		       struct cd_trust *ret_trust)
{
	cd_sign_key_public(store->bundle, &ret_trust->bundle);
	cd_sign_key_public(store->changes, &ret_trust->changes);
	cd_sign_key_public(store->assertion, &ret_trust->assertion);
}
