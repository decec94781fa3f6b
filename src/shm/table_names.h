/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table writer's own index from a name to a number: open addressing in
 * heap memory, never shared. The names themselves stay where they are; the
 * owner says by a callback which name a number has.
 */
#ifndef CD_SHM_TABLE_NAMES_H
#define CD_SHM_TABLE_NAMES_H

#include "base/str.h"

#define NAMES_NONE UINT32_MAX

struct names {
	uint32_t *v; /* number + 2; 0: empty, 1: removed */
	uint32_t cap, used; /* used counts removed ones too */
	struct cd_str (*name)(const void *owner, uint32_t number);
	const void *owner;
};

int names_init(struct names *n,
	       struct cd_str (*name)(const void *owner, uint32_t number),
	       const void *owner);
void names_done(struct names *n);
/* NAMES_NONE: not there. */
uint32_t names_find(const struct names *n, struct cd_str name);
/* The name must not be there; its number must already answer to it. */
int names_add(struct names *n, uint32_t number);
/* Before the number forgets its name. */
void names_remove(struct names *n, uint32_t number);

#endif
