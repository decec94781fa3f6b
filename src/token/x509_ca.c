/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two roots: making, saving, loading.
 */
#include <openssl/ec.h>
#include <openssl/err.h>
#include <stdlib.h>

#include "token/x509_impl.h"

#define TEN_YEARS (3652 * INT64_C(86400))
#define SKEW 300 /* s that a clock elsewhere may be behind */

static const struct cd_ext root_exts[] = {
	{NID_basic_constraints, "critical,CA:TRUE,pathlen:0"},
	{NID_key_usage, "critical,keyCertSign,cRLSign"},
	{NID_subject_key_identifier, "hash"},
};

void cd_ca_free(struct cd_ca **ca)
{
	if (!*ca)
		return;
	EVP_PKEY_free((*ca)->key);
	X509_free((*ca)->cert);
	free(*ca);
	*ca = NULL;
}

static GENERAL_SUBTREE *subtree(GENERAL_NAME *name)
{
	GENERAL_SUBTREE *t = name ? GENERAL_SUBTREE_new() : NULL;

	if (!t) {
		GENERAL_NAME_free(name);
		return NULL;
	}
	GENERAL_NAME_free(t->base);
	t->base = name;
	return t;
}

static GENERAL_NAME *new_name(int type, int asn1_type, struct cd_str bytes)
{
	GENERAL_NAME *n = GENERAL_NAME_new();
	ASN1_STRING *s = ASN1_STRING_type_new(asn1_type);

	if (!n || !s || ASN1_STRING_set(s, bytes.ptr, (int)bytes.len) != 1) {
		GENERAL_NAME_free(n);
		ASN1_STRING_free(s);
		return NULL;
	}
	GENERAL_NAME_set0_value(n, type, s);
	return n;
}

static bool push(STACK_OF(GENERAL_SUBTREE) * *list, GENERAL_SUBTREE *t)
{
	if (!*list)
		*list = sk_GENERAL_SUBTREE_new_null();
	if (t && *list && sk_GENERAL_SUBTREE_push(*list, t) > 0)
		return true;
	GENERAL_SUBTREE_free(t);
	return false;
}

/* The domains, and no address: a type that is not listed is free. */
static bool constrain(X509 *cert, const struct cd_str *permitted, size_t n)
{
	static const char zero[32];
	NAME_CONSTRAINTS *nc = NAME_CONSTRAINTS_new();
	bool ok = nc != NULL;

	for (size_t i = 0; ok && i < n; i++)
		ok = push(&nc->permittedSubtrees,
			  subtree(new_name(GEN_DNS, V_ASN1_IA5STRING,
					   permitted[i])));
	for (size_t size = 8; ok && size <= 32; size += 24)
		ok = push(&nc->excludedSubtrees,
			  subtree(new_name(GEN_IPADD, V_ASN1_OCTET_STRING,
					   cd_str_make(zero, size))));
	ok = ok && X509_add1_ext_i2d(cert, NID_name_constraints, nc, 1, 0) == 1;
	NAME_CONSTRAINTS_free(nc);
	return ok;
}

static bool make_root(struct cd_ca *ca, struct cd_str name,
		      const struct cd_str *permitted, size_t n_permitted,
		      int64_t now)
{
	return cd_x509_begin(ca->cert, ca->key, name, now - SKEW,
			     now + TEN_YEARS) &&
	       X509_set_issuer_name(ca->cert,
				    X509_get_subject_name(ca->cert)) == 1 &&
	       cd_x509_extend(ca->cert, ca->cert, root_exts,
			      CD_ARRAY_SIZE(root_exts)) &&
	       (n_permitted == 0 ||
		constrain(ca->cert, permitted, n_permitted)) &&
	       X509_sign(ca->cert, ca->key, EVP_sha256()) > 0;
}

static bool root_name_ok(struct cd_str name)
{
	for (size_t i = 0; i < name.len; i++) {
		unsigned char c = (unsigned char)name.ptr[i];

		if (c < 0x20 || c > 0x7e || strchr(",=+/\\\"<>;#", c))
			return false;
	}
	return name.len > 0 && name.len <= 64;
}

int cd_ca_new(enum cd_ca_use use, struct cd_str name,
	      const struct cd_str *permitted, size_t n_permitted, int64_t now,
	      struct cd_ca **ret_ca)
{
	struct cd_ca *ca cd_auto(cd_ca_free) = NULL;

	if (!root_name_ok(name) || now < SKEW)
		return -EINVAL;
	for (size_t i = 0; i < n_permitted; i++)
		if (!cd_leaf_name_is_valid(permitted[i]) ||
		    permitted[i].ptr[0] == '*')
			return -EINVAL;
	ca = cd_calloc(1, sizeof(*ca));
	if (!ca)
		return -ENOMEM;
	ca->use = use;
	ca->key = EVP_EC_gen("P-256");
	ca->cert = X509_new();
	if (!ca->key || !ca->cert ||
	    !make_root(ca, name, permitted, n_permitted, now)) {
		ERR_clear_error();
		return -ENOMEM;
	}
	*ret_ca = CD_TAKE(ca);
	return 0;
}

int cd_ca_save(const struct cd_ca *ca, struct cd_secret **ret_key_pem,
	       struct cd_buf *cert_pem)
{
	if (!cd_x509_put_pem(ca->cert, cert_pem))
		return -ENOMEM;
	return cd_x509_key_pem(ca->key, ret_key_pem);
}

/* A root of ours, whole: signed by itself, with its own key, path length 0. */
static bool root_ok(const struct cd_ca *ca)
{
	return ca->key && ca->cert && EVP_PKEY_is_a(ca->key, "EC") == 1 &&
	       X509_check_private_key(ca->cert, ca->key) == 1 &&
	       X509_check_ca(ca->cert) == 1 &&
	       X509_get_pathlen(ca->cert) == 0 &&
	       X509_verify(ca->cert, ca->key) == 1;
}

int cd_ca_load(enum cd_ca_use use, const struct cd_secret *key_pem,
	       struct cd_str cert_pem, struct cd_ca **ret_ca)
{
	struct cd_ca *ca cd_auto(cd_ca_free) = cd_calloc(1, sizeof(*ca));

	if (!ca)
		return -ENOMEM;
	ca->use = use;
	ca->key = cd_x509_key_from_pem(key_pem);
	ca->cert = cd_x509_from_pem(cert_pem);
	if (!root_ok(ca)) {
		ERR_clear_error();
		return CD_E_CORRUPT;
	}
	*ret_ca = CD_TAKE(ca);
	return 0;
}

int cd_ca_cert_pem(const struct cd_ca *ca, struct cd_buf *out)
{
	return cd_x509_put_pem(ca->cert, out) ? 0 : -ENOMEM;
}
