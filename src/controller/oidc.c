/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Start and stop of the sign-in with a provider.
 */
#include "controller/oidc.h"

#include <stdlib.h>

#include "sys/store.h"

#define CALLBACK "/.cordon/oidc/callback"

static void ignore(void *arg, int err)
{
	(void)arg;
	(void)err;
}

static int open_provider(struct cd_ctl *ctl, struct cd_diag *diag,
			 struct cd_oidc *o)
{
	struct cd_buf url cd_auto(cd_buf_done);
	int r;

	cd_buf_init(&url, CD_OIDC_URL_MAX);
	cd_buf_puts(&url, ctl->opt.auth_url);
	cd_buf_puts(&url, CALLBACK);
	r = url.err;
	if (!r)
		r = cd_oidc_provider_new(ctl->base, &o->conf, cd_buf_get(&url),
					 diag, &o->provider);
	if (!r)
		r = cd_oidc_flows_new(&o->flows);
	/* Asked for now, so that a wrong issuer is in the log at the start. */
	if (!r)
		cd_oidc_provider_ready(o->provider, false, ignore, NULL);
	return r;
}

int cd_oidc_new(struct cd_ctl *ctl, struct cd_diag *diag,
		struct cd_oidc **ret_oidc)
{
	struct cd_oidc *o cd_auto(cd_oidc_free) = calloc(1, sizeof(*o));
	int r;

	if (!o)
		return -ENOMEM;
	o->conf = ctl->conf;
	if (!o->conf.oidc_issuer)
		return 0;
	r = open_provider(ctl, diag, o);
	if (!r)
		*ret_oidc = CD_TAKE(o);
	return r;
}

void cd_oidc_free(struct cd_oidc **oidc)
{
	struct cd_oidc *o = CD_TAKE(*oidc);

	if (!o)
		return;
	cd_oidc_provider_free(&o->provider);
	cd_oidc_flows_free(&o->flows);
	free(o);
}

const char *cd_oidc_title(const struct cd_ctl *ctl)
{
	return ctl->oidc ? ctl->oidc->conf.oidc_title : NULL;
}

bool cd_oidc_has_person(struct cd_ctl *ctl, int64_t person)
{
	int64_t n = 0;

	return ctl->oidc &&
	       !cd_store_int(ctl->store, &n,
			     "SELECT count(*) FROM person WHERE id = ?1"
			     " AND issuer = ?2",
			     "iz", person, ctl->oidc->conf.oidc_issuer) &&
	       n == 1;
}
