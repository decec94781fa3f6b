// SPDX-License-Identifier: Apache-2.0
/*
 * Stands in for the key broker: answers ASSERT with "TOKEN/APP/COUNT", so that
 * a test sees what was asked and how often.
 *
 *	gw-broker SOCKET [refuse|silent|garbage|half|hold FILE]
 *
 * hold: makes FILE at the first question, and answers when it is gone.
 */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "token/broker_proto.h"

#define PEERS 64

static struct {
	int fd;
	struct cd_buf in;
} peers[PEERS];
static const char *mode = "";
static const char *hold;
static unsigned int count;

/* At most 20 s. */
static void held(void)
{
	int fd = open(hold, O_WRONLY | O_CREAT, 0600);

	if (fd >= 0)
		close(fd);
	for (int i = 0; i < 2000 && access(hold, F_OK) == 0; i++)
		poll(NULL, 0, 10);
	hold = NULL;
}

static void answer(int fd, const struct cd_broker_frame *f)
{
	struct cd_reader r = cd_reader_make(f->body.ptr, f->body.len);
	struct cd_str token = cd_broker_read_str(&r);
	struct cd_str app = cd_broker_read_str(&r);
	struct cd_buf body, out;
	uint16_t status = CD_BROKER_OK;

	if (!strcmp(mode, "silent"))
		return;
	if (hold)
		held();
	cd_buf_init(&body, 4096);
	cd_buf_init(&out, 8192);
	cd_buf_u64(&body, (uint64_t)time(NULL) + 60);
	cd_buf_printf(&body, "%.*s/%.*s/%u", CD_STR_FMT(token), CD_STR_FMT(app),
		      ++count);
	if (r.err || !strcmp(mode, "refuse")) {
		status = CD_BROKER_REFUSED;
		cd_buf_clear(&body);
	}
	cd_broker_put(&out, f->verb, status, cd_buf_get(&body));
	if (!strcmp(mode, "garbage"))
		memset(out.data, 0xff, out.len);
	if (!strcmp(mode, "half"))
		out.len /= 2;
	if (send(fd, out.data, out.len, MSG_NOSIGNAL) < 0 ||
	    !strcmp(mode, "half"))
		shutdown(fd, SHUT_RDWR);
	cd_buf_done(&body);
	cd_buf_done(&out);
}

static bool readable(int i)
{
	struct cd_buf *in = &peers[i].in;
	struct cd_broker_frame f;
	char part[65536];
	size_t used;
	ssize_t n = recv(peers[i].fd, part, sizeof(part), 0);
	int got;

	if (n <= 0)
		return false;
	cd_buf_put(in, part, (size_t)n);
	while ((got = cd_broker_take(cd_buf_get(in), &f, &used)) == 1) {
		answer(peers[i].fd, &f);
		memmove(in->data, in->data + used, in->len - used);
		in->len -= used;
	}
	return got == 0;
}

static void welcome(int listener)
{
	int fd = accept(listener, NULL, NULL);

	for (int i = 1; i < PEERS; i++) {
		if (peers[i].fd >= 0)
			continue;
		peers[i].fd = fd;
		cd_buf_init(&peers[i].in, 1 << 20);
		return;
	}
	close(fd);
}

int main(int argc, char **argv)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	struct pollfd p[PEERS];

	if (argc < 2)
		return 2;
	if (argc > 2)
		mode = argv[2];
	if (argc > 3)
		hold = argv[3];
	for (int i = 0; i < PEERS; i++)
		peers[i].fd = -1;
	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", argv[1]);
	unlink(sun.sun_path);
	peers[0].fd = socket(AF_UNIX, SOCK_STREAM, 0);
	if (bind(peers[0].fd, (struct sockaddr *)&sun, sizeof(sun)) ||
	    listen(peers[0].fd, 64) || chmod(sun.sun_path, 0666)) {
		perror(argv[1]);
		return 1;
	}
	for (;;) {
		for (int i = 0; i < PEERS; i++)
			p[i] = (struct pollfd){.fd = peers[i].fd,
					       .events = POLLIN};
		poll(p, PEERS, -1);
		if (p[0].revents)
			welcome(peers[0].fd);
		for (int i = 1; i < PEERS; i++) {
			if (peers[i].fd < 0 || !p[i].revents || readable(i))
				continue;
			close(peers[i].fd);
			cd_buf_done(&peers[i].in);
			peers[i].fd = -1;
		}
	}
}
