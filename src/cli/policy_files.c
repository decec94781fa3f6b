// SPDX-License-Identifier: Apache-2.0
/*
 * Reading policy files, and messages about them for people: the place, the
 * line it stands in, and a caret.
 */
#include "cli/policy_files.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sys/file.h"

#define DEFAULT_FOLDER "/etc/cordon/policy"

void cd_policy_files_done(struct cd_policy_files *f)
{
	for (size_t i = 0; i < f->n; i++) {
		char *name, *text;

		/* owned, though the struct says borrowed */
		memcpy(&name, &f->sources[i].name, sizeof(name));
		memcpy(&text, &f->sources[i].text.ptr, sizeof(text));
		free(name);
		free(text);
	}
	free(f->sources);
	*f = (struct cd_policy_files){NULL, 0};
}

static int cannot(struct cd_cli *cli, const char *path, int err)
{
	char quoted[256];

	cd_quote(cd_str_from(path), quoted, sizeof(quoted));
	if (err == CD_E_LIMIT)
		return cd_cli_fail(cli, "%s has more than %u bytes", quoted,
				   CD_MAX_FILE_SIZE);
	return cd_cli_fail(cli, "cannot read %s: %s", quoted, cd_strerror(err));
}

/* A pipe is waited for: a shell's <(...) is one. */
static int read_pipe(const char *path, char **ret_text, size_t *ret_len)
{
	int r, fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	r = cd_fd_read(fd, CD_MAX_FILE_SIZE, ret_text, ret_len);
	close(fd);
	return r;
}

static int read_text(const char *path, char **ret_text, size_t *ret_len)
{
	struct stat st;

	if (!strcmp(path, "-"))
		return cd_fd_read(0, CD_MAX_FILE_SIZE, ret_text, ret_len);
	if (!stat(path, &st) && S_ISFIFO(st.st_mode))
		return read_pipe(path, ret_text, ret_len);
	return cd_file_read(path, CD_MAX_FILE_SIZE, ret_text, ret_len);
}

static int add(struct cd_cli *cli, struct cd_policy_files *f, const char *path)
{
	struct cd_source *bigger;
	char *text = NULL, *name;
	size_t len = 0;
	int err = read_text(path, &text, &len);

	if (err)
		return cannot(cli, path, err);
	name = strdup(strcmp(path, "-") ? path : "standard input");
	bigger = reallocarray(f->sources, f->n + 1, sizeof(*bigger));
	if (bigger)
		f->sources = bigger;
	if (!bigger || !name) {
		free(text);
		free(name);
		return cannot(cli, path, -ENOMEM);
	}
	f->sources[f->n++] = (struct cd_source){name, {text, len}};
	return 0;
}

