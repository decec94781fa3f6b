// SPDX-License-Identifier: Apache-2.0
/*
 * The session table as a hostile writer would leave it: the key broker and
 * the gateway's workers read what the agent's front wrote. A table of this
 * build is made once; an input edits it. Its first byte says how many edits
 * come before the map is made, the others are written under the map. An edit
 * is an offset in two bytes, among the places that mean something, and a byte
 * to exclusive-or.
 *
 * No lookup leaves the file or the view; what it gives is whole.
 */
#include "memfile.h"
#include "shm/session_table.h"
#include "shm/table_layout.h"

#include <fcntl.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define KEYS 4
#define EDITS_MAX 64

static const struct cd_table_limits limits = {4, 3, 2};
static struct memfile file = MEMFILE_INIT;
static unsigned char *image;
static size_t image_size;

/* What an edit may reach, one window behind the other. */
static struct window {
	uint64_t at;
	size_t len;
} windows[4];

static void key_of(unsigned int n, uint8_t key[CD_SESSION_KEY_LEN])
{
	for (unsigned int i = 0; i < CD_SESSION_KEY_LEN; i++)
		key[i] = (uint8_t)(n * 37 + i * 11);
}

static void put_rows(struct cd_table *t)
{
	struct cd_str groups[] = {CD_STR("finance"), CD_STR("ops")};
	struct cd_str many[60]; /* more than fit behind a slot */
	struct cd_subject_row alice = {CD_STR("alice"), groups, 2, 1, 2, false};
	struct cd_subject_row bob = {CD_STR("bob"), many, 60, 3, -1, true};
	struct cd_device_row laptop = {.name = CD_STR("laptop-7")};

	for (size_t i = 0; i < CD_ARRAY_SIZE(many); i++)
		many[i] = groups[i % 2];
	laptop.attrs[CD_DEVICE_OS].known = true;
	laptop.attrs[CD_DEVICE_OS].text = CD_STR("Debian 12");
	cd_assert(cd_table_subject_put(t, &alice) == 0);
	cd_assert(cd_table_subject_put(t, &bob) == 0);
	cd_assert(cd_table_device_put(t, &laptop) == 0);
	for (unsigned int i = 0; i < KEYS; i++) {
		struct cd_session_row s = {
			.id = i + 1,
			.subject = i == 3 ? bob.name : alice.name,
			.device = i == 1 ? laptop.name : CD_STR_NULL,
			.app = i == 2 ? CD_STR_NULL : CD_STR("payroll"),
			.created = 1000,
			.expires = 5000,
			.idle_limit = 600,
			.last_seen = 1000,
			.state = CD_SESSION_LIVE};

		key_of(i, s.key);
		cd_assert(cd_table_session_put(t, &s) == 0);
	}
}

static void set_windows(void)
{
	struct table_header h;

	memcpy(&h, image, sizeof(h));
	windows[0] = (struct window){0, sizeof(h)};
	windows[1] = (struct window){h.at_index,
				     (size_t)(h.at_records - h.at_index)};
	windows[2] = (struct window){h.at_records, 512};
	windows[3] = (struct window){h.at_words, 256};
}

static void make_image(void)
{
	char dir[] = "/tmp/cordon-fuzz-XXXXXX", path[64];
	struct cd_table *t = NULL;
	ssize_t n;
	int fd;

	cd_assert(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/sessions", dir);
	cd_assert(cd_table_create(path, &limits, 0600, &t) == 0);
	cd_assert(cd_table_publish(t) == 0);
	put_rows(t);
	cd_table_free(&t);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	image_size = (size_t)lseek(fd, 0, SEEK_END);
	image = malloc(image_size);
	cd_assert(fd >= 0 && image);
	n = pread(fd, image, image_size, 0);
	cd_assert(n == (ssize_t)image_size);
	close(fd);
	unlink(path);
	rmdir(dir);
	set_windows();
	memfile_set(&file, image, image_size);
}

static void edit(const uint8_t *e, bool back)
{
	size_t at = e[0] | (size_t)e[1] << 8, all = 0;
	uint8_t byte;

	for (size_t i = 0; i < CD_ARRAY_SIZE(windows); i++)
		all += windows[i].len;
	at %= all;
	for (size_t i = 0; i < CD_ARRAY_SIZE(windows); i++) {
		if (at >= windows[i].len) {
			at -= windows[i].len;
			continue;
		}
		at += (size_t)windows[i].at;
		cd_assert(pread(file.fd, &byte, 1, (off_t)at) == 1);
		byte = back ? image[at] : (uint8_t)(byte ^ e[2]);
		memfile_put(&file, at, &byte, 1);
		return;
	}
}

/* Reads every byte of a text; a sanitizer or the kernel sees the wrong one. */
static void touch(struct cd_str s)
{
	const volatile char *p = s.ptr;

	for (size_t i = 0; i < s.len; i++)
		(void)p[i];
}

static void look_at(const struct cd_session_view *v)
{
	const char *own = (const char *)v;

	cd_assert(v->user.len <= CD_TABLE_NAME_MAX);
	cd_assert(v->user.ptr > own && v->user.ptr < own + sizeof(*v));
	cd_assert(v->n_groups <= CD_TABLE_GROUPS_MAX);
	touch(v->user);
	touch(v->app);
	for (uint32_t i = 0; i < v->n_groups; i++)
		touch(v->groups[i].s);
	if (v->has_device) {
		touch(v->device);
		touch(v->attrs[CD_DEVICE_OS].text);
	}
	(void)cd_session_check(v, 0, 1500);
	(void)cd_session_check(v, 2000, 6000);
}

static void look_up(const struct cd_table_map *m)
{
	struct cd_session_view v;
	uint8_t key[CD_SESSION_KEY_LEN];

	for (unsigned int i = 0; i <= KEYS; i++) {
		key_of(i, key);
		memset(&v, 0xa5, sizeof(v));
		if (cd_session_lookup(m, key, &v) == 0) {
			cd_assert(v.slot < cd_table_map_sessions(m));
			look_at(&v);
		}
		(void)cd_session_epoch(m, key);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cd_table_map *m = NULL;
	size_t n, before;

	if (!image)
		make_image();
	if (size < 1)
		return 0;
	n = CD_MIN((size - 1) / 3, (size_t)EDITS_MAX);
	before = CD_MIN((size_t)data[0], n);
	for (size_t i = 0; i < before; i++)
		edit(data + 1 + 3 * i, false);
	if (cd_table_map(file.path, &m) == 0) {
		look_up(m);
		for (size_t i = before; i < n; i++)
			edit(data + 1 + 3 * i, false);
		look_up(m);
	}
	cd_table_unmap(&m);
	for (size_t i = 0; i < n; i++)
		edit(data + 1 + 3 * i, true);
	return 0;
}
