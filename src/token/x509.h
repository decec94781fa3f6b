/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Our own certification authorities: one for the names that gateways serve,
 * one for the client certificates of people. Both are EC P-256 roots (what
 * every browser takes), path length 0, kept by the key broker.
 *
 * A certificate holds what the issuer was told and nothing of the request but
 * its public key: names in a CSR are not even read. Names are checked
 * character by character (no comma, blank, control or NUL), so that no
 * consumer's list parser can find a second name in one. Serials are 128
 * random bits. An issued leaf is never a CA (basicConstraints critical).
 */
#ifndef CD_TOKEN_X509_H
#define CD_TOKEN_X509_H

#include "base/buf.h"
#include "token/secret.h"
#include "token/sha256.h"

#define CD_CSR_MAX (8 * 1024)
#define CD_CERT_MAX (16 * 1024)
#define CD_LEAF_NAMES_MAX 32
#define CD_LEAF_LIFE_MAX (90 * 86400) /* s */
#define CD_CLIENT_LIFE_MAX (12 * 3600) /* s */

struct cd_ca; /* private key and root certificate */
struct cd_tls_key; /* a private key of ours, EC P-256 */

enum cd_ca_use { CD_CA_SERVER, CD_CA_CLIENT };

/* A new root of ten years. name: its CN, checked like every name. permitted:
 * for CD_CA_SERVER, the DNS domains it may issue for (RFC 5280 name
 * constraints); none: unconstrained, any address is then allowed too. */
int cd_ca_new(enum cd_ca_use use, struct cd_str name,
	      const struct cd_str *permitted, size_t n_permitted, int64_t now,
	      struct cd_ca **ret_ca);
void cd_ca_free(struct cd_ca **ca);
/* Both halves as PEM, for the broker's state folder. */
int cd_ca_save(const struct cd_ca *ca, struct cd_secret **ret_key_pem,
	       struct cd_buf *cert_pem);
int cd_ca_load(enum cd_ca_use use, const struct cd_secret *key_pem,
	       struct cd_str cert_pem, struct cd_ca **ret_ca);
int cd_ca_cert_pem(const struct cd_ca *ca, struct cd_buf *out);

/* A served name: lower-case DNS name (or *.name), or an IP address as text. */
bool cd_leaf_name_is_valid(struct cd_str name);
/* A person's or device's name in a certificate: 1..64 bytes of letters,
 * digits and "._@+-", beginning with a letter or digit. */
bool cd_client_name_is_valid(struct cd_str name);

/* Server certificate for the names, for the CSR's key (EC P-256, P-384,
 * Ed25519, or RSA of 2048 to 8192 bits; its signature must verify). csr: PEM.
 * Appends the leaf and the root as PEM. CD_E_CORRUPT: the CSR; -EINVAL: a
 * name or the life; CD_E_DENIED: a name outside the constraints. */
int cd_ca_issue_leaf(const struct cd_ca *ca, struct cd_str csr,
		     const struct cd_str *names, size_t n_names, int64_t now,
		     uint32_t life, struct cd_buf *out);

struct cd_client_cert {
	struct cd_str user; /* CN */
	uint64_t session; /* URI SAN cordon:session:N */
	int64_t now;
	uint32_t life; /* s */
};

/* Client certificate; ret_key is SHA-256 of its DER, the key of its row in
 * the session table. */
int cd_ca_issue_client(const struct cd_ca *ca, struct cd_str csr,
		       const struct cd_client_cert *c, struct cd_buf *out,
		       uint8_t ret_key[CD_SHA256_SIZE]);

/* The other side: a key that never leaves its maker, and a CSR for it. */
int cd_tls_key_new(struct cd_tls_key **ret_key);
int cd_tls_key_pem(const struct cd_tls_key *key, struct cd_secret **ret_pem);
void cd_tls_key_free(struct cd_tls_key **key);
int cd_csr_new(const struct cd_tls_key *key, struct cd_buf *out_pem);

/* The first certificate of a PEM text: its validity, and whether the key in
 * key_pem (NULL: not asked) is its key. CD_E_CORRUPT, CD_E_DENIED (keys). */
struct cd_cert_info {
	int64_t not_before, not_after;
	uint8_t hash[CD_SHA256_SIZE]; /* of the DER */
};
int cd_cert_read(struct cd_str pem, const struct cd_secret *key_pem,
		 struct cd_cert_info *ret);
/* Every name is among the first certificate's subjectAltNames. */
bool cd_cert_has_name(struct cd_str pem, struct cd_str name);

#endif
