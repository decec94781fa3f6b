/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside src/sys: one transfer of libcurl, shared by the client that waits
 * (httpc.c) and the one in an event loop (httpc_loop.c).
 */
#ifndef CD_SYS_HTTPC_CURL_H
#define CD_SYS_HTTPC_CURL_H

#include <curl/curl.h>

#include "sys/httpc.h"

struct cd_httpc_transfer {
	CURL *easy;
	struct curl_slist *headers;
	struct cd_httpc_answer answer;
	char error[CURL_ERROR_SIZE];
};

/* _done() also after a failure. The transfer must not move afterwards. */
int cd_httpc_transfer_init(struct cd_httpc_transfer *t,
			   const struct cd_httpc_request *request);
/* Fills the answer from how the transfer ended. */
void cd_httpc_transfer_end(struct cd_httpc_transfer *t, CURLcode code);
void cd_httpc_transfer_done(struct cd_httpc_transfer *t);

#endif
