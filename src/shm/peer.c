// SPDX-License-Identifier: Apache-2.0
/*
 * The kernel's word for the listener (SO_PEERCRED, of the time of listen())
 * against the folder's owner. No user is named in a configuration, so there
 * is none to forget. The socket's own owner was not taken: a file can be
 * linked or moved to where its owner never put it.
 */
#include "shm/peer.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

static int stat_folder(const char *path, struct stat *st)
{
	const char *slash = strrchr(path, '/');
	char folder[PATH_MAX] = ".";
	size_t n = slash ? (size_t)(slash - path) : 0;

	if (n >= sizeof(folder))
		return -ENAMETOOLONG;
	if (slash) {
		memcpy(folder, path, n);
		folder[n] = '\0';
	}
	return stat(n || !slash ? folder : "/", st) < 0 ? -errno : 0;
}

int cd_peer_vouch(int fd, const char *path)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);
	struct stat st;
	int r = stat_folder(path, &st);

	if (r < 0)
		return r;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		return -errno;
	return peer.uid == st.st_uid && !(st.st_mode & (S_IWGRP | S_IWOTH)) ?
		       0 :
		       -EPERM;
}
