/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The attribute registry: everything a policy may ask about a request, one
 * row each. Parsers, the type checker, the decision, the reference manual and
 * the JSON forms are generated from this table; adding an attribute is adding
 * a row. Rows are append-only: a row's position is its number in snapshots.
 *
 * CD_ATTR(id, name, type, kinds, subjects, cure, max_age, source, doc)
 *   kinds     request kinds that have it; elsewhere it is absent
 *   subjects  subjects that have it; elsewhere it is absent. A request whose
 *             subject is not known may have every attribute
 *   cure      what a person can do about an unfavourable value:
 *             NONE, SIGN_IN (a fresh sign-in gives age 0 or the best factor),
 *             PERSON (unknown only until an anonymous visitor signs in),
 *             DEVICE (a stale value can be attested again; unknown for an
 *             anonymous visitor until the device is known)
 *   max_age   seconds after which a value counts as unknown; 0: never
 *   source    who vouches for the value
 */
#ifndef CORDON_ATTRS_H
#define CORDON_ATTRS_H

#include <cordon/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What is asked: bits, so that a registry row can name several. */
enum cd_kind {
	CD_KIND_PACKET = 1 << 0, /* a connection between addresses */
	CD_KIND_NAME = 1 << 1, /* a name to resolve */
	CD_KIND_TLS = 1 << 2, /* a TLS or TCP connection to an app */
	CD_KIND_HTTP = 1 << 3, /* an HTTP request to an app */
	CD_KIND_SHELL = 1 << 4, /* an SSH or RDP session to an app */
	CD_KIND_LOGIN = 1 << 5, /* a sign-in */
	CD_KIND_ALL = (1 << 6) - 1,
};

enum cd_subject {
	CD_SUBJECT_PERSON = 1 << 0,
	CD_SUBJECT_ANONYMOUS = 1 << 1,
	CD_SUBJECT_HOST = 1 << 2,
	CD_SUBJECT_ALL = (1 << 3) - 1,
};

enum cd_type {
	CD_T_BOOL, /* yes no */
	CD_T_DURATION, /* seconds */
	CD_T_INT, /* unsigned */
	CD_T_STRING,
	CD_T_COUNTRY, /* ISO 3166-1 alpha-2, upper case */
	CD_T_RISK, /* low < medium < high, as 1 2 3 */
	CD_T_FACTOR, /* none < password < totp < webauthn, as 0 1 2 3 */
	CD_T_SET, /* of names */
	CD_T_ADDR, /* IPv4 or IPv6 address */
	CD_T_PORT, /* 0..65535 */
	CD_T_PROTO, /* IP protocol number; tcp udp icmp icmp6 by name */
	CD_T_LABELS, /* key=value pairs */
	CD_T_NAME, /* DNS name, lower case, no final dot */
	CD_T_PATH, /* normalised HTTP path, as it is forwarded */
	CD_T_METHOD, /* HTTP method, upper case */
	CD_T_APP, /* name of an app */
	CD_T_SUBJECT, /* person anonymous host */
	CD_T_TIME, /* an instant, nanoseconds since 1970 UTC */
	CD_T_APPROVERS, /* names of people who approved this request */
};

enum cd_cure { CD_CURE_NONE, CD_CURE_SIGN_IN, CD_CURE_PERSON, CD_CURE_DEVICE };

#define CD_K_APP (CD_KIND_TLS | CD_KIND_HTTP | CD_KIND_SHELL)
#define CD_K_PEOPLE (CD_K_APP | CD_KIND_NAME | CD_KIND_LOGIN | CD_KIND_PACKET)
#define CD_K_NET (CD_KIND_PACKET | CD_KIND_TLS)
#define CD_S_PERSON (CD_SUBJECT_PERSON | CD_SUBJECT_ANONYMOUS)

