# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# cordond and what surrounds it, in $tmp. After a request the answer is in
# $status, $location, $headers and $body.
. "$CORDON_SOURCE/tests/tap.sh"
. "$CORDON_SOURCE/tests/totp.sh"
tap_tmp
chmod 755 "$tmp"
mkdir "$tmp/run" "$tmp/state"
auth=https://localhost:8443

start_keys() {
	spawn "$CORDON_BUILD/cordond" --keys --run "$tmp/run" \
		--state "$tmp/state" --issuer "$auth" \
		--uid-controller "$(id -u)" --uid-gateway 64734 \
		2> >(tee -a "$tmp/keys.log" >&2)
	# shellcheck disable=SC2034 # read by the tests
	keys_pid=$spawned
	wait_for 10 "$CORDON_BUILD/cordond" --keys-trust --run "$tmp/run" ||
		echo '# no key broker' >&2
}

# start_ctl [OPTION]...
start_ctl() {
	spawn "$CORDON_BUILD/cordond" --run "$tmp/run" --state "$tmp/state" \
		--conf "$tmp" --auth-url "$auth" "$@"
	ctl_pid=$spawned
	wait_for 10 curl -sf --unix-socket "$tmp/run/api.sock" \
		http://cordon/v1/status || echo '# no cordond' >&2
}

stop_ctl() { tap_stop "$ctl_pid"; }

request() { # SOCKET ARGUMENTS...
	local socket=$1
	shift
	status=$(curl -s -m 20 --unix-socket "$tmp/run/$socket" \
		-D "$tmp/headers" -o "$tmp/body" -w '%{http_code}' "$@")
	headers=$(tr -d '\r' <"$tmp/headers" 2>/dev/null)
	body=$(tr -d '\0' <"$tmp/body" 2>/dev/null)
	location=$(sed -n 's/^[Ll]ocation: //p' <<<"$headers")
	: >"$tmp/headers"
	: >"$tmp/body"
}

has() { grep -qF -- "$1" <<<"$body"; }
header() { grep -qi -- "$1" <<<"$headers"; }

api() { # METHOD PATH [JSON]
	request api.sock -X "$1" ${3+-d "$3"} "http://cordon$2"
}

# One member of the last answer, as jq would say it for text and numbers.
member() { # NAME
	sed -n "s/.*\"$1\":\"\{0,1\}\([^\",}]*\).*/\1/p" <<<"$body" | head -1
}

# ---- a browser ----

declare -A jar # "HOST NAME" -> value

cookies() { # HOST
	local key out=
	for key in "${!jar[@]}"; do
		[ "${key% *}" = "$1" ] && out+="${key#* }=${jar[$key]}; "
	done
	printf '%s' "${out%; }"
}

