// SPDX-License-Identifier: Apache-2.0
/*
 * Removing any key from any request line never turns a refusal into an allow:
 * random lines of the form of `cordon decide`, each key taken out in turn. In
 * half of them each key is drawn for itself, so that most contradict
 * themselves; the others are of requests that could be.
 */
#include "base/arena.h"
#include "decide/input.h"

#include "rng.h"
#include "snap.h"

static const char policy[] =
	"version 1\n"
	"segment corp cidr 10.0.0.0/8\n"
	"segment prod in corp cidr 10.20.0.0/16\n"
	"hosts web where tier=web\n"
	"hosts db where tier=db and not env=test\n"
	"domains updates *.debian.org, named.example.com\n"
	"feed bad file \"/f\"\n"
	"group leads = user carol, group sre\n"
	"posture ok = device.managed and device.os_age < 30d\n"
	"app pay\n  url https://pay.example.com\n  upstream http://10.20.4.7:8080\n"
	"app named\n  url https://named.example.com\n  upstream http://b.internal:443\n"
	"app twin\n  url https://twin.example.com\n  upstream http://10.20.4.9:80, http://198.51.100.7:80\n"
	"app files\n  tcp 10.20.4.8:445\n"
	"app jump\n  ssh 10.20.0.5:22\n"
	"allow \"web db\" from hosts web to hosts db port tcp/5432, tcp/443\n"
	"allow \"pay\" from group finance on ok to app pay when mfa.age < 12h\n"
	"allow \"read\" from people to app pay, app named method GET path \"/api/*\" when risk.user < high\n"
	"allow \"files\" from group leads to app files when geo.country in DE, AT\n"
	"allow \"jump\" from any except user mallory to app jump when approval by group leads 1\n"
	"allow \"updates\" from hosts web, segment prod to domains updates\n"
	"allow \"out\" from segment corp to internet port tcp/443\n"
	"allow \"some\" from any to any when http.path like \"/pub*\" and time in mon-fri 07:00-19:00 Europe/Berlin mode canary 50%\n"
	"allow \"night\" from user alice except hosts db to any except segment prod, app named when not device.encrypted = no\n"
	"deny \"bad\" from any to any when src.ip in feed bad or dst.ip in feed bad\n"
	"deny \"drop\" from group contractors except user bob to app pay, app files, segment prod\n"
	"deny \"tables\" from any to hosts db when not src.labels has env=prod and not subject = person\n"
	"deny \"methods\" from any to app pay method DELETE, POST when session.age > 1d\n";

#define VALUES 7

struct key {
	const char *name;
	const char *values[VALUES]; /* JSON, up to a NULL */
};

static const struct key keys[] = {
	{"subject", {"'person'", "'anonymous'", "'host'"}},
	{"kind", {"'packet'", "'name'", "'tls'", "'http'", "'shell'"}},
	{"app",
	 {"'pay'", "'named'", "'files'", "'jump'", "null", "'none'", "'twin'"}},
	{"user.name", {"'alice'", "'bob'", "'carol'", "'mallory'", "null"}},
	{"user.groups", {"['finance']", "['sre','contractors']", "[]"}},
	{"device.managed", {"true", "false", "{'value':true,'age':'3d'}"}},
	{"device.os_age", {"'12d'", "'40d'"}},
	{"device.encrypted", {"'yes'", "'no'"}},
	{"mfa.age", {"'1h'", "'13h'"}},
	{"session.age", {"'1h'", "'3d'"}},
	{"risk.user", {"'low'", "'high'", "null"}},
	{"geo.country", {"'DE'", "'US'"}},
	{"src.ip",
	 {"'10.20.1.1'", "'10.1.1.1'", "'203.0.113.5'", "'198.51.100.1'"}},
	{"src.labels", {"{'tier':'web'}", "{'tier':'web','env':'prod'}", "{}"}},
	{"dst.ip",
	 {"'10.20.4.7'", "'10.20.2.2'", "'1.2.3.4'", "'198.51.100.9'"}},
	{"dst.labels", {"{'tier':'db'}", "{'tier':'db','env':'test'}", "{}"}},
	{"dst.port", {"8080", "5432", "443", "445", "22"}},
	{"proto", {"'tcp'", "'udp'"}},
	{"dst.name",
	 {"'deb.debian.org'", "'pay.example.com'", "'named.example.com'"}},
	{"http.method", {"'GET'", "'DELETE'"}},
	{"http.path", {"'/api/x'", "'/pub/a'", "'/'"}},
	{"approval", {"['carol']", "['x','y']", "[]"}},
	{"time", {"'2026-11-23T10:00:00Z'", "'2026-11-22T10:00:00Z'"}},
};

#define KEYS CD_ARRAY_SIZE(keys)
enum {
	SUBJECT,
	KIND,
	APP,
	USER_NAME,
	GROUPS,
	MFA_AGE = 8,
	SESSION_AGE,
	RISK,
	SRC_IP = 12,
	SRC_LABELS,
	DST_IP,
	DST_LABELS,
	DST_PORT,
	PROTO,
	DST_NAME,
	METHOD,
	PATH,
	APPROVAL,
};

