# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2120,SC2119
#
# A demo of one's own for a test: own folders, ports and namespaces, so that
# it runs beside any other. Source it after tap.sh and tap_tmp.
#
#	demo_up [OPTION...]	starts it; its output is in $tmp/up.out
#	demo_wait		until it says it runs (60 s)
#	demo_down		stops it with SIGTERM and waits
#	demo_url NAME		https://NAME.localhost:PORT ('' for the sign-in)
#	cordon WORD...		the command line against this demo
#	browse JAR ARG...	curl with cookies, trusting the demo's CA alone
#	sign_in JAR NAME	signs a demo account in

build=${CORDON_BUILD:?}
: "${tmp:?source tap.sh and call tap_tmp first}"
run=$tmp/run
state=$tmp/state
port=$(free_port)
http_port=$(free_port)
tcp_port=$(free_port)
up_pid=
chmod 755 "$tmp"

demo_start=("$build/cordon" up --demo --run "$run" --state "$state"
	--conf "$tmp/conf" --ca "$tmp/ca" --port "$port"
	--http-port "$http_port" --tcp-port "$tcp_port")

demo_up() {
	"${demo_start[@]}" "$@" >"$tmp/up.out" 2>"$tmp/up.err" </dev/null &
	up_pid=$!
}

demo_runs() { grep -q '^Cordon runs' "$tmp/up.out"; }
demo_ended() { ! kill -0 "$up_pid" 2>/dev/null; }
demo_runs_or_ended() { demo_runs || demo_ended; }

demo_wait() {
	wait_for 60 demo_runs_or_ended
	demo_runs && return
	cat "$tmp/up.err" "$state"/log/*.log
	return 1
}

demo_down() {
	[ -n "$up_pid" ] || return 0
	kill "$up_pid" 2>/dev/null
	wait_for 20 demo_ended || kill -9 "$up_pid"
	wait "$up_pid" 2>/dev/null
	local status=$?
	up_pid=
	return $status
}
at_exit demo_down

demo_url() { echo "https://${1:+$1.}localhost:$port"; }
cordon() { "$build/cordon" "$@" --run "$run"; }

# curl resolves *.localhost by itself to loopback.
browse() {
	local jar=$1
	shift
	curl -sS --max-time 20 --cacert "$tmp/ca/server-ca.pem" -b "$jar" \
		-c "$jar" "$@"
}

# The value of a hidden field of the page in a file.
field() { sed -n "s/.*name=\"$1\"[^>]*value=\"\([^\"]*\)\".*/\1/p" "$2" | head -1; }

# Signs a person in, for all apps; TOTP codes are good once, so once for each
# person and 30 seconds.
sign_in() { # JAR NAME
	local page=$tmp/signin.$2 form
	browse "$1" -o "$page" "$(demo_url)/.cordon/signin" || return 1
	form=$(browse "$1" -o "$page" -w '%{http_code}' \
		-H "Origin: $(demo_url)" \
		--data-urlencode "csrf=$(field csrf "$page")" \
		--data-urlencode "user=$2" \
		--data-urlencode "password=$(cordon demo password "$2")" \
		--data-urlencode "code=$(cordon demo code "$2")" \
		"$(demo_url)/.cordon/signin")
	case $form in
	200 | 303) ;;
	*) echo "sign-in answered $form"; cat "$page"; return 1 ;;
	esac
}

# Opens a page of an app as somebody who is signed in; prints the status.
visit() { # JAR URL
	browse "$1" -L --max-redirs 8 -o "$tmp/visit" -w '%{http_code}' \
		-H 'Accept: text/html' "$2"
}
