/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Issuing. Of a request only the public key is used, and the proof that the
 * asker has its private half; what the certificate says comes from the caller.
 */
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <stdio.h>

#include "token/x509_impl.h"

#define SKEW 300 /* s that a clock elsewhere may be behind */

static const struct cd_ext leaf_exts[] = {
	{NID_basic_constraints, "critical,CA:FALSE"},
	{NID_key_usage, "critical,digitalSignature"},
	{NID_subject_key_identifier, "hash"},
	{NID_authority_key_identifier, "keyid:always"},
};
static const struct cd_ext server_ext = {NID_ext_key_usage, "serverAuth"};
static const struct cd_ext client_ext = {NID_ext_key_usage, "clientAuth"};

static bool key_ok(EVP_PKEY *key)
{
	char group[32] = "";
	size_t len;

	if (EVP_PKEY_is_a(key, "ED25519") == 1)
		return true;
	if (EVP_PKEY_is_a(key, "RSA") == 1)
		return EVP_PKEY_get_bits(key) >= 2048 &&
		       EVP_PKEY_get_bits(key) <= 8192;
	return EVP_PKEY_is_a(key, "EC") == 1 &&
	       EVP_PKEY_get_group_name(key, group, sizeof(group), &len) == 1 &&
	       (!strcmp(group, "prime256v1") || !strcmp(group, "P-256") ||
		!strcmp(group, "secp384r1") || !strcmp(group, "P-384"));
}

/* The key of a request that is signed with it, or NULL. */
static EVP_PKEY *csr_key(struct cd_str csr)
{
	BIO *bio = csr.len > 0 && csr.len <= CD_CSR_MAX ?
			   BIO_new_mem_buf(csr.ptr, (int)csr.len) :
			   NULL;
	X509_REQ *req = bio ? PEM_read_bio_X509_REQ(bio, NULL,
						    cd_x509_no_password, NULL) :
			      NULL;
	EVP_PKEY *key = req ? X509_REQ_get_pubkey(req) : NULL;

	if (key && (!key_ok(key) || X509_REQ_verify(req, key) != 1)) {
		EVP_PKEY_free(key);
		key = NULL;
	}
	X509_REQ_free(req);
	BIO_free(bio);
	ERR_clear_error();
	return key;
}

static GENERAL_NAME *general(int type, ASN1_STRING *value)
{
	GENERAL_NAME *n = value ? GENERAL_NAME_new() : NULL;

	if (!n)
		ASN1_STRING_free(value);
	else
		GENERAL_NAME_set0_value(n, type, value);
	return n;
}

static ASN1_STRING *ia5(struct cd_str s)
{
	ASN1_STRING *a = ASN1_STRING_type_new(V_ASN1_IA5STRING);

	if (a && ASN1_STRING_set(a, s.ptr, (int)s.len) != 1) {
		ASN1_STRING_free(a);
		a = NULL;
	}
	return a;
}

static GENERAL_NAME *served_name(struct cd_str name)
{
	char text[64] = "";
	ASN1_STRING *ip = NULL;

	if (name.len < sizeof(text)) {
		memcpy(text, name.ptr, name.len);
		ip = a2i_IPADDRESS(text);
	}
	return ip ? general(GEN_IPADD, ip) : general(GEN_DNS, ia5(name));
}

static bool add_san(X509 *cert, GENERAL_NAMES *names)
{
	return X509_add1_ext_i2d(cert, NID_subject_alt_name, names, 0, 0) == 1;
}

static bool add_name(GENERAL_NAMES *names, GENERAL_NAME *n)
{
	if (n && sk_GENERAL_NAME_push(names, n) > 0)
		return true;
	GENERAL_NAME_free(n);
	return false;
}

