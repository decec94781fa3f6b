// SPDX-License-Identifier: Apache-2.0
/*
 * Certificate files that an administrator names, the chains that come back for
 * a request, and requests: PEM of any content, with a key in the same text.
 * What is read is the same when read again; a key of ours belongs to no
 * certificate of the input; what is issued has the names that were told, and
 * none of the request.
 */
#include <openssl/err.h>
#include <stdint.h>

#include "token/x509.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct cd_secret *other_key;
static struct cd_ca *server, *client;

#define NOW 1800000000

static void setup(void)
{
	struct cd_tls_key *k = NULL;

	cd_assert(cd_tls_key_new(&k) == 0);
	cd_assert(cd_tls_key_pem(k, &other_key) == 0);
	cd_tls_key_free(&k);
	cd_assert(cd_ca_new(CD_CA_SERVER, CD_STR("Test"), NULL, 0, NOW,
			    &server) == 0);
	cd_assert(cd_ca_new(CD_CA_CLIENT, CD_STR("Test"), NULL, 0, NOW,
			    &client) == 0);
}

static void issue(struct cd_str csr)
{
	static const struct cd_str told[] = {CD_STR_INIT("told.example.net"),
					     CD_STR_INIT("192.0.2.9")};
	struct cd_client_cert c = {CD_STR("alice"), 7, NOW, 3600};
	uint8_t key[CD_SHA256_SIZE];
	struct cd_cert_info info;
	struct cd_buf out;

	cd_buf_init(&out, 2 * CD_CERT_MAX);
	if (cd_ca_issue_leaf(server, csr, told, 2, NOW, 3600, &out) == 0) {
		cd_assert(cd_cert_has_name(cd_buf_get(&out), told[0]));
		cd_assert(cd_cert_has_name(cd_buf_get(&out), told[1]));
		cd_assert(!cd_cert_has_name(cd_buf_get(&out),
					    CD_STR("www.example.com")));
		cd_assert(cd_cert_read(cd_buf_get(&out), NULL, &info) == 0);
		cd_assert(info.not_after == NOW + 3600);
	}
	cd_buf_clear(&out);
	if (cd_ca_issue_client(client, csr, &c, &out, key) == 0) {
		cd_assert(cd_cert_read(cd_buf_get(&out), NULL, &info) == 0);
		cd_assert(!memcmp(info.hash, key, sizeof(key)));
	}
	cd_assert(cd_ca_issue_leaf(client, csr, told, 2, NOW, 3600, &out) ==
		  -EINVAL);
	cd_assert(cd_ca_issue_leaf(server, csr, &csr, 1, NOW, 3600, &out) < 0);
	cd_assert(cd_ca_issue_client(server, csr, &c, &out, key) == -EINVAL);
	cd_buf_done(&out);
}

static void names(struct cd_str pem)
{
	static const struct cd_str tried[] = {
		CD_STR_INIT("www.example.com"),
		CD_STR_INIT("*.example.com"),
		CD_STR_INIT("192.0.2.7"),
		CD_STR_INIT("2001:db8::7"),
	};

	for (size_t i = 0; i < CD_ARRAY_SIZE(tried); i++)
		(void)cd_cert_has_name(pem, tried[i]);
	cd_assert(!cd_cert_has_name(pem, CD_STR("")));
	cd_assert(!cd_cert_has_name(pem, CD_STR("www.example.com,a.example")));
	/* the text itself as a name: longer than one may be, or not one */
	if (pem.len > 253)
		cd_assert(!cd_cert_has_name(pem, pem));
	(void)cd_leaf_name_is_valid(pem);
	(void)cd_client_name_is_valid(pem);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cd_str pem = cd_str_make(data, size);
	struct cd_secret *key cd_auto(cd_secret_free) = NULL;
	struct cd_cert_info info, again;
	struct cd_ca *ca = NULL;

	if (!other_key)
		setup();
	if (size == 0 || size > CD_CERT_MAX)
		return 0;
	cd_assert(cd_secret_from(pem, &key) == 0);
	if (cd_cert_read(pem, NULL, &info) == 0) {
		cd_assert(cd_cert_read(pem, NULL, &again) == 0);
		cd_assert(info.not_before == again.not_before &&
			  info.not_after == again.not_after &&
			  !memcmp(info.hash, again.hash, sizeof(info.hash)));
		cd_assert(cd_cert_read(pem, other_key, &again) != 0);
	}
	if (cd_cert_read(pem, key, &again) == 0)
		cd_assert(cd_cert_read(pem, NULL, &info) == 0);
	names(pem);
	issue(pem);
	if (cd_ca_load(CD_CA_SERVER, key, pem, &ca) == 0)
		cd_ca_free(&ca);
	cd_assert(ERR_peek_error() == 0);
	return 0;
}
