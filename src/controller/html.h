/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTML for the pages people see. Markup comes from literals; every value goes
 * through the escaper: there is no way to put a value in unescaped.
 */
#ifndef CD_CONTROLLER_HTML_H
#define CD_CONTROLLER_HTML_H

#include "base/buf.h"

#define CD_PAGE_MAX (512u << 10)

/* Template with values: %s const char *, %S struct cd_str, %d int64_t, %u
 * struct cd_str percent-encoded for a URL, %% a percent sign. Values are
 * escaped for text and for double-quoted attribute values. */
void cd_html(struct cd_buf *out, const char *template, ...);

/* Opens the document up to its main element; closes it. */
void cd_html_begin(struct cd_buf *out, const char *title);
void cd_html_end(struct cd_buf *out);

/* Control characters are dropped, <>&"' become references. */
void cd_html_escape(struct cd_buf *out, struct cd_str s);

extern const char cd_style_css[];

#endif
