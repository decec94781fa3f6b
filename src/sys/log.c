/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One write() a line, so that lines of processes that share a descriptor do
 * not mix. The line lies on the stack and is cut at LINE_MAX_; a value that
 * was cut ends in "...".
 */
#include "sys/log.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "base/time.h"

#define LINE_MAX_ 2048
#define VALUE_MAX 512

static const char *log_program = "cordon";
static enum cd_log_level log_most = CD_LOG_L_INFO;

void cd_log_init(const char *program, enum cd_log_level most)
{
	log_program = program;
	log_most = most;
}

/* The writer puts what fits; the rest is cut. */
struct line {
	char *out;
	size_t len, size;
};

static void put(struct line *l, const char *p, size_t n)
{
	size_t left = l->size - 1 - l->len;

	n = CD_MIN(n, left);
	memcpy(l->out + l->len, p, n);
	l->len += n;
	l->out[l->len] = 0;
}

static void puts_(struct line *l, const char *z)
{
	put(l, z, strlen(z));
}

/* Printable ASCII as it is; all else escaped, so that no byte of a stranger
 * ends the line, the quotes or the terminal's mode. */
static void put_quoted(struct line *l, struct cd_str s)
{
	size_t n = CD_MIN(s.len, (size_t)VALUE_MAX);
	char hex[5];

	puts_(l, "\"");
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)s.ptr[i];

		if (c == '"' || c == '\\') {
			put(l, "\\", 1);
			put(l, &s.ptr[i], 1);
		} else if (c >= 0x20 && c < 0x7f) {
			put(l, &s.ptr[i], 1);
		} else {
			snprintf(hex, sizeof(hex), "\\x%02x", c);
			puts_(l, hex);
		}
	}
	puts_(l, n < s.len ? "...\"" : "\"");
}

static void put_item(struct line *l, const struct cd_log_item *item)
{
	char number[24];

	puts_(l, " ");
	puts_(l, item->key);
	puts_(l, "=");
	switch (item->type) {
	case CD_LOG_NUM:
		snprintf(number, sizeof(number), "%" PRId64, item->n);
		puts_(l, number);
		break;
	case CD_LOG_ERR:
		put_quoted(l, cd_str_from(cd_strerror((int)item->n)));
		break;
	default:
		put_quoted(l, item->s);
	}
}

size_t cd_log_format(char *out, size_t size, int64_t ts_ns,
		     enum cd_log_level level, const char *event,
		     const struct cd_log_item *items)
{
	static const char *const levels[] = {"error", "warn", "info", "debug"};
	struct line l = {out, 0, size};
	char ts[CD_RFC3339_SIZE];

	cd_rfc3339_format(ts_ns, ts, sizeof(ts));
	puts_(&l, ts);
	puts_(&l, " ");
	puts_(&l, levels[level]);
	puts_(&l, " ");
	puts_(&l, log_program);
	puts_(&l, " ");
	puts_(&l, event);
	for (; items && items->type != CD_LOG_END; items++)
		put_item(&l, items);
	return l.len;
}

static int64_t clock_ns(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (int64_t)ts.tv_sec * CD_NS_PER_S + ts.tv_nsec;
}

static void emit(enum cd_log_level level, const char *event,
		 const struct cd_log_item *items)
{
	char out[LINE_MAX_];
	size_t n = cd_log_format(out, sizeof(out) - 1, clock_ns(CLOCK_REALTIME),
				 level, event, items);
	ssize_t r;

	out[n++] = '\n';
	do
		r = write(STDERR_FILENO, out, n);
	while (r < 0 && errno == EINTR);
	/* a log that cannot be written has nowhere to complain */
}

/* May this source say one more line in this second? */
static bool within_budget(struct cd_log_source *source, const char *event)
{
	int64_t second = clock_ns(CLOCK_MONOTONIC) / CD_NS_PER_S;
	uint32_t missed = source->suppressed;

	if (source->window != second) {
		source->window = second;
		source->count = 0;
		source->suppressed = 0;
		if (missed) {
			const struct cd_log_item items[] = {
				cd_log_z("of", event),
				cd_log_num("lines", missed),
				{.type = CD_LOG_END},
			};

			emit(CD_LOG_L_WARN, "LOG_SUPPRESSED", items);
		}
	}
	if (source->count >= CD_LOG_BURST) {
		source->suppressed++;
		return false;
	}
	source->count++;
	return true;
}

void cd_log_write(struct cd_log_source *source, enum cd_log_level level,
		  const char *event, const struct cd_log_item *items)
{
	int saved = errno;

	if (level <= log_most && within_budget(source, event))
		emit(level, event, items);
	errno = saved;
}
