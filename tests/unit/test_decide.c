// SPDX-License-Identifier: Apache-2.0
#include "snap.h"

static const char estate[] =
	"version 1\n"
	"segment corp cidr 10.0.0.0/8, fd00:1::/48\n"
	"segment prod in corp cidr 10.20.0.0/16\n"
	"segment pci in prod cidr 10.20.8.0/24 fail closed\n"
	"hosts web where tier=web and env=prod\n"
	"hosts db where tier=db\n"
	"service psql tcp/5432\n"
	"domains updates *.debian.org, security.ubuntu.com\n"
	"feed botnets file \"/feed\"\n"
	"posture healthy = device.managed and device.encrypted and device.os_age < 30d\n"
	"app payroll\n"
	"  url https://payroll.example.com\n"
	"  upstream http://10.20.4.7:8080\n"
	"app named\n"
	"  url https://named.example.com\n"
	"  upstream http://backend.internal:9000\n"
	"app files\n"
	"  tcp file1.munich.internal:445\n"
	"app jump\n"
	"  ssh 10.20.0.5:22 as deploy\n"
	"allow \"web may query postgres\"\n"
	"  from hosts web to hosts db service psql\n"
	"allow \"finance uses payroll\"\n"
	"  from group finance on healthy\n"
	"  to app payroll\n"
	"  when mfa.age < 12h and risk.user < high\n"
	"allow \"vendors read payroll\"\n"
	"  from group vendors to app payroll method GET, HEAD path \"/api/*\"\n"
	"  when geo.country in DE, AT and time in mon-fri 07:00-19:00 Europe/Berlin\n"
	"  with max 4h, record\n"
	"allow \"ops ssh to prod\"\n"
	"  from group ops on healthy to app jump\n"
	"  when mfa.age < 15m and approval by group leads 2\n"
	"  with record required\n"
	"  on change cut\n"
	"  until 2027-01-31\n"
	"allow \"web fetches updates\"\n"
	"  from hosts web to domains updates service https\n"
	"deny \"known bad addresses\"\n"
	"  from any to any when src.ip in feed botnets or dst.ip in feed botnets\n"
	"deny \"high risk gets nothing\"\n"
	"  from people to any when risk.user = high\n";

static struct snap *the_estate(void)
{
	static struct snap s = {.feed = "# bad\n198.51.100.0/24\n"
					"2001:db8:bad::/48,text\n"};

	if (!s.image)
		snap_make(&s, estate);
	return &s;
}

#define WEB \
	"'subject':'host','src.labels':{'tier':'web','env':'prod'},'src.ip':'10.20.1.1',"
#define GOOD \
	"'device.managed':true,'device.encrypted':true,'device.os_age':'12d',"
#define ALICE \
	"'subject':'person','user.name':'alice','user.groups':['finance'],'src.ip':'203.0.113.5','risk.user':'low',"
#define BOB \
	"'subject':'person','user.name':'bob','user.groups':['vendors'],'src.ip':'203.0.113.5','risk.user':'low','geo.country':'DE',"
#define CAROL                                                                                                                                       \
	"'subject':'person','user.name':'carol','user.groups':['ops'],'src.ip':'203.0.113.5','risk.user':'low','time':'2026-11-23T10:00:00Z'," GOOD \
	"'mfa.age':'1m','app':'jump'"

TEST(hosts)
{
	struct snap *s = the_estate();

	ok_decides(
		s,
		"{" WEB
		"'dst.labels':{'tier':'db'},'dst.ip':'10.20.2.2','dst.port':5432,'proto':'tcp'}",
		"allow ALLOWED web may query postgres");
	ok_decides(
		s,
		"{'kind':'packet'," WEB
		"'dst.labels':{'tier':'db'},'dst.ip':'10.20.2.2','dst.port':5432,'proto':'tcp'}",
		"allow ALLOWED web may query postgres");
	ok_decides(
		s,
		"{" WEB
		"'dst.labels':{'tier':'db'},'dst.ip':'10.20.2.2','dst.port':5433,'proto':'tcp'}",
		"deny DEFAULT_DENY  | dst.port tcp/5432 (5433)");
	ok_decides(
		s,
		"{" WEB
		"'dst.labels':{'tier':'db'},'dst.port':5432,'proto':'tcp'}",
		"deny DENY_UNKNOWN known bad addresses | dst.ip not in feed botnets (unknown)");
	ok_decides(
		s,
		"{" WEB
		"'dst.labels':{'tier':'db'},'dst.ip':'198.51.100.7','dst.port':5432,'proto':'tcp'}",
		"deny DENY_RULE known bad addresses | dst.ip not in feed botnets (198.51.100.7)");
}

