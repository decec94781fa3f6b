/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Local messages: framing over a stream in hostile pieces, bounds on both
 * sides, descriptors over a pair.
 */
#include "tap.h"

#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sys/drop.h"
#include "sys/ipc.h"

static char dir[] = "/tmp/cordon-ipc-XXXXXX";
static char path[64];

/* Echo server: messages are one length byte and that many bytes; a length of
 * 255 is an error; 'Q' in the first place ends the server. */
static ssize_t echo(struct cd_ipc_peer *peer, struct cd_str in, void *ctx)
{
	size_t len = (unsigned char)in.ptr[0];

	if (len == 255)
		return -EINVAL;
	if (in.len < 1 + len)
		return 0;
	if (len && in.ptr[1] == 'Q')
		event_base_loopbreak(ctx);
	if (len && in.ptr[1] == 'U') {
		uid_t uid = cd_ipc_peer_uid(peer);

		cd_ipc_reply(peer, cd_str_make(&uid, sizeof(uid)));
	} else {
		cd_ipc_reply(peer, cd_str_make(in.ptr, 1 + len));
	}
	return (ssize_t)(1 + len);
}

static void serve(void)
{
	struct event_base *base = event_base_new();
	struct cd_ipc_ops ops = {.input = echo,
				 .input_max = 256,
				 .output_max = 4096,
				 .peers_max = 3,
				 .idle_s = 20};
	struct cd_ipc_server *s = NULL;

	if (cd_ipc_listen(base, path, 0600, &ops, base, &s) < 0)
		_exit(3);
	alarm(30);
	event_base_dispatch(base);
	cd_ipc_server_free(&s);
	event_base_free(base);
	_exit(0);
}

/* The server and the one connection that it has. */
static pid_t start(int *ret_fd)
{
	pid_t pid;
	int fd;

	if (!path[0]) {
		cd_assert(mkdtemp(dir));
		snprintf(path, sizeof(path), "%s/s", dir);
	}
	pid = fork();
	if (pid == 0)
		serve();
	for (int i = 0; i < 500; i++) {
		fd = cd_ipc_connect(path, 1000);
		if (fd >= 0) {
			*ret_fd = fd;
			return pid;
		}
		usleep(10000);
	}
	fail("no server");
	return pid;
}

static void stop(pid_t pid)
{
	int status;

	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
}

TEST(stream_in_pieces)
{
	int fd;
	pid_t pid = start(&fd);
	int64_t deadline = cd_ipc_deadline(5000);
	static const char msg[] = "\5hello\3abc\0";
	char got[sizeof(msg) - 1];
	uid_t uid = 99;

	for (size_t i = 0; i < sizeof(got); i++)
		ok_eq_int(cd_ipc_write(fd, cd_str_make(msg + i, 1), deadline),
			  0);
	ok_eq_int(cd_ipc_read(fd, got, sizeof(got), deadline), 0);
	ok_mem(got, sizeof(got), msg, sizeof(got));
	ok_eq_int(cd_ipc_write(fd, CD_STR("\1U"), deadline), 0);
	ok_eq_int(cd_ipc_read(fd, &uid, sizeof(uid), deadline), 0);
	ok_eq_uint(uid, getuid());
	/* nothing more comes: the deadline holds */
	ok_eq_int(cd_ipc_read(fd, got, 1, cd_ipc_deadline(50)), -ETIMEDOUT);
	/* an error ends the connection, not the server */
	ok_eq_int(cd_ipc_write(fd, CD_STR("\377"), deadline), 0);
	ok_eq_int(cd_ipc_read(fd, got, 1, deadline), -ECONNRESET);
	close(fd);
	fd = cd_ipc_connect(path, 1000);
	ok_true(fd >= 0);
	close(fd);
	stop(pid);
}

TEST(a_peer_that_does_not_read_is_not_read)
{
	int fd, other;
	pid_t pid = start(&fd);
	char msg[201];
	size_t sent = 0;
	int64_t deadline = cd_ipc_deadline(5000);

	memset(msg, 'x', sizeof(msg));
	msg[0] = (char)200;
	/* far more than every buffer between us */
	while (cd_ipc_write(fd, cd_str_make(msg, 201), cd_ipc_deadline(200)) ==
		       0 &&
	       sent < 100000)
		sent++;
	ok_true(sent > 10 && sent < 100000);
	note("stopped after %zu messages", sent);
	/* others are served meanwhile */
	other = cd_ipc_connect(path, 1000);
	ok_eq_int(cd_ipc_write(other, CD_STR("\2ok"), deadline), 0);
	ok_eq_int(cd_ipc_read(other, msg, 3, deadline), 0);
	/* and it goes on when it reads: every whole message comes back */
	for (size_t i = 0; i < sent; i++)
		if (!ok_eq_int(cd_ipc_read(fd, msg, 201, cd_ipc_deadline(5000)),
			       0))
			break;
	close(fd);
	close(other);
	stop(pid);
}

