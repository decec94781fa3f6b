/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The asking side: a key of one's own and a request that says nothing but
 * "I have the private half of this".
 */
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdlib.h>

#include "token/x509_impl.h"

void cd_tls_key_free(struct cd_tls_key **key)
{
	if (!*key)
		return;
	EVP_PKEY_free((*key)->key);
	free(*key);
	*key = NULL;
}

int cd_tls_key_new(struct cd_tls_key **ret_key)
{
	struct cd_tls_key *k cd_auto(cd_tls_key_free) =
		cd_calloc(1, sizeof(*k));

	if (!k)
		return -ENOMEM;
	k->key = EVP_EC_gen("P-256");
	if (!k->key)
		return -ENOMEM;
	*ret_key = CD_TAKE(k);
	return 0;
}

int cd_tls_key_pem(const struct cd_tls_key *key, struct cd_secret **ret_pem)
{
	return cd_x509_key_pem(key->key, ret_pem);
}

int cd_csr_new(const struct cd_tls_key *key, struct cd_buf *out_pem)
{
	X509_REQ *req = X509_REQ_new();
	BIO *bio = BIO_new(BIO_s_mem());
	char *text;
	long len;
	int r = -ENOMEM;

	if (req && bio && X509_REQ_set_version(req, 0) == 1 &&
	    X509_REQ_set_pubkey(req, key->key) == 1 &&
	    X509_REQ_sign(req, key->key, EVP_sha256()) > 0 &&
	    PEM_write_bio_X509_REQ(bio, req) == 1) {
		len = BIO_get_mem_data(bio, &text);
		cd_buf_put(out_pem, text, (size_t)len);
		r = out_pem->err;
	}
	X509_REQ_free(req);
	BIO_free(bio);
	ERR_clear_error();
	return r;
}
