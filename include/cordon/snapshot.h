/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The compiled policy: one immutable, position-independent image that is
 * mapped and used without parsing. Offsets are checked once, by
 * cd_snapshot_check(), when an agent receives the image; after that every
 * reader trusts them.
 */
#ifndef CORDON_SNAPSHOT_H
#define CORDON_SNAPSHOT_H

#include <cordon/decide.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The newest layout this library reads and writes. */
#define CD_SNAPSHOT_VERSION 2

/* Looks at the header only: magic, version (CD_E_VERSION when newer than
 * this program), size. Borrows the bytes, which must be 8-aligned and stay
 * as they are. */
int cd_snapshot_open(const void *bytes, size_t size,
		     const struct cd_snapshot **ret_snapshot);

/* Checks every offset, index, length and name of the image: 0 or
 * CD_E_CORRUPT with the place in diag. Linear in the image's size. */
int cd_snapshot_check(const struct cd_snapshot *snapshot, struct cd_diag *diag);

size_t cd_snapshot_size(const struct cd_snapshot *snapshot);
uint32_t cd_snapshot_rule_count(const struct cd_snapshot *snapshot);

/* Routes: what gateways need to know of an app beyond the decision. */
enum cd_app_kind {
	CD_APP_HTTP,
	CD_APP_TCP,
	CD_APP_UDP,
	CD_APP_SSH,
	CD_APP_RDP
};

struct cd_app {
	struct cd_str name;
	enum cd_app_kind kind;
	struct cd_str url; /* "https://payroll.example.com" or empty */
	struct cd_str host; /* host name of url, or TLS name of a tcp app */
	uint16_t port; /* port of url; 0: the default */
	uint32_t n_upstreams;
	bool upstream_tls; /* upstream is https */
	uint32_t index;
};

struct cd_upstream {
	struct cd_str host; /* name or address as written */
	uint16_t port;
	struct cd_addr addr; /* family 0 when host is a name */
};

uint32_t cd_snapshot_app_count(const struct cd_snapshot *snapshot);
bool cd_snapshot_app(const struct cd_snapshot *snapshot, uint32_t index,
		     struct cd_app *ret_app);
bool cd_snapshot_app_by_name(const struct cd_snapshot *snapshot,
			     struct cd_str name, struct cd_app *ret_app);
/* By host name (lower case, no port): constant time in the number of apps. */
bool cd_snapshot_app_by_host(const struct cd_snapshot *snapshot,
			     struct cd_str host, struct cd_app *ret_app);
bool cd_snapshot_upstream(const struct cd_snapshot *snapshot, uint32_t app,
			  uint32_t i, struct cd_upstream *ret_upstream);
/* A further setting of the app block by name ("waf", "data", "headers"...),
 * its text as written; false when the app does not have it. */
bool cd_snapshot_app_setting(const struct cd_snapshot *snapshot, uint32_t app,
			     struct cd_str name, struct cd_str *ret_text);

/* The same settings as numbers. False: the app does not have the line. */
#define CD_HEALTH_EVERY 10 /* seconds, when the line does not say */
#define CD_HEALTH_FALL 3
#define CD_HEALTH_RISE 2

struct cd_health {
	struct cd_str path; /* of a GET; empty: a connection is enough */
	uint32_t every; /* seconds from one check to the next */
	uint32_t fall; /* failures in a row until a server is left out */
	uint32_t rise; /* successes in a row until it is back */
};

struct cd_limit {
	uint32_t count; /* requests */
	uint32_t period; /* ... in so many seconds */
	uint32_t burst; /* requests at once */
};

bool cd_snapshot_app_health(const struct cd_snapshot *snapshot, uint32_t app,
			    struct cd_health *ret_health);
bool cd_snapshot_app_timeout(const struct cd_snapshot *snapshot, uint32_t app,
			     uint32_t *ret_seconds);
bool cd_snapshot_app_body(const struct cd_snapshot *snapshot, uint32_t app,
			  uint64_t *ret_bytes);
bool cd_snapshot_app_limit(const struct cd_snapshot *snapshot, uint32_t app,
			   struct cd_limit *ret_limit);

/* One item of the text of "headers". */
struct cd_header {
	struct cd_str name;
	struct cd_str value; /* as written, with backslashes */
	bool remove; /* NAME off */
};

/* Takes the first item off *rest; false: there is none. */
bool cd_header_next(struct cd_str *rest, struct cd_header *ret_header);
/* The value without its backslashes into out, which has room for
 * header->value.len bytes; returns its length. */
size_t cd_header_value(const struct cd_header *header, char *out);

#ifdef __cplusplus
}
#endif
#endif
