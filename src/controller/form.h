/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Forms as browsers post them, application/x-www-form-urlencoded (WHATWG URL,
 * section 5). Bounded: at most CD_FORM_FIELDS fields; a malformed escape, a
 * NUL or a field given twice refuses the whole form.
 */
#ifndef CD_CONTROLLER_FORM_H
#define CD_CONTROLLER_FORM_H

#include "base/buf.h"

#define CD_FORM_FIELDS 16

struct cd_form {
	struct cd_buf text; /* decoded; wiped by done: it held passwords */
	size_t n;
	struct {
		size_t name, value; /* offsets of NUL-terminated strings */
	} fields[CD_FORM_FIELDS];
};

/* 0, -EINVAL or CD_E_LIMIT; done in every case. */
int cd_form_parse(struct cd_form *form, struct cd_str body);
void cd_form_done(struct cd_form *form);
/* Never NULL: a field that is not there is empty. Lives with the form. */
const char *cd_form_get(const struct cd_form *form, const char *name);

#endif
