/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Accepting a bundle. Order of writes: the copy in the state folder, the file
 * that workers map, then the serial. A power cut between any two of them
 * leaves an older serial behind, never a newer one than what is in force, so
 * that the same bundle can be accepted again.
 */
#include "agent/broker.h"

#include <cordon/snapshot.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sys/file.h"
#include "sys/ipc.h"
#include "sys/log.h"

#define PATH_BYTES 512
#define BUNDLE_MAX ((size_t)CD_BUNDLE_HEADER + CD_BUNDLE_IMAGE_MAX)
#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

/* ---- the last serial ---- */

static int path_in(const char *dir, const char *name, char out[PATH_BYTES])
{
	return cd_path_join(out, PATH_BYTES, dir, name) ? 0 : -ENAMETOOLONG;
}

static uint64_t read_serial(const char *path)
{
	char *text = NULL;
	size_t len = 0;
	uint64_t n = 0;

	if (cd_file_read(path, 32, &text, &len) == 0)
		cd_str_parse_u64(cd_str_trim(cd_str_make(text, len)), &n);
	free(text);
	return n;
}

static int write_serial(const struct cd_agent_broker *b)
{
	char path[PATH_BYTES], text[32];
	int n = snprintf(text, sizeof(text), "%llu\n",
			 (unsigned long long)b->serial);
	int r = path_in(b->state_dir, "serial", path);

	if (r < 0)
		return r;
	return cd_file_write(path, cd_str_make(text, (size_t)n), 0600,
			     (uid_t)-1, (gid_t)-1);
}

/* ---- publishing ---- */

static int publish(const struct cd_agent_broker *b, struct cd_str bundle)
{
	char path[PATH_BYTES];
	int r = path_in(b->policy_dir, "current", path);

	return r < 0 ? r :
		       cd_file_write(path, bundle, 0644, (uid_t)-1, (gid_t)-1);
}

static int keep(const struct cd_agent_broker *b, struct cd_str bundle)
{
	char path[PATH_BYTES];
	int r = path_in(b->state_dir, "bundle", path);

	return r < 0 ? r :
		       cd_file_write(path, bundle, 0600, (uid_t)-1, (gid_t)-1);
}

/* Every offset, before anything maps it. The image is 8-aligned: it follows
 * 4096 bytes of header in heap memory. */
static int check_image(struct cd_str bundle, struct cd_diag *diag)
{
	const struct cd_snapshot *snapshot;
	int r = cd_snapshot_open(bundle.ptr + CD_BUNDLE_HEADER,
				 bundle.len - CD_BUNDLE_HEADER, &snapshot);

	if (r == CD_E_VERSION)
		cd_diag_add(diag, CD_ERROR, NULL, 0, 0,
			    "bundle refused: its snapshot is newer than this "
			    "program; the policy in force stays");
	else if (r < 0)
		cd_diag_add(diag, CD_ERROR, NULL, 0, 0,
			    "bundle refused: its snapshot cannot be opened");
	return r < 0 ? r : cd_snapshot_check(snapshot, diag);
}

int cd_agent_broker_accept(struct cd_agent_broker *b, struct cd_str bundle,
			   struct cd_diag *diag, struct cd_bundle_header *ret)
{
	struct cd_bundle_expect expect = {
		.key = b->key,
		.audience = b->name,
		.last_serial = b->serial,
		.now = b->now(),
	};
	struct cd_bundle_header h;
	int r = cd_bundle_verify(bundle, &expect, diag, &h);

	if (r == 0)
		r = check_image(bundle, diag);
	if (r < 0)
		return r;
	r = keep(b, bundle);
	if (r == 0)
		r = publish(b, bundle);
	if (r < 0) {
		cd_diag_add(diag, CD_ERROR, NULL, 0, 0,
			    "bundle not published: %s", cd_strerror(r));
		return r;
	}
	b->serial = h.serial;
	r = write_serial(b);
	if (r < 0)
		CD_LOG_ERROR("SERIAL_NOT_KEPT", cd_log_err(r));
	*ret = h;
	return 0;
}

/* ---- start ---- */

/* Serial of the bundle that lies in the run folder, 0 for none. Only root can
 * have put it there; its signature is looked at all the same. */
static uint64_t published_serial(const struct cd_agent_broker *b)
{
	struct cd_bundle_header h = {0};
	char path[PATH_BYTES], *data = NULL;
	size_t len = 0;

	if (path_in(b->policy_dir, "current", path) < 0 ||
	    cd_file_read(path, BUNDLE_MAX, &data, &len) < 0)
		return 0;
	if (cd_bundle_decode(cd_str_make(data, len), &h) < 0 ||
	    cd_ed25519_verify(&b->key, cd_str_make(data, CD_BUNDLE_SIGNED),
			      h.signature) < 0)
		h.serial = 0;
	free(data);
	return h.serial;
}

/* The kept bundle, in force again if it is still good. */
static void republish(struct cd_agent_broker *b)
{
	char path[PATH_BYTES], *data = NULL;
	struct cd_bundle_header h;
	size_t len = 0;
	uint64_t last = b->serial;
	int r;

	if (path_in(b->state_dir, "bundle", path) < 0 ||
	    cd_file_read(path, BUNDLE_MAX, &data, &len) < 0)
		return;
	/* the one time that an equal serial is right */
	b->serial = last ? last - 1 : 0;
	r = cd_agent_broker_accept(b, cd_str_make(data, len), NULL, &h);
	free(data);
	if (r < 0)
		b->serial = last;
	CD_LOG_INFO("BUNDLE_AGAIN", cd_log_num("serial", (int64_t)b->serial),
		    cd_log_err(r));
}

