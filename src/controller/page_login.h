/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `cordon login`: a program without a browser gets a client certificate that
 * speaks for a person, after that person agreed in a browser.
 *
 *	program: POST /.cordon/login (CSR)	-> token, code, url
 *	person:  GET url, compares the code, agrees
 *	program: GET /.cordon/login/poll?token=	-> 202 until then, then the
 *						   certificate chain, once
 *
 * The key never leaves the program. The certificate belongs to a session of
 * its own below the person's, and ends with it.
 */
#ifndef CD_CONTROLLER_PAGE_LOGIN_H
#define CD_CONTROLLER_PAGE_LOGIN_H

#include "base/str.h"

#define CD_LOGIN_LIFE 600 /* seconds a request waits for the person */
#define CD_LOGIN_CERT_LIFE 28800 /* seconds a certificate is good at most */
#define CD_LOGINS_MAX 256 /* waiting at once */
#define CD_LOGIN_CODE 9 /* "BCDF-GHJK" */

struct cd_logins;

int cd_logins_new(struct cd_logins **ret_logins);
void cd_logins_free(struct cd_logins **logins);

/* Is this the address of such a request's page? Then a sign-in may go on to
 * it, though it is below /.cordon/. */
bool cd_login_is_target(struct cd_str target);

#endif
