/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jansson reads the documents; sizes are checked before it sees a byte, and a
 * member that stands twice is refused: which of two issuers is meant must not
 * depend on the reader.
 */
#include "controller/oidc_meta.h"

#include <jansson.h>
#include <stdlib.h>

#include "sys/conf.h"

static json_t *load(struct cd_str json, size_t max)
{
	json_error_t e;
	json_t *o;

	if (!json.len || json.len > max)
		return NULL;
	o = json_loadb(json.ptr, json.len, JSON_REJECT_DUPLICATES, &e);
	if (o && !json_is_object(o)) {
		json_decref(o);
		o = NULL;
	}
	return o;
}

/* Does the list hold the word? A list that is absent is `absent`; one that is
 * no list holds nothing. */
static bool lists(const json_t *o, const char *name, const char *word,
		  bool absent)
{
	const json_t *list = json_object_get(o, name), *item;
	size_t i;

	if (!list)
		return absent;
	json_array_foreach(list, i, item) if (json_is_string(item) &&
					      !strcmp(json_string_value(item),
						      word)) return true;
	return false;
}

static bool has_our_alg(const json_t *o)
{
	static const char name[] = "id_token_signing_alg_values_supported";

	return lists(o, name, "RS256", true) || lists(o, name, "ES256", true) ||
	       lists(o, name, "EdDSA", true);
}

static int take_url(const json_t *o, const char *name, bool plain, char **ret)
{
	const char *url = json_string_value(json_object_get(o, name));
	struct cd_str s = cd_str_from(url);

	if (!s.len || s.len > CD_OIDC_URL_MAX || !cd_url_is_safe(s))
		return CD_E_CORRUPT;
	if (!plain && !cd_str_has_prefix(s, CD_STR("https://")))
		return CD_E_CORRUPT;
	*ret = cd_str_dup(s);
	return *ret ? 0 : -ENOMEM;
}

static const char *unusable(const json_t *o)
{
	if (!lists(o, "response_types_supported", "code", true))
		return "it does not offer the authorization code flow";
	if (!lists(o, "code_challenge_methods_supported", "S256", true))
		return "it does not offer PKCE with S256";
	if (!has_our_alg(o))
		return "it signs with none of RS256, ES256 and EdDSA";
	return NULL;
}

static int read_meta(const json_t *o, struct cd_str issuer, const char **why,
		     struct cd_oidc_meta *m)
{
	static const char auth[] = "token_endpoint_auth_methods_supported";
	const json_t *iss = json_object_get(o, "issuer");
	bool plain = cd_str_has_prefix(issuer, CD_STR("http://"));
	int r;

	*why = "it names another issuer";
	if (!json_is_string(iss) ||
	    !cd_str_equal(cd_str_make(json_string_value(iss),
				      json_string_length(iss)),
			  issuer))
		return CD_E_SIGNATURE;
	*why = unusable(o);
	if (*why)
		return CD_E_UNSUPPORTED;
	*why = "an address in it is absent or not https";
	r = take_url(o, "authorization_endpoint", plain,
		     &m->authorization_endpoint);
	if (!r)
		r = take_url(o, "token_endpoint", plain, &m->token_endpoint);
	if (!r)
		r = take_url(o, "jwks_uri", plain, &m->jwks_uri);
	m->iss_parameter = json_is_true(json_object_get(
		o, "authorization_response_iss_parameter_supported"));
	m->secret_in_body = lists(o, auth, "client_secret_post", false) &&
			    !lists(o, auth, "client_secret_basic", true);
	return r;
}

int cd_oidc_meta_parse(struct cd_str json, struct cd_str issuer,
		       const char **ret_why, struct cd_oidc_meta *ret_meta)
{
	struct cd_oidc_meta m cd_auto(cd_oidc_meta_done) = {0};
	json_t *o = load(json, CD_OIDC_META_MAX);
	int r;

	*ret_why = "it is not a JSON object";
	if (!o)
		return CD_E_CORRUPT;
	r = read_meta(o, issuer, ret_why, &m);
	json_decref(o);
	if (r < 0)
		return r;
	*ret_meta = m;
	m = (struct cd_oidc_meta){0};
	return 0;
}

void cd_oidc_meta_done(struct cd_oidc_meta *meta)
{
	free(meta->authorization_endpoint);
	free(meta->token_endpoint);
	free(meta->jwks_uri);
	*meta = (struct cd_oidc_meta){0};
}

void cd_oidc_discovery_url(struct cd_str issuer, struct cd_buf *out)
{
	if (cd_str_has_suffix(issuer, CD_STR("/")))
		issuer.len--;
	cd_buf_str(out, issuer);
	cd_buf_puts(out, "/.well-known/openid-configuration");
}

void cd_oidc_escape(struct cd_buf *out, struct cd_str value)
{
	size_t i;

	for (i = 0; i < value.len; i++) {
		unsigned char c = (unsigned char)value.ptr[i];

		if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		    (c >= '0' && c <= '9') || (c && strchr("-._~", c)))
			cd_buf_char(out, (char)c);
		else
			cd_buf_printf(out, "%%%02X", c);
	}
}

void cd_oidc_form_put(struct cd_buf *out, const char *name, struct cd_str value)
{
	if (out->len && !strchr("?&", out->data[out->len - 1]))
		cd_buf_char(out, '&');
	cd_buf_puts(out, name);
	cd_buf_char(out, '=');
	cd_oidc_escape(out, value);
}

int cd_oidc_token_answer(struct cd_str json, struct cd_buf *ret_token)
{
	json_t *o = load(json, CD_OIDC_ANSWER_MAX);
	const json_t *t = json_object_get(o, "id_token");
	int r = CD_E_CORRUPT;

	if (json_string_length(t) && !json_object_get(o, "error")) {
		cd_buf_clear(ret_token);
		cd_buf_put(ret_token, json_string_value(t),
			   json_string_length(t));
		r = ret_token->err;
	}
	json_decref(o);
	return r;
}
