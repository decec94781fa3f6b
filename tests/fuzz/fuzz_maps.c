// SPDX-License-Identifier: Apache-2.0
/*
 * The other two files that workers map: the control page, and the bundle in
 * force. The first byte chooses; the rest is the file, padded to its size.
 * What is refused is refused without a trace; a bundle is taken only with the
 * hash that its header says; the agent's page is one whatever lay there.
 */
#include <cordon/policy.h>

#include "memfile.h"
#include "shm/control.h"
#include "shm/snapmap.h"
#include "tmpdir.h"
#include "token/sha256.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct memfile file = MEMFILE_INIT;

static void hash(const void *data, size_t len, uint8_t ret[CD_SNAPMAP_HASH_LEN])
{
	cd_sha256(data, len, ret);
}

static void control(struct cd_str s, bool whole)
{
	const struct cd_control *c = NULL;
	int r;

	memfile_set(&file, s.ptr, CD_MIN(s.len, (size_t)2 * CD_CONTROL_SIZE));
	if (whole)
		cd_assert(ftruncate(file.fd, CD_CONTROL_SIZE) == 0);
	r = cd_control_map(file.path, &c);
	cd_assert(r == 0 || r == CD_E_CORRUPT || r == CD_E_VERSION);
	cd_assert((r == 0) == (c != NULL));
	if (r == 0)
		(void)cd_control_read(&c->policy_gen);
	cd_control_unmap_const(&c);
}

/* The agent opens what it finds, or puts a page in its place. */
static void made(struct cd_str s)
{
	const struct cd_control *seen = NULL;
	struct cd_control *own = NULL;
	uint64_t before;

	tmpdir_need("control");
	tmpfile_set(s);
	cd_assert(cd_control_create(tmpfile_path, 0600, &own) == 0);
	cd_assert(cd_control_map(tmpfile_path, &seen) == 0);
	before = cd_control_read(&seen->change_gen);
	cd_control_bump(&own->change_gen);
	cd_assert(cd_control_read(&seen->change_gen) == before + 1);
	cd_control_unmap_const(&seen);
	cd_control_unmap(&own);
}

/* The smallest policy there is. */
static struct cd_str image_of_ours(void)
{
	struct cd_source source = {"fuzz.cordon", CD_STR("version 1\n")};
	struct cd_policy *policy = NULL;
	static void *image;
	static size_t size;

	if (!image) {
		cd_assert(cd_policy_parse(&source, 1, NULL, &policy) == 0);
		cd_assert(cd_policy_compile(policy, NULL, NULL, &image,
					    &size) == 0);
		cd_policy_free(&policy);
	}
	return cd_str_make(image, size);
}

/* An image of ours under the header of the input. */
static void ours(struct cd_str s)
{
	struct cd_str image = image_of_ours();
	struct cd_snapmap *m = NULL;
	char head[CD_BUNDLE_HEADER] = {0};

	memcpy(head, s.ptr, CD_MIN(s.len, sizeof(head)));
	for (unsigned int i = 0; i < 8; i++)
		head[CD_BUNDLE_AT_SNAPSHOT_SIZE + i] =
			(char)((uint64_t)image.len >> (8 * i));
	cd_sha256(image.ptr, image.len, (uint8_t *)head + CD_BUNDLE_AT_HASH);
	memfile_set(&file, head, sizeof(head));
	memfile_put(&file, sizeof(head), image.ptr, image.len);
	if (cd_snapmap_open(file.path, hash, &m) == 0) {
		struct cd_snapmap *again = cd_snapmap_ref(m);

		cd_assert(cd_snapshot_size(m->snapshot) == image.len);
		cd_snapmap_unref(&m);
		cd_assert(cd_snapshot_check(again->snapshot, NULL) == 0);
		m = again;
	}
	cd_snapmap_unref(&m);
}

/* The header, then the image at its place. */
static void bundle(struct cd_str s, bool right_hash)
{
	char bytes[CD_BUNDLE_HEADER + 1024] = {0};
	size_t image =
		s.len > CD_BUNDLE_AT_PADDING ? s.len - CD_BUNDLE_AT_PADDING : 0;
	struct cd_snapmap *m = NULL;

	image = CD_MIN(image, (size_t)1024);
	memcpy(bytes, s.ptr, CD_MIN(s.len, (size_t)CD_BUNDLE_AT_PADDING));
	if (image)
		memcpy(bytes + CD_BUNDLE_HEADER, s.ptr + CD_BUNDLE_AT_PADDING,
		       image);
	if (right_hash)
		cd_sha256(bytes + CD_BUNDLE_HEADER, image,
			  (uint8_t *)bytes + CD_BUNDLE_AT_HASH);
	memfile_set(&file, bytes, CD_BUNDLE_HEADER + image);
	if (cd_snapmap_open(file.path, hash, &m) == 0) {
		cd_assert(cd_snapshot_size(m->snapshot) == image);
		(void)cd_snapmap_is_expired(m, 1);
	}
	cd_snapmap_unref(&m);
	if (cd_snapmap_open(file.path, NULL, &m) == 0)
		cd_snapmap_unref(&m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cd_str s;

	if (size < 1)
		return 0;
	s = cd_str_make(data + 1, size - 1);
	if ((data[0] & 5) == 5)
		ours(s);
	else if (data[0] & 4)
		made(s);
	else if (data[0] & 1)
		bundle(s, data[0] & 2);
	else
		control(s, data[0] & 2);
	return 0;
}