TEST(people)
{
	struct snap *s = the_estate();

	ok_decides(s, "{" ALICE GOOD "'mfa.age':'40m','app':'payroll'}",
		   "allow ALLOWED finance uses payroll");
	ok_decides(
		s, "{" ALICE GOOD "'mfa.age':'13h','app':'payroll'}",
		"challenge STEP_UP finance uses payroll | mfa.age < 12h (13h)");
	ok_decides(
		s, "{" ALICE GOOD "'app':'payroll'}",
		"challenge STEP_UP finance uses payroll | mfa.age < 12h (unknown)");
	ok_decides(
		s,
		"{" ALICE
		"'device.managed':true,'device.encrypted':false,'device.os_age':'1d','mfa.age':'1m','app':'payroll'}",
		"deny DEFAULT_DENY  | device.encrypted yes (no)");
	ok_decides(
		s,
		"{" ALICE
		"'device.managed':true,'device.encrypted':{'value':true,'age':'25h'},'device.os_age':'1d','mfa.age':'1m','app':'payroll'}",
		"challenge ATTEST finance uses payroll | device.encrypted yes (yes, 25h ago)");
	ok_decides(
		s,
		"{'subject':'anonymous','src.ip':'203.0.113.5','app':'jump','time':'2026-11-23T10:00:00Z'}",
		"request APPROVAL ops ssh to prod | user.groups group ops (unknown); device.managed yes (unknown); device.encrypted yes (unknown); device.os_age < 30d (unknown); mfa.age < 15m (unknown); approval by 2 of group leads (unknown)");
}

TEST(risk_is_never_passed_over)
{
	struct snap *s = the_estate();
	struct cd_decision d;

	ok_eq_str(
		snap_decide(
			s,
			"{'subject':'person','user.name':'alice','user.groups':['finance'],'src.ip':'203.0.113.5','risk.user':'high'," GOOD
			"'mfa.age':'1m','app':'payroll'}",
			&d),
		"deny DENY_RULE high risk gets nothing | subject not people (person); risk.user != high (high)");
	ok_true(d.cut_always);
	ok_decides(
		s,
		"{'subject':'person','user.name':'alice','user.groups':['finance'],'src.ip':'203.0.113.5'," GOOD
		"'mfa.age':'1m','app':'payroll'}",
		"deny DENY_UNKNOWN high risk gets nothing | risk.user != high (unknown)");
}

TEST(windows_and_obligations)
{
	struct snap *s = the_estate();
	struct cd_decision d;
	char at[CD_RFC3339_SIZE];

	ok_eq_str(
		snap_decide(
			s,
			"{" BOB
			"'app':'payroll','http.method':'GET','http.path':'/api/x','time':'2026-11-23T10:00:00Z'}",
			&d),
		"allow ALLOWED vendors read payroll");
	ok_true(d.obligations.record && !d.obligations.record_required);
	ok_eq_uint(d.obligations.max, 4 * 3600);
	cd_rfc3339_format(d.recheck_at, at, sizeof(at));
	ok_eq_str(at, "2026-11-23T14:00:00Z");
	/* 19:00 in Berlin is 18:00 UTC in winter and 17:00 in summer. */
	ok_eq_str(
		snap_decide(
			s,
			"{" BOB
			"'app':'payroll','http.method':'GET','http.path':'/api/x','time':'2026-11-23T17:59:59Z'}",
			&d),
		"allow ALLOWED vendors read payroll");
	cd_rfc3339_format(d.recheck_at, at, sizeof(at));
	ok_eq_str(at, "2026-11-23T18:00:00Z");
	ok_decides(
		s,
		"{" BOB
		"'app':'payroll','http.method':'GET','http.path':'/api/x','time':'2026-11-23T18:00:00Z'}",
		"deny DEFAULT_DENY  | time in mon-fri 07:00-19:00 Europe/Berlin (2026-11-23T18:00:00Z)");
	ok_decides(
		s,
		"{" BOB
		"'app':'payroll','http.method':'GET','http.path':'/api/x','time':'2026-07-01T17:00:00Z'}",
		"deny DEFAULT_DENY  | time in mon-fri 07:00-19:00 Europe/Berlin (2026-07-01T17:00:00Z)");
	ok_decides(
		s,
		"{" BOB
		"'app':'payroll','http.method':'POST','http.path':'/api/x','time':'2026-11-23T10:00:00Z'}",
		"deny DEFAULT_DENY  | http.method app payroll method GET, HEAD path /api/* (POST)");
	ok_decides(
		s,
		"{" BOB
		"'app':'payroll','http.method':'GET','http.path':'/apis','time':'2026-11-23T10:00:00Z'}",
		"deny DEFAULT_DENY  | http.path app payroll method GET, HEAD path /api/* (/apis)");
	ok_decides(
		s,
		"{" BOB
		"'app':'payroll','kind':'tls','time':'2026-11-23T10:00:00Z'}",
		"allow ALLOWED vendors read payroll");
}

