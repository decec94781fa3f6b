/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bounded message list behind struct cd_diag. A message that cannot be
 * stored (no memory, list full) is still counted, so that an error can never
 * look like success.
 */
#include "base/base.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define TEXT_MAX 512

struct entry {
	struct cd_message message;
	char text[TEXT_MAX];
	char hint[TEXT_MAX / 2];
};

struct cd_diag {
	struct entry *entries[CD_DIAG_MAX];
	size_t count;
	size_t errors;
	size_t warnings;
	bool last_dropped;
};

int cd_diag_new(struct cd_diag **ret_diag)
{
	struct cd_diag *d = calloc(1, sizeof(*d));

	if (!d)
		return -ENOMEM;
	*ret_diag = d;
	return 0;
}

void cd_diag_free(struct cd_diag **diag)
{
	if (!*diag)
		return;
	for (size_t i = 0; i < (*diag)->count; i++)
		free((*diag)->entries[i]);
	free(*diag);
	*diag = NULL;
}

size_t cd_diag_count(const struct cd_diag *diag)
{
	return diag->count;
}

const struct cd_message *cd_diag_get(const struct cd_diag *diag, size_t i)
{
	return i < diag->count ? &diag->entries[i]->message : NULL;
}

size_t cd_diag_errors(const struct cd_diag *diag)
{
	return diag->errors;
}

size_t cd_diag_warnings(const struct cd_diag *diag)
{
	return diag->warnings;
}

void cd_diag_add(struct cd_diag *diag, enum cd_severity severity,
		 const char *file, uint32_t line, uint32_t column,
		 const char *fmt, ...)
{
	struct entry *e = NULL;
	va_list ap;

	if (!diag)
		return;
	diag->errors += severity == CD_ERROR;
	diag->warnings += severity == CD_WARNING;
	if (diag->count < CD_DIAG_MAX)
		e = calloc(1, sizeof(*e));
	diag->last_dropped = !e;
	if (!e)
		return;
	va_start(ap, fmt);
	vsnprintf(e->text, sizeof(e->text), fmt, ap);
	va_end(ap);
	e->message = (struct cd_message){
		.severity = severity,
		.file = file,
		.line = line,
		.column = column,
		.text = e->text,
	};
	diag->entries[diag->count++] = e;
}

void cd_diag_hint(struct cd_diag *diag, const char *fmt, ...)
{
	struct entry *e;
	va_list ap;

	if (!diag || diag->last_dropped || diag->count == 0)
		return;
	e = diag->entries[diag->count - 1];
	va_start(ap, fmt);
	vsnprintf(e->hint, sizeof(e->hint), fmt, ap);
	va_end(ap);
	e->message.hint = e->hint;
}
