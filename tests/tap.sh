# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# TAP for tests written in bash. Source it; end with tap_done.
#
#	ok NAME COMMAND...	the command must succeed
#	nok NAME COMMAND...	... must fail
#	same NAME GOT WANT	two texts are equal
#	skip NAME WHY		one point
#	skip_all WHY		the whole program, before any point
#	wait_for SECONDS COMMAND...	until the command succeeds; tests wait
#				for states, they never sleep and hope
#	tap_tmp			a scratch folder ($tmp), removed at exit
#	at_exit COMMAND...	clean up, last in first out, also on signals
#	free_port		prints a TCP port nobody listens on

set -u
tap_nr=0
tap_failed=0
tap_exit=()

tap_cleanup() {
	local i status=$?
	for ((i = ${#tap_exit[@]} - 1; i >= 0; i--)); do
		eval "${tap_exit[i]}"
	done
	return $status
}
trap tap_cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP

at_exit() { tap_exit+=("$(printf '%q ' "$@")"); }

tap_tmp() {
	tmp=$(mktemp -d)
	at_exit rm -rf "$tmp"
}

tap_point() { # STATUS NAME
	tap_nr=$((tap_nr + 1))
	if [ "$1" -eq 0 ]; then
		echo "ok $tap_nr - $2"
	else
		tap_failed=$((tap_failed + 1))
		echo "not ok $tap_nr - $2"
	fi
	return "$1"
}

# Failures are told on standard error: that is what the runner shows.
tap_say() { sed 's/^/# /' >&2; }

ok() {
	local name=$1 out status
	shift
	out=$("$@" 2>&1 </dev/null)
	status=$?
	[ $status -eq 0 ] || printf '%s\nexit %d: %s\n' "$out" $status "$*" |
		tap_say
	tap_point $status "$name"
}

nok() {
	local name=$1 out status=0
	shift
	if out=$("$@" 2>&1 </dev/null); then
		printf '%s\nmust fail: %s\n' "$out" "$*" | tap_say
		status=1
	fi
	tap_point $status "$name"
}

same() {
	local status=0
	if [ "$2" != "$3" ]; then
		printf 'got:  %s\nwant: %s\n' "$2" "$3" | tap_say
		status=1
	fi
	tap_point $status "$1"
}

skip() {
	tap_nr=$((tap_nr + 1))
	echo "ok $tap_nr - $1 # SKIP $2"
}

skip_all() {
	echo "1..0 # SKIP $1"
	exit 0
}

wait_for() {
	local end=$((${EPOCHREALTIME/./} + $1 * 1000000))
	shift
	until "$@" >/dev/null 2>&1; do
		[ "${EPOCHREALTIME/./}" -lt $end ] || return 1
		read -rt 0.02 <> <(:) || :
	done
}

# A bounded wait: what ignores SIGTERM for 5 seconds is killed.
tap_stop() { # PID
	kill "$1" 2>/dev/null || return 0
	wait_for 5 tap_gone "$1" || kill -9 "$1"
	wait "$1" 2>/dev/null
}

tap_gone() { ! kill -0 "$1" || grep -q '^State:.Z' "/proc/$1/status"; }

spawn() {
	"$@" >&2 </dev/null &
	spawned=$!
	at_exit tap_stop $spawned
}

free_port() {
	local port
	while :; do
		port=$((20000 + RANDOM % 12000))
		(exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || break
	done
	echo $port
}

tap_done() {
	echo "1..$tap_nr"
	[ $tap_failed -eq 0 ]
	exit
}
