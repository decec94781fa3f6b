/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the fields of a bundle's header stand; all integers little endian.
 * Shared by the token folder, which signs and verifies, and by the gateway's
 * mapped reader, which trusts what the agent published. Append-only within
 * the 4096 bytes; the meaning of each field is in token/bundle.h.
 */
#ifndef CD_BASE_BUNDLE_LAYOUT_H
#define CD_BASE_BUNDLE_LAYOUT_H

#define CD_BUNDLE_MAGIC "CDBUNDL1" /* 8 bytes, no NUL */
#define CD_BUNDLE_VERSION 1
#define CD_BUNDLE_HEADER 4096 /* the snapshot image starts here */
#define CD_BUNDLE_AUDIENCE 64
#define CD_BUNDLE_IMAGE_MAX (256u << 20)

#define CD_BUNDLE_AT_MAGIC 0
#define CD_BUNDLE_AT_VERSION 8 /* u32 */
#define CD_BUNDLE_AT_HEADER_SIZE 12 /* u32: 4096 */
#define CD_BUNDLE_AT_SERIAL 16 /* u64 */
#define CD_BUNDLE_AT_NOT_BEFORE 24 /* i64, Unix seconds */
#define CD_BUNDLE_AT_NOT_AFTER 32 /* i64, Unix seconds */
#define CD_BUNDLE_AT_HASH 40 /* 32 bytes, SHA-256 of the image */
#define CD_BUNDLE_AT_AUDIENCE 72 /* 64 bytes, NUL padded */
#define CD_BUNDLE_AT_SNAPSHOT_SIZE 136 /* u64 */
#define CD_BUNDLE_AT_CONFIRM_BY 144 /* i64, Unix seconds; 0: not on trial */
#define CD_BUNDLE_AT_SIGNATURE 152 /* 64 bytes, over all before it */
#define CD_BUNDLE_AT_PADDING 216 /* zero bytes to 4096 */
#define CD_BUNDLE_SIGNED CD_BUNDLE_AT_SIGNATURE

#endif
