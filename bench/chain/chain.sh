# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# The whole chain for measuring: a demo of one's own with two more apps, whose
# upstream (gw-upstream) runs inside the gateway's namespace. Source it.
#
#	curl, gw-client, wrk -- nginx, 2 workers -- gw-upstream
#	                        |  session table, policy
#	        cordond -- agent front + broker
#
#	api METHOD PATH [JSON]	cordond's API; the answer is printed
#	people N		makes p-0 to p-(N - 1), as "person" does
#	enter JAR NAME		signs a person in by password
#	token JAR		the cookie of the app "bench" in the jar
#	forget JAR		... is thrown away: the next visit makes another
#	figures NAME FILE	p50, p90, p99, max and n of a column of numbers
#	us			microseconds of the clock
#	load FILE [OPTION...]	wrk as bench's session, in the background
#
#	controller		the pid of cordond
#
# CHAIN_CONF is its cordon.conf; CHAIN_BEFORE a function called before the
# start, which may set chain_options.

CORDON_SOURCE=${CORDON_SOURCE:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}
export CORDON_BUILD=${CORDON_BUILD:-$CORDON_SOURCE/build}
. "$CORDON_SOURCE/tests/tap.sh"
[ "$(id -u)" = 0 ] || skip_all 'needs root'
unshare -n true 2>/dev/null || skip_all 'needs network namespaces'
tap_tmp
. "$CORDON_SOURCE/tests/netns/demo.sh"
tools=$CORDON_BUILD/tests/nginx
up1=$(free_port)
up2=$(free_port)
us() { echo "${EPOCHREALTIME/./}"; }

api() {
	curl -sf --max-time 10 --unix-socket "$run/api.sock" -X "$1" \
		-H 'Content-Type: application/json' ${3+-d "$3"} "http://cordon$2"
}

chain_policy() { # UPSTREAM-PORT
	cat <<EOF
version 1

app bench
  url       https://bench.localhost:$port
  upstream  http://127.0.0.1:$1

app raw
  url  tls://raw.localhost:$tcp_port
  tcp  127.0.0.1:$1

allow "who measures"
  from group bench  to app bench, app raw
EOF
}

person() { # NAME: without a second factor, so that one may come often
	api POST /v1/users "{\"name\":\"$1\",\"groups\":[\"bench\"],
		\"password\":\"a password for $1\"}" >/dev/null
}

people() { # N: four at a time, on kept connections
	local i n
	for ((i = 0; i < $1; i++)); do
		[ $i = 0 ] || echo next
		cat <<-EOF
			unix-socket = "$run/api.sock"
			url = "http://cordon/v1/users"
			header = "Content-Type: application/json"
			data = "{\"name\":\"p-$i\",\"groups\":[\"bench\"],\"password\":\"a password for p-$i\"}"
			output = "/dev/null"
			write-out = "%{http_code}\n"
		EOF
	done >"$tmp/people"
	n=$(curl -s --parallel --parallel-max 4 -K "$tmp/people" | grep -c '^201$')
	[ "$n" = "$1" ]
}

enter() { # JAR NAME
	local page=$tmp/enter status
	rm -f "$1"
	browse "$1" -o "$page" "$(demo_url)/.cordon/signin" || return 1
	status=$(browse "$1" -o "$page" -w '%{http_code}' \
		-H "Origin: $(demo_url)" \
		--data-urlencode "csrf=$(field csrf "$page")" -d "user=$2" \
		--data-urlencode "password=a password for $2" \
		"$(demo_url)/.cordon/signin")
	[ "$status" = 303 ] || [ "$status" = 200 ]
}

bench_url() { echo "$(demo_url bench)/${1:-}"; }
token() { awk '/bench\.localhost/ && $6 == "__Host-cordon" { print $7 }' "$1"; }
forget() {
	grep -v 'bench\.localhost' "$1" >"$1.new"
	mv "$1.new" "$1"
}

figures() {
	sort -n "$2" | awk -v name="$1" '{ v[NR] = $1 }
		function at(p, i) { i = int(NR * p + 0.999999); return v[i < 1 ? 1 : i] }
		END { printf "# %s: p50 %s, p90 %s, p99 %s, max %s ms, n %d\n",
			name, at(.5), at(.9), at(.99), v[NR], NR }'
}
# The greatest of a column, in whole milliseconds, rounded up.
worst() { sort -n "$1" | tail -n 1 | awk '{ printf "%d", $1 + 0.999 }'; }
since() { awk -v a="$1" -v b="$2" 'BEGIN { printf "%.1f\n", (b - a) / 1000 }'; }

load() {
	local out=$1
	shift
	echo '127.0.0.1 bench.localhost' >"$tmp/hosts"
	# wrk knows no --resolve: it gets a hosts file of its own
	# shellcheck disable=SC2016
	unshare -m sh -c 'mount --bind "$0" /etc/hosts && exec "$@"' \
		"$tmp/hosts" wrk -t1 -c8 -d3600s "$@" \
		-H "Cookie: __Host-cordon=$(token "$tmp/jar")" \
		"$(bench_url x)" >"$out" 2>&1 &
	load_pid=$!
	at_exit tap_stop $load_pid
}
load_end() {
	kill -INT $load_pid
	wait $load_pid
}
requests() { sed -n 's/^ *\([0-9]*\) requests in .*/\1/p' "$1"; }
good_load() { # FILE: there were requests, and none failed
	[ "$(requests "$1")" -gt 100 ] && ! grep -E 'Non-2xx|Socket errors' "$1"
}

# Each worker's two modules say when they took a policy.
workers=2
everywhere() { # SERIAL
	[ "$(grep -c "policy $1 is in force" "$state/log/nginx.log")" -ge \
		$((workers * 2)) ]
}
apply() { # FILE: prints the serial
	"$build/cordon" apply "$1" --json --run "$run" |
		sed -n 's/.*"serial": *\([0-9]*\).*/\1/p' | head -1
}
controller() {
	local p
	for p in $(pgrep -x cordond); do
		[ "$(readlink "/proc/$p/cwd")" = "$run" ] &&
			[ "$(stat -c %u "/proc/$p")" = 64731 ] && echo "$p"
	done | head -1
}
inside() { nsenter -t "$(cat "$run/gw/nginx.pid")" -n "$@"; }
reached() { [ "$(visit "$tmp/jar" "$(bench_url)")" = 200 ]; }

chain_up() {
	mkdir -p "$tmp/conf"
	echo "${CHAIN_CONF-}" >"$tmp/conf/cordon.conf"
	local chain_options=()
	${CHAIN_BEFORE-}
	demo_up --workers $workers "${chain_options[@]}"
	demo_wait || return 1
	local p
	for p in "$up1" "$up2"; do
		nsenter -t "$(cat "$run/gw/nginx.pid")" -n \
			"$tools/gw-upstream" "$p" bench >/dev/null 2>&1 </dev/null &
		at_exit tap_stop $!
		wait_for 10 inside curl -s -o /dev/null "http://127.0.0.1:$p/"
	done
	chain_policy "$up1" >"$tmp/one.cordon"
	chain_policy "$up2" >"$tmp/two.cordon"
	[ -n "$(apply "$tmp/one.cordon")" ] && person bench &&
		enter "$tmp/jar" bench && wait_for 20 reached
}
if ! chain_up >"$tmp/chain_up" 2>&1; then
	tap_say <"$tmp/chain_up"
	ok 'the chain runs' false
	tap_done
fi
ok 'the chain runs' reached
