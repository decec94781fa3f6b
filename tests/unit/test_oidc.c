/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is believed of an identity provider: its discovery document, its
 * tokens and their claims, the flows that wait for it, and the secret file.
 * Every check of a token is tried from both sides.
 */
#include "tap.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "controller/oidc_flow.h"
#include "controller/oidc_meta.h"
#include "controller/oidc_provider.h"
#include "controller/oidc_token.h"
#include "token/base64.h"

#define ISS "https://id.example.com/realm"
#define NOW INT64_C(1795000000)

/* ---- discovery ---- */

static const char good[] =
	"{\"issuer\":\"" ISS "\","
	"\"authorization_endpoint\":\"https://id.example.com/auth\","
	"\"token_endpoint\":\"https://id.example.com/token\","
	"\"jwks_uri\":\"https://id.example.com/jwks\"%s}";

static int parse_with(const char *more, const char *issuer,
		      struct cd_oidc_meta *m)
{
	const char *why = NULL;
	char text[2048];
	int r;

	snprintf(text, sizeof(text), good, more);
	r = cd_oidc_meta_parse(cd_str_from(text), cd_str_from(issuer), &why, m);
	ok_true(!r || (why && *why));
	return r;
}

static int meta_result(const char *more)
{
	struct cd_oidc_meta m cd_auto(cd_oidc_meta_done) = {0};

	return parse_with(more, ISS, &m);
}

TEST(a_discovery_document_is_read)
{
	struct cd_oidc_meta m cd_auto(cd_oidc_meta_done) = {0};

	if (!ok_eq_int(parse_with(",\"authorization_response_iss_parameter_"
				  "supported\":true,\"token_endpoint_auth_"
				  "methods_supported\":"
				  "[\"client_secret_post\"]",
				  ISS, &m),
		       0))
		return;
	ok_eq_str(m.authorization_endpoint, "https://id.example.com/auth");
	ok_eq_str(m.token_endpoint, "https://id.example.com/token");
	ok_eq_str(m.jwks_uri, "https://id.example.com/jwks");
	ok_true(m.iss_parameter);
	ok_true(m.secret_in_body);
	cd_oidc_meta_done(&m);
	ok_eq_int(parse_with("", ISS, &m), 0);
	ok_false(m.iss_parameter);
	ok_false(m.secret_in_body);
}

TEST(the_issuer_must_be_the_configured_one_byte_for_byte)
{
	static const char *const others[] = {
		ISS "/",
		"https://id.example.com",
		"https://ID.example.com/realm",
		"https://evil.example/realm",
		"",
	};
	size_t i;

	for (i = 0; i < CD_ARRAY_SIZE(others); i++) {
		struct cd_oidc_meta m cd_auto(cd_oidc_meta_done) = {0};

		ok_eq_int(parse_with("", others[i], &m), CD_E_SIGNATURE);
		ok_true(!m.token_endpoint);
	}
}

TEST(what_a_provider_cannot_do_is_said_at_once)
{
	ok_eq_int(meta_result(",\"response_types_supported\":[\"id_token\"]"),
		  CD_E_UNSUPPORTED);
	ok_eq_int(meta_result(",\"code_challenge_methods_supported\":"
			      "[\"plain\"]"),
		  CD_E_UNSUPPORTED);
	ok_eq_int(meta_result(",\"id_token_signing_alg_values_supported\":"
			      "[\"HS256\",\"none\"]"),
		  CD_E_UNSUPPORTED);
	ok_eq_int(meta_result(",\"id_token_signing_alg_values_supported\":7"),
		  CD_E_UNSUPPORTED);
	ok_eq_int(meta_result(",\"response_types_supported\":[\"code\"],"
			      "\"code_challenge_methods_supported\":[\"S256\"],"
			      "\"id_token_signing_alg_values_supported\":"
			      "[\"ES256\"]"),
		  0);
}