/* The chosen value of each key, without `but`. */
static void print_line(struct cd_buf *b, const char *const value[KEYS],
		       size_t but)
{
	const char *sep = "{";

	cd_buf_clear(b);
	for (size_t i = 0; i < KEYS; i++) {
		if (!value[i] || i == but)
			continue;
		cd_buf_printf(b, "%s\"%s\":", sep, keys[i].name);
		for (const char *p = value[i]; *p; p++)
			cd_buf_char(b, *p == '\'' ? '"' : *p);
		sep = ",";
	}
	cd_buf_puts(b, sep[0] == '{' ? "{}" : "}");
}

/* The verdict, or -1: no request. */
static int judge(const struct snap *s, struct cd_str line)
{
	struct cd_arena *arena cd_auto(cd_arena_free) = NULL;
	char error[CD_INPUT_ERROR_MAX];
	struct cd_request r;

	if (cd_arena_new(1 << 16, &arena) ||
	    cd_input_json(line, arena, &r, error))
		return -1;
	return cd_input_decide(s->s, &r).verdict;
}

static bool is_outside(const char *address)
{
	return address && strncmp(address, "'10.", 4) != 0;
}

/* Labels are derived from the address: what lies in no segment has none, and
 * a person has none. Given ones would contradict that. */
static void drop_labels(const char *value[KEYS])
{
	if (is_outside(value[SRC_IP]) ||
	    (value[SUBJECT] && strcmp(value[SUBJECT], "'host'")))
		value[SRC_LABELS] = NULL;
	if (is_outside(value[DST_IP]))
		value[DST_LABELS] = NULL;
}

static void drop(const char *value[KEYS], const int *from, size_t n)
{
	for (size_t i = 0; i < n; i++)
		value[from[i]] = NULL;
}

/* Most lines are of requests that could be: what contradicts goes. */
static void tidy(struct rng *r, const char *value[KEYS])
{
	static const int person[] = {USER_NAME,	  GROUPS, MFA_AGE,
				     SESSION_AGE, RISK,	  APPROVAL};
	static const int place[] = {DST_IP, DST_LABELS, DST_PORT, PROTO,
				    DST_NAME};
	static const int http[] = {METHOD, PATH};
	const char *app;

	drop_labels(value);
	if (value[SUBJECT] && strcmp(value[SUBJECT], "'person'"))
		drop(value, person, CD_ARRAY_SIZE(person));
	if (!rng_chance(r, 1, 4))
		value[KIND] = NULL;
	app = value[APP];
	if (!app || !strcmp(app, "null"))
		return;
	drop(value, place, CD_ARRAY_SIZE(place));
	if (!strcmp(app, "'files'") || !strcmp(app, "'jump'"))
		drop(value, http, CD_ARRAY_SIZE(http));
}

static void choose(struct rng *r, const char *value[KEYS])
{
	unsigned int density = 5 + (unsigned int)rng_below(r, 6);

	for (size_t i = 0; i < KEYS; i++) {
		size_t n = 0;

		while (n < VALUES && keys[i].values[n])
			n++;
		value[i] = rng_chance(r, density, 10) ?
				   keys[i].values[rng_below(r, n)] :
				   NULL;
	}
	if (rng_chance(r, 1, 2))
		tidy(r, value);
}

TEST(leaving_a_key_out_opens_nothing)
{
	struct rng r = rng_init(0x5e11);
	struct snap s = {.feed = "198.51.100.0/24\n"};
	unsigned long verdicts[4] = {0}, none = 0, pairs = 0;
	unsigned long n = rng_count(2000000);
	struct cd_buf line;

	if (!snap_make(&s, policy))
		return;
	cd_buf_init(&line, 1 << 16);
	for (unsigned long i = 0; i < n; i++) {
		const char *value[KEYS];
		int whole;

		choose(&r, value);
		print_line(&line, value, KEYS);
		whole = judge(&s, cd_buf_get(&line));
		if (whole < 0) {
			none++;
			continue;
		}
		verdicts[whole]++;
		for (size_t k = 0; whole != CD_ALLOW && k < KEYS; k++) {
			if (!value[k])
				continue;
			pairs++;
			print_line(&line, value, k);
			if (judge(&s, cd_buf_get(&line)) != CD_ALLOW)
				continue;
			fail("without %s: %s", keys[k].name, line.data);
			print_line(&line, value, KEYS);
			note("with: %s", line.data);
		}
	}
	note("%lu no request, deny %lu, request %lu, challenge %lu, allow %lu; %lu removals",
	     none, verdicts[CD_DENY], verdicts[CD_ASK], verdicts[CD_CHALLENGE],
	     verdicts[CD_ALLOW], pairs);
	ok_true(none == 0);
	ok_true(pairs > n);
	ok_true(verdicts[CD_ALLOW] > n / 1000);
	ok_true(verdicts[CD_CHALLENGE] > n / 2000);
	ok_true(verdicts[CD_ASK] > 0);
	cd_buf_done(&line);
	snap_done(&s);
}
