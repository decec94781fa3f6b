// SPDX-License-Identifier: Apache-2.0
/*
 * The certificate of a served name comes from run/tls/NAME.pem, chosen in
 * OpenSSL's certificate callback, so that it changes without a reload: one
 * stat() a handshake, and a parse when the file is another one. A file that
 * does not parse leaves the last good certificate in use. Wildcards: the file
 * "_.example.com.pem" serves every name one label below example.com.
 *
 * A name without a file gets no certificate and the handshake fails: there
 * is no default one that a stranger could be shown.
 */
#include "ngx_cordon.h"

#include <openssl/pem.h>


#define NGX_CORDON_CERTS     1024
#define NGX_CORDON_CHAIN_MAX 16


typedef struct ngx_cordon_cert_s  ngx_cordon_cert_t;

struct ngx_cordon_cert_s {
    ngx_cordon_cert_t  *next;
    X509               *leaf;
    STACK_OF(X509)     *chain;
    EVP_PKEY           *key;
    time_t              mtime;
    long                mtime_nsec;
    off_t               size;
    ino_t               inode;
    size_t              len;
    u_char              name[256];
};


static ngx_cordon_cert_t  *ngx_cordon_certs[NGX_CORDON_CERTS];
static ngx_uint_t          ngx_cordon_certs_n;


/* A file name out of bytes that a client sent: letters, digits, dots and
 * hyphens, no label empty, nothing longer than a host name. */

static size_t
ngx_cordon_cert_name(const char *sni, u_char *out, size_t size)
{
    size_t  i, label;
    u_char  c;

    label = 0;

    for (i = 0; sni[i]; i++) {
        c = ngx_tolower((u_char) sni[i]);

        if (i + 1 >= size || i >= 253) {
            return 0;
        }

        if (c == '.') {
            if (label == 0) {
                return 0;
            }

            label = 0;

        } else if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')
                   || c == '-')
        {
            label++;

        } else {
            return 0;
        }

        out[i] = c;
    }

    out[i] = '\0';

    return label ? i : 0;
}


static void
ngx_cordon_cert_clear(ngx_cordon_cert_t *cert)
{
    X509_free(cert->leaf);
    sk_X509_pop_free(cert->chain, X509_free);
    EVP_PKEY_free(cert->key);

    cert->leaf = NULL;
    cert->chain = NULL;
    cert->key = NULL;
}


static ngx_int_t
ngx_cordon_cert_read(ngx_cordon_cert_t *cert, const u_char *path)
{
    BIO         *bio;
    X509        *x509;
    ngx_uint_t   n;

    bio = BIO_new_file((const char *) path, "r");
    if (bio == NULL) {
        return NGX_ERROR;
    }

    cert->leaf = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    cert->chain = sk_X509_new_null();

    for (n = 0; cert->leaf && cert->chain && n < NGX_CORDON_CHAIN_MAX; n++) {
        x509 = PEM_read_bio_X509(bio, NULL, NULL, NULL);
        if (x509 == NULL) {
            break;
        }

        if (!sk_X509_push(cert->chain, x509)) {
            X509_free(x509);
            break;
        }
    }

    /* key and certificates come in any order */

    if (BIO_reset(bio) == 0) {
        cert->key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
    }

    BIO_free(bio);
    ERR_clear_error();

    if (cert->leaf && cert->chain && cert->key
        && X509_check_private_key(cert->leaf, cert->key) == 1)
    {
        return NGX_OK;
    }

    ERR_clear_error();

    return NGX_ERROR;
}


static ngx_cordon_cert_t *
ngx_cordon_cert_slot(const u_char *name, size_t len)
{
    uint32_t            hash;
    ngx_cordon_cert_t  *cert;

    hash = ngx_murmur_hash2((u_char *) (uintptr_t) name, len) % NGX_CORDON_CERTS;

    for (cert = ngx_cordon_certs[hash]; cert; cert = cert->next) {
        if (cert->len == len && ngx_memcmp(cert->name, name, len) == 0) {
            return cert;
        }
    }

    /* only names that have a file come here, and those are few */

    if (ngx_cordon_certs_n >= NGX_CORDON_CERTS) {
        return NULL;
    }

    cert = ngx_calloc(sizeof(ngx_cordon_cert_t), ngx_cycle->log);
    if (cert == NULL) {
        return NULL;
    }

    cert->len = len;
    ngx_memcpy(cert->name, name, len);
    cert->next = ngx_cordon_certs[hash];
    ngx_cordon_certs[hash] = cert;
    ngx_cordon_certs_n++;

    return cert;
}


