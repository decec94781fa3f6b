// SPDX-License-Identifier: Apache-2.0
/*
 * Creating and mapping the control page. A new page is filled under another
 * name and renamed, so that no reader ever maps a half-made one.
 */
#include "shm/control.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static int map_fd(int fd, int prot, void **ret_page)
{
	struct stat st;
	struct cd_control *page;

	if (fstat(fd, &st))
		return -errno;
	if (st.st_size != CD_CONTROL_SIZE)
		return CD_E_CORRUPT;
	page = mmap(NULL, CD_CONTROL_SIZE, prot, MAP_SHARED, fd, 0);
	if (page == MAP_FAILED)
		return -errno;
	if (page->magic != CD_CONTROL_MAGIC ||
	    page->version != CD_CONTROL_VERSION) {
		int err = page->magic == CD_CONTROL_MAGIC ? CD_E_VERSION :
							    CD_E_CORRUPT;
		munmap(page, CD_CONTROL_SIZE);
		return err;
	}
	*ret_page = page;
	return 0;
}

static int open_page(const char *path, int flags, int prot, void **ret_page)
{
	int fd = open(path, flags | O_CLOEXEC);
	int err;

	if (fd < 0)
		return -errno;
	err = map_fd(fd, prot, ret_page);
	close(fd);
	return err;
}

static int fill_fd(int fd, unsigned int mode)
{
	const struct cd_control first = {.magic = CD_CONTROL_MAGIC,
					 .version = CD_CONTROL_VERSION,
					 .size = CD_CONTROL_SIZE};

	if (fchmod(fd, (mode_t)mode) || ftruncate(fd, CD_CONTROL_SIZE))
		return -errno;
	if (pwrite(fd, &first, sizeof(first), 0) != (ssize_t)sizeof(first))
		return -EIO;
	return 0;
}

static int make_page(const char *path, unsigned int mode)
{
	char tmp[4096];
	int fd, err;

	if (snprintf(tmp, sizeof(tmp), "%s.new", path) >= (int)sizeof(tmp))
		return -ENAMETOOLONG;
	fd = open(tmp, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	err = fill_fd(fd, mode);
	close(fd);
	if (!err && rename(tmp, path))
		err = -errno;
	if (err)
		unlink(tmp);
	return err;
}

int cd_control_create(const char *path, unsigned int mode,
		      struct cd_control **ret_control)
{
	void *page;
	int err = open_page(path, O_RDWR, PROT_READ | PROT_WRITE, &page);

	if (err == -ENOENT || err == CD_E_CORRUPT || err == CD_E_VERSION) {
		err = make_page(path, mode);
		if (err)
			return err;
		err = open_page(path, O_RDWR, PROT_READ | PROT_WRITE, &page);
	}
	if (!err)
		*ret_control = page;
	return err;
}

int cd_control_map(const char *path, const struct cd_control **ret_control)
{
	void *page;
	int err = open_page(path, O_RDONLY, PROT_READ, &page);

	if (!err)
		*ret_control = page;
	return err;
}

void cd_control_unmap(struct cd_control **control)
{
	if (*control)
		munmap(*control, CD_CONTROL_SIZE);
	*control = NULL;
}

void cd_control_unmap_const(const struct cd_control **control)
{
	if (*control)
		munmap((void *)(uintptr_t)*control, CD_CONTROL_SIZE);
	*control = NULL;
}
