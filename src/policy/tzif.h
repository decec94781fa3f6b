/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Time zone files (RFC 8536, versions 2 to 4) -> the offsets of a zone as a
 * list of turns until the end of 2100. The bytes come from the machine's zone
 * files; they are read as hostile all the same.
 */
#ifndef CD_POLICY_TZIF_H
#define CD_POLICY_TZIF_H

#include "base/buf.h"
#include "snapshot/layout.h"

/* Transitions one zone may have, rules of its footer unrolled included. */
#define CD_TZIF_MAX 4096

/* Appends struct cd_snap_turn elements to out, the first in force since
 * always, ascending by time. CD_E_CORRUPT; out is then to be thrown away. */
int cd_tzif_parse(struct cd_str bytes, struct cd_buf *out);

#endif