TEST(until_ends_with_its_date)
{
	struct snap s = {0};
	struct cd_decision d;
	char at[CD_RFC3339_SIZE];

	if (!snap_make(&s, "version 1\n"
			   "app a\n  tcp 10.0.0.1:1\n"
			   "allow \"x\" from any to app a until 2026-11-23\n"))
		return;
	ok_eq_str(snap_decide(&s, "{'app':'a','time':'2026-11-23T23:59:59Z'}",
			      &d),
		  "allow ALLOWED x");
	cd_rfc3339_format(d.recheck_at, at, sizeof(at));
	ok_eq_str(at, "2026-11-24T00:00:00Z");
	ok_eq_str(
		snap_decide(&s, "{'app':'a','time':'2026-11-24T00:00:00Z'}",
			    &d),
		"deny DEFAULT_DENY  | time before 2026-11-24T00:00:00Z (2026-11-24T00:00:00Z)");
	snap_done(&s);
}

TEST(a_path_without_a_star_is_itself)
{
	struct snap s = {0};

	if (!snap_make(
		    &s,
		    "version 1\n"
		    "app a\n  url https://a.example.com\n  upstream http://10.0.0.1:1\n"
		    "allow \"x\" from any to app a path \"/admin\", app a path \"/*/b\"\n"))
		return;
	ok_decides(&s, "{'app':'a','http.path':'/admin'}", "allow ALLOWED x");
	ok_decides(
		&s, "{'app':'a','http.path':'/admin/x'}",
		"deny DEFAULT_DENY  | http.path app a path /admin, app a path /*/b (/admin/x)");
	ok_decides(&s, "{'app':'a','http.path':'/q/b'}", "allow ALLOWED x");
	ok_decides(
		&s, "{'app':'a','http.path':'/q/b/c'}",
		"deny DEFAULT_DENY  | http.path app a path /admin, app a path /*/b (/q/b/c)");
	snap_done(&s);
}

/* What holds for one of several upstreams alone is not known. */
TEST(several_upstreams_speak_together)
{
	static const char *const places[] = {"10.20.4.7", "10.30.0.1",
					     "10.20.4.7"};
	char text[512], want[128];

	for (size_t i = 0; i < 2; i++) {
		struct snap s = {0};

		snprintf(
			text, sizeof(text),
			"version 1\n"
			"segment prod cidr 10.20.0.0/16\n"
			"app a\n  url https://a.example.com\n  upstream http://%s:80, http://%s:80\n"
			"allow \"x\" from any to app a\n"
			"deny \"y\" from any to segment prod\n",
			places[i], places[i + 1]);
		if (!snap_make(&s, text))
			return;
		snprintf(
			want, sizeof(want),
			"deny DENY_UNKNOWN y | dst.ip not segment prod (%s, %s)",
			places[i], places[i + 1]);
		ok_decides(&s, "{'app':'a'}", want);
		snap_done(&s);
	}
}

TEST(approvals)
{
	struct snap *s = the_estate();
	struct cd_decision d;

	ok_decides(
		s, "{" CAROL "}",
		"request APPROVAL ops ssh to prod | approval by 2 of group leads (unknown)");
	ok_decides(
		s, "{" CAROL ",'approval':['dave','carol']}",
		"request APPROVAL ops ssh to prod | approval by 2 of group leads (dave, carol)");
	ok_decides(
		s, "{" CAROL ",'approval':['dave','dave']}",
		"request APPROVAL ops ssh to prod | approval by 2 of group leads (dave, dave)");
	ok_eq_str(snap_decide(s, "{" CAROL ",'approval':['dave','erin']}", &d),
		  "allow ALLOWED ops ssh to prod");
	ok_true(d.obligations.record_required);
	ok_eq_uint(d.on_change, CD_CHANGE_CUT);
}

