/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Last good copies of feeds, one file each in STATE/cordond/feeds, named by a
 * hash of the place. A copy begins with a head of comment lines: what a
 * server said to compare with (ETag, Last-Modified), when the list last
 * changed, and its number of entries. Its time of modification is when it
 * was last known to be good.
 * One file, so that list and head are always of the same answer.
 *
 * Everything here touches files only: any thread may call it.
 */
#ifndef CD_CONTROLLER_FEED_COPY_H
#define CD_CONTROLLER_FEED_COPY_H

#include "base/buf.h"
#include "sys/loader.h"

#define CD_FEED_FILE_MAX ((size_t)256 << 20) /* bytes of a file */
#define CD_FEED_URL_MAX ((size_t)64 << 20) /* bytes of an answer */

struct cd_feed_head {
	char etag[256], modified[64]; /* or empty */
	int64_t changed; /* Unix seconds; 0: there is no copy */
	int64_t checked;
	size_t entries;
};

/* The folder's path into out; made when missing. */
int cd_feed_dir(const char *state, char *out, size_t size);

/* Reads the head; changed 0 when there is no copy. */
void cd_feed_head_read(const char *dir, struct cd_str location,
		       struct cd_feed_head *ret_head);
/* Known to be good at this moment, and unchanged. */
int cd_feed_touch(const char *dir, struct cd_str location);
/* Takes checked text as the copy. *ret_changed: it is not what was there.
 * The times of head are set here, the rest of it is the caller's. */
int cd_feed_keep(const char *dir, struct cd_str location, struct cd_str text,
		 struct cd_feed_head *head, bool *ret_changed);
/* Deletes the copies of other places, when they were not good for 30 days:
 * until then a policy may come back that wants them. */
void cd_feed_sweep(const char *dir, const struct cd_str *used, size_t n);

/* For the compiler. A file is read where it is; when it is away or bad, its
 * last good copy serves, with a warning in diag. A url is its copy. */
struct cd_feed_loader {
	struct cd_loader files;
	struct cd_loader loader; /* hand &this.loader to the compiler */
	char dir[4096];
	struct cd_diag *diag; /* borrowed */
};
int cd_feed_loader_init(struct cd_feed_loader *l, const char *state,
			struct cd_diag *diag);

#endif