static int meta_text(const char *text, const char *issuer)
{
	struct cd_oidc_meta m cd_auto(cd_oidc_meta_done) = {0};
	const char *why;

	return cd_oidc_meta_parse(cd_str_from(text), cd_str_from(issuer), &why,
				  &m);
}

#define DOC(auth, token, jwks)                                       \
	"{\"issuer\":\"" ISS "\",\"authorization_endpoint\":\"" auth \
	"\",\"token_endpoint\":\"" token "\",\"jwks_uri\":\"" jwks "\"}"

TEST(addresses_are_https)
{
	ok_eq_int(meta_text(DOC("https://a/", "https://b/", "https://c/"), ISS),
		  0);
	ok_eq_int(meta_text(DOC("http://a/", "https://b/", "https://c/"), ISS),
		  CD_E_CORRUPT);
	ok_eq_int(
		meta_text(DOC("https://a/", "http://127.0.0.1/", "https://c/"),
			  ISS),
		CD_E_CORRUPT);
	ok_eq_int(meta_text(DOC("https://a/", "https://b/", "file:///etc"),
			    ISS),
		  CD_E_CORRUPT);
	ok_eq_int(meta_text("{\"issuer\":\"" ISS "\"}", ISS), CD_E_CORRUPT);
	/* Plain http only below an issuer that is itself loopback. */
	ok_eq_int(meta_text("{\"issuer\":\"http://127.0.0.1:9\","
			    "\"authorization_endpoint\":\"http://127.0.0.1:9/a"
			    "\",\"token_endpoint\":\"http://127.0.0.1:9/t\","
			    "\"jwks_uri\":\"http://127.0.0.1:9/j\"}",
			    "http://127.0.0.1:9"),
		  0);
}

TEST(malformed_documents_are_refused)
{
	static char long_text[CD_OIDC_META_MAX + 2];

	ok_eq_int(meta_text("", ISS), CD_E_CORRUPT);
	ok_eq_int(meta_text("[]", ISS), CD_E_CORRUPT);
	ok_eq_int(meta_text("{\"issuer\":\"" ISS "\"", ISS), CD_E_CORRUPT);
	ok_eq_int(meta_text("{\"issuer\":\"x\",\"issuer\":\"" ISS "\"}", ISS),
		  CD_E_CORRUPT);
	ok_eq_int(meta_text("{\"issuer\":[\"" ISS "\"]}", ISS), CD_E_SIGNATURE);
	memset(long_text, ' ', sizeof(long_text) - 1);
	long_text[0] = '{';
	long_text[sizeof(long_text) - 2] = '}';
	ok_eq_int(meta_text(long_text, ISS), CD_E_CORRUPT);
}

TEST(addresses_are_built_and_escaped)
{
	struct cd_buf b cd_auto(cd_buf_done);

	cd_buf_init(&b, 4096);
	cd_oidc_discovery_url(CD_STR("https://x.example/"), &b);
	ok_eq_str(b.data, "https://x.example/.well-known/openid-configuration");
	cd_buf_clear(&b);
	cd_oidc_discovery_url(CD_STR(ISS), &b);
	ok_eq_str(b.data, ISS "/.well-known/openid-configuration");
	cd_buf_clear(&b);
	cd_buf_puts(&b, "u?");
	cd_oidc_form_put(&b, "a", CD_STR("x y&=/\xc3\xa9"));
	cd_oidc_form_put(&b, "b", CD_STR("-._~"));
	ok_eq_str(b.data, "u?a=x%20y%26%3D%2F%C3%A9&b=-._~");
}