TEST(an_upstream_is_opened_by_naming_its_app_only)
{
	struct snap s = {0};
	static const char policy[] =
		"version 1\n"
		"segment all cidr 10.0.0.0/8\n"
		"app web\n  url https://web.example.com\n  upstream http://10.0.0.7:8080\n"
		"allow \"everything\" from hosts a to segment all\n"
		"allow \"name it\" from hosts a to app web\n"
		"hosts a where x=y\n";

	if (!snap_make(&s, policy))
		return;
	ok_decides(
		&s,
		"{'kind':'packet','subject':'host','src.labels':{'x':'y'},'dst.ip':'10.0.0.7','dst.port':8081,'proto':'tcp'}",
		"allow ALLOWED everything");
	ok_decides(
		&s,
		"{'kind':'packet','subject':'host','src.labels':{'x':'y'},'dst.ip':'10.0.0.7','dst.port':8080,'proto':'tcp'}",
		"deny DEFAULT_DENY  | app app web (absent)");
	/* Without port or address it may be the upstream. */
	ok_decides(
		&s,
		"{'kind':'packet','subject':'host','src.labels':{'x':'y'},'dst.ip':'10.0.0.7','proto':'tcp'}",
		"deny DEFAULT_DENY  | dst.ip segment all (10.0.0.7)");
	ok_decides(&s, "{'subject':'host','src.labels':{'x':'y'},'app':'web'}",
		   "allow ALLOWED name it");
	snap_done(&s);
}

TEST(groups_of_the_policy)
{
	struct snap s = {0};
	static const char policy[] =
		"version 1\n"
		"app a\n  url https://a.example.com\n  upstream http://10.0.0.7:8080\n"
		"group leads = user ann, group inner\n"
		"group inner = user ben, group directory\n"
		"group few = user ann\n"
		"allow \"leads\" from group leads to app a\n"
		"allow \"few\" from group few to app a when mfa.kind = webauthn\n";

	if (!snap_make(&s, policy))
		return;
	ok_decides(&s, "{'subject':'person','user.name':'ann','app':'a'}",
		   "allow ALLOWED leads");
	ok_decides(
		&s,
		"{'subject':'person','user.name':'ben','user.groups':[],'app':'a'}",
		"allow ALLOWED leads");
	ok_decides(
		&s,
		"{'subject':'person','user.name':'zoe','user.groups':['directory'],'app':'a'}",
		"allow ALLOWED leads");
	/* The directory may have groups of these names as well. */
	ok_decides(
		&s,
		"{'subject':'person','user.name':'zoe','user.groups':['inner'],'app':'a'}",
		"allow ALLOWED leads");
	ok_decides(
		&s,
		"{'subject':'person','user.name':'zoe','user.groups':['outer'],'app':'a'}",
		"deny DEFAULT_DENY  | user.groups group leads (outer)");
	ok_decides(&s, "{'subject':'person','user.name':'zoe','app':'a'}",
		   "deny DEFAULT_DENY  | user.groups group leads (unknown)");
	snap_done(&s);
}

TEST(anonymous_and_denies)
{
	struct snap s = {0};
	static const char policy[] =
		"version 1\n"
		"app shop\n  url https://shop.example.com\n  upstream http://10.0.0.7:80\n"
		"app desk\n  url https://desk.example.com\n  upstream http://10.0.0.8:80\n"
		"allow \"all\" from any to app shop\n"
		"allow \"people\" from people to app desk\n"
		"deny \"a contractors\" from group contractors to app shop\n"
		"deny \"people too\" from people to app desk method DELETE\n";

	if (!snap_make(&s, policy))
		return;
	ok_decides(
		&s, "{'subject':'anonymous','app':'shop'}",
		"challenge SIGN_IN a contractors | user.groups not group contractors (unknown)");
	ok_decides(&s, "{'subject':'host','app':'shop'}", "allow ALLOWED all");
	ok_decides(
		&s,
		"{'subject':'anonymous','app':'desk','http.method':'DELETE'}",
		"challenge SIGN_IN people | subject people (anonymous)");
	ok_decides(
		&s, "{'subject':'person','app':'desk','http.method':'DELETE'}",
		"deny DENY_RULE people too | subject not people (person); http.method not app desk method DELETE (DELETE)");
	ok_decides(
		&s, "{'subject':'person','user.name':'x','app':'shop'}",
		"deny DENY_UNKNOWN a contractors | user.groups not group contractors (unknown)");
	snap_done(&s);
}

