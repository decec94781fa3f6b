/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening an image, and the questions that gateways ask of it beside the
 * decision. All lookups are one probe of a hash table or one index.
 */
#include "snapshot/layout.h"

int cd_snapshot_open(const void *bytes, size_t size,
		     const struct cd_snapshot **ret_snapshot)
{
	const struct cd_snapshot *s = bytes;

	if (!bytes || (uintptr_t)bytes % 8)
		return -EINVAL;
	if (size < offsetof(struct cd_snapshot, sections) ||
	    memcmp(s->magic, CD_SNAP_MAGIC, sizeof(s->magic)) != 0)
		return CD_E_CORRUPT;
	if (s->version > CD_SNAPSHOT_VERSION)
		return CD_E_VERSION;
	if (s->version != CD_SNAPSHOT_VERSION || size < sizeof(*s) ||
	    s->header_size != sizeof(*s) || s->size != size ||
	    s->sections != CD_SEC_COUNT)
		return CD_E_CORRUPT;
	*ret_snapshot = s;
	return 0;
}

size_t cd_snapshot_size(const struct cd_snapshot *snapshot)
{
	return snapshot->size;
}

uint32_t cd_snapshot_rule_count(const struct cd_snapshot *snapshot)
{
	return cd_snap_RULES_n(snapshot);
}

struct cd_str cd_rule_name(const struct cd_snapshot *snapshot, uint32_t rule)
{
	if (!snapshot || rule >= cd_snap_RULES_n(snapshot))
		return CD_STR("");
	return cd_snap_text(snapshot, cd_snap_RULES(snapshot)[rule].name);
}

struct cd_str cd_feed_name(const struct cd_snapshot *snapshot, uint32_t feed)
{
	if (!snapshot || feed >= cd_snap_FEEDS_n(snapshot))
		return CD_STR("");
	return cd_snap_text(snapshot, cd_snap_FEEDS(snapshot)[feed].name);
}

uint32_t cd_snap_find(const struct cd_snapshot *s, struct cd_str text,
		      uint64_t hash)
{
	const struct cd_snap_str *strs = cd_snap_STRS(s);
	const uint32_t *slots = cd_snap_STR_SLOTS(s);
	uint32_t n = cd_snap_STR_SLOTS_n(s);

	for (uint32_t i = 0; i < n; i++) {
		uint32_t at = slots[(hash + i) & (n - 1)];

		if (at == CD_NIL)
			break;
		if (strs[at].hash == hash &&
		    cd_str_equal(cd_snap_text(s, at), text))
			return at;
	}
	return CD_NIL;
}

const struct cd_snap_domain *cd_snap_domain_find(const struct cd_snapshot *s,
						 struct cd_str text,
						 uint64_t hash)
{
	const struct cd_snap_domain *domains = cd_snap_DOMAINS(s);
	const uint32_t *slots = cd_snap_DOMAIN_SLOTS(s);
	uint32_t n = cd_snap_DOMAIN_SLOTS_n(s);

	for (uint32_t i = 0; i < n; i++) {
		uint32_t at = slots[(hash + i) & (n - 1)];

		if (at == CD_NIL)
			break;
		if (domains[at].hash == hash &&
		    cd_str_equal(cd_snap_text(s, domains[at].name), text))
			return &domains[at];
	}
	return NULL;
}

uint32_t cd_snapshot_app_count(const struct cd_snapshot *snapshot)
{
	return cd_snap_APPS_n(snapshot);
}

bool cd_snapshot_app(const struct cd_snapshot *snapshot, uint32_t index,
		     struct cd_app *ret_app)
{
	const struct cd_snap_app *a;

	if (index >= cd_snap_APPS_n(snapshot))
		return false;
	a = &cd_snap_APPS(snapshot)[index];
	*ret_app = (struct cd_app){
		.name = cd_snap_text(snapshot, a->name),
		.kind = (enum cd_app_kind)a->kind,
		.url = cd_snap_text(snapshot, a->url),
		.host = cd_snap_text(snapshot, a->host),
		.port = a->port,
		.n_upstreams = a->upstream_n,
		.index = index,
	};
	if (a->upstream_n)
		ret_app->upstream_tls =
			cd_snap_UPSTREAMS(snapshot)[a->upstream_first].tls;
	return true;
}

static uint32_t find(const struct cd_snapshot *s, struct cd_str text)
{
	return cd_snap_find(s, text, cd_str_hash(text));
}

bool cd_snapshot_app_by_name(const struct cd_snapshot *snapshot,
			     struct cd_str name, struct cd_app *ret_app)
{
	uint32_t str = find(snapshot, name);

	return str != CD_NIL &&
	       cd_snapshot_app(snapshot, cd_snap_STRS(snapshot)[str].app,
			       ret_app);
}

bool cd_snapshot_app_by_host(const struct cd_snapshot *snapshot,
			     struct cd_str host, struct cd_app *ret_app)
{
	uint32_t str = find(snapshot, host);

	return str != CD_NIL &&
	       cd_snapshot_app(snapshot, cd_snap_STRS(snapshot)[str].app_host,
			       ret_app);
}

bool cd_snapshot_upstream(const struct cd_snapshot *snapshot, uint32_t app,
			  uint32_t i, struct cd_upstream *ret_upstream)
{
	const struct cd_snap_app *a;
	const struct cd_snap_upstream *u;

	if (app >= cd_snap_APPS_n(snapshot))
		return false;
	a = &cd_snap_APPS(snapshot)[app];
	if (i >= a->upstream_n)
		return false;
	u = &cd_snap_UPSTREAMS(snapshot)[a->upstream_first + i];
	*ret_upstream = (struct cd_upstream){
		.host = cd_snap_text(snapshot, u->host),
		.port = u->port,
		.addr.family = u->family,
	};
	memcpy(ret_upstream->addr.bytes, u->addr, sizeof(u->addr));
	return true;
}

bool cd_snapshot_app_setting(const struct cd_snapshot *snapshot, uint32_t app,
			     struct cd_str name, struct cd_str *ret_text)
{
	const struct cd_snap_setting *t = cd_snap_SETTINGS(snapshot);
	const struct cd_snap_app *a;

	if (app >= cd_snap_APPS_n(snapshot))
		return false;
	a = &cd_snap_APPS(snapshot)[app];
	for (uint32_t i = 0; i < a->setting_n; i++) {
		uint32_t at = a->setting_first + i;

		if (!cd_str_equal(cd_snap_text(snapshot, t[at].name), name))
			continue;
		*ret_text = cd_snap_text(snapshot, t[at].text);
		return true;
	}
	return false;
}