static int is_policy(const struct dirent *e)
{
	return e->d_name[0] != '.' &&
	       cd_str_has_suffix(cd_str_from(e->d_name), CD_STR(".cordon"));
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int add_folder(struct cd_cli *cli, struct cd_policy_files *f,
		      const char *folder)
{
	struct dirent **entries = NULL;
	int r = 0, n = scandir(folder, &entries, is_policy, by_name);

	if (n < 0)
		return cannot(cli, folder, -errno);
	for (int i = 0; i < n; i++) {
		char path[4096];

		if (!r && !cd_path_join(path, sizeof(path), folder,
					entries[i]->d_name))
			r = cannot(cli, entries[i]->d_name, -ENAMETOOLONG);
		if (!r)
			r = add(cli, f, path);
		free(entries[i]);
	}
	free(entries);
	if (!r && n == 0)
		r = cd_cli_fail(cli, "%s holds no *.cordon file", folder);
	return r;
}

static int add_path(struct cd_cli *cli, struct cd_policy_files *f,
		    const char *path)
{
	struct stat st;

	if (strcmp(path, "-") && !stat(path, &st) && S_ISDIR(st.st_mode))
		return add_folder(cli, f, path);
	return add(cli, f, path);
}

int cd_policy_files_read(struct cd_cli *cli, char **paths, size_t n,
			 struct cd_policy_files *ret)
{
	struct cd_policy_files f = {NULL, 0};
	int r = 0;

	if (n == 0)
		r = add_path(cli, &f, DEFAULT_FOLDER);
	for (size_t i = 0; i < n && !r; i++)
		r = add_path(cli, &f, paths[i]);
	if (r)
		cd_policy_files_done(&f);
	else
		*ret = f;
	return r;
}

/* ---- messages ---------------------------------------------------------- */
static size_t file_of(const struct cd_policy_files *f,
		      const struct cd_message *m)
{
	for (size_t i = 0; m->file && i < f->n; i++)
		if (!strcmp(m->file, f->sources[i].name))
			return i;
	return f->n;
}

static bool is_before(const struct cd_policy_files *f,
		      const struct cd_message *a, const struct cd_message *b)
{
	size_t x = file_of(f, a), y = file_of(f, b);

	if (x != y)
		return x < y;
	if (a->line != b->line)
		return a->line < b->line;
	return a->column < b->column;
}

/* At most CD_DIAG_MAX messages, in the order of the text. */
static size_t sort(const struct cd_policy_files *f, const struct cd_diag *diag,
		   const struct cd_message **out)
{
	size_t n = cd_diag_count(diag);

	for (size_t i = 0; i < n; i++) {
		const struct cd_message *m = cd_diag_get(diag, i);
		size_t k = i;

		for (; k > 0 && is_before(f, m, out[k - 1]); k--)
			out[k] = out[k - 1];
		out[k] = m;
	}
	return n;
}

static struct cd_str line_of(struct cd_str text, uint32_t number)
{
	struct cd_str line = CD_STR_NULL;

	for (uint32_t i = 0; i < number && text.ptr; i++)
		line = cd_str_split(text, '\n', &text);
	return line;
}

/* The line with blanks for what cannot be shown, and a caret. */
static void show_line(const struct cd_policy_files *f,
		      const struct cd_message *m)
{
	size_t i = file_of(f, m);
	struct cd_str line;
	struct cd_buf safe;

	if (i == f->n || m->line == 0)
		return;
	line = line_of(f->sources[i].text, m->line);
	while (line.len && (line.ptr[line.len - 1] == '\r' ||
			    line.ptr[line.len - 1] == '\n'))
		line.len--;
	if (line.len == 0 || line.len > 400)
		return;
	cd_buf_init(&safe, 1 << 14);
	for (size_t k = 0; k < line.len; k++)
		cd_buf_char(&safe, (unsigned char)line.ptr[k] < 0x20 ||
						   line.ptr[k] == 0x7f ?
					   ' ' :
					   line.ptr[k]);
	if (cd_utf8_is_valid(cd_buf_get(&safe))) {
		fputs("  ", stderr);
		fwrite(safe.data, 1, safe.len, stderr);
		fputs("\n  ", stderr);
		/* Columns count bytes; continuation bytes take no room. */
		for (size_t k = 0; k + 1 < m->column && k <= line.len; k++)
			if (k == line.len || (line.ptr[k] & 0xc0) != 0x80)
				fputc(' ', stderr);
		fputs("^\n", stderr);
	}
	cd_buf_done(&safe);
}

static const char *severity_word(enum cd_severity s)
{
	return s == CD_ERROR ? "error" : s == CD_WARNING ? "warning" : "note";
}

static void show(const struct cd_policy_files *f, const struct cd_message *m)
{
	struct cd_buf safe;

	cd_buf_init(&safe, 1 << 14);
	cd_cli_put_safe(&safe, cd_str_from(m->file ? m->file : "policy"));
	if (m->line)
		cd_buf_printf(&safe, ":%u:%u", m->line, m->column);
	cd_buf_printf(&safe, ": %s%s:%s ",
		      cd_cli_color(stderr, m->severity == CD_ERROR ?
						   CD_COLOR_BAD :
						   CD_COLOR_WARN),
		      severity_word(m->severity), cd_cli_plain(stderr));
	cd_cli_put_safe(&safe, cd_str_from(m->text));
	if (m->hint) {
		cd_buf_puts(&safe, " (");
		cd_cli_put_safe(&safe, cd_str_from(m->hint));
		cd_buf_char(&safe, ')');
	}
	fprintf(stderr, "%s\n", safe.data ? safe.data : m->text);
	cd_buf_done(&safe);
	show_line(f, m);
}

void cd_policy_files_show(const struct cd_policy_files *f,
			  const struct cd_diag *diag)
{
	const struct cd_message *sorted[CD_DIAG_MAX];
	size_t n = sort(f, diag, sorted);
	size_t all = cd_diag_errors(diag) + cd_diag_warnings(diag);

	for (size_t i = 0; i < n; i++)
		show(f, sorted[i]);
	if (all > n)
		fprintf(stderr, "... and %zu more\n", all - n);
}

json_t *cd_policy_files_json(const struct cd_policy_files *f,
			     const struct cd_diag *diag)
{
	const struct cd_message *sorted[CD_DIAG_MAX];
	size_t n = sort(f, diag, sorted);
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++) {
		const struct cd_message *m = sorted[i];
		json_t *o = json_pack("{s:s, s:s?, s:I, s:I, s:s, s:s?}",
				      "severity", severity_word(m->severity),
				      "file", m->file, "line",
				      (json_int_t)m->line, "column",
				      (json_int_t)m->column, "text", m->text,
				      "hint", m->hint);

		json_array_append_new(list, o ? o : json_null());
	}
	return list;
}
