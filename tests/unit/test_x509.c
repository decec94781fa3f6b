/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Our certification authorities: what they issue is good for exactly what was
 * asked, and OpenSSL's own path validation agrees; everything odd is refused.
 */
#include "tap.h"

#include <stdlib.h>

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "token/x509.h"

#define NOW INT64_C(1800000000)

static struct cd_ca *server, *client;

static void setup(void)
{
	if (server)
		return;
	ok_eq_int(cd_ca_new(CD_CA_SERVER, CD_STR("Cordon TLS CA"), NULL, 0, NOW,
			    &server),
		  0);
	ok_eq_int(cd_ca_new(CD_CA_CLIENT, CD_STR("Cordon client CA"), NULL, 0,
			    NOW, &client),
		  0);
}

static struct cd_tls_key *request(struct cd_buf *csr)
{
	struct cd_tls_key *k = NULL;

	cd_buf_init(csr, CD_CSR_MAX);
	ok_eq_int(cd_tls_key_new(&k), 0);
	ok_eq_int(cd_csr_new(k, csr), 0);
	return k;
}

static X509 *parse(struct cd_str pem, int skip_certs)
{
	BIO *bio = BIO_new_mem_buf(pem.ptr, (int)pem.len);
	X509 *cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);

	while (skip_certs-- > 0) {
		X509_free(cert);
		cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);
	}
	BIO_free(bio);
	return cert;
}

/* What a TLS peer would say of the chain. */
static int path_error(struct cd_str chain, int purpose, time_t at)
{
	X509_STORE *store = X509_STORE_new();
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	X509 *leaf = parse(chain, 0), *root = parse(chain, 1);
	int r;

	X509_STORE_add_cert(store, root);
	X509_STORE_CTX_init(ctx, store, leaf, NULL);
	X509_STORE_CTX_set_purpose(ctx, purpose);
	X509_STORE_CTX_set_time(ctx, 0, at);
	X509_STORE_CTX_set_flags(ctx, X509_V_FLAG_X509_STRICT);
	r = X509_verify_cert(ctx) == 1 ? 0 : X509_STORE_CTX_get_error(ctx);
	X509_free(leaf);
	X509_free(root);
	X509_STORE_CTX_free(ctx);
	X509_STORE_free(store);
	return r;
}

TEST(leaf_is_good_for_its_names)
{
	struct cd_str names[] = {CD_STR_INIT("payroll.example.com"),
				 CD_STR_INIT("*.apps.example.com"),
				 CD_STR_INIT("127.0.0.1"), CD_STR_INIT("::1")};
	struct cd_buf csr cd_auto(cd_buf_done), out cd_auto(cd_buf_done);
	struct cd_tls_key *k cd_auto(cd_tls_key_free) = NULL;
	struct cd_secret *pem cd_auto(cd_secret_free) = NULL;
	struct cd_secret *other cd_auto(cd_secret_free) = NULL;
	struct cd_buf csr2 cd_auto(cd_buf_done);
	struct cd_tls_key *k2 cd_auto(cd_tls_key_free) = NULL;
	struct cd_cert_info info;
	X509 *cert;

	setup();
	k = request(&csr);
	k2 = request(&csr2);
	cd_buf_init(&out, 65536);
	ok_eq_int(cd_ca_issue_leaf(server, cd_buf_get(&csr), names, 4, NOW,
				   86400, &out),
		  0);
	ok_eq_int(path_error(cd_buf_get(&out), X509_PURPOSE_SSL_SERVER, NOW),
		  0);
	ok_true(path_error(cd_buf_get(&out), X509_PURPOSE_SSL_CLIENT, NOW));
	ok_eq_int(path_error(cd_buf_get(&out), X509_PURPOSE_SSL_SERVER,
			     NOW + 86401),
		  X509_V_ERR_CERT_HAS_EXPIRED);
	cert = parse(cd_buf_get(&out), 0);
	ok_eq_int(X509_check_host(cert, "payroll.example.com", 0, 0, NULL), 1);
	ok_eq_int(X509_check_host(cert, "a.apps.example.com", 0, 0, NULL), 1);
	ok_eq_int(X509_check_host(cert, "other.example.com", 0, 0, NULL), 0);
	ok_eq_int(X509_check_ip_asc(cert, "127.0.0.1", 0), 1);
	ok_eq_int(X509_check_ca(cert), 0);
	X509_free(cert);
	ok_true(cd_cert_has_name(cd_buf_get(&out), names[0]));
	ok_true(cd_cert_has_name(cd_buf_get(&out), names[3]));
	ok_false(cd_cert_has_name(cd_buf_get(&out), CD_STR("example.com")));
	ok_eq_int(cd_tls_key_pem(k, &pem), 0);
	ok_eq_int(cd_tls_key_pem(k2, &other), 0);
	ok_eq_int(cd_cert_read(cd_buf_get(&out), pem, &info), 0);
	ok_eq_int(info.not_after, NOW + 86400);
	ok_eq_int(cd_cert_read(cd_buf_get(&out), other, &info), CD_E_DENIED);
	ok_eq_int(cd_cert_read(CD_STR("rubbish"), NULL, &info), CD_E_CORRUPT);
}