int cd_agent_broker_start(struct cd_agent_broker *b)
{
	char path[PATH_BYTES];
	uint64_t in_run;
	int r = path_in(b->state_dir, "serial", path);

	if (r < 0)
		return r;
	in_run = published_serial(b);
	b->serial = CD_MAX(read_serial(path), in_run);
	if (in_run == 0)
		republish(b);
	return 0;
}

/* ---- serving ---- */

static int say(int sock, struct cd_buf *b)
{
	int r = b->err ? b->err : cd_ipc_send(sock, cd_buf_get(b), -1);

	cd_buf_done(b);
	return r;
}

static int say_hello(int sock, uint64_t serial)
{
	struct cd_buf b;

	cd_buf_init(&b, CD_BROKER_MESSAGE);
	cd_buf_char(&b, 'H');
	cd_buf_u64(&b, serial);
	return say(sock, &b);
}

static int say_result(int sock, int result, uint64_t serial,
		      const uint8_t hash[CD_SHA256_SIZE],
		      const struct cd_diag *diag)
{
	struct cd_buf b;

	cd_buf_init(&b, CD_BROKER_MESSAGE);
	cd_buf_char(&b, 'R');
	cd_buf_u32(&b, (uint32_t)result);
	cd_buf_u64(&b, serial);
	cd_buf_put(&b, hash, CD_SHA256_SIZE);
	if (diag && cd_diag_count(diag) > 0) {
		struct cd_str t = cd_str_from(cd_diag_get(diag, 0)->text);

		cd_buf_put(&b, t.ptr, CD_MIN(t.len, CD_BROKER_MESSAGE - b.len));
	}
	return say(sock, &b);
}

/* The bytes behind a descriptor that can no longer change, copied. */
static int read_bundle(int fd, char **ret, size_t *ret_len)
{
	struct stat st;
	int seals = fcntl(fd, F_GET_SEALS);

	if (seals < 0 || (seals & SEALS) != SEALS || fstat(fd, &st) < 0 ||
	    st.st_size < CD_BUNDLE_HEADER || st.st_size > (off_t)BUNDLE_MAX)
		return CD_E_CORRUPT;
	/* the writer left the position at the end */
	if (lseek(fd, 0, SEEK_SET) < 0)
		return -errno;
	return cd_fd_read(fd, BUNDLE_MAX, ret, ret_len);
}

static void log_result(int r, const struct cd_bundle_header *h,
		       const struct cd_diag *diag)
{
	if (r == 0)
		CD_LOG_INFO("BUNDLE_ACCEPTED",
			    cd_log_num("serial", (int64_t)h->serial),
			    cd_log_num("not_after", h->not_after));
	else
		CD_LOG_WARN("BUNDLE_REFUSED", cd_log_err(r),
			    cd_log_z("why", diag && cd_diag_count(diag) ?
						    cd_diag_get(diag, 0)->text :
						    ""));
}

static int take(struct cd_agent_broker *b, int sock, int fd)
{
	struct cd_bundle_header h = {0};
	struct cd_diag *diag cd_auto(cd_diag_free) = NULL;
	char *data = NULL;
	size_t len = 0;
	int r = cd_diag_new(&diag);

	if (r == 0)
		r = read_bundle(fd, &data, &len);
	if (r == 0)
		r = cd_agent_broker_accept(b, cd_str_make(data, len), diag, &h);
	free(data);
	log_result(r, &h, diag);
	return say_result(sock, r, b->serial, h.hash, diag);
}

int cd_agent_broker_serve(struct cd_agent_broker *b, int sock)
{
	int r = say_hello(sock, b->serial);

	while (r == 0) {
		char message[8];
		int fd = -1;
		ssize_t n = cd_ipc_recv(sock, message, sizeof(message), &fd);

		if (n == 0)
			return 0;
		if (n == 1 && message[0] == 'B' && fd >= 0)
			r = take(b, sock, fd);
		else
			r = n < 0 ? (int)n : CD_E_CORRUPT;
		if (fd >= 0)
			close(fd);
	}
	return r;
}

/* ---- the front's side ---- */

int cd_agent_broker_ask(int sock, struct cd_str bundle)
{
	int fd = memfd_create("bundle", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int r;

	if (fd < 0)
		return -errno;
	r = cd_fd_write_all(fd, bundle.ptr, bundle.len);
	if (r == 0 && fcntl(fd, F_ADD_SEALS, SEALS | F_SEAL_SEAL) < 0)
		r = -errno;
	if (r == 0)
		r = cd_ipc_send(sock, CD_STR("B"), fd);
	close(fd);
	return r;
}

int cd_agent_broker_read(int sock, struct cd_agent_broker_result *ret,
			 char *ret_kind)
{
	char message[CD_BROKER_MESSAGE];
	struct cd_agent_broker_result res = {0};
	struct cd_reader r;
	struct cd_str hash;
	int fd = -1;
	ssize_t n = cd_ipc_recv(sock, message, sizeof(message), &fd);

	if (fd >= 0)
		close(fd);
	if (n <= 0)
		return n < 0 ? (int)n : -ECONNRESET;
	r = cd_reader_make(message, (size_t)n);
	*ret_kind = (char)cd_read_u8(&r);
	if (*ret_kind == 'R') {
		res.result = (int)cd_read_u32(&r);
		res.serial = cd_read_u64(&r);
		hash = cd_read_bytes(&r, CD_SHA256_SIZE);
		if (hash.len)
			memcpy(res.hash, hash.ptr, hash.len);
		memcpy(res.text, r.p, cd_reader_left(&r));
	} else if (*ret_kind == 'H') {
		res.serial = cd_read_u64(&r);
	} else {
		return CD_E_CORRUPT;
	}
	if (r.err)
		return CD_E_CORRUPT;
	*ret = res;
	return 0;
}
