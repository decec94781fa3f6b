/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The client that waits, and what both clients share: filling a curl handle
 * from a request, bounding the answer, and naming what went wrong.
 */
#include "sys/httpc_curl.h"

#include <stdio.h>
#include <stdlib.h>

#define ANSWER_MAX (64u << 20)
#define TIMEOUT_MS 30000

static size_t on_body(char *p, size_t size, size_t n, void *ctx)
{
	struct cd_httpc_transfer *t = ctx;

	cd_buf_put(&t->answer.body, p, size * n);
	return t->answer.body.err ? 0 : size * n; /* 0 ends the transfer */
}

static int set_headers(struct cd_httpc_transfer *t,
		       const struct cd_httpc_request *q)
{
	struct curl_slist *list;
	char type[128];

	/* no "Expect: 100-continue": a second round trip for nothing */
	t->headers = curl_slist_append(NULL, "Expect:");
	if (!t->headers)
		return -ENOMEM;
	if (q->content_type) {
		snprintf(type, sizeof(type), "Content-Type: %s",
			 q->content_type);
		list = curl_slist_append(t->headers, type);
		if (!list)
			return -ENOMEM;
	}
	for (size_t i = 0; q->headers && q->headers[i]; i++) {
		list = curl_slist_append(t->headers, q->headers[i]);
		if (!list)
			return -ENOMEM;
	}
	curl_easy_setopt(t->easy, CURLOPT_HTTPHEADER, t->headers);
	return 0;
}

static void set_body(struct cd_httpc_transfer *t,
		     const struct cd_httpc_request *q)
{
	bool with_body = q->body.len > 0 || q->content_type;

	if (with_body) {
		curl_easy_setopt(t->easy, CURLOPT_POST, 1L);
		curl_easy_setopt(t->easy, CURLOPT_POSTFIELDSIZE_LARGE,
				 (curl_off_t)q->body.len);
		curl_easy_setopt(t->easy, CURLOPT_COPYPOSTFIELDS,
				 q->body.len ? q->body.ptr : "");
	}
	if (q->method)
		curl_easy_setopt(t->easy, CURLOPT_CUSTOMREQUEST, q->method);
}

int cd_httpc_transfer_init(struct cd_httpc_transfer *t,
			   const struct cd_httpc_request *q)
{
	unsigned int timeout = q->timeout_ms ? q->timeout_ms : TIMEOUT_MS;

	*t = (struct cd_httpc_transfer){.easy = curl_easy_init()};
	cd_buf_init(&t->answer.body,
		    q->answer_max ? q->answer_max : ANSWER_MAX);
	if (!t->easy)
		return -ENOMEM;
	curl_easy_setopt(t->easy, CURLOPT_URL, q->url);
	curl_easy_setopt(t->easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(t->easy, CURLOPT_NOPROXY, "*");
	curl_easy_setopt(t->easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(t->easy, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(t->easy, CURLOPT_TIMEOUT_MS, (long)timeout);
	curl_easy_setopt(t->easy, CURLOPT_CONNECTTIMEOUT_MS, 5000L);
	curl_easy_setopt(t->easy, CURLOPT_HTTP_VERSION,
			 (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(t->easy, CURLOPT_ERRORBUFFER, t->error);
	curl_easy_setopt(t->easy, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(t->easy, CURLOPT_WRITEDATA, t);
	curl_easy_setopt(t->easy, CURLOPT_PRIVATE, t);
	if (q->unix_path)
		curl_easy_setopt(t->easy, CURLOPT_UNIX_SOCKET_PATH,
				 q->unix_path);
	if (q->ca_file) {
		/* Debian's libcurl would go on trusting its folder too. */
		curl_easy_setopt(t->easy, CURLOPT_CAPATH, NULL);
		curl_easy_setopt(t->easy, CURLOPT_CAINFO, q->ca_file);
	}
	set_body(t, q);
	return set_headers(t, q);
}

/* The errno that says it best. */
static int error_of(const struct cd_httpc_transfer *t, CURLcode code)
{
	long os = 0;

	if (t->answer.body.err)
		return t->answer.body.err;
	curl_easy_getinfo(t->easy, CURLINFO_OS_ERRNO, &os);
	switch (code) {
	case CURLE_OPERATION_TIMEDOUT:
		return -ETIMEDOUT;
	case CURLE_OUT_OF_MEMORY:
		return -ENOMEM;
	case CURLE_COULDNT_CONNECT:
		return os > 0 ? -(int)os : -ECONNREFUSED;
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CONNECT_ERROR:
		return CD_E_SIGNATURE;
	case CURLE_URL_MALFORMAT:
	case CURLE_UNSUPPORTED_PROTOCOL:
		return -EINVAL;
	default:
		return -EIO;
	}
}

/* One that does not fit is left out: half a validator is another one. */
static void copy_whole(char *out, size_t size, const char *value)
{
	if (value && strlen(value) < size)
		memcpy(out, value, strlen(value) + 1);
}

static void copy_header(CURL *easy, const char *name, char *out, size_t size)
{
	struct curl_header *h;

	if (curl_easy_header(easy, name, 0, CURLH_HEADER, -1, &h) == CURLHE_OK)
		copy_whole(out, size, h->value);
}

void cd_httpc_transfer_end(struct cd_httpc_transfer *t, CURLcode code)
{
	struct cd_httpc_answer *a = &t->answer;
	const char *type = NULL;
	char *to = NULL;
	long status = 0;

	if (code != CURLE_OK) {
		a->err = error_of(t, code);
		snprintf(a->why, sizeof(a->why), "%s",
			 t->error[0] ? t->error : curl_easy_strerror(code));
		return;
	}
	curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(t->easy, CURLINFO_CONTENT_TYPE, &type);
	a->status = (unsigned int)status;
	snprintf(a->content_type, sizeof(a->content_type), "%s",
		 type ? type : "");
	copy_header(t->easy, "ETag", a->etag, sizeof(a->etag));
	copy_header(t->easy, "Last-Modified", a->modified, sizeof(a->modified));
	curl_easy_getinfo(t->easy, CURLINFO_REDIRECT_URL, &to);
	copy_whole(a->redirect, sizeof(a->redirect), to);
}

void cd_httpc_transfer_done(struct cd_httpc_transfer *t)
{
	if (t->easy)
		curl_easy_cleanup(t->easy);
	curl_slist_free_all(t->headers);
	cd_buf_done(&t->answer.body);
}

int cd_httpc_run(const struct cd_httpc_request *request,
		 struct cd_httpc_answer *ret_answer)
{
	struct cd_httpc_transfer t;
	int r = cd_httpc_transfer_init(&t, request);

	if (r)
		t.answer.err = r;
	else
		cd_httpc_transfer_end(&t, curl_easy_perform(t.easy));
	*ret_answer = t.answer;
	t.answer.body = (struct cd_buf){.max = 0};
	cd_httpc_transfer_done(&t);
	return ret_answer->err;
}

void cd_httpc_answer_done(struct cd_httpc_answer *answer)
{
	cd_buf_done(&answer->body);
}