TEST(names)
{
	struct snap *s = the_estate();

	ok_decides(s, "{'kind':'name'," WEB "'dst.name':'deb.Debian.org.'}",
		   "allow ALLOWED web fetches updates");
	ok_decides(s, "{'kind':'name'," WEB "'dst.name':'debian.org'}",
		   "deny DEFAULT_DENY ");
	ok_decides(s,
		   "{'kind':'name'," WEB "'dst.name':'x.security.ubuntu.com'}",
		   "deny DEFAULT_DENY ");
	ok_decides(s, "{'kind':'name'," WEB "'dst.name':'evildebian.org'}",
		   "deny DEFAULT_DENY ");
	/* A packet asks for an address, never for a name. */
	ok_decides(
		s,
		"{'kind':'packet'," WEB
		"'dst.ip':'151.101.2.132','dst.port':443,'proto':'tcp','dst.labels':{}}",
		"deny DEFAULT_DENY ");
	/* The name of an app: a person may resolve it, and is asked later. */
	ok_decides(s,
		   "{'kind':'name'," ALICE GOOD
		   "'mfa.age':'1m','dst.name':'payroll.example.com'}",
		   "allow ALLOWED finance uses payroll");
	ok_decides(
		s,
		"{'kind':'name'," ALICE GOOD
		"'mfa.age':'13h','dst.name':'payroll.example.com'}",
		"deny CANNOT_ASK finance uses payroll | mfa.age < 12h (13h)");
}

TEST(modes)
{
	struct snap s = {0};
	struct cd_decision d;
	static const char policy[] =
		"version 1\n"
		"app a\n  url https://a.example.com\n  upstream http://10.0.0.7:80\n"
		"allow \"base\" from user ann to app a\n"
		"allow \"none\" from any to app a mode canary 0%\n"
		"deny \"look\" from any to app a mode report\n"
		"deny \"nobody\" from any to app a mode canary 0%\n";

	if (!snap_make(&s, policy))
		return;
	ok_eq_str(
		snap_decide(&s,
			    "{'subject':'person','user.name':'ann','app':'a'}",
			    &d),
		"allow ALLOWED base");
	ok_eq_uint(d.n_report, 3);
	ok_eq_uint(d.report[0].rule, 1); /* base look nobody none */
	ok_eq_uint(d.report[0].verdict, CD_DENY);
	/* A person whose name is not known is in no share: the deny counts. */
	ok_decides(&s, "{'subject':'person','app':'a','src.ip':'1.2.3.4'}",
		   "deny DENY_RULE nobody | app not app a (a)");
	ok_decides(&s, "{'subject':'person','user.name':'ben','app':'a'}",
		   "deny DEFAULT_DENY  | user.name user ann (ben)");
	snap_done(&s);
}

TEST(a_canary_takes_about_its_share)
{
	struct snap s = {0};
	unsigned int in = 0;

	if (!snap_make(
		    &s,
		    "version 1\napp a\n  url https://a.example.com\n  upstream http://10.0.0.7:80\n"
		    "allow \"some\" from any to app a mode canary 20%\n"))
		return;
	for (unsigned int i = 0; i < 1000; i++) {
		char json[200];

		snprintf(json, sizeof(json),
			 "{'subject':'person','user.name':'user-%u','app':'a'}",
			 i);
		in += snap_decide(&s, json, NULL)[0] == 'a';
	}
	note("%u of 1000 in a share of 20%%", in);
	ok_true(in > 150 && in < 250);
	snap_done(&s);
}

