/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `cordond --keys`: the key broker, a process of its own that shares nothing
 * with the rest of cordond but the executable.
 *
 *	cordond --keys --run DIR --state DIR --issuer URL
 *		--uid-controller N --uid-gateway N [--uid-gateway N]...
 *		[--user UID:GID[,GID]...] [--ca-domain DOMAIN]...
 *	cordond --keys-trust | --keys-server-ca | --keys-client-ca |
 *		--keys-jwks --run DIR	prints what the broker says of itself
 *
 * Started as root with --user it makes STATE/keys and RUN/keys of that user,
 * drops root, and binds RUN/keys/keys.sock: that the listener is the folder's
 * owner is how clients know the broker.
 */
#ifndef CD_CONTROLLER_KEYS_MAIN_H
#define CD_CONTROLLER_KEYS_MAIN_H

#include <stdbool.h>

/* Is the first argument one of ours? */
bool cd_keys_is_wanted(int argc, char **argv);
/* Exit status: 0, 1, 2 usage, 3 unreachable. */
int cd_keys_main(int argc, char **argv);

#endif
