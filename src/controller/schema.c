/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The schema of state.db, step by step. A released step never changes.
 *
 * Times are Unix seconds. Keys of sessions, links and codes are SHA-256 of
 * the token: the database holds no token. Ids are AUTOINCREMENT, because an
 * id that events name may never come to mean somebody else.
 */
#include "controller/schema.h"

static const char step_1[] =
	"CREATE TABLE setting(name TEXT PRIMARY KEY, value) WITHOUT ROWID;"
	/* The first number is never used: 0 asks for the whole state. */
	"INSERT INTO setting VALUES('seq', 1), ('bundle', 0);"

	"CREATE TABLE person("
	" id INTEGER PRIMARY KEY AUTOINCREMENT,"
	" name TEXT NOT NULL UNIQUE,"
	" display TEXT NOT NULL DEFAULT '',"
	" email TEXT NOT NULL DEFAULT '',"
	" disabled INTEGER NOT NULL DEFAULT 0,"
	" risk INTEGER NOT NULL DEFAULT 1," /* CD_T_RISK */
	" epoch INTEGER NOT NULL DEFAULT 0,"
	" password TEXT NOT NULL DEFAULT ''," /* PHC string */
	" totp BLOB," /* sealed by the key broker */
	" totp_step INTEGER NOT NULL DEFAULT 0,"
	" issuer TEXT NOT NULL DEFAULT ''," /* OIDC provider */
	" subject TEXT NOT NULL DEFAULT ''," /* its name for them */
	" created INTEGER NOT NULL);"
	"CREATE UNIQUE INDEX person_subject ON person(issuer, subject)"
	" WHERE issuer <> '';"

	"CREATE TABLE grp("
	" name TEXT PRIMARY KEY, created INTEGER NOT NULL) WITHOUT ROWID;"
	"CREATE TABLE membership("
	" person INTEGER NOT NULL REFERENCES person ON DELETE CASCADE,"
	" grp TEXT NOT NULL REFERENCES grp ON DELETE CASCADE,"
	" PRIMARY KEY(person, grp)) WITHOUT ROWID;"
	"CREATE INDEX membership_grp ON membership(grp);"

	"CREATE TABLE device("
	" id INTEGER PRIMARY KEY AUTOINCREMENT,"
	" name TEXT NOT NULL UNIQUE,"
	" owner INTEGER REFERENCES person ON DELETE SET NULL,"
	" key BLOB UNIQUE," /* of the token in its browser */
	" epoch INTEGER NOT NULL DEFAULT 0,"
	" enrolled INTEGER NOT NULL DEFAULT 0,"
	" created INTEGER NOT NULL);"
	"CREATE TABLE device_attr("
	" device INTEGER NOT NULL REFERENCES device ON DELETE CASCADE,"
	" attr INTEGER NOT NULL," /* enum cd_attr */
	" value NOT NULL,"
	" at INTEGER NOT NULL,"
	" PRIMARY KEY(device, attr)) WITHOUT ROWID;"

	"CREATE TABLE link("
	" key BLOB PRIMARY KEY,"
	" kind TEXT NOT NULL,"
	" person INTEGER REFERENCES person ON DELETE CASCADE,"
	" device INTEGER REFERENCES device ON DELETE CASCADE,"
	" created INTEGER NOT NULL,"
	" expires INTEGER NOT NULL,"
	" used INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID;"
	"CREATE INDEX link_person ON link(person);"
	"CREATE INDEX link_device ON link(device);"

	"CREATE TABLE session("
	" id INTEGER PRIMARY KEY AUTOINCREMENT,"
	" key BLOB NOT NULL UNIQUE,"
	" kind INTEGER NOT NULL," /* 0 person, else enum cd_session_kind */
	" person INTEGER NOT NULL REFERENCES person ON DELETE CASCADE,"
	" parent INTEGER REFERENCES session ON DELETE CASCADE,"
	" app TEXT NOT NULL DEFAULT '',"
	" device INTEGER NOT NULL DEFAULT 0,"
	" addr TEXT NOT NULL DEFAULT '',"
	" created INTEGER NOT NULL,"
	" auth_time INTEGER NOT NULL,"
	" mfa_time INTEGER NOT NULL,"
	" mfa_kind INTEGER NOT NULL,"
	" seen INTEGER NOT NULL,"
	" idle INTEGER NOT NULL,"
	" expires INTEGER NOT NULL);"
	"CREATE INDEX session_person ON session(person);"
	"CREATE INDEX session_parent ON session(parent);"
	"CREATE INDEX session_device ON session(device) WHERE device <> 0;"
	"CREATE INDEX session_app ON session(app) WHERE app <> '';"
	"CREATE INDEX session_expires ON session(expires);"

	"CREATE TABLE code("
	" key BLOB PRIMARY KEY,"
	" session INTEGER NOT NULL REFERENCES session ON DELETE CASCADE,"
	" app TEXT NOT NULL,"
	" target TEXT NOT NULL,"
	" browser BLOB NOT NULL," /* key of the token it is bound to */
	" expires INTEGER NOT NULL) WITHOUT ROWID;"

	"CREATE TABLE policy("
	" serial INTEGER PRIMARY KEY AUTOINCREMENT,"
	" hash TEXT NOT NULL,"
	" files TEXT NOT NULL," /* JSON */
	" applied INTEGER NOT NULL,"
	" by TEXT NOT NULL,"
	" note TEXT NOT NULL DEFAULT '',"
	" confirm_by INTEGER NOT NULL DEFAULT 0,"
	" image BLOB);" /* of the newest only */
	"CREATE TABLE bundle("
	" serial INTEGER PRIMARY KEY,"
	" hash BLOB NOT NULL UNIQUE,"
	" policy INTEGER NOT NULL REFERENCES policy,"
	" header BLOB NOT NULL,"
	" not_after INTEGER NOT NULL);"

	"CREATE TABLE change("
	" seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, record BLOB NOT NULL);"
	"CREATE TABLE agent("
	" name TEXT PRIMARY KEY, ack INTEGER NOT NULL, seen INTEGER NOT NULL)"
	" WITHOUT ROWID;"
	"CREATE TABLE cert("
	" id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL,"
	" agent TEXT NOT NULL, issued INTEGER NOT NULL);"
	"CREATE TABLE audit("
	" id INTEGER PRIMARY KEY AUTOINCREMENT,"
	" at INTEGER NOT NULL, who TEXT NOT NULL, action TEXT NOT NULL,"
	" target TEXT NOT NULL, before TEXT, after TEXT);";