TEST(of_a_token_answer_the_id_token_is_taken)
{
	struct cd_buf b cd_auto(cd_buf_done);

	cd_buf_init(&b, CD_JWT_MAX);
	ok_eq_int(
		cd_oidc_token_answer(
			CD_STR("{\"access_token\":\"x\",\"id_token\":\"a.b.c\","
			       "\"token_type\":\"Bearer\"}"),
			&b),
		0);
	ok_eq_str(b.data, "a.b.c");
	ok_eq_int(cd_oidc_token_answer(CD_STR("{\"access_token\":\"x\"}"), &b),
		  CD_E_CORRUPT);
	ok_eq_int(cd_oidc_token_answer(CD_STR("{\"id_token\":7}"), &b),
		  CD_E_CORRUPT);
	ok_eq_int(cd_oidc_token_answer(CD_STR("{\"id_token\":\"a.b.c\","
					      "\"error\":\"invalid_grant\"}"),
				       &b),
		  CD_E_CORRUPT);
	ok_eq_int(cd_oidc_token_answer(CD_STR("id_token=a.b.c"), &b),
		  CD_E_CORRUPT);
}

/* ---- tokens ---- */

static struct cd_sign_key *key;
static struct cd_jwks *keys;

static void make_keys(void)
{
	struct cd_public_key public;

	if (key)
		return;
	cd_assert(!cd_sign_key_new(&key));
	cd_sign_key_public(key, &public);
	cd_assert(!cd_jwks_from_public(&public, &keys));
}

static void put_part(struct cd_buf *out, const char *json)
{
	cd_base64url_put(out, json, strlen(json));
}

static void sign(struct cd_buf *out, const struct cd_sign_key *with,
		 const char *header, const char *payload)
{
	uint8_t sig[CD_ED25519_SIGNATURE];

	cd_buf_init(out, CD_JWT_MAX * 2);
	put_part(out, header);
	cd_buf_char(out, '.');
	put_part(out, payload);
	cd_assert(!cd_ed25519_sign(with, cd_buf_get(out), sig));
	cd_buf_char(out, '.');
	cd_base64url_put(out, sig, sizeof(sig));
}

static const struct cd_oidc_names names = {CD_STR_INIT("preferred_username"),
					   CD_STR_INIT("groups")};

static const struct cd_oidc_expect expect = {
	.issuer = CD_STR_INIT(ISS),
	.client_id = CD_STR_INIT("cordon"),
	.nonce = CD_STR_INIT("nnnn"),
	.now = NOW,
	.begun = NOW - 30,
	.max_age = 3600,
};

#define BASE "\"iss\":\"" ISS "\",\"sub\":\"s1\",\"nonce\":\"nnnn\""
#define TIMES "\"iat\":1795000000,\"exp\":1795000300"
#define AUTH "\"auth_time\":1794999990"

static enum cd_oidc_verdict verdict_at(const char *payload,
				       const struct cd_oidc_expect *e)
{
	struct cd_oidc_claims c cd_auto(cd_oidc_claims_done) = {0};
	struct cd_buf t cd_auto(cd_buf_done);

	make_keys();
	sign(&t, key, "{\"alg\":\"EdDSA\"}", payload);
	return cd_oidc_token_check(cd_buf_get(&t), keys, e, &names, &c);
}

static enum cd_oidc_verdict verdict(const char *payload)
{
	return verdict_at(payload, &expect);
}

TEST(a_token_as_it_should_be)
{
	struct cd_oidc_claims c cd_auto(cd_oidc_claims_done) = {0};
	struct cd_buf t cd_auto(cd_buf_done);

	make_keys();
	sign(&t, key, "{\"alg\":\"EdDSA\",\"typ\":\"JWT\"}",
	     "{" BASE ",\"aud\":\"cordon\"," TIMES "," AUTH
	     ",\"amr\":[\"pwd\",\"otp\"],\"preferred_username\":\"Alice\","
	     "\"name\":\"Alice A\",\"email\":\"alice@example.com\","
	     "\"groups\":[\"finance\",\"Bad Name\",\"finance\",\"ops\"]}");
	if (!ok_eq_int(cd_oidc_token_check(cd_buf_get(&t), keys, &expect,
					   &names, &c),
		       CD_OIDC_FINE))
		return;
	ok_eq_str(c.sub, "s1");
	ok_eq_str(c.name, "Alice");
	ok_eq_str(c.display, "Alice A");
	ok_eq_str(c.email, "alice@example.com");
	ok_eq_int(c.auth_time, 1794999990);
	ok_eq_int(c.factor, 2);
	ok_eq_uint(json_array_size(c.groups), 2);
	ok_eq_uint(c.ignored, 1);
}

