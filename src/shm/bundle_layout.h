/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the fields of a bundle's header stand: what signs, checks, writes and
 * maps a bundle meets here. All integers little endian. The signature covers
 * every header byte before it; the snapshot image follows the header, so that
 * it starts on a page of its own and can be mapped and used as it is.
 *
 * A reader of run/policy/current trusts whoever wrote the file (only the
 * agent's broker can, and it verified the signature). What it still looks at
 * is what can differ from one honest writer to the next: version, sizes,
 * not-after.
 */
#ifndef CD_SHM_BUNDLE_LAYOUT_H
#define CD_SHM_BUNDLE_LAYOUT_H

#define CD_BUNDLE_MAGIC "CDBUNDL1"
#define CD_BUNDLE_MAGIC_LEN 8
/* The newest header this program reads and writes. */
#define CD_BUNDLE_VERSION 1
#define CD_BUNDLE_HEADER_SIZE 4096
/* A bundle as a whole; larger ones are refused unread. */
#define CD_BUNDLE_SIZE_MAX (1024u * 1024 * 1024)

#define CD_BUNDLE_AT_MAGIC 0 /* 8 bytes */
#define CD_BUNDLE_AT_VERSION 8 /* u32 */
#define CD_BUNDLE_AT_HEADER_SIZE 12 /* u32, CD_BUNDLE_HEADER_SIZE */
#define CD_BUNDLE_AT_SERIAL 16 /* u64 */
#define CD_BUNDLE_AT_NOT_BEFORE 24 /* i64, Unix seconds */
#define CD_BUNDLE_AT_NOT_AFTER 32 /* i64, Unix seconds */
#define CD_BUNDLE_AT_HASH 40 /* 32 bytes, SHA-256 of the snapshot */
#define CD_BUNDLE_HASH_LEN 32
#define CD_BUNDLE_AT_AUDIENCE 72 /* 64 bytes, NUL padded agent name */
#define CD_BUNDLE_AUDIENCE_LEN 64
#define CD_BUNDLE_AT_SIZE 136 /* u64, bytes of the snapshot */
#define CD_BUNDLE_AT_SIGNATURE 144 /* 64 bytes, Ed25519 over bytes 0..143 */
#define CD_BUNDLE_SIGNATURE_LEN 64
#define CD_BUNDLE_SIGNED_LEN CD_BUNDLE_AT_SIGNATURE

#endif
