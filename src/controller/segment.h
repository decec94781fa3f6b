/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside the journal: one segment file and reading frames from it. A segment
 * is DIR/NNNNNNNNNNNNNNNNNNNN.cj, the number being the journal offset of its
 * first byte. Its 64 bytes of header: magic "CDJRNL01", u32 version, u32
 * header size, u64 base, i64 created (ns), zeros. Frames follow.
 */
#ifndef CD_CONTROLLER_SEGMENT_H
#define CD_CONTROLLER_SEGMENT_H

#include "base/buf.h"
#include "event/frame.h"

#define CD_SEGMENT_HEADER_SIZE 64
#define CD_SEGMENT_VERSION 1

struct cd_segment {
	uint64_t base; /* journal offset of its first byte */
	uint64_t end; /* journal offset behind its last frame */
	int64_t touched; /* ns, last change of the file */
};

/* The file's path. */
void cd_segment_path(const char *dir, uint64_t base, char *out, size_t size);
/* Base from a file name; false: not a segment. */
bool cd_segment_base(const char *name, uint64_t *ret_base);

/* A new file with its header, synced, with its name. */
int cd_segment_create(const char *dir, uint64_t base, int64_t now, int *ret_fd);
/* CD_E_CORRUPT, CD_E_VERSION. */
int cd_segment_header_check(int fd, uint64_t base);

/* Walks over the frames of one file, [from, end) in journal offsets. */
struct cd_segment_reader {
	int fd;
	uint64_t base, at, end;
	/* bytes of the file from journal offset `start` on */
	char *data;
	uint64_t start;
	size_t len;
};

int cd_segment_reader_init(struct cd_segment_reader *r, int fd, uint64_t base,
			   uint64_t from, uint64_t end);
void cd_segment_reader_done(struct cd_segment_reader *r); /* not the fd */
/* 1: a frame; its payload is valid until the next call; 0: no frame is left
 * (r->at is behind the last one); CD_E_CORRUPT: not at a frame: go on with
 * _resync(); other: I/O error. */
int cd_segment_next(struct cd_segment_reader *r, struct cd_str *ret_payload);
/* From a damaged place to the next frame: true, or false at the end. */
bool cd_segment_resync(struct cd_segment_reader *r);

#endif