TEST(another_issuer_or_audience)
{
	ok_eq_int(verdict("{" BASE ",\"aud\":\"cordon\"," TIMES "," AUTH "}"),
		  CD_OIDC_FINE);
	ok_eq_int(verdict("{" BASE ",\"aud\":\"other\"," TIMES "," AUTH "}"),
		  CD_OIDC_BAD_TOKEN);
	ok_eq_int(verdict("{" BASE "," TIMES "," AUTH "}"), CD_OIDC_BAD_TOKEN);
	ok_eq_int(verdict("{\"iss\":\"https://evil.example\",\"sub\":\"s1\","
			  "\"nonce\":\"nnnn\",\"aud\":\"cordon\"," TIMES
			  "," AUTH "}"),
		  CD_OIDC_BAD_TOKEN);
}

TEST(several_audiences_need_the_authorized_party)
{
	ok_eq_int(verdict("{" BASE ",\"aud\":[\"cordon\",\"b\"]," TIMES "," AUTH
			  "}"),
		  CD_OIDC_BAD_PARTY);
	ok_eq_int(verdict("{" BASE
			  ",\"aud\":[\"cordon\",\"b\"],\"azp\":\"b\"," TIMES
			  "," AUTH "}"),
		  CD_OIDC_BAD_PARTY);
	ok_eq_int(verdict("{" BASE ",\"aud\":\"cordon\",\"azp\":\"b\"," TIMES
			  "," AUTH "}"),
		  CD_OIDC_BAD_PARTY);
	ok_eq_int(verdict("{" BASE ",\"aud\":[\"cordon\",\"b\"],"
			  "\"azp\":\"cordon\"," TIMES "," AUTH "}"),
		  CD_OIDC_FINE);
}

TEST(the_nonce_of_this_sign_in)
{
	struct cd_oidc_expect none = expect;

	ok_eq_int(verdict("{\"iss\":\"" ISS "\",\"sub\":\"s\",\"nonce\":"
			  "\"mmmm\",\"aud\":\"cordon\"," TIMES "," AUTH "}"),
		  CD_OIDC_BAD_NONCE);
	ok_eq_int(verdict("{\"iss\":\"" ISS "\",\"sub\":\"s\","
			  "\"aud\":\"cordon\"," TIMES "," AUTH "}"),
		  CD_OIDC_BAD_NONCE);
	none.nonce = CD_STR_NULL;
	ok_eq_int(verdict_at("{\"iss\":\"" ISS "\",\"sub\":\"s\","
			     "\"aud\":\"cordon\"," TIMES "," AUTH "}",
			     &none),
		  CD_OIDC_BAD_NONCE);
}

