/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Command-line options of cordond, from the table options.def.
 */
#ifndef CD_CONTROLLER_OPTIONS_H
#define CD_CONTROLLER_OPTIONS_H

#include "base/buf.h"

#define CD_OPT_TEXT const char *
#define CD_OPT_SECONDS int64_t
#define CD_OPT_GROUP int64_t /* -1: none */

struct cd_options {
#define CD_OPTION(field, name, type, def, arg, doc) CD_OPT_##type field;
#include "controller/options.def"
#undef CD_OPTION
};

/* "--name VALUE" and "--name=VALUE". Values borrow argv. -EINVAL with the
 * reason in diag. */
int cd_options_parse(int argc, char **argv, struct cd_diag *diag,
		     struct cd_options *ret_opt);
/* One line an option. */
void cd_options_help(struct cd_buf *out);

#endif