static bool add_served_names(X509 *cert, const struct cd_str *names, size_t n)
{
	GENERAL_NAMES *list = sk_GENERAL_NAME_new_null();
	bool ok = list != NULL;

	for (size_t i = 0; ok && i < n; i++)
		ok = add_name(list, served_name(names[i]));
	ok = ok && add_san(cert, list);
	GENERAL_NAMES_free(list);
	return ok;
}

static bool add_session(X509 *cert, uint64_t session)
{
	GENERAL_NAMES *list = sk_GENERAL_NAME_new_null();
	char uri[64];
	bool ok;

	snprintf(uri, sizeof(uri), "cordon:session:%llu",
		 (unsigned long long)session);
	ok = list && add_name(list, general(GEN_URI, ia5(cd_str_from(uri)))) &&
	     add_san(cert, list);
	GENERAL_NAMES_free(list);
	return ok;
}

/* Everything but names; not after the root itself. */
static bool begin(const struct cd_ca *ca, X509 *cert, EVP_PKEY *key,
		  struct cd_str cn, int64_t now, uint32_t life,
		  const struct cd_ext *use)
{
	return cd_x509_begin(cert, key, cn, now - SKEW, now + life) &&
	       ASN1_TIME_compare(X509_get0_notAfter(cert),
				 X509_get0_notAfter(ca->cert)) <= 0 &&
	       X509_set_issuer_name(cert, X509_get_subject_name(ca->cert)) &&
	       cd_x509_extend(cert, ca->cert, leaf_exts,
			      CD_ARRAY_SIZE(leaf_exts)) &&
	       cd_x509_extend(cert, ca->cert, use, 1);
}

/* A certificate outside its root's constraints would be useless: say so. The
 * names are read from a decoded copy, as a peer would see them. */
static int constrained(const struct cd_ca *ca, X509 *cert)
{
	NAME_CONSTRAINTS *nc =
		X509_get_ext_d2i(ca->cert, NID_name_constraints, NULL, NULL);
	X509 *seen = X509_dup(cert);
	int r = 0;

	if (!seen || X509_check_purpose(seen, -1, 0) != 1)
		r = -ENOMEM;
	else if (nc && NAME_CONSTRAINTS_check(seen, nc) != X509_V_OK)
		r = CD_E_DENIED;
	X509_free(seen);
	NAME_CONSTRAINTS_free(nc);
	return r;
}

static int finish(const struct cd_ca *ca, X509 *cert, struct cd_buf *out)
{
	int r;

	if (X509_sign(cert, ca->key, EVP_sha256()) <= 0)
		return -ENOMEM;
	r = constrained(ca, cert);
	if (r < 0)
		return r;
	if (!cd_x509_put_pem(cert, out) || !cd_x509_put_pem(ca->cert, out))
		return out->err ? out->err : -ENOMEM;
	return 0;
}

static int issue_leaf(const struct cd_ca *ca, X509 *cert, EVP_PKEY *key,
		      const struct cd_str *names, size_t n, int64_t now,
		      uint32_t life, struct cd_buf *out)
{
	struct cd_str cn = names[0].len <= 64 ? names[0] : CD_STR_NULL;

	if (!begin(ca, cert, key, cn, now, life, &server_ext) ||
	    !add_served_names(cert, names, n))
		return -ENOMEM;
	return finish(ca, cert, out);
}

int cd_ca_issue_leaf(const struct cd_ca *ca, struct cd_str csr,
		     const struct cd_str *names, size_t n_names, int64_t now,
		     uint32_t life, struct cd_buf *out)
{
	EVP_PKEY *key;
	X509 *cert;
	int r;

	if (ca->use != CD_CA_SERVER || n_names == 0 ||
	    n_names > CD_LEAF_NAMES_MAX || life == 0 ||
	    life > CD_LEAF_LIFE_MAX || now < SKEW)
		return -EINVAL;
	for (size_t i = 0; i < n_names; i++)
		if (!cd_leaf_name_is_valid(names[i]))
			return -EINVAL;
	key = csr_key(csr);
	if (!key)
		return CD_E_CORRUPT;
	cert = X509_new();
	r = cert ? issue_leaf(ca, cert, key, names, n_names, now, life, out) :
		   -ENOMEM;
	X509_free(cert);
	EVP_PKEY_free(key);
	ERR_clear_error();
	return r;
}

