/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files that must be whole or not there: atomic writes, bounded reads,
 * folders with an owner, lock files that name their holder.
 */
#ifndef CD_SYS_FILE_H
#define CD_SYS_FILE_H

#include <sys/types.h>

#include "base/buf.h"

/* Writes path.new.PID, fsyncs, renames over path, fsyncs the folder. After a
 * failure or a power cut path is the old file or the new one, never a part.
 * uid/gid -1: as created. */
int cd_file_write(const char *path, struct cd_str data, mode_t mode, uid_t uid,
		  gid_t gid);

/* All of a regular file, at most max bytes: CD_E_LIMIT when longer. The heap
 * text ends with a NUL that is not counted. Never waits on a pipe or a
 * device: those are -EINVAL. */
int cd_file_read(const char *path, size_t max, char **ret_data,
		 size_t *ret_len);
/* The same of an open descriptor, from its start or, for a pipe, to its end. */
int cd_fd_read(int fd, size_t max, char **ret_data, size_t *ret_len);

/* Makes the folder when it is not there; then, or if it was, sets owner and
 * mode. A link or a file in its place is -ENOTDIR. The parent must exist. */
int cd_dir_make(const char *path, mode_t mode, uid_t uid, gid_t gid);
/* fsync of a folder, so that names in it survive a power cut. */
int cd_dir_sync(const char *path);

/* write() until all is out. */
int cd_fd_write_all(int fd, const void *data, size_t len);

/* Takes a lock that the kernel gives back when the process ends in any way,
 * and writes the pid into the file. -EBUSY: held; *ret_holder (may be NULL) is
 * the pid in it, 0 when unreadable. *ret_fd stays open as long as held. */
int cd_lock_take(const char *path, int *ret_fd, pid_t *ret_holder);
void cd_lock_drop(int *fd);

/* "DIR/NAME" into out; false when it does not fit. */
bool cd_path_join(char *out, size_t size, const char *dir, const char *name);

#endif