keep_cookies() { # HOST
	local line name value
	while read -r line; do
		line=${line#*: }
		name=${line%%=*}
		value=${line#*=}
		value=${value%%;*}
		if [ -n "$value" ]; then
			jar["$1 $name"]=$value
		else
			unset "jar[$1 $name]"
		fi
	done < <(grep -i '^set-cookie:' <<<"$headers")
}

# browse METHOD URL [curl arguments]
trace=4bf92f3577b34da6a3ce929d0e0e4736 # of what the gateway passes on
browse() {
	local method=$1 rest host path
	rest=${2#https://}
	host=${rest%%/*}
	path=/${rest#*/}
	shift 2
	request public.sock -X "$method" -H "Host: $host" \
		-H "Cookie: $(cookies "${host%:*}")" \
		-H "X-Cordon-Client-Addr: ${client:-203.0.113.5}" \
		-H "X-Cordon-Trace: $trace" "$@" \
		"http://cordon$path"
	keep_cookies "${host%:*}"
}

# The value of a hidden field of the last page.
hidden() {
	sed -n "s/.*name=\"$1\" value=\"\([^\"]*\)\".*/\1/p" <<<"$body" |
		head -1 | sed 's/&amp;/\&/g'
}

# post PATH FIELD=VALUE...: with the CSRF token of the last page, from our
# origin. Call it after the page that has the form.
post() {
	local path=$1 csrf args=()
	shift
	csrf=$(hidden csrf)
	for field; do
		args+=(--data-urlencode "$field")
	done
	browse POST "$auth$path" -H "Origin: $auth" "${args[@]}" \
		--data-urlencode "csrf=$csrf"
}

# Follows redirects, and pages that refresh, as a browser would.
follow() {
	local n=0 next
	while [ $((n += 1)) -lt 12 ]; do
		next=$location
		[ -n "$next" ] || next=$(sed -n \
			's/.*http-equiv="refresh" content="0;url=\([^"]*\)".*/\1/p' \
			<<<"$body" | sed 's/&amp;/\&/g')
		[ -n "$next" ] || return 0
		case $next in
		/*) next=$auth$next ;;
		esac
		case $next in
		*/.cordon/* | "$auth"/) ;;
		*) return 0 ;; # an app: the gateway would answer
		esac
		browse GET "$next"
	done
	return 1
}

# A code that was not used yet, in $code. One step back and one ahead are good,
# so that three sign-ins need no waiting. It stays good for ten seconds at
# least: on a busy machine a sign-in takes a while.
declare -A used_step
fresh_code() { # BASE32
	local now step
	while :; do
		now=$(date +%s)
		step=$((${used_step[$1]:-0} + 1))
		[ $step -ge $(((now + 10) / 30 - 1)) ] ||
			step=$(((now + 10) / 30 - 1))
		[ $step -gt $((now / 30 + 1)) ] || break
		read -rt 0.5 <> <(:) || :
	done
	used_step[$1]=$step
	# shellcheck disable=SC2034 # read by the tests
	code=$(totp "$1" "$step")
}

# ---- the gateway's agent ----

# Polls until it is stopped; what came is appended to $tmp/stream, the number
# of the last change it has is in $tmp/last.
agent_loop() {
	local from=0 last
	while :; do
		curl -s -m 30 --unix-socket "$tmp/run/agent.sock" \
			-D "$tmp/agent-headers" -o "$tmp/agent-body" \
			"http://cordon/v1/stream?agent=local&from=$from&wait=20" ||
			read -rt 0.1 <> <(:) || :
		last=$(tr -d '\r' <"$tmp/agent-headers" |
			sed -n 's/^[Xx]-[Cc]ordon-[Ll]ast: //p')
		[ -n "$last" ] || continue
		cat "$tmp/agent-body" >>"$tmp/stream"
		echo "$last" >"$tmp/last"
		from=$((last + 1))
		: >"$tmp/agent-headers"
	done
}

start_agent() {
	: >"$tmp/agent-headers"
	: >"$tmp/stream"
	agent_loop >/dev/null 2>&1 &
	agent_pid=$!
	at_exit tap_stop $agent_pid
	wait_for 10 [ -s "$tmp/last" ]
}

# An app for everybody with a second factor.
# shellcheck disable=SC2034 # read by the tests
policy='version 1

app wiki
  url       https://wiki.localhost:8443
  upstream  http://127.0.0.1:3000

app notes
  url       https://notes.localhost:8443
  upstream  http://127.0.0.1:3001

allow "people use the wiki"
  from people  to app wiki
  when mfa.age < 12h

allow "finance keeps notes"
  from group finance  to app notes
  when mfa.age < 12h
'

json_text() { # TEXT as a JSON string
	printf '%s' "$1" | awk 'BEGIN { ORS = ""; print "\"" }
	{ gsub(/\\/, "\\\\"); gsub(/"/, "\\\""); gsub(/\t/, "\\t"); print $0 "\\n" }
	END { print "\"" }'
}

apply() { # TEXT [MORE-JSON]
	api POST /v1/policy "{\"files\":[{\"name\":\"p.cordon\",\"text\":$(
		json_text "$1"
	)}]${2:+,$2}}"
}
