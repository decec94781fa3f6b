// SPDX-License-Identifier: Apache-2.0
/*
 * usage: fuzz-NAME DIR...
 *
 * Runs a fuzz harness over the files of the folders, without libFuzzer: the
 * seeds as a plain test, and a whole corpus for its coverage. Each input lies
 * in memory of exactly its size, so that a sanitizer sees the first byte read
 * past it. No input at all is a failure.
 */
#include "tap.h"

#include <dirent.h>
#include <errno.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
__attribute__((weak)) int LLVMFuzzerInitialize(int *argc, char ***argv);

static char **folders;

static bool replay_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	uint8_t *data = NULL;
	long size = -1;
	bool fine;

	if (f && !fseek(f, 0, SEEK_END))
		size = ftell(f);
	if (size >= 0)
		data = (uint8_t *)malloc(size ? (size_t)size : 1);
	fine = data && !fseek(f, 0, SEEK_SET) &&
	       fread(data, 1, (size_t)size, f) == (size_t)size;
	if (fine)
		LLVMFuzzerTestOneInput(data, (size_t)size);
	else
		fail("%s: cannot be read", path);
	free(data);
	if (f)
		fclose(f);
	return fine;
}

static unsigned replay_folder(const char *folder)
{
	DIR *dir = opendir(folder);
	struct dirent *e;
	unsigned n = 0;
	char path[4096];

	if (!dir) {
		fail("%s: %s", folder, strerror(errno));
		return 0;
	}
	while ((e = readdir(dir))) {
		if (e->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", folder, e->d_name);
		n += replay_file(path);
	}
	closedir(dir);
	return n;
}

TEST(replay)
{
	unsigned n = 0;
	char **f;

	for (f = folders; *f; f++)
		n += replay_folder(*f);
	note("%u inputs", n);
	ok_true(n > 0);
}

__attribute__((constructor)) static void take_folders(int argc, char **argv)
{
	folders = argv + 1;
	if (LLVMFuzzerInitialize)
		LLVMFuzzerInitialize(&argc, &argv);
}
