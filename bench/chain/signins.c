/* SPDX-License-Identifier: Apache-2.0 */
/*
 * People who open an app, are sent to sign in, and come back, many at a time.
 *
 *	chain-signins AUTH-URL APP-URL CA NAME PEOPLE RUNS FLIGHT
 *
 * Sign-in i is by a new browser of the person NAME-(i mod PEOPLE), password "a
 * password for NAME-n", from an address of that person's own (127.64.x.y): no
 * cookies, new connections, kept alive until the app has answered. Redirects
 * are followed by hand, so that every step is seen; a browser that does not
 * come to the app's own 200 by the one way there is, was sent round or stuck.
 *
 * Prints each way that was gone with its count ("way COUNT STATUS STEP..."),
 * then for each sign-in that arrived the microseconds from the form's sending
 * to the app's answer to standard error. Exit 1 when one did not arrive.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <curl/curl.h>

enum { PAGE_MAX = 32768, WAY_MAX = 256, STEPS_MAX = 24, WAYS = 64, ALL = 64 };

static const char right_way[] = " app start signin POST start begin"
				" start callback app";

struct browser {
	CURL *easy;
	char user[64], url[4096], origin[256];
	char page[PAGE_MAX], form[4096];
	size_t len;
	char way[WAY_MAX];
	int steps, left; /* left: sign-ins that this one still makes */
	unsigned int next;
	int64_t sent; /* the form, us */
	struct curl_slist *headers;
};

static struct {
	const char *auth, *app, *ca, *name;
	unsigned int people, runs, flight;
} opt;
static struct {
	char way[WAY_MAX + 8];
	unsigned int n;
} ways[WAYS];
static unsigned int arrived;
static CURLM *multi;

static void die(const char *what)
{
	fprintf(stderr, "chain-signins: %s\n", what);
	exit(2);
}

static int64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

/* What follows `mark` in the page, up to a quote, entities undone. */
static bool take(const char *page, const char *mark, char *out, size_t size)
{
	const char *p = strstr(page, mark);
	size_t n = 0;

	if (!p)
		return false;
	for (p += strlen(mark); *p && *p != '"' && n + 1 < size; p++) {
		out[n++] = *p;
		if (!strncmp(p, "&amp;", 5))
			p += 4;
	}
	out[n] = 0;
	return *p == '"';
}

static size_t keep(char *p, size_t size, size_t n, void *arg)
{
	struct browser *b = arg;

	n *= size;
	if (n > sizeof(b->page) - 1 - b->len)
		return 0;
	memcpy(b->page + b->len, p, n);
	b->len += n;
	b->page[b->len] = 0;
	return n;
}

/* ---- one step ---- */

static void note_step(struct browser *b)
{
	const char *path = strstr(b->url, "/.cordon/");
	size_t used = strlen(b->way), n = path ? strcspn(path + 9, "?") : 3;

	b->steps++;
	snprintf(b->way + used, sizeof(b->way) - used, " %.*s", (int)n,
		 *b->form ? "POST" :
		 path	  ? path + 9 :
			    "app");
}

static void go(struct browser *b)
{
	note_step(b);
	b->len = 0;
	b->page[0] = 0;
	curl_easy_setopt(b->easy, CURLOPT_URL, b->url);
	if (*b->form) {
		curl_easy_setopt(b->easy, CURLOPT_POSTFIELDS, b->form);
		b->sent = now_us();
	} else {
		curl_easy_setopt(b->easy, CURLOPT_HTTPGET, 1L);
	}
	if (curl_multi_add_handle(multi, b->easy))
		die("add");
}

static CURL *handle_new(struct browser *b)
{
	CURL *c = curl_easy_init();

	if (!c)
		die("no memory");
	b->headers = curl_slist_append(NULL, "Accept: text/html");
	b->headers = curl_slist_append(b->headers, b->origin);
	curl_easy_setopt(c, CURLOPT_PRIVATE, b);
	curl_easy_setopt(c, CURLOPT_CAINFO, opt.ca);
	curl_easy_setopt(c, CURLOPT_TIMEOUT, 60L);
	curl_easy_setopt(c, CURLOPT_COOKIEFILE, "");
	curl_easy_setopt(c, CURLOPT_HTTPHEADER, b->headers);
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, keep);
	curl_easy_setopt(c, CURLOPT_WRITEDATA, b);
	/* a new browser has no TLS session to take up */
	curl_easy_setopt(c, CURLOPT_SSL_SESSIONID_CACHE, 0L);
	return c;
}

static void begin(struct browser *b)
{
	unsigned int person = b->next % opt.people;
	char addr[48];

	b->next += opt.flight;
	b->way[0] = b->form[0] = 0;
	b->steps = 0;
	snprintf(b->user, sizeof(b->user), "%s-%u", opt.name, person);
	snprintf(addr, sizeof(addr), "host!127.64.%u.%u", person / 250,
		 person % 250 + 1);
	curl_easy_setopt(b->easy, CURLOPT_INTERFACE, addr);
	curl_easy_setopt(b->easy, CURLOPT_COOKIELIST, "ALL");
	curl_easy_setopt(b->easy, CURLOPT_FRESH_CONNECT, 0L);
	snprintf(b->url, sizeof(b->url), "%s", opt.app);
	go(b);
}