TEST(connections_are_bounded_and_stale_sockets_replaced)
{
	int fds[4];
	pid_t pid = start(&fds[0]);
	int64_t deadline = cd_ipc_deadline(5000);
	char c[2];
	struct stat st;

	for (int i = 0; i < 4; i++) {
		if (i > 0)
			fds[i] = cd_ipc_connect(path, 1000);
		ok_true(fds[i] >= 0);
		cd_ipc_write(fds[i], CD_STR("\1a"), deadline);
	}
	for (int i = 0; i < 3; i++)
		ok_eq_int(cd_ipc_read(fds[i], c, 2, deadline), 0);
	ok_eq_int(cd_ipc_read(fds[3], c, 2, deadline), -ECONNRESET);
	for (int i = 0; i < 4; i++)
		close(fds[i]);
	ok_eq_int(stat(path, &st), 0);
	ok_eq_uint(st.st_mode & 0777, 0600);
	stop(pid); /* SIGKILL: the socket file stays */
	ok_eq_int(cd_ipc_connect(path, 100), -ECONNREFUSED);
	pid = start(&fds[0]);
	close(fds[0]);
	/* a live one is not replaced */
	struct event_base *base = event_base_new();
	struct cd_ipc_ops ops = {.input = echo};
	struct cd_ipc_server *s = NULL;

	ok_eq_int(cd_ipc_listen(base, path, 0600, &ops, base, &s), -EADDRINUSE);
	event_base_free(base);
	stop(pid);
	unlink(path);
	rmdir(dir);
}

TEST(descriptors_over_a_pair)
{
	int pair[2], got = -1, p[2], two[2];
	char buf[8];
	union {
		struct cmsghdr h;
		char bytes[CMSG_SPACE(8)];
	} many = {.h = {CMSG_LEN(8), SOL_SOCKET, SCM_RIGHTS}};
	struct iovec iov = {buf, 1};
	struct msghdr m = {.msg_iov = &iov,
			   .msg_iovlen = 1,
			   .msg_control = &many,
			   .msg_controllen = CMSG_SPACE(8)};

	cd_assert(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) == 0);
	cd_assert(pipe(p) == 0 && pipe(two) == 0);
	ok_eq_int(cd_ipc_send(pair[0], CD_STR("hi"), p[1]), 0);
	ok_eq_int(cd_ipc_recv(pair[1], buf, sizeof(buf), &got), 2);
	if (ok_true(got >= 0)) {
		ok_eq_int(write(got, "z", 1), 1);
		ok_eq_int(read(p[0], buf, 1), 1);
		ok_true(fcntl(got, F_GETFD) & FD_CLOEXEC);
		close(got);
	}
	ok_eq_int(cd_ipc_send(pair[0], CD_STR("plain"), -1), 0);
	ok_eq_int(cd_ipc_recv(pair[1], buf, sizeof(buf), &got), 5);
	ok_eq_int(got, -1);
	ok_eq_int(cd_ipc_send(pair[0], CD_STR("longer than 8"), p[1]), 0);
	ok_eq_int(cd_ipc_recv(pair[1], buf, sizeof(buf), &got), CD_E_LIMIT);
	memcpy(CMSG_DATA(&many.h), p, sizeof(p));
	ok_eq_int(sendmsg(pair[0], &m, 0), 1);
	ok_eq_int(cd_ipc_recv(pair[1], buf, sizeof(buf), &got), CD_E_LIMIT);
	close(pair[0]);
	ok_eq_int(cd_ipc_recv(pair[1], buf, sizeof(buf), &got), 0);
	close(pair[1]);
}

TEST(ids)
{
	struct cd_ids ids;
	int status;
	pid_t pid;

	ok_eq_int(cd_ids_parse(CD_STR("64732:64733,64734"), &ids), 0);
	ok_eq_uint(ids.uid, 64732);
	ok_eq_uint(ids.gid, 64733);
	ok_eq_uint(ids.n_groups, 1);
	ok_eq_uint(ids.groups[0], 64734);
	ok_eq_int(cd_ids_parse(CD_STR("0:1"), &ids), -EINVAL);
	ok_eq_int(cd_ids_parse(CD_STR("1"), &ids), -EINVAL);
	ok_eq_int(cd_ids_parse(CD_STR("root:root"), &ids), CD_E_NOTFOUND);
	ok_eq_int(cd_ids_parse(CD_STR("1:1,"), &ids), -EINVAL);
	if (getuid() != 0) {
		skip("needs root");
		return;
	}
	pid = fork();
	if (pid == 0) {
		struct cd_ids to = {64732, 64732, {64734}, 1};

		_exit(cd_ids_drop(&to) < 0 || getuid() != 64732 ||
		      geteuid() != 64732 || getgid() != 64732 ||
		      setuid(0) == 0 || open("/etc/shadow", O_RDONLY) >= 0);
	}
	waitpid(pid, &status, 0);
	ok_eq_int(status, 0);
}
