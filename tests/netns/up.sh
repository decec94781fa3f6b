# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2120,SC2119
#
# An installation of one's own for a test: `cordon up` with state that lasts,
# one app behind it. Source it after tap.sh and tap_tmp.
#
#	curl, gw-client -- nginx (127.0.0.1:$port, TCP apps $tcp_port)
#	                     |-- gw-upstream (127.0.0.1:$app_port): apps wiki, raw
#	                   cordond, key broker, agent
#
#	installed [OPTION...]	starts it; its output is in $tmp/up.out, up.err
#	ready			until it says so (60 s); takes its CA
#	stopped			SIGTERM, and waits; its exit status
#	api METHOD PATH [JSON]	cordond's API; the answer is printed
#	cordon WORD...		the command line against it
#	browse JAR ARG...	curl with cookies, trusting its CA alone
#	person NAME		adds one with a password and a second factor
#	sign_in JAR NAME	signs such a person in; status in $answered, what
#				was typed in $code
#	visit JAR URL		follows to an app; prints the status
#	token JAR		the cookie of app wiki
#	of COMM UID		its processes of a name and a user

. "$CORDON_SOURCE/tests/totp.sh"
build=${CORDON_BUILD:?}
: "${tmp:?source tap.sh and call tap_tmp first}"
tools=$build/tests/nginx
run=$tmp/run
state=$tmp/state
conf=$tmp/conf
port=$(free_port)
tcp_port=$(free_port)
app_port=$(free_port)
auth=https://localhost:$port
wiki=https://wiki.localhost:$port
secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP
up_pid=
chmod 755 "$tmp"
mkdir -p "$conf/policy"

cat >"$conf/policy/app.cordon" <<EOF
version 1

app wiki
  url       $wiki
  upstream  http://127.0.0.1:$app_port

app raw
  url  tls://raw.localhost:$tcp_port
  tcp  127.0.0.1:$app_port

allow "staff use the wiki"
  from group staff  to app wiki
  when mfa.age < 12h

allow "staff use the line"
  from group staff  to app raw
EOF

installed() {
	"$build/cordon" up --run "$run" --state "$state" --conf "$conf" \
		--port "$port" --http-port 0 --tcp-port "$tcp_port" \
		--workers 2 "$@" >"$tmp/up.out" 2>"$tmp/up.err" </dev/null &
	up_pid=$!
}

up_ended() { ! kill -0 "$up_pid" 2>/dev/null; }
up_says_ready() { grep -q '^cordon up: ready' "$tmp/up.out" || up_ended; }

ready() {
	wait_for 60 up_says_ready
	if ! grep -q '^cordon up: ready' "$tmp/up.out"; then
		cat "$tmp/up.err" "$state"/log/*.log
		return 1
	fi
	api GET /v1/certs/ca.pem >"$tmp/ca.pem"
}

stopped() {
	[ -n "$up_pid" ] || return 0
	kill "$up_pid" 2>/dev/null
	wait_for 20 up_ended || kill -9 "$up_pid"
	wait "$up_pid" 2>/dev/null
	local status=$?
	up_pid=
	return $status
}
at_exit stopped

api() {
	curl -sf --max-time 10 --unix-socket "$run/api.sock" -X "$1" \
		-H 'Content-Type: application/json' ${3+-d "$3"} "http://cordon$2"
}
cordon() { "$build/cordon" "$@" --run "$run"; }
browse() {
	local jar=$1
	shift
	curl -sS --max-time 20 --cacert "$tmp/ca.pem" -b "$jar" -c "$jar" "$@"
}

# The value of a hidden field of the page in a file.
field() { sed -n "s/.*name=\"$1\"[^>]*value=\"\([^\"]*\)\".*/\1/p" "$2" | head -1; }

person() {
	api POST /v1/users "{\"name\":\"$1\",\"groups\":[\"staff\"],
		\"password\":\"a password for $1\",\"totp\":\"$secret\"}" >/dev/null
}

# The form with a code in $code.
sign_in_with() { # JAR NAME PASSWORD
	local page=$tmp/signin.$2
	browse "$1" -o "$page" "$auth/.cordon/signin" || return 1
	browse "$1" -o "$page" -w '%{http_code}' -H "Origin: $auth" \
		--data-urlencode "csrf=$(field csrf "$page")" \
		--data-urlencode "user=$2" --data-urlencode "password=$3" \
		--data-urlencode "code=$code" "$auth/.cordon/signin"
}

# Codes are good once: once in 30 s for each person.
# shellcheck disable=SC2034 # read by the tests
sign_in() {
	code=$(totp "$secret")
	answered=$(sign_in_with "$1" "$2" "a password for $2")
}

visit() {
	browse "$1" -L --max-redirs 8 -o "$tmp/visit" -w '%{http_code}' \
		-H 'Accept: text/html' "$2"
}
reaches() { [ "$(browse "$1" -o "$tmp/reached" -w '%{http_code}' "$wiki/${2:-x}")" = 200 ]; }
token() { awk '/wiki\.localhost/ && $6 == "__Host-cordon" { print $7 }' "$1"; }

of() { # COMM UID
	local p
	for p in $(pgrep -x "$1"); do
		[ "$(readlink "/proc/$p/cwd")" = "$run" ] &&
			[ "$(stat -c %u "/proc/$p")" = "$2" ] && echo "$p"
	done
	return 0 # the last one may be another installation's
}

app_up() {
	spawn "$tools/gw-upstream" "$app_port" wiki
	wait_for 10 curl -s -o /dev/null "http://127.0.0.1:$app_port/"
}
