/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of x509.h share: the authority itself and the small steps of
 * building a certificate. Not for other folders.
 */
#ifndef CD_TOKEN_X509_IMPL_H
#define CD_TOKEN_X509_IMPL_H

#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "token/x509.h"

struct cd_ca {
	enum cd_ca_use use;
	EVP_PKEY *key;
	X509 *cert;
};

struct cd_tls_key {
	EVP_PKEY *key;
};

/* One extension as it is configured: texts are constants of ours, never
 * data, because this is OpenSSL's list parser. */
struct cd_ext {
	int nid;
	const char *text;
};

/* Version 3, random serial, validity, public key and (unless empty) CN. */
bool cd_x509_begin(X509 *cert, EVP_PKEY *public_key, struct cd_str cn,
		   int64_t not_before, int64_t not_after);
bool cd_x509_extend(X509 *cert, X509 *issuer, const struct cd_ext *exts,
		    size_t n);
bool cd_x509_put_pem(X509 *cert, struct cd_buf *out);
X509 *cd_x509_from_pem(struct cd_str pem);
/* A pem_password_cb that has none: nothing of ours is encrypted, and without
 * it OpenSSL asks at the terminal. */
int cd_x509_no_password(char *buf, int size, int rw, void *ctx);
/* Private key text from and into secrets; the key, or NULL. */
EVP_PKEY *cd_x509_key_from_pem(const struct cd_secret *pem);
int cd_x509_key_pem(EVP_PKEY *key, struct cd_secret **ret_pem);

#endif