/* The form of the page, filled in; false when there is none. */
static bool fill(struct browser *b)
{
	static const char *const hidden[] = {"csrf", "app", "to"};
	char value[2048], mark[64];
	size_t n, i;
	char *text;

	n = (size_t)snprintf(b->form, sizeof(b->form),
			     "user=%s&password=a+password+for+%s", b->user,
			     b->user);
	for (i = 0; i < 3; i++) {
		snprintf(mark, sizeof(mark), "name=\"%s\" value=\"", hidden[i]);
		if (!take(b->page, mark, value, sizeof(value)))
			return false;
		text = curl_easy_escape(b->easy, value, 0);
		n += (size_t)snprintf(b->form + n, sizeof(b->form) - n,
				      "&%s=%s", hidden[i], text);
		curl_free(text);
		if (n >= sizeof(b->form))
			return false;
	}
	snprintf(b->url, sizeof(b->url), "%s/.cordon/signin", opt.auth);
	return true;
}

/* Where the answer sends the browser; false: nowhere. */
static bool onward(struct browser *b, long status)
{
	char *location = NULL, to[2048];
	bool was_form = *b->form;

	b->form[0] = 0;
	curl_easy_getinfo(b->easy, CURLINFO_REDIRECT_URL, &location);
	if (status / 100 == 3 && location) {
		snprintf(b->url, sizeof(b->url), "%s", location);
		return true;
	}
	if (status != 200)
		return false;
	if (take(b->page, "content=\"0;url=", to, sizeof(to))) {
		snprintf(b->url, sizeof(b->url), "%s%s",
			 *to == '/' ? opt.auth : "", to);
		return true;
	}
	return !was_form && fill(b);
}

/* ---- the end of one ---- */

static void count(struct browser *b, long status)
{
	char way[WAY_MAX + 8];
	int i = 0;

	snprintf(way, sizeof(way), "%ld%s", status, b->way);
	while (i < WAYS - 1 && ways[i].n && strcmp(ways[i].way, way))
		i++;
	if (!ways[i].n)
		snprintf(ways[i].way, sizeof(ways[i].way), "%s",
			 i < WAYS - 1 ? way : "others");
	ways[i].n++;
	if (status == 200 && !strcmp(b->way, right_way)) {
		arrived++;
		fprintf(stderr, "%lld\n", (long long)(now_us() - b->sent));
	}
}

/* The page of the upstream (gw-upstream, named "bench"), not one of ours. */
static bool is_app(const struct browser *b, long status)
{
	return status == 200 && !strcmp(b->url, opt.app) &&
	       !strncmp(b->page, "bench\nGET /", 11);
}

static void finished(CURL *easy, CURLcode code)
{
	struct browser *b = NULL;
	long status = 0;

	curl_easy_getinfo(easy, CURLINFO_PRIVATE, &b);
	curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
	curl_multi_remove_handle(multi, easy);
	if (code)
		status = -(long)code;
	if (!code && !is_app(b, status) && b->steps < STEPS_MAX &&
	    onward(b, status)) {
		go(b);
		return;
	}
	count(b, status);
	if (--b->left > 0)
		begin(b);
}

static void drive(void)
{
	CURLMsg *m;
	int busy = 1, rest;

	while (busy) {
		if (curl_multi_perform(multi, &busy))
			die("perform");
		while ((m = curl_multi_info_read(multi, &rest)))
			if (m->msg == CURLMSG_DONE) {
				finished(m->easy_handle, m->data.result);
				busy = 1;
			}
		if (busy && curl_multi_poll(multi, NULL, 0, 1000, NULL))
			die("poll");
	}
}

static unsigned int number(const char *text)
{
	unsigned long n = strtoul(text, NULL, 10);

	if (!n || n > 1000000)
		die("numbers are 1 to 1,000,000");
	return (unsigned int)n;
}

int main(int argc, char **argv)
{
	static struct browser browsers[ALL];
	unsigned int i;

	if (argc != 8)
		die("AUTH-URL APP-URL CA NAME PEOPLE RUNS FLIGHT");
	opt.auth = argv[1];
	opt.app = argv[2];
	opt.ca = argv[3];
	opt.name = argv[4];
	opt.people = number(argv[5]);
	opt.runs = number(argv[6]);
	opt.flight = number(argv[7]);
	if (opt.flight > ALL || opt.flight > opt.people || opt.people > 60000 ||
	    opt.runs < opt.flight)
		die("FLIGHT <= 64, FLIGHT <= PEOPLE <= 60,000, FLIGHT <= RUNS");
	curl_global_init(CURL_GLOBAL_DEFAULT);
	multi = curl_multi_init();
	curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, (long)opt.flight * 4);
	for (i = 0; i < opt.flight; i++) {
		struct browser *b = &browsers[i];

		snprintf(b->origin, sizeof(b->origin), "Origin: %s", opt.auth);
		b->easy = handle_new(b);
		b->next = i;
		b->left = (int)((opt.runs - i + opt.flight - 1) / opt.flight);
		begin(b);
	}
	drive();
	for (i = 0; i < opt.flight; i++) {
		curl_easy_cleanup(browsers[i].easy);
		curl_slist_free_all(browsers[i].headers);
	}
	curl_multi_cleanup(multi);
	for (i = 0; i < WAYS && ways[i].n; i++)
		printf("way %u %s\n", ways[i].n, ways[i].way);
	return arrived != opt.runs;
}
