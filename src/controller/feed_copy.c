/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The head is lines that a reader of feeds takes for comments, so that
 * a copy is a feed like any other, also for a person who looks at it.
 */
#include "controller/feed_copy.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/addr.h"
#include "controller/ctl.h"
#include "sys/file.h"

#define HEAD_MAX 512
#define KEEP_S (30 * 86400)

static const char word_etag[] = "# etag ";
static const char word_modified[] = "# modified ";
static const char word_changed[] = "# changed ";
static const char word_entries[] = "# entries ";

int cd_feed_dir(const char *state, char *out, size_t size)
{
	int n = snprintf(out, size, "%s/cordond/feeds", state);

	if (n < 0 || (size_t)n >= size)
		return -ENAMETOOLONG;
	return cd_dir_make(out, 0700, (uid_t)-1, (gid_t)-1);
}

/* Two places with one hash would share a copy: as likely as nothing here. */
static int copy_path(const char *dir, struct cd_str location, char *out,
		     size_t size)
{
	int n = snprintf(out, size, "%s/%016llx", dir,
			 (unsigned long long)cd_str_hash(location));

	return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
}

/* ---- head ---- */

static struct cd_str take_line(struct cd_str *text, const char *word)
{
	struct cd_str rest, line = cd_str_split(*text, '\n', &rest);
	size_t n = strlen(word);

	*text = rest;
	if (!cd_str_has_prefix(line, cd_str_make(word, n)))
		return CD_STR_NULL;
	return cd_str_make(line.ptr + n, line.len - n);
}

static uint64_t number(struct cd_str s, uint64_t most, uint64_t otherwise)
{
	uint64_t n;

	return cd_str_parse_u64(s, &n) < 0 || n > most ? otherwise : n;
}

static void copy_text(char *out, size_t size, struct cd_str s)
{
	snprintf(out, size, "%.*s", CD_STR_FMT(s));
}

/* Returns the list behind the head. */
static struct cd_str parse_head(struct cd_str text, struct cd_feed_head *head)
{
	copy_text(head->etag, sizeof(head->etag), take_line(&text, word_etag));
	copy_text(head->modified, sizeof(head->modified),
		  take_line(&text, word_modified));
	head->changed = (int64_t)number(take_line(&text, word_changed),
					(uint64_t)1 << 40, 1);
	head->entries = (size_t)number(take_line(&text, word_entries),
				       CD_MAX_FEED_ENTRIES, 0);
	return text;
}

static int read_start(const char *path, char *out, size_t size,
		      struct stat *ret_st)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = fstat(fd, ret_st) < 0 ? -1 : pread(fd, out, size, 0);
	close(fd);
	return n < 0 ? -EIO : (int)n;
}

void cd_feed_head_read(const char *dir, struct cd_str location,
		       struct cd_feed_head *ret_head)
{
	char path[4200], start[HEAD_MAX];
	struct stat st;
	int n = copy_path(dir, location, path, sizeof(path));

	*ret_head = (struct cd_feed_head){.changed = 0};
	if (!n)
		n = read_start(path, start, sizeof(start), &st);
	if (n < 0)
		return;
	parse_head(cd_str_make(start, (size_t)n), ret_head);
	ret_head->checked = st.st_mtim.tv_sec;
}

/* What a server sends may hold no end of line; nothing else matters here. */
static void put_head(struct cd_buf *out, const struct cd_feed_head *head)
{
	cd_buf_printf(out, "%s%s\n%s%s\n%s%lld\n%s%zu\n", word_etag, head->etag,
		      word_modified, head->modified, word_changed,
		      (long long)head->changed, word_entries, head->entries);
}

/* ---- copies ---- */

int cd_feed_touch(const char *dir, struct cd_str location)
{
	char path[4200];
	int r = copy_path(dir, location, path, sizeof(path));

	if (!r && utimensat(AT_FDCWD, path, NULL, AT_SYMLINK_NOFOLLOW) < 0)
		r = -errno;
	return r;
}

static int read_copy(const char *dir, struct cd_str location, char **ret,
		     size_t *len)
{
	char path[4200];
	int r = copy_path(dir, location, path, sizeof(path));

	return r ? r :
		   cd_file_read(path, CD_FEED_FILE_MAX + HEAD_MAX, ret, len);
}