/* Memberships that an identity provider gave, and may take away. */
static const char step_2[] =
	"CREATE TABLE oidc_group("
	" person INTEGER NOT NULL REFERENCES person ON DELETE CASCADE,"
	" grp TEXT NOT NULL REFERENCES grp ON DELETE CASCADE,"
	" PRIMARY KEY(person, grp)) WITHOUT ROWID;"
	"CREATE INDEX oidc_group_grp ON oidc_group(grp);";

/* Idle sessions are looked for every second: without it, among all. */
static const char step_3[] = "CREATE INDEX session_idle ON session(seen + idle)"
			     " WHERE idle > 0;";

/* A version's image changes with its feeds; the bundle before keeps its own. */
static const char step_4[] = "ALTER TABLE bundle ADD COLUMN image BLOB";

/* What health checks of gateways said last; at: ns. */
static const char step_5[] =
	"CREATE TABLE server("
	" app TEXT NOT NULL, addr TEXT NOT NULL, port INTEGER NOT NULL,"
	" node TEXT NOT NULL,"
	" down INTEGER NOT NULL, at INTEGER NOT NULL, detail TEXT NOT NULL,"
	" PRIMARY KEY(app, addr, port, node)) WITHOUT ROWID;"
	"CREATE INDEX server_down ON server(down) WHERE down = 1;"
	"CREATE INDEX server_at ON server(at);";

/* The name that an address is one of; empty: the address is written. */
static const char step_6[] =
	"ALTER TABLE server ADD COLUMN name TEXT NOT NULL DEFAULT '';";

const struct cd_migration cd_schema_steps[] = {
	{1, "first tables", step_1},
	{2, "groups of the identity provider", step_2},
	{3, "sessions by the end of their idle time", step_3},
	{4, "images of bundles before the newest", step_4},
	{5, "health of servers", step_5},
	{6, "health of servers that are names", step_6},
};

const size_t cd_schema_steps_count = CD_ARRAY_SIZE(cd_schema_steps);