TEST(times)
{
	struct cd_oidc_expect fresh = expect;

#define AUD BASE ",\"aud\":\"cordon\","
	ok_eq_int(verdict("{" AUD "\"iat\":1794999000,\"exp\":1794999900," AUTH
			  "}"),
		  CD_OIDC_EXPIRED);
	/* Made before this sign-in began. */
	ok_eq_int(verdict("{" AUD "\"iat\":1794999000,\"exp\":1795000300," AUTH
			  "}"),
		  CD_OIDC_EXPIRED);
	ok_eq_int(verdict("{" AUD "\"exp\":1795000300," AUTH "}"),
		  CD_OIDC_EXPIRED);
	ok_eq_int(verdict("{" AUD "\"iat\":1795000000," AUTH "}"),
		  CD_OIDC_BAD_TOKEN);
	ok_eq_int(verdict("{" AUD "\"iat\":1795009000,\"exp\":1795009900," AUTH
			  "}"),
		  CD_OIDC_EXPIRED);
	ok_eq_int(verdict("{" AUD TIMES "}"), CD_OIDC_TOO_OLD);
	ok_eq_int(verdict("{" AUD TIMES ",\"auth_time\":1794990000}"),
		  CD_OIDC_TOO_OLD);
	ok_eq_int(verdict("{" AUD TIMES ",\"auth_time\":1795000500}"),
		  CD_OIDC_TOO_OLD);
	fresh.max_age = 0;
	ok_eq_int(verdict_at("{" AUD TIMES "," AUTH "}", &fresh), CD_OIDC_FINE);
	ok_eq_int(verdict_at("{" AUD TIMES ",\"auth_time\":1794999700}",
			     &fresh),
		  CD_OIDC_TOO_OLD);
}

TEST(claims_of_the_wrong_kind)
{
	ok_eq_int(verdict("{" AUD TIMES "," AUTH ",\"amr\":\"otp\"}"),
		  CD_OIDC_BAD_CLAIMS);
	ok_eq_int(verdict("{" AUD TIMES "," AUTH ",\"groups\":[1]}"),
		  CD_OIDC_BAD_CLAIMS);
	ok_eq_int(verdict("{" AUD TIMES "," AUTH ",\"groups\":{}}"),
		  CD_OIDC_BAD_CLAIMS);
	/* One name is a list of one. */
	ok_eq_int(verdict("{" AUD TIMES "," AUTH ",\"groups\":\"ops\"}"),
		  CD_OIDC_FINE);
	/* The groups are kept where we do not look: not "no groups". */
	ok_eq_int(verdict("{" AUD TIMES "," AUTH
			  ",\"_claim_names\":{\"groups\":\"src1\"}}"),
		  CD_OIDC_BAD_CLAIMS);
}

TEST(too_many_groups_are_refused_not_cut_off)
{
	struct cd_oidc_claims c cd_auto(cd_oidc_claims_done) = {0};
	struct cd_buf b cd_auto(cd_buf_done);
	int i;

	cd_buf_init(&b, CD_JWT_MAX);
	cd_buf_puts(&b, "{\"sub\":\"s\",\"groups\":[\"g\"");
	for (i = 1; i < CD_OIDC_GROUPS_MAX; i++)
		cd_buf_printf(&b, ",\"g%d\"", i);
	cd_buf_puts(&b, "]}");
	ok_eq_int(cd_oidc_claims_parse(cd_buf_get(&b), &names, &c), 0);
	ok_eq_uint(json_array_size(c.groups), CD_OIDC_GROUPS_MAX);
	b.len -= 2;
	cd_buf_puts(&b, ",\"more\"]}");
	cd_oidc_claims_done(&c);
	ok_eq_int(cd_oidc_claims_parse(cd_buf_get(&b), &names, &c), CD_E_LIMIT);
}

TEST(groups_that_are_not_asked_for_are_not_looked_at)
{
	static const struct cd_oidc_names none = {CD_STR_INIT("x"), {NULL, 0}};
	struct cd_oidc_claims c cd_auto(cd_oidc_claims_done) = {0};

	ok_eq_int(cd_oidc_claims_parse(CD_STR("{\"sub\":\"s\",\"groups\":7}"),
				       &none, &c),
		  0);
	ok_true(!c.groups);
}