int cd_feed_keep(const char *dir, struct cd_str location, struct cd_str text,
		 struct cd_feed_head *head, bool *ret_changed)
{
	struct cd_buf out cd_auto(cd_buf_done);
	char *old cd_auto(cd_freep) = NULL;
	struct cd_feed_head before = {.changed = 0};
	struct cd_str list = CD_STR_NULL;
	char path[4200];
	size_t len = 0;
	int r;

	cd_buf_init(&out, CD_FEED_FILE_MAX + HEAD_MAX);
	if (!read_copy(dir, location, &old, &len))
		list = parse_head(cd_str_make(old, len), &before);
	*ret_changed = !before.changed || !cd_str_equal(list, text);
	head->checked = cd_now();
	head->changed = *ret_changed ? head->checked : before.changed;
	if (!*ret_changed && !strcmp(head->etag, before.etag) &&
	    !strcmp(head->modified, before.modified))
		return cd_feed_touch(dir, location);
	put_head(&out, head);
	cd_buf_str(&out, text);
	r = out.err ? out.err : copy_path(dir, location, path, sizeof(path));
	return r ? r :
		   cd_file_write(path, cd_buf_get(&out), 0600, (uid_t)-1,
				 (gid_t)-1);
}

static bool is_used(const char *name, const struct cd_str *used, size_t n)
{
	char path[32];

	for (size_t i = 0; i < n; i++)
		if (!copy_path("", used[i], path, sizeof(path)) &&
		    !strcmp(path + 1, name))
			return true;
	return false;
}

void cd_feed_sweep(const char *dir, const struct cd_str *used, size_t n)
{
	int64_t oldest = cd_now() - KEEP_S;
	DIR *d = opendir(dir);
	struct dirent *e;
	struct stat st;

	while (d && (e = readdir(d)))
		if (!is_used(e->d_name, used, n) &&
		    !fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) &&
		    S_ISREG(st.st_mode) && st.st_mtim.tv_sec < oldest)
			unlinkat(dirfd(d), e->d_name, 0);
	if (d)
		closedir(d);
}

/* ---- for the compiler ---- */

/* A good text of the file itself; else why not. */
static int read_source(struct cd_str location, char **ret, size_t *len,
		       char *why)
{
	char *text cd_auto(cd_freep) = NULL;
	char path[4096];
	struct cd_feed_found found;
	size_t n = 0;
	int r;

	snprintf(path, sizeof(path), "%.*s", CD_STR_FMT(location));
	r = cd_file_read(path, CD_FEED_FILE_MAX, &text, &n);
	if (r < 0) {
		snprintf(why, CD_FEED_WHY, "%s", cd_strerror(r));
		return r;
	}
	r = cd_feed_check(cd_str_make(text, n), &found);
	if (r < 0)
		cd_feed_why(location, &found, why, CD_FEED_WHY);
	/* Also a bad one: without a copy the compiler names the place. */
	*ret = CD_TAKE(text);
	*len = n;
	return r;
}

static int load_file(struct cd_feed_loader *l, struct cd_str location,
		     char **ret, size_t *len)
{
	char *copy = NULL, *source = NULL;
	char why[CD_FEED_WHY];
	size_t copy_len = 0;
	int r = read_source(location, &source, len, why);

	if (r < 0 && !read_copy(l->dir, location, &copy, &copy_len)) {
		cd_diag_add(l->diag, CD_WARNING, NULL, 0, 0,
			    "feed %.*s: its last good copy stays: %s",
			    CD_STR_FMT(location), why);
		free(source);
		*ret = copy;
		*len = copy_len;
		return 0;
	}
	if (!source)
		return r;
	*ret = source;
	return 0;
}

static int load_feed(void *ctx, struct cd_str location, char **ret, size_t *len)
{
	struct cd_feed_loader *l = ctx;

	if (memchr(location.ptr, 0, location.len))
		return -EINVAL;
	if (location.len && location.ptr[0] == '/')
		return load_file(l, location, ret, len);
	return read_copy(l->dir, location, ret, len);
}

static int load_zone(void *ctx, struct cd_str zone, char **ret, size_t *len)
{
	struct cd_feed_loader *l = ctx;

	return l->files.zone(l->files.ctx, zone, ret, len);
}

int cd_feed_loader_init(struct cd_feed_loader *l, const char *state,
			struct cd_diag *diag)
{
	cd_file_loader_init(&l->files);
	l->loader = (struct cd_loader){
		.ctx = l, .feed = load_feed, .zone = load_zone};
	l->diag = diag;
	return cd_feed_dir(state, l->dir, sizeof(l->dir));
}