static ngx_cordon_cert_t *
ngx_cordon_cert_get(ngx_cordon_worker_t *w, const u_char *name, size_t len,
    ngx_log_t *log)
{
    u_char              path[NGX_MAX_PATH];
    struct stat         st;
    ngx_cordon_cert_t  *cert, fresh;

    *ngx_snprintf(path, sizeof(path) - 1, "%V/tls/%s.pem", &w->run, name) = 0;

    if (stat((char *) path, &st) == -1) {
        return NULL;
    }

    cert = ngx_cordon_cert_slot(name, len);
    if (cert == NULL) {
        return NULL;
    }

    if (cert->inode == st.st_ino && cert->mtime == st.st_mtim.tv_sec
        && cert->mtime_nsec == st.st_mtim.tv_nsec && cert->size == st.st_size)
    {
        return cert->leaf ? cert : NULL;
    }

    cert->inode = st.st_ino;
    cert->mtime = st.st_mtim.tv_sec;
    cert->mtime_nsec = st.st_mtim.tv_nsec;
    cert->size = st.st_size;

    ngx_memzero(&fresh, sizeof(fresh));

    if (ngx_cordon_cert_read(&fresh, path) != NGX_OK) {
        ngx_cordon_cert_clear(&fresh);
        ngx_log_error(NGX_LOG_ERR, log, 0,
                      "cordon: %s is no key with its certificate%s", path,
                      cert->leaf ? ", keeping the last good one" : "");

        return cert->leaf ? cert : NULL;
    }

    ngx_cordon_cert_clear(cert);
    cert->leaf = fresh.leaf;
    cert->chain = fresh.chain;
    cert->key = fresh.key;

    return cert;
}


static ngx_cordon_cert_t *
ngx_cordon_cert_find(ngx_cordon_worker_t *w, const char *sni, ngx_log_t *log)
{
    size_t              len;
    u_char              name[256], wild[258], *dot;
    ngx_cordon_cert_t  *cert;

    len = ngx_cordon_cert_name(sni, name, sizeof(name));
    if (len == 0) {
        return NULL;
    }

    cert = ngx_cordon_cert_get(w, name, len, log);
    if (cert) {
        return cert;
    }

    dot = ngx_strlchr(name, name + len, '.');
    if (dot == NULL) {
        return NULL;
    }

    len = (size_t) (ngx_sprintf(wild, "_%s", dot) - wild);
    wild[len] = '\0';

    return ngx_cordon_cert_get(w, wild, len, log);
}


static const char *
ngx_cordon_local_name(ngx_connection_t *c, u_char *buf)
{
    ngx_str_t  s;

    s.data = buf;
    s.len = NGX_SOCKADDR_STRLEN;

    if (ngx_connection_local_sockaddr(c, &s, 0) != NGX_OK) {
        s.len = 0;
    }

    buf[s.len] = '\0';

    return (const char *) buf;
}


/* 1: go on; 0: the handshake fails with an alert. arg: the worker. */

int
ngx_cordon_certificate(ngx_ssl_conn_t *ssl_conn, void *arg)
{
    u_char              addr[NGX_SOCKADDR_STRLEN + 1];
    const char         *sni;
    ngx_connection_t   *c;
    ngx_cordon_cert_t  *cert;

    c = ngx_ssl_get_connection(ssl_conn);

    /* what a server block was configured with would win otherwise */

    SSL_certs_clear(ssl_conn);

    sni = SSL_get_servername(ssl_conn, TLSEXT_NAMETYPE_host_name);
    if (sni == NULL) {
        /* a client that was given an address sends no name */
        sni = ngx_cordon_local_name(c, addr);
    }

    cert = ngx_cordon_cert_find(arg, sni, c->log);
    if (cert == NULL) {
        ngx_log_error(NGX_LOG_INFO, c->log, 0,
                      "cordon: no certificate for the name asked for");
        return 0;
    }

    if (SSL_use_certificate(ssl_conn, cert->leaf) != 1
        || SSL_use_PrivateKey(ssl_conn, cert->key) != 1
        || SSL_set1_chain(ssl_conn, cert->chain) != 1)
    {
        ngx_ssl_error(NGX_LOG_ERR, c->log, 0,
                      "cordon: certificate cannot be used");
        return 0;
    }

    return 1;
}


void
ngx_cordon_certificates_done(void)
{
    ngx_uint_t          i;
    ngx_cordon_cert_t  *cert, *next;

    for (i = 0; i < NGX_CORDON_CERTS; i++) {
        for (cert = ngx_cordon_certs[i]; cert; cert = next) {
            next = cert->next;
            ngx_cordon_cert_clear(cert);
            ngx_free(cert);
        }

        ngx_cordon_certs[i] = NULL;
    }

    ngx_cordon_certs_n = 0;
}