TEST(a_subject_that_does_not_fit_is_refused)
{
	struct cd_oidc_claims c cd_auto(cd_oidc_claims_done) = {0};
	char text[400] = "{\"sub\":\"";

	memset(text + 8, 'x', CD_OIDC_SUB_MAX + 1);
	strcpy(text + 8 + CD_OIDC_SUB_MAX + 1, "\"}");
	ok_eq_int(cd_oidc_claims_parse(cd_str_from(text), &names, &c),
		  CD_E_CORRUPT);
	strcpy(text + 8 + CD_OIDC_SUB_MAX, "\"}");
	ok_eq_int(cd_oidc_claims_parse(cd_str_from(text), &names, &c), 0);
	cd_oidc_claims_done(&c);
	ok_eq_int(cd_oidc_claims_parse(CD_STR("{\"sub\":\"a\\u000ab\"}"),
				       &names, &c),
		  CD_E_CORRUPT);
	ok_eq_int(cd_oidc_claims_parse(CD_STR("{\"sub\":7}"), &names, &c),
		  CD_E_CORRUPT);
	ok_eq_int(cd_oidc_claims_parse(CD_STR("{\"sub\":\"a\",\"sub\":\"b\"}"),
				       &names, &c),
		  CD_E_CORRUPT);
}

TEST(methods_become_factors)
{
	static const struct {
		const char *amr;
		int64_t factor;
	} rows[] = {
		{"[]", 0},
		{"[\"kba\",\"geo\",7,null]", 0},
		{"[\"pwd\"]", 1},
		{"[\"sms\"]", 1},
		{"[\"pwd\",\"mfa\"]", 2},
		{"[\"otp\"]", 2},
		{"[\"pwd\",\"hwk\"]", 3},
		{"[\"PWD\"]", 0},
	};
	json_t *amr;
	size_t i;

	for (i = 0; i < CD_ARRAY_SIZE(rows); i++) {
		amr = json_loads(rows[i].amr, 0, NULL);
		ok_eq_int(cd_oidc_amr_factor(amr), rows[i].factor);
		json_decref(amr);
	}
}

static enum cd_oidc_verdict raw(const char *header, const char *token)
{
	struct cd_oidc_claims c cd_auto(cd_oidc_claims_done) = {0};
	struct cd_buf t cd_auto(cd_buf_done);

	make_keys();
	sign(&t, key, header, "{" AUD TIMES "," AUTH "}");
	if (token) {
		cd_buf_clear(&t);
		cd_buf_puts(&t, token);
	}
	return cd_oidc_token_check(cd_buf_get(&t), keys, &expect, &names, &c);
}

TEST(the_algorithm_is_ours_to_choose)
{
	ok_eq_int(raw("{\"alg\":\"none\"}", NULL), CD_OIDC_BAD_TOKEN);
	ok_eq_int(raw("{\"alg\":\"HS256\"}", NULL), CD_OIDC_BAD_TOKEN);
	ok_eq_int(raw("{\"alg\":\"PS256\"}", NULL), CD_OIDC_BAD_TOKEN);
	/* Right name, no key of that algorithm: asks for newer keys. */
	ok_eq_int(raw("{\"alg\":\"RS256\"}", NULL), CD_OIDC_UNKNOWN_KEY);
	ok_eq_int(raw("{\"alg\":\"EdDSA\",\"kid\":\"other\"}", NULL),
		  CD_OIDC_UNKNOWN_KEY);
	ok_eq_int(raw("{\"alg\":\"EdDSA\"}", "a.b.c"), CD_OIDC_BAD_TOKEN);
	ok_eq_int(raw("{\"alg\":\"EdDSA\"}", ""), CD_OIDC_BAD_TOKEN);
}

TEST(a_signature_by_another_key)
{
	struct cd_oidc_claims c cd_auto(cd_oidc_claims_done) = {0};
	struct cd_sign_key *other cd_auto(cd_sign_key_free) = NULL;
	struct cd_buf t cd_auto(cd_buf_done);

	make_keys();
	ok_eq_int(cd_sign_key_new(&other), 0);
	sign(&t, other, "{\"alg\":\"EdDSA\"}", "{" AUD TIMES "," AUTH "}");
	ok_eq_int(cd_oidc_token_check(cd_buf_get(&t), keys, &expect, &names,
				      &c),
		  CD_OIDC_BAD_TOKEN);
}

