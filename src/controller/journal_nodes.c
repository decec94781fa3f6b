/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of nodes. Names come from agents that cordond admitted; a limit
 * keeps a confused one from growing it.
 */
#include "controller/journal_nodes.h"

#include <stdlib.h>

#define SLOTS_MIN 64

void cd_nodes_done(struct cd_nodes *nodes)
{
	free(nodes->list);
	free(nodes->slots);
	*nodes = (struct cd_nodes){.list = NULL};
}

/* Slot of a name: the one that has it, or the free one where it belongs. */
static uint32_t *slot_of(const struct cd_nodes *nodes, struct cd_str name)
{
	uint32_t i = (uint32_t)cd_str_hash(name) & (nodes->n_slots - 1);

	while (nodes->slots[i] &&
	       !cd_str_equal(name,
			     cd_str_from(nodes->list[nodes->slots[i] - 1].name)))
		i = (i + 1) & (nodes->n_slots - 1);
	return &nodes->slots[i];
}

static int grow(struct cd_nodes *nodes)
{
	uint32_t cap = nodes->cap ? nodes->cap * 2 : SLOTS_MIN / 2;
	struct cd_nodes next = {
		.list = cd_calloc(cap, sizeof(*next.list)),
		.slots = cd_calloc((size_t)cap * 2, sizeof(*next.slots)),
		.n = nodes->n,
		.cap = cap,
		.n_slots = cap * 2,
	};

	if (!next.list || !next.slots) {
		cd_nodes_done(&next);
		return -ENOMEM;
	}
	if (nodes->n)
		memcpy(next.list, nodes->list, nodes->n * sizeof(*next.list));
	for (uint32_t i = 0; i < next.n; i++)
		*slot_of(&next, cd_str_from(next.list[i].name)) = i + 1;
	cd_nodes_done(nodes);
	*nodes = next;
	return 0;
}

int cd_nodes_get(struct cd_nodes *nodes, struct cd_str name, bool *ret_new)
{
	uint32_t *slot = nodes->n ? slot_of(nodes, name) : NULL;
	int r;

	cd_assert(name.len <= CD_BATCH_NODE_SIZE);
	*ret_new = !slot || *slot == 0;
	if (!*ret_new)
		return (int)(*slot - 1);
	if (nodes->n >= CD_NODES_MAX)
		return CD_E_LIMIT;
	if (nodes->n == nodes->cap) {
		r = grow(nodes);
		if (r)
			return r;
	}
	slot = slot_of(nodes, name);
	nodes->list[nodes->n] = (struct cd_node){.epoch = 0};
	memcpy(nodes->list[nodes->n].name, name.ptr, name.len);
	*slot = ++nodes->n;
	return (int)(nodes->n - 1);
}

void cd_nodes_encode(const struct cd_nodes *nodes, struct cd_buf *out)
{
	cd_buf_u32(out, CD_NODES_MAGIC);
	cd_buf_u32(out, nodes->n);
	for (uint32_t i = 0; i < nodes->n; i++) {
		cd_buf_put(out, nodes->list[i].name, CD_BATCH_NODE_SIZE);
		cd_buf_u64(out, nodes->list[i].epoch);
		cd_buf_u64(out, nodes->list[i].next);
	}
}

bool cd_nodes_is(struct cd_str payload)
{
	struct cd_reader r = cd_reader_make(payload.ptr, payload.len);

	return cd_read_u32(&r) == CD_NODES_MAGIC && !r.err;
}

int cd_nodes_decode(struct cd_nodes *nodes, struct cd_str bytes)
{
	struct cd_reader r = cd_reader_make(bytes.ptr, bytes.len);
	uint32_t n;
	bool made;
	int i;

	if (cd_read_u32(&r) != CD_NODES_MAGIC || r.err)
		return CD_E_CORRUPT;
	n = cd_read_u32(&r);
	if (cd_reader_left(&r) != (uint64_t)n * (CD_BATCH_NODE_SIZE + 16))
		return CD_E_CORRUPT;
	cd_nodes_done(nodes);
	while (n--) {
		struct cd_str name = cd_read_bytes(&r, CD_BATCH_NODE_SIZE);

		name.len = strnlen(name.ptr, name.len);
		i = cd_nodes_get(nodes, name, &made);
		if (i < 0)
			return i;
		nodes->list[i].epoch = cd_read_u64(&r);
		nodes->list[i].next = cd_read_u64(&r);
	}
	return 0;
}
