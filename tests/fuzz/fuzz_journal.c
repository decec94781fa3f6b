// SPDX-License-Identifier: Apache-2.0
/*
 * A segment file of any content: the reader ends, gives only frames whose
 * checksum holds at their place, and goes forward with every step. A list of
 * nodes that decodes is the same list when written and read again.
 */
#include <sys/mman.h>
#include <unistd.h>

#include "controller/journal_nodes.h"
#include "controller/segment.h"
#include "tmpdir.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What was read is what is written and read again, and each name leads to
 * what was last said of it. A list may hold a name twice. */
static void nodes_again(struct cd_nodes *nodes)
{
	struct cd_nodes again = {.list = NULL};
	struct cd_buf b, c;
	bool made;

	cd_buf_init(&b, 1u << 20);
	cd_buf_init(&c, 1u << 20);
	cd_nodes_encode(nodes, &b);
	cd_assert(!b.err && cd_nodes_is(cd_buf_get(&b)));
	cd_assert(cd_nodes_decode(&again, cd_buf_get(&b)) == 0);
	cd_nodes_encode(&again, &c);
	cd_assert(b.len == c.len && !memcmp(b.data, c.data, b.len));
	for (uint32_t i = 0; i < nodes->n; i++) {
		struct cd_str name = cd_str_from(nodes->list[i].name);

		cd_assert(cd_nodes_get(nodes, name, &made) == (int)i && !made);
	}
	cd_buf_done(&b);
	cd_buf_done(&c);
	cd_nodes_done(&again);
}

static void look_at(struct cd_str payload)
{
	struct cd_nodes nodes = {.list = NULL};
	struct cd_batch batch;
	bool is = cd_nodes_is(payload);

	if (cd_nodes_decode(&nodes, payload) == 0) {
		cd_assert(is);
		nodes_again(&nodes);
	}
	cd_nodes_done(&nodes);
	(void)cd_batch_decode_header(payload, &batch);
}

static void read_all(int fd, size_t size)
{
	struct cd_segment_reader r;
	struct cd_str payload;
	uint64_t last = 0;
	int e;

	cd_assert(cd_segment_reader_init(&r, fd, 0, 0, size) == 0);
	while ((e = cd_segment_next(&r, &payload)) != 0) {
		if (e == CD_E_CORRUPT) {
			last = r.at;
			if (!cd_segment_resync(&r))
				break;
			cd_assert(r.at > last);
			continue;
		}
		cd_assert(e == 1 && r.at > last && r.at <= size);
		last = r.at;
		look_at(payload);
	}
	cd_segment_reader_done(&r);
}

/* A file's name says where it begins: what says so is what is written. */
static void name(struct cd_str s)
{
	char text[64], again[96];
	uint64_t base;

	snprintf(text, sizeof(text), "%.*s", (int)CD_MIN(s.len, (size_t)40),
		 s.ptr);
	if (!cd_segment_base(text, &base))
		return;
	cd_segment_path("x", base, again, sizeof(again));
	cd_assert(!strcmp(again + 2, text));
}

/* A segment of ours with one frame in it, then the bytes of the input. */
static void append(struct cd_str s)
{
	static const struct cd_str first = CD_STR_INIT("a first frame");
	unsigned char header[CD_FRAME_HEADER_SIZE];
	uint64_t at = CD_SEGMENT_HEADER_SIZE;
	int fd;

	tmpdir_need("00000000000000000000.cj");
	cd_assert(cd_segment_create(tmpdir, 0, 1, &fd) == 0);
	cd_assert(cd_segment_header_check(fd, 0) == 0);
	cd_assert(cd_segment_header_check(fd, 64) == CD_E_CORRUPT);
	cd_frame_header(at, first, header);
	cd_assert(pwrite(fd, header, sizeof(header), (off_t)at) ==
		  sizeof(header));
	at += sizeof(header);
	cd_assert(pwrite(fd, first.ptr, first.len, (off_t)at) ==
		  (ssize_t)first.len);
	at += first.len;
	cd_assert(pwrite(fd, s.ptr, s.len, (off_t)at) == (ssize_t)s.len);
	read_all(fd, (size_t)at + s.len);
	close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd = memfd_create("segment", MFD_CLOEXEC);
	unsigned char header[CD_FRAME_HEADER_SIZE];

	cd_assert(fd >= 0);
	cd_assert(write(fd, data, size) == (ssize_t)size);
	(void)cd_segment_header_check(fd, 0);
	read_all(fd, size);
	name(cd_str_make(data, size));
	if (size > 0 && size < 65536)
		append(cd_str_make(data, size));
	/* the same bytes as the payload of a good frame */
	if (size > 0 && size <= CD_FRAME_PAYLOAD_MAX) {
		struct cd_str payload = cd_str_make(data, size);

		look_at(payload);
		cd_assert(ftruncate(fd, 0) == 0);
		cd_frame_header(CD_SEGMENT_HEADER_SIZE, payload, header);
		cd_assert(pwrite(fd, header, sizeof(header),
				 CD_SEGMENT_HEADER_SIZE) == sizeof(header));
		cd_assert(pwrite(fd, data, size,
				 CD_SEGMENT_HEADER_SIZE + sizeof(header)) ==
			  (ssize_t)size);
		read_all(fd, CD_SEGMENT_HEADER_SIZE + sizeof(header) + size);
	}
	close(fd);
	return 0;
}