TEST(what_is_named_and_joined)
{
	struct snap s = {0};
	struct cd_decision d;
	static const char policy[] =
		"version 1\n"
		"app a\n  url https://a.example.com\n  upstream http://10.0.0.7:80\n"
		"allow \"b\" from any to app a with max 2h, rate 100/1m on change keep\n"
		"allow \"a\" from any to any with max 3h, rate 1/1s, no upload on change drain 5m\n"
		"allow \"c\" from any to app a when mfa.age < 1h with max 1m\n";

	if (!snap_make(&s, policy))
		return;
	ok_eq_str(
		snap_decide(
			&s,
			"{'subject':'person','app':'a','time':'2026-01-01T00:00:00Z'}",
			&d),
		"allow ALLOWED a");
	ok_eq_uint(d.obligations.max, 7200);
	ok_eq_uint(d.obligations.rate_count, 1);
	ok_eq_uint(d.obligations.rate_period, 1);
	ok_true(d.obligations.no_upload);
	ok_eq_uint(d.on_change, CD_CHANGE_DRAIN);
	ok_eq_uint(d.drain, 300);
	ok_eq_int(d.recheck_at,
		  INT64_C(1767225600) * CD_NS_PER_S + 7200 * CD_NS_PER_S);
	snap_done(&s);
}

TEST(limits_of_a_point)
{
	struct snap s = {0};
	struct cd_request r;
	struct cd_decision d;

	if (!snap_make(
		    &s,
		    "version 1\napp a\n  url https://a.example.com\n  upstream http://10.0.0.7:80\n"
		    "allow \"x\" from any to app a with max 1h\n"))
		return;
	cd_request_init(&r);
	cd_request_set_str(&r, CD_ATTR_APP, CD_STR("a"));
	cd_request_set_int(&r, CD_ATTR_SUBJECT, CD_SUBJECT_HOST);
	cd_request_set_int(&r, CD_ATTR_TIME, 5000 * CD_NS_PER_S);
	r.kind = CD_KIND_HTTP;
	r.capabilities = CD_CAN_ALL & ~(unsigned int)CD_CAN_MAX;
	d = cd_decide(s.s, &r);
	ok_eq_uint(d.verdict, CD_DENY);
	ok_eq_uint(d.n_failed, 1);
	r.capabilities = CD_CAN_ALL;
	ok_eq_uint(cd_decide(s.s, &r).verdict, CD_ALLOW);
	r.started_at = 1400 * CD_NS_PER_S;
	d = cd_decide(s.s, &r);
	ok_eq_uint(d.verdict, CD_DENY);
	ok_eq_uint(d.reason, CD_REASON_SESSION_EXPIRED);
	r.started_at++;
	d = cd_decide(s.s, &r);
	ok_eq_uint(d.verdict, CD_ALLOW);
	ok_eq_int(d.recheck_at, 5000 * CD_NS_PER_S + 1);
	snap_done(&s);
}

TEST(no_snapshot)
{
	struct cd_request r;
	struct cd_decision d;

	cd_request_init(&r);
	d = cd_decide(NULL, &r);
	ok_eq_uint(d.verdict, CD_DENY);
	ok_eq_uint(d.reason, CD_REASON_NO_SNAPSHOT);
	ok_eq_uint(cd_rule_name(NULL, 0).len, 0);
}

TEST(people_read_no_lists)
{
	struct snap *s = the_estate();
	struct cd_decision d;
	struct cd_request r;
	char text[200];

	cd_request_init(&r);
	cd_request_set_int(&r, CD_ATTR_SUBJECT, CD_SUBJECT_PERSON);
	cd_request_set_int(&r, CD_ATTR_RISK_USER, 3);
	snap_decide(
		s,
		"{" BOB
		"'app':'payroll','http.method':'POST','http.path':'/api/x','time':'2026-11-23T10:00:00Z'}",
		&d);
	cd_failure_need(s->s, &d.failed[0], CD_FOR_USER, text, sizeof(text));
	ok_eq_str(text, "a permitted method");
	d.failed[0].attr = CD_ATTR_RISK_USER;
	ok_eq_uint(cd_failure_have(s->s, &r, &d.failed[0], CD_FOR_USER, text,
				   sizeof(text)),
		   0);
	ok_eq_uint(cd_failure_need(s->s, &d.failed[0], CD_FOR_USER, text, 5),
		   4);
	ok_eq_str(text, "an a");
}

TEST(an_app_by_name_may_be_anywhere)
{
	struct snap *s = the_estate();

	/* Its upstream is a name: a deny on addresses cannot be ruled out. */
	ok_decides(
		s, "{" ALICE GOOD "'mfa.age':'1m','app':'named'}",
		"deny DENY_UNKNOWN known bad addresses | dst.ip not in feed botnets (unknown)");
	ok_decides(s,
		   "{" ALICE GOOD
		   "'mfa.age':'1m','app':'named','dst.ip':'10.1.1.1'}",
		   "deny DEFAULT_DENY ");
}
