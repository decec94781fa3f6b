/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Templates and the style sheet. Pages work without scripts, follow the
 * browser's light or dark setting and its font size, and hold no image.
 */
#include "controller/html.h"

#include <stdarg.h>

#include "controller/redirect.h"

void cd_html_escape(struct cd_buf *out, struct cd_str s)
{
	size_t i;

	for (i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.ptr[i];

		if (c == '<')
			cd_buf_puts(out, "&lt;");
		else if (c == '>')
			cd_buf_puts(out, "&gt;");
		else if (c == '&')
			cd_buf_puts(out, "&amp;");
		else if (c == '"')
			cd_buf_puts(out, "&quot;");
		else if (c == '\'')
			cd_buf_puts(out, "&#39;");
		else if (c >= 0x20 && c != 0x7f)
			cd_buf_char(out, (char)c);
	}
}

static void put_value(struct cd_buf *out, char type, va_list *ap)
{
	switch (type) {
	case 's':
		cd_html_escape(out, cd_str_from(va_arg(*ap, const char *)));
		break;
	case 'S':
		cd_html_escape(out, va_arg(*ap, struct cd_str));
		break;
	case 'u':
		cd_buf_url(out, va_arg(*ap, struct cd_str));
		break;
	case 'd':
		cd_buf_printf(out, "%lld", (long long)va_arg(*ap, int64_t));
		break;
	default:
		cd_assert(type == '%');
		cd_buf_char(out, '%');
	}
}

void cd_html(struct cd_buf *out, const char *template, ...)
{
	const char *p;
	va_list ap;

	va_start(ap, template);
	for (p = template; *p; p++) {
		if (*p != '%')
			cd_buf_char(out, *p);
		else
			put_value(out, *++p, &ap);
	}
	va_end(ap);
}

void cd_html_begin(struct cd_buf *out, const char *title)
{
	cd_html(out,
		"<!doctype html>\n<html lang=\"en\">\n<head>"
		"<meta charset=\"utf-8\">"
		"<meta name=\"viewport\" content=\"width=device-width,"
		" initial-scale=1\">"
		"<title>%s - Cordon</title>"
		"<link rel=\"stylesheet\" href=\"/.cordon/style.css\">"
		"</head>\n<body>\n<main>\n<h1>%s</h1>\n",
		title, title);
}

void cd_html_end(struct cd_buf *out)
{
	cd_buf_puts(out, "</main>\n</body>\n</html>\n");
}

const char cd_style_css[] =
	":root{color-scheme:light dark;--line:#8886;--accent:#1a5fb4;"
	"--bad:#a51d2d;--on:#fff}\n"
	"@media(prefers-color-scheme:dark){:root{--accent:#78aeed;"
	"--bad:#ff938c;--on:#000}}\n"
	"*{box-sizing:border-box}\n"
	"body{margin:0;font:1rem/1.5 system-ui,sans-serif}\n"
	"main{max-width:40rem;margin:8vh auto 2rem;padding:0 1.25rem}\n"
	"h1{font-size:1.6rem;line-height:1.2;margin:0 0 1.2rem}\n"
	"h2{font-size:1.15rem;margin:2rem 0 .5rem}\n"
	"form{margin:0}\n"
	"label{display:block;margin:1rem 0 .25rem;font-weight:600}\n"
	"input{width:100%;max-width:24rem;padding:.55rem .6rem;font:inherit;"
	"border:1px solid var(--line);border-radius:.35rem}\n"
	"button{margin-top:1.25rem;padding:.55rem 1.2rem;font:inherit;"
	"font-weight:600;border:0;border-radius:.35rem;cursor:pointer;"
	"background:var(--accent);color:var(--on)}\n"
	"td button{margin:0;padding:.2rem .7rem}\n"
	"a{color:var(--accent)}\n"
	"a.button{display:inline-block;margin-top:1.25rem;padding:.5rem 1.1rem;"
	"font-weight:600;border:1px solid var(--accent);border-radius:.35rem;"
	"text-decoration:none}\n"
	":focus-visible{outline:3px solid var(--accent);outline-offset:2px}\n"
	".error{border-left:.3rem solid var(--bad);padding:.4rem .8rem;"
	"color:var(--bad)}\n"
	".hint{opacity:.8;font-size:.9rem}\n"
	"code{overflow-wrap:anywhere;font-size:.95rem}\n"
	"ul.apps{list-style:none;padding:0}\n"
	"ul.apps li{border:1px solid var(--line);border-radius:.35rem;"
	"margin:.5rem 0;padding:.7rem .9rem}\n"
	"table{border-collapse:collapse;width:100%}\n"
	"th,td{text-align:left;padding:.4rem .6rem .4rem 0;"
	"border-bottom:1px solid var(--line);vertical-align:top}\n"
	"dt{font-weight:600}dd{margin:0 0 .6rem}\n";