/* ---- flows ---- */

struct started {
	struct cd_secret *browser, *state;
};

static void started_done(struct started *s)
{
	cd_secret_free(&s->browser);
	cd_secret_free(&s->state);
}

static int begin(struct cd_oidc_flows *flows, const char *addr, int64_t now,
		 struct started *s)
{
	const struct cd_oidc_flow *flow;
	struct cd_oidc_begin b = {.addr = cd_str_from(addr),
				  .app = CD_STR("payroll"),
				  .to = CD_STR("/x?y"),
				  .now = now};
	uint8_t unused[CD_TOKEN_KEY];

	cd_assert(!cd_token_new(&s->browser, unused));
	b.browser = cd_secret_reveal(s->browser);
	return cd_oidc_flow_begin(flows, &b, &s->state, &flow);
}

static int take(struct cd_oidc_flows *flows, const struct cd_secret *state,
		const struct cd_secret *browser, int64_t now)
{
	struct cd_oidc_flow *flow cd_auto(cd_oidc_flow_free) = NULL;
	int r = cd_oidc_flow_take(flows, cd_secret_reveal(state),
				  cd_secret_reveal(browser), now, &flow);

	if (!r) {
		ok_eq_str(flow->app, "payroll");
		ok_eq_str(flow->to, "/x?y");
		ok_eq_uint(cd_secret_len(flow->nonce), 43);
		ok_eq_uint(cd_secret_len(flow->verifier), 43);
	}
	return r;
}

TEST(a_state_works_once_in_its_browser)
{
	struct cd_oidc_flows *flows cd_auto(cd_oidc_flows_free) = NULL;
	struct started a cd_auto(started_done) = {0};
	struct started b cd_auto(started_done) = {0};
	struct started c cd_auto(started_done) = {0};

	ok_eq_int(cd_oidc_flows_new(&flows), 0);
	ok_eq_int(begin(flows, "192.0.2.1", NOW, &a), 0);
	ok_eq_int(begin(flows, "192.0.2.1", NOW, &b), 0);
	ok_eq_int(begin(flows, "192.0.2.1", NOW, &c), 0);
	ok_eq_int(take(flows, a.state, a.browser, NOW + 5), 0);
	ok_eq_int(take(flows, a.state, a.browser, NOW + 5), CD_E_NOTFOUND);
	/* Another browser's: refused, and used up for its own too. */
	ok_eq_int(take(flows, b.state, a.browser, NOW + 5), CD_E_DENIED);
	ok_eq_int(take(flows, b.state, b.browser, NOW + 5), CD_E_NOTFOUND);
	ok_eq_int(take(flows, c.state, c.browser, NOW + CD_OIDC_FLOW_LIFE),
		  CD_E_NOTFOUND);
	ok_eq_uint(cd_oidc_flows_count(flows), 0);
}

TEST(a_state_we_never_made)
{
	struct cd_oidc_flows *flows cd_auto(cd_oidc_flows_free) = NULL;
	struct cd_oidc_flow *flow = NULL;

	ok_eq_int(cd_oidc_flows_new(&flows), 0);
	ok_eq_int(cd_oidc_flow_take(flows, CD_STR_NULL, CD_STR_NULL, NOW,
				    &flow),
		  CD_E_NOTFOUND);
	ok_eq_int(cd_oidc_flow_take(flows, CD_STR("x"), CD_STR("y"), NOW,
				    &flow),
		  CD_E_NOTFOUND);
}