TEST(client_certificate_is_bound_to_its_session)
{
	struct cd_buf csr cd_auto(cd_buf_done), out cd_auto(cd_buf_done);
	struct cd_tls_key *k cd_auto(cd_tls_key_free) = NULL;
	struct cd_client_cert c = {.user = CD_STR("alice"),
				   .session = 42,
				   .now = NOW,
				   .life = 3600};
	uint8_t key[32];
	struct cd_cert_info info;
	X509 *cert;
	char cn[70] = "";

	setup();
	k = request(&csr);
	cd_buf_init(&out, 65536);
	ok_eq_int(cd_ca_issue_client(client, cd_buf_get(&csr), &c, &out, key),
		  0);
	ok_eq_int(path_error(cd_buf_get(&out), X509_PURPOSE_SSL_CLIENT, NOW),
		  0);
	ok_true(path_error(cd_buf_get(&out), X509_PURPOSE_SSL_SERVER, NOW));
	ok_eq_int(cd_cert_read(cd_buf_get(&out), NULL, &info), 0);
	ok_mem(key, 32, info.hash, 32);
	cert = parse(cd_buf_get(&out), 0);
	X509_NAME_get_text_by_NID(X509_get_subject_name(cert), NID_commonName,
				  cn, sizeof(cn));
	ok_eq_str(cn, "alice");
	X509_free(cert);
	c.life = CD_CLIENT_LIFE_MAX + 1;
	ok_eq_int(cd_ca_issue_client(client, cd_buf_get(&csr), &c, &out, key),
		  -EINVAL);
	c.life = 60;
	/* one authority, one use */
	ok_eq_int(cd_ca_issue_client(server, cd_buf_get(&csr), &c, &out, key),
		  -EINVAL);
	ok_eq_int(cd_ca_issue_leaf(client, cd_buf_get(&csr), &c.user, 1, NOW,
				   60, &out),
		  -EINVAL);
}

TEST(names_that_a_list_parser_could_split)
{
	static const struct cd_str bad[] = {
		CD_STR_INIT("a,b"),	   CD_STR_INIT("a b"),
		CD_STR_INIT(""),	   CD_STR_INIT("a\0b"),
		CD_STR_INIT("a\n"),	   CD_STR_INIT("DNS:a"),
		CD_STR_INIT("a..b"),	   CD_STR_INIT(".a"),
		CD_STR_INIT("a."),	   CD_STR_INIT("A.example.com"),
		CD_STR_INIT("*"),	   CD_STR_INIT("*.com"),
		CD_STR_INIT("a.*.b.c"),	   CD_STR_INIT("10.0.0.0/8"),
		CD_STR_INIT("\xc3\xa9.x"),
	};
	static const struct cd_str bad_client[] = {
		CD_STR_INIT("a,b"), CD_STR_INIT("a b"), CD_STR_INIT("-a"),
		CD_STR_INIT(""),    CD_STR_INIT("a\0"), CD_STR_INIT("a/CN=b"),
	};
	struct cd_buf csr cd_auto(cd_buf_done), out cd_auto(cd_buf_done);
	struct cd_tls_key *k cd_auto(cd_tls_key_free) = NULL;

	setup();
	k = request(&csr);
	cd_buf_init(&out, 65536);
	for (size_t i = 0; i < CD_ARRAY_SIZE(bad); i++)
		ok_eq_int(cd_ca_issue_leaf(server, cd_buf_get(&csr), &bad[i], 1,
					   NOW, 60, &out),
			  -EINVAL);
	for (size_t i = 0; i < CD_ARRAY_SIZE(bad_client); i++)
		ok_false(cd_client_name_is_valid(bad_client[i]));
	ok_true(cd_client_name_is_valid(CD_STR("alice.b+x@example.com")));
	ok_true(cd_leaf_name_is_valid(CD_STR("localhost")));
	ok_eq_uint(out.len, 0);
}

static struct cd_str weak_csr(struct cd_buf *b, EVP_PKEY *key)
{
	X509_REQ *req = X509_REQ_new();
	BIO *bio = BIO_new(BIO_s_mem());
	char *text;
	long len;

	X509_REQ_set_pubkey(req, key);
	X509_REQ_sign(req, key, EVP_sha256());
	PEM_write_bio_X509_REQ(bio, req);
	len = BIO_get_mem_data(bio, &text);
	cd_buf_init(b, CD_CSR_MAX);
	cd_buf_put(b, text, (size_t)len);
	BIO_free(bio);
	X509_REQ_free(req);
	return cd_buf_get(b);
}

