/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Building an image: sections that grow, strings that are interned, one call
 * that lays everything out. For the compiler and for tests.
 *
 * Errors are sticky: appending after an error does nothing and
 * cd_writer_finish() returns it.
 */
#ifndef CD_SNAPSHOT_WRITE_H
#define CD_SNAPSHOT_WRITE_H

#include "base/buf.h"
#include "snapshot/layout.h"

struct cd_writer {
	struct cd_snapshot head; /* lists of the header, set by the user */
	struct cd_buf sec[CD_SEC_COUNT];
	int err;
};

void cd_writer_init(struct cd_writer *w);
void cd_writer_done(struct cd_writer *w);

/* Elements in a section so far. */
uint32_t cd_writer_count(const struct cd_writer *w, enum cd_snap_section sec);
/* Appends one element of the section's type; its number, CD_NIL on error. */
uint32_t cd_writer_add(struct cd_writer *w, enum cd_snap_section sec,
		       const void *element);
/* Borrows element i; until the next cd_writer_add() to the section. */
void *cd_writer_at(struct cd_writer *w, enum cd_snap_section sec, uint32_t i);

/* The number of a string, added when new; CD_NIL for ptr NULL. Strings are
 * numbered as they come: add them in an order that the policy determines. */
uint32_t cd_writer_str(struct cd_writer *w, struct cd_str s);
/* The domain of that name (added when new). */
uint32_t cd_writer_domain(struct cd_writer *w, struct cd_str name);

/* The image in one piece of heap memory. */
int cd_writer_finish(struct cd_writer *w, void **ret_image, size_t *ret_size);

#endif
