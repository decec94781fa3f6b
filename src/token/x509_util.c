/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names, PEM and the parts that every certificate has.
 */
#include <openssl/err.h>
#include <openssl/pem.h>

#include "token/random.h"
#include "token/x509_impl.h"

static bool lower_or_digit(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/* RFC 1123 labels, lower case; underscores are for names of services. */
static bool label_ok(struct cd_str l)
{
	if (l.len == 0 || l.len > 63 || l.ptr[0] == '-' ||
	    l.ptr[l.len - 1] == '-')
		return false;
	for (size_t i = 0; i < l.len; i++)
		if (!lower_or_digit(l.ptr[i]) && l.ptr[i] != '-')
			return false;
	return true;
}

static bool dns_ok(struct cd_str name)
{
	struct cd_str rest = name;

	if (name.len == 0 || name.len > 253)
		return false;
	if (cd_str_has_prefix(name, CD_STR("*."))) {
		rest = cd_str_make(name.ptr + 2, name.len - 2);
		if (!memchr(rest.ptr, '.', rest.len))
			return false; /* a wildcard of a whole top domain */
	}
	while (rest.ptr)
		if (!label_ok(cd_str_split(rest, '.', &rest)))
			return false;
	return true;
}

static bool is_address(struct cd_str name)
{
	char text[64];
	ASN1_OCTET_STRING *ip;
	bool ok;

	if (name.len == 0 || name.len >= sizeof(text) ||
	    memchr(name.ptr, 0, name.len) || memchr(name.ptr, '/', name.len))
		return false;
	memcpy(text, name.ptr, name.len);
	text[name.len] = 0;
	ip = a2i_IPADDRESS(text);
	ok = ip != NULL;
	ASN1_OCTET_STRING_free(ip);
	return ok;
}

bool cd_leaf_name_is_valid(struct cd_str name)
{
	return is_address(name) || dns_ok(name);
}

bool cd_client_name_is_valid(struct cd_str name)
{
	if (name.len == 0 || name.len > 64)
		return false;
	for (size_t i = 0; i < name.len; i++) {
		char c = name.ptr[i];
		bool alnum = lower_or_digit(c) || (c >= 'A' && c <= 'Z');

		if (!alnum && (i == 0 || c == 0 || !strchr("._@+-", c)))
			return false;
	}
	return true;
}

static bool set_serial(X509 *cert)
{
	unsigned char bytes[16];
	BIGNUM *bn;
	bool ok;

	cd_random(bytes, sizeof(bytes));
	bytes[0] = (bytes[0] & 0x7f) | 0x40; /* positive, always 128 bits */
	bn = BN_bin2bn(bytes, sizeof(bytes), NULL);
	ok = bn && BN_to_ASN1_INTEGER(bn, X509_get_serialNumber(cert));
	BN_free(bn);
	return ok;
}

static bool set_cn(X509 *cert, struct cd_str cn)
{
	return cn.len == 0 ||
	       X509_NAME_add_entry_by_NID(X509_get_subject_name(cert),
					  NID_commonName, MBSTRING_UTF8,
					  (const unsigned char *)cn.ptr,
					  (int)cn.len, -1, 0) == 1;
}

bool cd_x509_begin(X509 *cert, EVP_PKEY *public_key, struct cd_str cn,
		   int64_t not_before, int64_t not_after)
{
	return X509_set_version(cert, X509_VERSION_3) == 1 &&
	       set_serial(cert) &&
	       ASN1_TIME_set(X509_getm_notBefore(cert), not_before) &&
	       ASN1_TIME_set(X509_getm_notAfter(cert), not_after) &&
	       set_cn(cert, cn) && X509_set_pubkey(cert, public_key) == 1;
}

bool cd_x509_extend(X509 *cert, X509 *issuer, const struct cd_ext *exts,
		    size_t n)
{
	X509V3_CTX ctx;

	X509V3_set_ctx_nodb(&ctx);
	X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
	for (size_t i = 0; i < n; i++) {
		X509_EXTENSION *ext = X509V3_EXT_conf_nid(
			NULL, &ctx, exts[i].nid, exts[i].text);
		bool ok = ext && X509_add_ext(cert, ext, -1) == 1;

		X509_EXTENSION_free(ext);
		if (!ok)
			return false;
	}
	return true;
}

static BIO *read_bio(struct cd_str s)
{
	return s.len > 0 && s.len <= CD_CERT_MAX ?
		       BIO_new_mem_buf(s.ptr, (int)s.len) :
		       NULL;
}

bool cd_x509_put_pem(X509 *cert, struct cd_buf *out)
{
	BIO *bio = BIO_new(BIO_s_mem());
	bool ok = bio && PEM_write_bio_X509(bio, cert) == 1;
	char *text;
	long len;

	if (ok) {
		len = BIO_get_mem_data(bio, &text);
		cd_buf_put(out, text, (size_t)len);
	}
	BIO_free(bio);
	return ok && !out->err;
}

int cd_x509_no_password(char *buf cd_unused, int size cd_unused,
			int rw cd_unused, void *ctx cd_unused)
{
	return -1;
}

X509 *cd_x509_from_pem(struct cd_str pem)
{
	BIO *bio = read_bio(pem);
	X509 *cert =
		bio ? PEM_read_bio_X509(bio, NULL, cd_x509_no_password, NULL) :
		      NULL;

	BIO_free(bio);
	ERR_clear_error();
	return cert;
}

EVP_PKEY *cd_x509_key_from_pem(const struct cd_secret *pem)
{
	BIO *bio = read_bio(cd_secret_reveal(pem));
	EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(
				      bio, NULL, cd_x509_no_password, NULL) :
			      NULL;

	BIO_free(bio);
	ERR_clear_error();
	return key;
}

int cd_x509_key_pem(EVP_PKEY *key, struct cd_secret **ret_pem)
{
	BIO *bio = BIO_new(BIO_s_secmem());
	char *text;
	long len;
	int r = -ENOMEM;

	if (bio && PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL,
					    NULL) == 1) {
		len = BIO_get_mem_data(bio, &text);
		r = cd_secret_from(cd_str_make(text, (size_t)len), ret_pem);
	}
	BIO_free(bio);
	return r;
}
