// SPDX-License-Identifier: Apache-2.0
/*
 * Mapping a bundle. The header is read through the bounded reader, the image
 * is opened by the snapshot's own cd_snapshot_open(); offsets inside it were
 * checked by whoever put the file there.
 */
#include "shm/snapmap.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"

static int map_file(const char *path, struct cd_snapmap *m)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	int err = 0;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st))
		err = -errno;
	else if (st.st_size < CD_BUNDLE_HEADER ||
		 st.st_size > (off_t)(CD_BUNDLE_HEADER + CD_BUNDLE_IMAGE_MAX))
		err = CD_E_CORRUPT;
	if (!err) {
		m->map_size = (size_t)st.st_size;
		m->map = mmap(NULL, m->map_size, PROT_READ, MAP_SHARED, fd, 0);
		if (m->map == MAP_FAILED) {
			m->map = NULL;
			err = -errno;
		}
	}
	close(fd);
	return err;
}

static int read_header(struct cd_snapmap *m, uint64_t *ret_size)
{
	struct cd_reader r = cd_reader_make(m->map, CD_BUNDLE_HEADER);
	struct cd_str magic = cd_read_bytes(&r, 8), hash;
	uint32_t version = cd_read_u32(&r), header = cd_read_u32(&r);

	if (memcmp(magic.ptr, CD_BUNDLE_MAGIC, 8) != 0)
		return CD_E_CORRUPT;
	if (version > CD_BUNDLE_VERSION)
		return CD_E_VERSION;
	if (version == 0 || header != CD_BUNDLE_HEADER)
		return CD_E_CORRUPT;
	m->serial = cd_read_u64(&r);
	m->not_before = (int64_t)cd_read_u64(&r);
	m->not_after = (int64_t)cd_read_u64(&r);
	hash = cd_read_bytes(&r, CD_SNAPMAP_HASH_LEN);
	memcpy(m->hash, hash.ptr, CD_SNAPMAP_HASH_LEN);
	(void)cd_read_bytes(&r, CD_BUNDLE_AUDIENCE);
	*ret_size = cd_read_u64(&r);
	return 0;
}

static int open_image(struct cd_snapmap *m, cd_snapmap_hash_fn hash)
{
	const char *image = (const char *)m->map + CD_BUNDLE_HEADER;
	uint8_t got[CD_SNAPMAP_HASH_LEN];
	uint64_t size;
	int err = read_header(m, &size);

	if (err)
		return err;
	if (size != m->map_size - CD_BUNDLE_HEADER)
		return CD_E_CORRUPT;
	if (hash) {
		hash(image, (size_t)size, got);
		if (memcmp(got, m->hash, sizeof(got)) != 0)
			return CD_E_CORRUPT;
	}
	return cd_snapshot_open(image, (size_t)size, &m->snapshot);
}

int cd_snapmap_open(const char *path, cd_snapmap_hash_fn hash,
		    struct cd_snapmap **ret_map)
{
	struct cd_snapmap *m = cd_calloc(1, sizeof(*m));
	int err;

	if (!m)
		return -ENOMEM;
	m->refs = 1;
	err = map_file(path, m);
	if (!err)
		err = open_image(m, hash);
	if (err)
		cd_snapmap_unref(&m);
	else
		*ret_map = m;
	return err;
}

struct cd_snapmap *cd_snapmap_ref(struct cd_snapmap *map)
{
	map->refs++;
	return map;
}

void cd_snapmap_unref(struct cd_snapmap **map)
{
	struct cd_snapmap *m = CD_TAKE(*map);

	if (!m || --m->refs)
		return;
	if (m->map)
		munmap(m->map, m->map_size);
	cd_freep(&m);
}