static int der_hash(X509 *cert, uint8_t ret[CD_SHA256_SIZE])
{
	unsigned char *der = NULL;
	int len = i2d_X509(cert, &der);

	if (len <= 0)
		return -ENOMEM;
	cd_sha256(der, (size_t)len, ret);
	OPENSSL_free(der);
	return 0;
}

int cd_ca_issue_client(const struct cd_ca *ca, struct cd_str csr,
		       const struct cd_client_cert *c, struct cd_buf *out,
		       uint8_t ret_key[CD_SHA256_SIZE])
{
	EVP_PKEY *key;
	X509 *cert;
	int r = -ENOMEM;

	if (ca->use != CD_CA_CLIENT || !cd_client_name_is_valid(c->user) ||
	    c->session == 0 || c->life == 0 || c->life > CD_CLIENT_LIFE_MAX ||
	    c->now < SKEW)
		return -EINVAL;
	key = csr_key(csr);
	if (!key)
		return CD_E_CORRUPT;
	cert = X509_new();
	if (cert &&
	    begin(ca, cert, key, c->user, c->now, c->life, &client_ext) &&
	    add_session(cert, c->session))
		r = finish(ca, cert, out);
	if (r == 0)
		r = der_hash(cert, ret_key);
	X509_free(cert);
	EVP_PKEY_free(key);
	ERR_clear_error();
	return r;
}

static int64_t unix_time(const ASN1_TIME *t)
{
	ASN1_TIME *epoch = ASN1_TIME_set(NULL, 0);
	int days = 0, seconds = 0;
	bool ok = epoch && ASN1_TIME_diff(&days, &seconds, epoch, t) == 1;

	ASN1_TIME_free(epoch);
	return ok ? (int64_t)days * 86400 + seconds : 0;
}

int cd_cert_read(struct cd_str pem, const struct cd_secret *key_pem,
		 struct cd_cert_info *ret)
{
	X509 *cert = cd_x509_from_pem(pem);
	EVP_PKEY *key = key_pem ? cd_x509_key_from_pem(key_pem) : NULL;
	struct cd_cert_info info;
	int r = CD_E_CORRUPT;

	if (cert && key_pem && (!key || X509_check_private_key(cert, key) != 1))
		r = CD_E_DENIED;
	else if (cert)
		r = der_hash(cert, info.hash);
	if (r == 0) {
		info.not_before = unix_time(X509_get0_notBefore(cert));
		info.not_after = unix_time(X509_get0_notAfter(cert));
		*ret = info;
	}
	X509_free(cert);
	EVP_PKEY_free(key);
	ERR_clear_error();
	return r;
}

static bool same_name(const GENERAL_NAME *have, const GENERAL_NAME *want)
{
	return have->type == want->type &&
	       GENERAL_NAME_cmp((GENERAL_NAME *)(uintptr_t)have,
				(GENERAL_NAME *)(uintptr_t)want) == 0;
}

bool cd_cert_has_name(struct cd_str pem, struct cd_str name)
{
	X509 *cert = cd_x509_from_pem(pem);
	GENERAL_NAMES *names = cert ? X509_get_ext_d2i(cert,
						       NID_subject_alt_name,
						       NULL, NULL) :
				      NULL;
	GENERAL_NAME *want = cd_leaf_name_is_valid(name) ? served_name(name) :
							   NULL;
	bool found = false;

	for (int i = 0; want && i < sk_GENERAL_NAME_num(names); i++)
		found |= same_name(sk_GENERAL_NAME_value(names, i), want);
	GENERAL_NAME_free(want);
	GENERAL_NAMES_free(names);
	X509_free(cert);
	ERR_clear_error();
	return found;
}
