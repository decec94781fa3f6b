/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages between processes of one machine over unix sockets.
 *
 *  - A stream server on libevent for framed requests (key broker): each
 *    connection knows its peer's uid from the kernel, input and output are
 *    bounded, a slow reader is not read from until it drains.
 *  - Single messages with one file descriptor over a SOCK_SEQPACKET pair
 *    (agent's halves), blocking or not.
 *  - A blocking stream client with a deadline.
 */
#ifndef CD_SYS_IPC_H
#define CD_SYS_IPC_H

#include <sys/types.h>

#include "base/buf.h"

struct event_base;
struct cd_ipc_server;
struct cd_ipc_peer; /* one connection */

struct cd_ipc_ops {
	/* Input so far: returns how many bytes of it were used (0: more is
	 * needed), or < 0 to end the connection. Called again while it uses
	 * bytes. Answers are appended with cd_ipc_reply(). */
	ssize_t (*input)(struct cd_ipc_peer *peer, struct cd_str bytes,
			 void *ctx);
	size_t input_max; /* bytes of input kept; beyond: the end */
	size_t output_max; /* unread answers; reading stops at half */
	unsigned int peers_max; /* connections; further ones are closed */
	unsigned int peers_per_uid; /* of one user; 0: all of them */
	unsigned int idle_s; /* a silent connection ends; 0: never */
};

/* Listens at path with the given mode; a stale socket there is replaced. */
int cd_ipc_listen(struct event_base *base, const char *path, mode_t mode,
		  const struct cd_ipc_ops *ops, void *ctx,
		  struct cd_ipc_server **ret_server);
void cd_ipc_server_free(struct cd_ipc_server **server);
uid_t cd_ipc_peer_uid(const struct cd_ipc_peer *peer);
pid_t cd_ipc_peer_pid(const struct cd_ipc_peer *peer);
void cd_ipc_reply(struct cd_ipc_peer *peer, struct cd_str bytes);

/* Connects a blocking stream socket: fd, or negative. */
int cd_ipc_connect(const char *path, int timeout_ms);
/* Writes all / reads exactly len, until the deadline (CLOCK_MONOTONIC ms from
 * cd_ipc_deadline). -ETIMEDOUT, -ECONNRESET at end of file. */
int64_t cd_ipc_deadline(int timeout_ms);
int cd_ipc_write(int fd, struct cd_str bytes, int64_t deadline);
int cd_ipc_read(int fd, void *p, size_t len, int64_t deadline);

/* One message, with pass_fd unless it is negative. -EAGAIN on a full
 * non-blocking socket. */
int cd_ipc_send(int fd, struct cd_str message, int pass_fd);
/* Bytes received (0: the other end closed), or negative; CD_E_LIMIT when it
 * was longer than max. *ret_fd: -1 when none came; close-on-exec. */
ssize_t cd_ipc_recv(int fd, void *p, size_t max, int *ret_fd);

#endif
