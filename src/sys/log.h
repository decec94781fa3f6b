/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Log lines of the daemons, on standard error, one line each:
 *
 *	2026-11-23T19:00:00.123456789Z info cordond POLICY_APPLIED serial=7 by="root"
 *
 * time, level, program, event id (upper case, stable: what people search
 * for), then key=value. Text values are quoted and escaped, so nothing a
 * stranger sends can forge a line or move a terminal's cursor. A source that
 * repeats itself is limited; what was left out is counted in a line of its own.
 *
 * Secrets have no way in: there is no formatter for them, and no free-form
 * printf for values.
 *
 *	CD_LOG_INFO("POLICY_APPLIED", cd_log_num("serial", 7),
 *		    cd_log_str("by", who));
 */
#ifndef CD_SYS_LOG_H
#define CD_SYS_LOG_H

#include "base/str.h"

enum cd_log_level {
	CD_LOG_L_ERROR,
	CD_LOG_L_WARN,
	CD_LOG_L_INFO,
	CD_LOG_L_DEBUG
};

struct cd_log_item {
	const char *key;
	enum { CD_LOG_END, CD_LOG_STR, CD_LOG_NUM, CD_LOG_ERR } type;
	struct cd_str s;
	int64_t n;
};

static inline struct cd_log_item cd_log_str(const char *key, struct cd_str s)
{
	return (struct cd_log_item){key, CD_LOG_STR, s, 0};
}

static inline struct cd_log_item cd_log_z(const char *key, const char *z)
{
	return (struct cd_log_item){key, CD_LOG_STR, cd_str_from(z), 0};
}

static inline struct cd_log_item cd_log_num(const char *key, int64_t n)
{
	return (struct cd_log_item){key, CD_LOG_NUM, CD_STR_NULL, n};
}

/* A negative result, as cd_strerror() says it. */
static inline struct cd_log_item cd_log_err(int err)
{
	return (struct cd_log_item){"error", CD_LOG_ERR, CD_STR_NULL, err};
}

/* Once, at the start of a program. Without it lines say "cordon" and levels
 * up to info are written. The name is borrowed for ever. */
void cd_log_init(const char *program, enum cd_log_level most);

/* One place in the code that logs: its budget of lines. */
struct cd_log_source {
	int64_t window; /* second in which `count` lines were asked for */
	uint32_t count;
	uint32_t suppressed;
};

#define CD_LOG_BURST 10 /* lines a second of one source */

void cd_log_write(struct cd_log_source *source, enum cd_log_level level,
		  const char *event, const struct cd_log_item *items);
/* The line without its end, for tests. */
size_t cd_log_format(char *out, size_t size, int64_t ts_ns,
		     enum cd_log_level level, const char *event,
		     const struct cd_log_item *items);

#define CD_LOG(level, event, ...)                                           \
	do {                                                                \
		static struct cd_log_source cd_log_source_;                 \
		const struct cd_log_item cd_log_items_[] = {                \
			__VA_ARGS__ __VA_OPT__(, ){.type = CD_LOG_END}};    \
		cd_log_write(&cd_log_source_, level, event, cd_log_items_); \
	} while (0)

#define CD_LOG_ERROR(event, ...) CD_LOG(CD_LOG_L_ERROR, event, __VA_ARGS__)
#define CD_LOG_WARN(event, ...) CD_LOG(CD_LOG_L_WARN, event, __VA_ARGS__)
#define CD_LOG_INFO(event, ...) CD_LOG(CD_LOG_L_INFO, event, __VA_ARGS__)
#define CD_LOG_DEBUG(event, ...) CD_LOG(CD_LOG_L_DEBUG, event, __VA_ARGS__)

#endif
