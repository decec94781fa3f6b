/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The version of libcordon that is linked, as MAJOR.MINOR.PATCH. The string
 * is constant and never freed.
 */
#ifndef CORDON_VERSION_H
#define CORDON_VERSION_H

#ifdef __cplusplus
extern "C" {
#endif

const char *cd_version(void);

#ifdef __cplusplus
}
#endif

#endif