TEST(requests_that_prove_nothing)
{
	struct cd_str name = CD_STR("localhost");
	struct cd_buf csr cd_auto(cd_buf_done), out cd_auto(cd_buf_done);
	struct cd_buf weak cd_auto(cd_buf_done);
	struct cd_tls_key *k cd_auto(cd_tls_key_free) = NULL;
	EVP_PKEY *rsa = EVP_RSA_gen(1024);
	unsigned int accepted = 0;

	setup();
	k = request(&csr);
	cd_buf_init(&out, 1u << 20);
	ok_eq_int(cd_ca_issue_leaf(server, weak_csr(&weak, rsa), &name, 1, NOW,
				   60, &out),
		  CD_E_CORRUPT);
	EVP_PKEY_free(rsa);
	ok_eq_int(cd_ca_issue_leaf(server, CD_STR("-----BEGIN CERTIFICATE"),
				   &name, 1, NOW, 60, &out),
		  CD_E_CORRUPT);
	/* a changed request: the base64 between the lines, one bit each */
	for (size_t i = 36; i + 40 < csr.len; i += 3) {
		csr.data[i] ^= 1;
		accepted += cd_ca_issue_leaf(server, cd_buf_get(&csr), &name, 1,
					     NOW, 60, &out) == 0;
		csr.data[i] ^= 1;
	}
	ok_eq_uint(accepted, 0);
	ok_eq_int(cd_ca_issue_leaf(server, cd_buf_get(&csr), &name, 1, NOW, 60,
				   &out),
		  0);
}

TEST(constraints_bind_the_root)
{
	struct cd_str domain = CD_STR("example.com");
	struct cd_str in = CD_STR("a.example.com"),
		      out_name = CD_STR("example.org"),
		      tricky = CD_STR("notexample.com"),
		      addr = CD_STR("10.0.0.1");
	struct cd_buf csr cd_auto(cd_buf_done), out cd_auto(cd_buf_done);
	struct cd_tls_key *k cd_auto(cd_tls_key_free) = NULL;
	struct cd_ca *ca cd_auto(cd_ca_free) = NULL;

	k = request(&csr);
	cd_buf_init(&out, 65536);
	ok_eq_int(cd_ca_new(CD_CA_SERVER, CD_STR("Small CA"), &domain, 1, NOW,
			    &ca),
		  0);
	ok_eq_int(cd_ca_issue_leaf(ca, cd_buf_get(&csr), &out_name, 1, NOW, 60,
				   &out),
		  CD_E_DENIED);
	ok_eq_int(cd_ca_issue_leaf(ca, cd_buf_get(&csr), &tricky, 1, NOW, 60,
				   &out),
		  CD_E_DENIED);
	ok_eq_int(cd_ca_issue_leaf(ca, cd_buf_get(&csr), &addr, 1, NOW, 60,
				   &out),
		  CD_E_DENIED);
	ok_eq_uint(out.len, 0);
	ok_eq_int(cd_ca_issue_leaf(ca, cd_buf_get(&csr), &in, 1, NOW, 60, &out),
		  0);
	ok_eq_int(path_error(cd_buf_get(&out), X509_PURPOSE_SSL_SERVER, NOW),
		  0);
}

TEST(only_a_root_is_an_authority)
{
	struct cd_str name = CD_STR("localhost");
	struct cd_buf csr cd_auto(cd_buf_done), leaf cd_auto(cd_buf_done);
	struct cd_buf root cd_auto(cd_buf_done);
	struct cd_tls_key *k cd_auto(cd_tls_key_free) = NULL;
	struct cd_secret *leaf_key cd_auto(cd_secret_free) = NULL;
	struct cd_secret *root_key cd_auto(cd_secret_free) = NULL;
	struct cd_ca *ca cd_auto(cd_ca_free) = NULL;

	setup();
	k = request(&csr);
	cd_buf_init(&leaf, 65536);
	cd_buf_init(&root, 65536);
	ok_eq_int(cd_ca_issue_leaf(server, cd_buf_get(&csr), &name, 1, NOW, 60,
				   &leaf),
		  0);
	ok_eq_int(cd_tls_key_pem(k, &leaf_key), 0);
	ok_eq_int(cd_ca_save(server, &root_key, &root), 0);
	/* a certificate that we issued, with its own key: never an authority */
	ok_eq_int(cd_ca_load(CD_CA_SERVER, leaf_key, cd_buf_get(&leaf), &ca),
		  CD_E_CORRUPT);
	ok_eq_int(cd_ca_load(CD_CA_SERVER, leaf_key, cd_buf_get(&root), &ca),
		  CD_E_CORRUPT);
	ok_eq_int(cd_ca_load(CD_CA_SERVER, root_key, cd_buf_get(&leaf), &ca),
		  CD_E_CORRUPT);
	ok_eq_int(cd_ca_load(CD_CA_SERVER, root_key, cd_buf_get(&root), &ca),
		  0);
	cd_ca_free(&server);
	cd_ca_free(&client);
}
