/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CRC-32C (Castagnoli; RFC 3720 appendix B.4): finds torn and damaged bytes.
 * No protection against anybody's intent.
 */
#ifndef CD_BASE_CRC32C_H
#define CD_BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* crc: 0 at the start, or the result so far: crc(a then b) is
 * cd_crc32c(cd_crc32c(0, a), b). */
uint32_t cd_crc32c(uint32_t crc, const void *p, size_t len);
/* Without the processor's help, for tests: the same result. */
uint32_t cd_crc32c_portable(uint32_t crc, const void *p, size_t len);

#endif
