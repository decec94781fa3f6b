/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside the journal: which number each node's next record has. Written at the
 * head of every segment ("CDNT", u32 count, then node 64 bytes, u64 epoch, u64
 * next), so that an open reads the last segment only.
 */
#ifndef CD_CONTROLLER_JOURNAL_NODES_H
#define CD_CONTROLLER_JOURNAL_NODES_H

#include "event/batch.h"

#define CD_NODES_MAGIC 0x544e4443u /* "CDNT" */
#define CD_NODES_MAX 12000

struct cd_node {
	char name[CD_BATCH_NODE_SIZE + 1];
	uint64_t epoch, next;
	uint64_t drops; /* of this epoch, as last told */
};

struct cd_nodes {
	struct cd_node *list;
	uint32_t n, cap;
	uint32_t *slots; /* open addressing: index + 1; 0: free */
	uint32_t n_slots;
};

void cd_nodes_done(struct cd_nodes *nodes);
/* The node, made when new (epoch 0, next 0, *ret_new true). Index, or
 * CD_E_LIMIT, -ENOMEM. */
int cd_nodes_get(struct cd_nodes *nodes, struct cd_str name, bool *ret_new);
void cd_nodes_encode(const struct cd_nodes *nodes, struct cd_buf *out);
/* Replaces what nodes holds; CD_E_CORRUPT. */
int cd_nodes_decode(struct cd_nodes *nodes, struct cd_str bytes);
bool cd_nodes_is(struct cd_str payload);

#endif
