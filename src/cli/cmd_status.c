/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cordon status: one glance. False (exit 1) when something needs a person.
 */
#include "cli/cli.h"

#include <stdarg.h>

static bool say(bool good, const char *what, const char *fmt, ...)
	cd_printf(3, 4);

static bool say(bool good, const char *what, const char *fmt, ...)
{
	struct cd_buf safe;
	char line[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	cd_buf_init(&safe, 1 << 16);
	cd_cli_put_safe(&safe, cd_str_from(line));
	printf("%s%-4s%s %-9s %s\n",
	       cd_cli_color(stdout, good ? CD_COLOR_GOOD : CD_COLOR_BAD),
	       good ? "ok" : "BAD", cd_cli_plain(stdout), what,
	       safe.data ? safe.data : "");
	cd_buf_done(&safe);
	return good;
}

static bool show_policy(const json_t *policy)
{
	char ago[32], left[32];

	if (!policy)
		return say(false, "policy",
			   "none is in force, so nothing is reachable. "
			   "Write one and: cordon apply FILE...");
	cd_cli_ago(cd_cli_text(policy, "applied"), ago, sizeof(ago));
	if (json_object_get(policy, "confirm_by")) {
		cd_cli_ago(cd_cli_text(policy, "confirm_by"), left,
			   sizeof(left));
		return say(false, "policy",
			   "version %s is on trial and ends %s. Keep it: "
			   "cordon confirm",
			   cd_cli_text(policy, "serial"), left);
	}
	return say(true, "policy", "version %s (%.12s), applied %s by %s",
		   cd_cli_text(policy, "serial"), cd_cli_text(policy, "hash"),
		   ago, cd_cli_text(policy, "by"));
}

static bool show_agents(const json_t *agents)
{
	bool good = true;
	size_t i;
	json_t *agent;

	if (json_array_size(agents) == 0)
		return say(false, "agents",
			   "none has ever asked: no gateway enforces anything");
	json_array_foreach(agents, i, agent)
	{
		bool live = json_is_true(json_object_get(agent, "live"));
		char ago[32];

		cd_cli_ago(cd_cli_text(agent, "seen"), ago, sizeof(ago));
		good &= say(live, "agent", "%s: heard %s, change %s",
			    cd_cli_text(agent, "name"), ago[0] ? ago : "never",
			    cd_cli_text(agent, "ack"));
	}
	return good;
}

static bool show_journal(const json_t *journal)
{
	if (!journal)
		return true;
	if (json_is_false(json_object_get(journal, "ok")))
		return say(false, "events",
			   "cannot be kept: is the disk full? Agents hold them "
			   "meanwhile");
	return say(true, "events",
		   "%lld KiB kept; since the start %s missing, %s dropped",
		   (long long)json_integer_value(
			   json_object_get(journal, "bytes")) /
			   1024,
		   cd_cli_text(journal, "gaps"), cd_cli_text(journal, "drops"));
}

static bool show_feeds(const json_t *feeds)
{
	bool good = true;
	size_t i;
	json_t *feed;

	json_array_foreach(feeds, i, feed)
	{
		const char *error = cd_cli_text(feed, "error");
		char checked[32], changed[32];

		cd_cli_ago(cd_cli_text(feed, "checked"), checked,
			   sizeof(checked));
		cd_cli_ago(cd_cli_text(feed, "changed"), changed,
			   sizeof(changed));
		if (!checked[0])
			good &= say(!error[0], "feed", "%s: %s%s",
				    cd_cli_text(feed, "name"),
				    error[0] ? "empty, " : "not read yet",
				    error);
		else
			good &= say(!error[0], "feed",
				    "%s: %s entries, good %s, changed %s%s%s",
				    cd_cli_text(feed, "name"),
				    cd_cli_text(feed, "entries"), checked,
				    changed, error[0] ? "; " : "", error);
	}
	return good;
}

static bool show_servers(const json_t *servers)
{
	size_t i;
	json_t *server;

	json_array_foreach(servers, i, server)
	{
		char since[32], name[320];

		cd_cli_ago(cd_cli_text(server, "since"), since, sizeof(since));
		say(false, "server", "%s of app %s: not healthy since %s, %s",
		    cd_cli_server(server, name, sizeof(name)),
		    cd_cli_text(server, "app"), since,
		    cd_cli_text(server, "detail"));
	}
	return json_array_size(servers) == 0;
}

static bool show(const json_t *s)
{
	char ago[32];
	bool good;

	cd_cli_ago(cd_cli_text(s, "started"), ago, sizeof(ago));
	good = say(true, "cordond", "%s, started %s, sign-in at %s",
		   cd_cli_text(s, "version"), ago, cd_cli_text(s, "auth_url"));
	if (json_is_boolean(json_object_get(s, "keys")))
		good &= say(json_is_true(json_object_get(s, "keys")), "keys",
			    "%s",
			    json_is_true(json_object_get(s, "keys")) ?
				    "the key broker answers" :
				    "the key broker does not answer: nothing "
				    "can be signed");
	good &= show_policy(json_object_get(s, "policy"));
	good &= show_agents(json_object_get(s, "agents"));
	good &= show_feeds(json_object_get(s, "feeds"));
	good &= show_servers(json_object_get(s, "servers"));
	good &= show_journal(json_object_get(s, "journal"));
	say(true, "people", "%s, with %s live sessions",
	    cd_cli_text(s, "users"), cd_cli_text(s, "sessions"));
	return good;
}

int cd_cmd_status(struct cd_cli *cli, int argc, char **argv)
{
	json_t *s cd_auto(cd_cli_json_done) = NULL;
	int r = cd_cli_parse(cli, argc, argv, NULL, 0, 0, &argc);

	if (r >= 0)
		return r;
	r = cd_cli_call(cli, "GET", "/v1/status", NULL, &s);
	if (r)
		return r;
	if (cli->json) {
		cd_cli_print_json(s);
		return CD_EXIT_DONE;
	}
	return show(s) ? CD_EXIT_DONE : CD_EXIT_REFUSED;
}
