/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who answers on a unix socket that secrets are sent to. A path alone does
 * not say: whoever may write in the folder can bind the name while its owner
 * is away. So the peer must be the user to whom the folder belongs, and nobody
 * else may write there.
 */
#ifndef CD_SHM_PEER_H
#define CD_SHM_PEER_H

/* fd is connected to the socket at path. 0; -EPERM when somebody else listens,
 * or could have; another errno value when that cannot be known. */
int cd_peer_vouch(int fd, const char *path);

#endif