TEST(flows_of_one_address_are_bounded)
{
	struct cd_oidc_flows *flows cd_auto(cd_oidc_flows_free) = NULL;
	int i, r = 0;

	ok_eq_int(cd_oidc_flows_new(&flows), 0);
	for (i = 0; !r && i < CD_OIDC_FLOWS_ADDR; i++) {
		struct started s cd_auto(started_done) = {0};
		char addr[64];

		/* One /64 is one household. */
		snprintf(addr, sizeof(addr), "2001:db8:0:1::%x", i + 1);
		r = begin(flows, addr, NOW, &s);
		ok_eq_int(r, 0);
	}
	{
		struct started s cd_auto(started_done) = {0};
		struct started t cd_auto(started_done) = {0};
		struct started u cd_auto(started_done) = {0};

		ok_eq_int(begin(flows, "2001:db8:0:1::ffff", NOW, &s), -EAGAIN);
		ok_eq_int(begin(flows, "2001:db8:0:2::1", NOW, &t), 0);
		/* Later the old ones are gone. */
		ok_eq_int(begin(flows, "2001:db8:0:1::1",
				NOW + CD_OIDC_FLOW_LIFE, &u),
			  0);
		ok_eq_uint(cd_oidc_flows_count(flows), 1);
	}
}

TEST(flows_in_all_are_bounded)
{
	struct cd_oidc_flows *flows cd_auto(cd_oidc_flows_free) = NULL;
	struct started last cd_auto(started_done) = {0};
	int i, r = 0;

	ok_eq_int(cd_oidc_flows_new(&flows), 0);
	for (i = 0; !r && i < CD_OIDC_FLOWS_MAX; i++) {
		struct started s cd_auto(started_done) = {0};
		char addr[64];

		snprintf(addr, sizeof(addr), "10.1.%d.%d", i / 250, i % 250);
		r = begin(flows, addr, NOW, &s);
	}
	ok_eq_int(r, 0);
	ok_eq_int(begin(flows, "192.0.2.9", NOW, &last), -EAGAIN);
}

TEST(the_challenge_is_that_of_rfc_7636)
{
	struct cd_oidc_flow flow = {0};
	struct cd_buf b cd_auto(cd_buf_done);

	cd_buf_init(&b, 64);
	ok_eq_int(cd_secret_from(CD_STR("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_"
					"wW1gFWFOEjXk"),
				 &flow.verifier),
		  0);
	cd_oidc_challenge(&flow, &b);
	ok_eq_str(b.data, "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
	cd_secret_free(&flow.verifier);
}

/* ---- the secret file ---- */

static int secret_of(const char *text, mode_t mode)
{
	struct cd_secret *s cd_auto(cd_secret_free) = NULL;
	struct cd_diag *d cd_auto(cd_diag_free) = NULL;
	char path[] = "/tmp/cordon-oidc.XXXXXX";
	int fd = mkstemp(path), r;

	cd_assert(fd >= 0 && write(fd, text, strlen(text)) >= 0);
	cd_assert(!fchmod(fd, mode) && !close(fd));
	ok_eq_int(cd_diag_new(&d), 0);
	r = cd_oidc_secret_read(path, d, &s);
	ok_eq_uint(cd_diag_errors(d), r ? 1 : 0);
	if (!r)
		ok_true(cd_secret_equal_bytes(s, CD_STR("correct-horse")));
	unlink(path);
	return r;
}

TEST(the_secret_comes_from_a_closed_file)
{
	ok_eq_int(secret_of("correct-horse\n", 0600), 0);
	ok_eq_int(secret_of("correct-horse", 0640), 0);
	ok_eq_int(secret_of("correct-horse\n", 0644), -EPERM);
	ok_eq_int(secret_of("correct-horse\n", 0602), -EPERM);
	ok_eq_int(secret_of("", 0600), -EINVAL);
	ok_eq_int(secret_of("short\n", 0600), -EINVAL);
	ok_eq_int(secret_of("two\nlines-of-it\n", 0600), -EINVAL);
	ok_eq_int(cd_oidc_secret_read("/dev/null", NULL, NULL), -EINVAL);
	ok_eq_int(cd_oidc_secret_read("/nonexistent/x", NULL, NULL), -ENOENT);
}