#define CD_ATTRS(X)                                                                              \
	X(SUBJECT, "subject", SUBJECT, CD_KIND_ALL, CD_SUBJECT_ALL, NONE, 0,                     \
	  "enforcement point",                                                                   \
	  "what asks: a person, an anonymous visitor, a host")                                   \
	X(TIME, "time", TIME, CD_KIND_ALL, CD_SUBJECT_ALL, NONE, 0,                              \
	  "enforcement point", "the instant of the decision")                                    \
	X(USER_NAME, "user.name", STRING, CD_K_PEOPLE, CD_S_PERSON, PERSON, 0,                   \
	  "session", "sign-in name of the person")                                               \
	X(USER_GROUPS, "user.groups", SET, CD_K_PEOPLE, CD_S_PERSON, PERSON,                     \
	  0, "directory", "groups the person is in")                                             \
	X(DEVICE_NAME, "device.name", STRING, CD_K_PEOPLE, CD_SUBJECT_ALL,                       \
	  DEVICE, 0, "inventory", "name of the device in the inventory")                         \
	X(DEVICE_MANAGED, "device.managed", BOOL, CD_K_PEOPLE, CD_SUBJECT_ALL,                   \
	  DEVICE, 86400, "inventory", "enrolled and managed")                                    \
	X(DEVICE_ENCRYPTED, "device.encrypted", BOOL, CD_K_PEOPLE,                               \
	  CD_SUBJECT_ALL, DEVICE, 86400, "attestation", "disks are encrypted")                   \
	X(DEVICE_OS, "device.os", STRING, CD_K_PEOPLE, CD_SUBJECT_ALL, DEVICE,                   \
	  86400, "attestation",                                                                  \
	  "operating system: linux macos windows ios android")                                   \
	X(DEVICE_OS_AGE, "device.os_age", DURATION, CD_K_PEOPLE,                                 \
	  CD_SUBJECT_ALL, DEVICE, 86400, "attestation",                                          \
	  "time since the last operating-system update")                                         \
	X(DEVICE_FIREWALL, "device.firewall", BOOL, CD_K_PEOPLE,                                 \
	  CD_SUBJECT_ALL, DEVICE, 86400, "attestation", "host firewall is on")                   \
	X(DEVICE_SCREEN_LOCK, "device.screen_lock", BOOL, CD_K_PEOPLE,                           \
	  CD_SUBJECT_ALL, DEVICE, 86400, "attestation", "screen locks itself")                   \
	X(MFA_AGE, "mfa.age", DURATION, CD_K_PEOPLE, CD_S_PERSON, SIGN_IN, 0,                    \
	  "session",                                                                             \
	  "time since the second factor was last proved, when the connection or request starts") \
	X(MFA_KIND, "mfa.kind", FACTOR, CD_K_PEOPLE, CD_S_PERSON, SIGN_IN, 0,                    \
	  "session", "strongest factor proved at sign-in")                                       \
	X(SESSION_AGE, "session.age", DURATION, CD_K_PEOPLE, CD_S_PERSON,                        \
	  SIGN_IN, 0, "session",                                                                 \
	  "time since sign-in, when the connection or request starts")                           \
	X(RISK_USER, "risk.user", RISK, CD_K_PEOPLE, CD_S_PERSON, PERSON, 0,                     \
	  "risk engine", "risk of the person")                                                   \
	X(GEO_COUNTRY, "geo.country", COUNTRY, CD_KIND_ALL, CD_SUBJECT_ALL,                      \
	  NONE, 0, "address database", "country of the source address")                          \
	X(SRC_IP, "src.ip", ADDR, CD_KIND_ALL, CD_SUBJECT_ALL, NONE, 0,                          \
	  "network", "source address")                                                           \
	X(SRC_LABELS, "src.labels", LABELS, CD_KIND_ALL, CD_SUBJECT_ALL, NONE,                   \
	  0, "inventory", "labels of the source host")                                           \
	X(DST_IP, "dst.ip", ADDR, CD_K_NET | CD_KIND_HTTP | CD_KIND_SHELL,                       \
	  CD_SUBJECT_ALL, NONE, 0, "network",                                                    \
	  "destination address; for an app its upstream")                                        \
	X(DST_LABELS, "dst.labels", LABELS,                                                      \
	  CD_K_NET | CD_KIND_HTTP | CD_KIND_SHELL, CD_SUBJECT_ALL, NONE, 0,                      \
	  "inventory", "labels of the destination host")                                         \
	X(DST_PORT, "dst.port", PORT, CD_K_NET | CD_KIND_HTTP | CD_KIND_SHELL,                   \
	  CD_SUBJECT_ALL, NONE, 0, "network", "destination port")                                \
	X(PROTO, "proto", PROTO, CD_K_NET | CD_KIND_HTTP | CD_KIND_SHELL,                        \
	  CD_SUBJECT_ALL, NONE, 0, "network", "IP protocol")                                     \
	X(DST_NAME, "dst.name", NAME,                                                            \
	  CD_KIND_NAME | CD_KIND_TLS | CD_KIND_HTTP, CD_SUBJECT_ALL, NONE, 0,                    \
	  "network", "name asked for: DNS question, TLS server name, host")                      \
	X(APP, "app", APP, CD_K_APP, CD_SUBJECT_ALL, NONE, 0,                                    \
	  "enforcement point", "the app asked for")                                              \
	X(HTTP_METHOD, "http.method", METHOD, CD_KIND_HTTP, CD_SUBJECT_ALL,                      \
	  NONE, 0, "request", "HTTP method")                                                     \
	X(HTTP_PATH, "http.path", PATH, CD_KIND_HTTP, CD_SUBJECT_ALL, NONE, 0,                   \
	  "request", "normalised path, as forwarded")                                            \
	X(APPROVAL, "approval", APPROVERS, CD_K_PEOPLE, CD_S_PERSON, NONE, 0,                    \
	  "grants", "people who approved this request")

enum cd_attr {
#define X(id, name, type, kinds, subjects, cure, max_age, source, doc) \
	CD_ATTR_##id,
	CD_ATTRS(X)
#undef X
		CD_ATTR_COUNT,
	CD_ATTR_NONE = 0xff,
};

struct cd_attr_row {
	const char *name;
	enum cd_type type;
	uint8_t kinds; /* enum cd_kind bits */
	uint8_t subjects; /* enum cd_subject bits */
	enum cd_cure cure;
	uint32_t max_age; /* seconds, 0: never stale */
	const char *source;
	const char *doc;
};

/* The row of an attribute; attr < CD_ATTR_COUNT. */
const struct cd_attr_row *cd_attr_get(enum cd_attr attr);
/* By name, or CD_ATTR_NONE. */
enum cd_attr cd_attr_find(struct cd_str name);
/* The nearest name, for did-you-mean; CD_ATTR_NONE when none is near. */
enum cd_attr cd_attr_nearest(struct cd_str name);
/* "duration", "risk"... as the manual and the JSON forms say it. */
const char *cd_type_name(enum cd_type type);

#ifdef __cplusplus
}
#endif
#endif
