/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A plain array of pointers, searched from front to back: 8,192 compares cost
 * less than the signature check that follows, and nothing about an array can
 * be made slow by chosen keys.
 */
#include "controller/oidc_flow.h"

#include <stdlib.h>

#include "base/addr.h"
#include "token/base64.h"

struct cd_oidc_flows {
	struct cd_oidc_flow *flow[CD_OIDC_FLOWS_MAX];
	size_t n;
};

int cd_oidc_flows_new(struct cd_oidc_flows **ret_flows)
{
	struct cd_oidc_flows *f = calloc(1, sizeof(*f));

	if (!f)
		return -ENOMEM;
	*ret_flows = f;
	return 0;
}

void cd_oidc_flow_free(struct cd_oidc_flow **flow)
{
	if (!*flow)
		return;
	cd_secret_free(&(*flow)->nonce);
	cd_secret_free(&(*flow)->verifier);
	free((*flow)->app);
	free((*flow)->to);
	free(*flow);
	*flow = NULL;
}

void cd_oidc_flows_free(struct cd_oidc_flows **flows)
{
	if (!*flows)
		return;
	while ((*flows)->n)
		cd_oidc_flow_free(&(*flows)->flow[--(*flows)->n]);
	free(*flows);
	*flows = NULL;
}

size_t cd_oidc_flows_count(const struct cd_oidc_flows *flows)
{
	return flows->n;
}

/* Takes flow i out; the last fills its place. */
static struct cd_oidc_flow *take(struct cd_oidc_flows *f, size_t i)
{
	struct cd_oidc_flow *flow = f->flow[i];

	f->flow[i] = f->flow[--f->n];
	f->flow[f->n] = NULL;
	return flow;
}

static bool is_over(const struct cd_oidc_flow *flow, int64_t now)
{
	/* A clock that was set back must not keep rows for ever. */
	return now >= flow->begun + CD_OIDC_FLOW_LIFE ||
	       now < flow->begun - CD_OIDC_FLOW_LIFE;
}

/* Drops what is over, counts what is left of this address. */
static size_t sweep(struct cd_oidc_flows *f, uint64_t addr, int64_t now)
{
	struct cd_oidc_flow *old;
	size_t i = 0, same = 0;

	while (i < f->n) {
		if (is_over(f->flow[i], now)) {
			old = take(f, i);
			cd_oidc_flow_free(&old);
			continue;
		}
		same += f->flow[i]->addr == addr;
		i++;
	}
	return same;
}

/* One household of IPv6 addresses is one address. */
static uint64_t addr_hash(struct cd_str text)
{
	struct cd_addr a;

	if (cd_addr_parse(text, &a) < 0)
		return cd_str_hash(text);
	return cd_hash(a.bytes, a.family == 4 ? 4 : 8);
}

static int fill(struct cd_oidc_flow *flow, const struct cd_oidc_begin *b,
		struct cd_secret **ret_state)
{
	uint8_t unused[CD_TOKEN_KEY];
	int r;

	flow->begun = b->now;
	flow->session = b->session;
	flow->person = b->person;
	flow->addr = addr_hash(b->addr);
	flow->fresh = b->fresh;
	if (b->app.len > CD_OIDC_TEXT_BYTES || b->to.len > CD_OIDC_TEXT_BYTES)
		return -EINVAL;
	flow->app = cd_str_dup(b->app);
	flow->to = cd_str_dup(b->to);
	if (!flow->app || !flow->to)
		return -ENOMEM;
	r = cd_token_key(b->browser, flow->browser);
	if (!r)
		r = cd_token_new(&flow->nonce, unused);
	if (!r)
		r = cd_token_new(&flow->verifier, unused);
	if (!r)
		r = cd_token_new(ret_state, flow->state);
	return r;
}

int cd_oidc_flow_begin(struct cd_oidc_flows *flows,
		       const struct cd_oidc_begin *begin,
		       struct cd_secret **ret_state,
		       const struct cd_oidc_flow **ret_flow)
{
	struct cd_oidc_flow *flow cd_auto(cd_oidc_flow_free) = NULL;
	int r;

	if (sweep(flows, addr_hash(begin->addr), begin->now) >=
		    CD_OIDC_FLOWS_ADDR ||
	    flows->n == CD_OIDC_FLOWS_MAX)
		return -EAGAIN;
	flow = calloc(1, sizeof(*flow));
	if (!flow)
		return -ENOMEM;
	r = fill(flow, begin, ret_state);
	if (r < 0)
		return r;
	*ret_flow = flow;
	flows->flow[flows->n++] = CD_TAKE(flow);
	return 0;
}

static size_t find(const struct cd_oidc_flows *f,
		   const uint8_t key[CD_TOKEN_KEY])
{
	size_t i;

	for (i = 0; i < f->n; i++)
		if (!memcmp(f->flow[i]->state, key, CD_TOKEN_KEY))
			break;
	return i;
}

int cd_oidc_flow_take(struct cd_oidc_flows *flows, struct cd_str state,
		      struct cd_str browser, int64_t now,
		      struct cd_oidc_flow **ret_flow)
{
	struct cd_oidc_flow *flow cd_auto(cd_oidc_flow_free) = NULL;
	uint8_t key[CD_TOKEN_KEY];
	size_t i;

	if (cd_token_key(state, key) < 0)
		return CD_E_NOTFOUND;
	i = find(flows, key);
	if (i == flows->n)
		return CD_E_NOTFOUND;
	flow = take(flows, i);
	if (is_over(flow, now))
		return CD_E_NOTFOUND;
	if (!cd_token_is(browser, flow->browser))
		return CD_E_DENIED;
	*ret_flow = CD_TAKE(flow);
	return 0;
}

void cd_oidc_challenge(const struct cd_oidc_flow *flow, struct cd_buf *out)
{
	struct cd_str v = cd_secret_reveal(flow->verifier);
	uint8_t hash[CD_SHA256_SIZE];

	cd_sha256(v.ptr, v.len, hash);
	cd_base64url_put(out, hash, sizeof(hash));
}
