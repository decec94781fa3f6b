/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The router: from a request on one of cordond's sockets to a function of the
 * table api/endpoints.def, with path parameters split off and a JSON body
 * checked against api/schemas.def; and the ways to answer.
 */
#ifndef CD_CONTROLLER_API_H
#define CD_CONTROLLER_API_H

#include <jansson.h>

#include "controller/ctl.h"
#include "sys/httpd.h"

enum cd_socket { CD_SOCKET_ADMIN, CD_SOCKET_AGENT, CD_SOCKET_PUBLIC };

#define CD_PARAM_MAX 2

/* Bytes of a request body, by socket. */
#define CD_ADMIN_BODY_MAX (64u << 20) /* a policy of many files */
#define CD_AGENT_BODY_MAX (8u << 20) /* a batch of events */
#define CD_PAGE_BODY_MAX (16u << 10) /* a form */

struct cd_endpoint;

/* One request while it is answered. Handlers may keep it until they answer,
 * once; the answer frees it. */
struct cd_call {
	struct cd_ctl *ctl;
	struct cd_http_req *req;
	const struct cd_endpoint *endpoint;
	struct cd_str param[CD_PARAM_MAX];
	json_t *body; /* checked; NULL when the endpoint takes none */
	char who[32]; /* for audit: "root", "uid 1000" */
};

typedef void (*cd_call_handler)(struct cd_call *call);

/* cd_http_handler of a socket: ctx is the cd_ctl. */
void cd_api_admin(void *ctx, struct cd_http_req *req);
void cd_api_agent(void *ctx, struct cd_http_req *req);
void cd_api_public(void *ctx, struct cd_http_req *req);
/* Agents of other machines, through the gateway, which has verified the client
 * certificate and names its owner in X-Cordon-Agent: the change stream and
 * bundles, in that name alone, never in the gateway agent's, whose
 * acknowledgement sign-ins wait for. Nothing for browsers. */
void cd_api_remote(void *ctx, struct cd_http_req *req);

/* Answers. json is taken. */
void cd_call_json(struct cd_call *call, unsigned int status, json_t *json);
void cd_call_empty(struct cd_call *call);
void cd_call_bytes(struct cd_call *call, const char *type, struct cd_str bytes);
void cd_call_error(struct cd_call *call, unsigned int status, const char *code,
		   const char *fmt, ...) cd_printf(4, 5);
/* With the messages of a diag as details. */
void cd_call_diag(struct cd_call *call, unsigned int status, const char *code,
		  const char *message, const struct cd_diag *diag);
/* From an error number: full disk 507, not found 404, ... */
void cd_call_fail(struct cd_call *call, int err);

/* The person, or the device, of a name in the body. 1: there is none, which
 * was answered; < 0: not answered. */
struct cd_person;
struct cd_device;
int cd_call_person(struct cd_call *call, const char *name,
		   struct cd_person *ret);
int cd_call_device(struct cd_call *call, const char *name,
		   struct cd_device *ret);

/* May this name a person, a group or a device ("person": for the message)? A
 * text of the body (email), is it short enough? false: an answer was given. */
bool cd_call_name_fits(struct cd_call *call, const char *what,
		       const char *name);
bool cd_call_text_fits(struct cd_call *call, const char *key);
/* Every name of a list in the body, when there is one. */
bool cd_call_names_fit(struct cd_call *call, const char *what, const char *key);

/* Members of a checked body; NULL or the default when absent. */
const char *cd_body_text(const struct cd_call *call, const char *name);
int64_t cd_body_int(const struct cd_call *call, const char *name, int64_t def);
bool cd_body_bool(const struct cd_call *call, const char *name, bool def);

/* A text value, null for an instant <= 0; RFC 3339 of Unix seconds. */
json_t *cd_json_time(int64_t seconds);
json_t *cd_json_str(struct cd_str s);
/* The messages as schema Detail, those of at least this severity. */
json_t *cd_json_diag(const struct cd_diag *diag, enum cd_severity least);
/* {"items": list}; takes it. */
json_t *cd_json_items(json_t *list);

/* Exported for tests. Matches path against a pattern with {x} segments. */
bool cd_route_match(const char *pattern, const char *path,
		    struct cd_str param[CD_PARAM_MAX]);
/* Checks an object against the schema of that name: true, or false and why. */
bool cd_schema_check(const char *schema, json_t *object, char *why,
		     size_t size);
/* The OpenAPI 3.1 description of both tables. */
json_t *cd_openapi(void);

/* Handlers, one declaration a row of the table. */
#define CD_ENDPOINT(socket, method, path, handler, request, response, summary) \
	void answer_##handler(struct cd_call *call);
#include "api/endpoints.def"
#undef CD_ENDPOINT

#endif
