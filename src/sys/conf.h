/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cordon.conf: settings of the daemons, one `key value` a line, `#` comments.
 * The keys are the rows of conf.def, and nothing else is a key: a misspelt
 * one is an error with its line and a suggestion, never ignored. A value
 * reaches to the end of its line; no quotes, no escapes, no includes.
 *
 * A secret is never in this file, which admins show to each other: a row of
 * type FILE names the file that holds it.
 */
#ifndef CD_SYS_CONF_H
#define CD_SYS_CONF_H

#include "base/str.h"

#define CD_CONF_MAX (64 * 1024) /* bytes of the file */
#define CD_CONF_LINE_MAX 4096

#define CD_CONF_TYPE_TEXT char * /* heap; NULL: not set */
#define CD_CONF_TYPE_FILE char * /* absolute path; NULL: not set */
#define CD_CONF_TYPE_URL char * /* https, or http on loopback; NULL */
#define CD_CONF_TYPE_BOOL bool
#define CD_CONF_TYPE_SECONDS int64_t

struct cd_conf {
#define CD_CONF_ROW(key, type, def, doc) CD_CONF_TYPE_##type key;
#include "sys/conf.def"
#undef CD_CONF_ROW
};

/* Every error is in diag with name and line; -EINVAL when there is one.
 * `name` is borrowed by the messages. */
int cd_conf_parse(struct cd_str text, const char *name, struct cd_diag *diag,
		  struct cd_conf *ret_conf);
/* Reads the file; one that is not there gives the defaults. Messages call it
 * cordon.conf. */
int cd_conf_load(const char *path, struct cd_diag *diag,
		 struct cd_conf *ret_conf);
void cd_conf_done(struct cd_conf *conf); /* also for cd_auto */

/* Is this URL one that secrets may travel to: https, or plain http to a
 * loopback address (127.0.0.0/8, ::1) written as a number? No user name, no
 * fragment, no blank or control character. */
bool cd_url_is_safe(struct cd_str url);

#endif
