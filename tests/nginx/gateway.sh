# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# A gateway for tests: a run directory filled by gw-publisher, nginx with our
# modules, upstreams. Source it; then
#
#	gw_start [WORKERS]	$http (plain), $tls, $tcp (TLS stream): ports
#	gw_policy LINE...	publishes a policy made of these lines
#	pub COMMAND...		one command to gw-publisher, must say "ok"
#	get HOST PATH [CURL...]	curl to the plain listener, body and status
#	gw_tcp HOST COUNT	how many of COUNT connections to a TCP app answer
#	events			what came out of the rings, one JSON a line
#	now_ms			milliseconds of the monotonic clock

. "$CORDON_SOURCE/tests/tap.sh"
tools=$CORDON_BUILD/tests/nginx
ulimit -n "$(ulimit -Hn)"

tap_tmp
chmod 755 "$tmp"
run=$tmp/run
mkdir -p "$run" "$tmp/gw"
chmod 777 "$tmp/gw"

up1=$(free_port)
up2=$(free_port)
pages=$run/public.sock

# ---- publisher ----

coproc PUB { exec "$tools/gw-publisher" "$run"; }
pub_in=${PUB[1]}
pub_out=${PUB[0]}
at_exit tap_stop "$PUB_PID"

pub() {
	local answer
	echo "$*" >&"$pub_in"
	while read -r answer <&"$pub_out"; do
		case $answer in
		ok) return 0 ;;
		error*)
			echo "# $*: $answer" >&2
			return 1
			;;
		*) pub_said=$answer ;;
		esac
	done
	return 1
}

gw_policy() {
	printf '%s\n' "$@" >"$tmp/policy.cordon"
	pub policy "$tmp/policy.cordon"
}

now_ms() {
	pub time
	echo "$pub_said"
}

# ---- upstreams ----

gw_upstream() { # PORT NAME
	spawn "$tools/gw-upstream" "$1" "$2"
	wait_for 10 curl -s -o /dev/null "http://127.0.0.1:$1/"
}

# ---- nginx ----

gw_conf() { # WORKERS [HTTP-LINES [STREAM-LINES]]
	cat >"$tmp/nginx.conf" <<EOF
load_module /usr/lib/nginx/modules/ngx_stream_module.so;
load_module $CORDON_BUILD/ngx_http_cordon_module.so;
load_module $CORDON_BUILD/ngx_stream_cordon_module.so;
daemon off;
worker_processes $1;
worker_rlimit_nofile $(ulimit -n);
pid $tmp/pid;
error_log $tmp/error.log notice;
events { worker_connections 9000; }
http {
	access_log off;
	client_body_temp_path $tmp/gw/body;
	proxy_temp_path $tmp/gw/proxy;
	fastcgi_temp_path $tmp/gw/fastcgi;
	uwsgi_temp_path $tmp/gw/uwsgi;
	scgi_temp_path $tmp/gw/scgi;
	cordon_run $run;
	cordon_auth_url https://auth.test:$tls;
	cordon_keys $run/keys.sock 1s;
	cordon_health_trust $tmp/ca.pem;
	client_max_body_size 0;
	${2:-}
	upstream cordon_apps { server 127.0.0.1:9; cordon_balancer; keepalive 64; }
	upstream cordon_tls { server 127.0.0.1:9; cordon_balancer; }
	upstream cordon_pages { server unix:$pages; keepalive 4; }
	proxy_http_version 1.1;
	proxy_set_header Host \$http_host;
	proxy_set_header Upgrade \$cordon_upgrade;
	proxy_set_header Connection \$cordon_connection;
	proxy_buffering off;
	proxy_request_buffering off;
	proxy_read_timeout 1h;
	proxy_redirect off;
	proxy_ignore_headers X-Accel-Redirect X-Accel-Expires X-Accel-Charset
		X-Accel-Limit-Rate X-Accel-Buffering;
	client_header_buffer_size 4k;
	keepalive_timeout 600s;
	keepalive_requests 1000000;
	server {
		listen 127.0.0.1:$http;
		listen 127.0.0.1:$tls ssl http2;
		ssl_certificate \$cordon_certificate;
		ssl_certificate_key \$cordon_certificate;
		cordon_certificates on;
		cordon on;
		add_header Strict-Transport-Security \$cordon_hsts always;
		error_page 413 502 503 504 @cordon_trouble;
		location / { proxy_pass http://cordon_apps; }
		location @cordon_tls {
			proxy_pass https://cordon_tls;
			proxy_ssl_server_name on;
			proxy_ssl_name \$cordon_upstream_host;
			proxy_ssl_verify on;
			proxy_ssl_trusted_certificate $tmp/ca.pem;
		}
		location @cordon_pages {
			proxy_pass http://cordon_pages;
			proxy_request_buffering on;
			client_body_buffer_size 64k;
			client_max_body_size 64k;
			error_page 502 504 = @cordon_away;
		}
		location @cordon_denied {
			proxy_pass http://cordon_pages;
			proxy_pass_request_body off;
			proxy_set_header Host \$http_host;
			proxy_set_header Connection "";
			proxy_set_header Content-Length "";
			error_page 502 504 = @cordon_away;
		}
		location @cordon_away { cordon_away; }
		location @cordon_trouble { cordon off; cordon_trouble; }
	}
}
stream {
	cordon_run $run;
	${3:-}
	server {
		listen 127.0.0.1:$tcp ssl;
		ssl_certificate \$cordon_certificate;
		ssl_certificate_key \$cordon_certificate;
		ssl_verify_client optional;
		ssl_client_certificate $tmp/ca.pem;
		cordon_certificates on;
		cordon on;
		proxy_pass \$cordon_target;
	}
}
EOF
}

nginx=(env "LD_PRELOAD=${CORDON_SANITIZER:-}"
	"ASAN_OPTIONS=${ASAN_OPTIONS:-}:detect_leaks=0"
	nginx -p "$tmp" -c "$tmp/nginx.conf" -e "$tmp/error.log")

gw_listens() { curl -s -o /dev/null "http://127.0.0.1:$http/"; }

gw_start() {
	gw_upstream "$up1" one
	gw_upstream "$up2" two
	http=$(free_port)
	tls=$(free_port)
	tcp=$(free_port)
	[ -f "$tmp/ca.pem" ] || gw_ca
	gw_conf "${1:-1}" "${2:-}" "${3:-}"
	spawn "${nginx[@]}"
	# shellcheck disable=SC2034 # read by the tests
	nginx_pid=$spawned
	wait_for 20 gw_listens
}

# Every test of a gateway ends with this point.
gw_done() {
	nok 'the error log holds no alert' grep -A20 \
		-E '\[(alert|emerg|crit)\]|ERROR: |runtime error' \
		"$tmp/error.log"
	tap_done
}

# ---- certificates ----

gw_ca() {
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
		-keyout "$tmp/ca.key" -out "$tmp/ca.pem" -days 2 \
		-subj '/CN=Test CA' 2>/dev/null
}

gw_cert() { # NAME [FILE]: signed by the test CA; key and chain in one file
	local file=${2:-$run/tls/$1.pem}
	openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
		-keyout "$tmp/key" -out "$tmp/csr" -subj "/CN=$1" 2>/dev/null
	openssl x509 -req -in "$tmp/csr" -CA "$tmp/ca.pem" -CAkey \
		"$tmp/ca.key" -CAcreateserial -days 2 -extfile <(
			echo "subjectAltName=$([[ $1 =~ ^[0-9.]+$ ]] && echo IP || echo DNS):$1"
		) -out "$tmp/crt" 2>/dev/null
	cat "$tmp/key" "$tmp/crt" >"$file.new"
	chmod 644 "$file.new"
	mv "$file.new" "$file"
}

# ---- clients ----

# curl as the client of an app: STATUS on the last line.
get() { # HOST PATH [CURL-ARGUMENT...]
	local host=$1 path=$2
	shift 2
	curl -s --path-as-is --max-time 10 -w '\n%{http_code}\n' \
		-H "Host: $host" "$@" "http://127.0.0.1:$http$path"
}

gets() { # HOST PATH [...]: the same by TLS and HTTP/2
	local host=$1 path=$2
	shift 2
	curl -s --path-as-is --max-time 10 -w '\n%{http_code}\n' --http2 \
		--cacert "$tmp/ca.pem" --resolve "$host:$tls:127.0.0.1" \
		"$@" "https://$host:$tls$path"
}

code() { tail -n 1; }
as() { printf 'Cookie: __Host-cordon=%s' "$1"; }

# Raw bytes to the plain listener; the status line of the answer.
raw() { # printf FORMAT
	exec 9<>"/dev/tcp/127.0.0.1/$http"
	# shellcheck disable=SC2059
	printf "$1" >&9
	timeout 5 head -n 1 <&9 | tr -d '\r'
	exec 9>&-
}

# Connections at the TLS stream that are open at the same time.
gw_tcp() { # HOST COUNT
	"$tools/gw-client" tcp "$tcp" "$1" none 1 "$2" tls </dev/null |
		sed -n 's/^open //p'
}

events() { "$tools/gw-ring" "$run"; }

# ---- the usual estate ----

gw_estate() { # [MORE-LINE...]
	gw_policy 'version 1' \
		'app payroll' '  url https://payroll.test' \
		"  upstream http://127.0.0.1:$up1, http://127.0.0.1:$up2" \
		'app open' '  url https://open.test' \
		"  upstream http://127.0.0.1:$up1" \
		'app files' '  url tls://files.test:445' \
		"  tcp localhost:$up1" \
		'allow "finance uses payroll"' \
		'  from group finance to app payroll, app files' \
		'  when risk.user < high' \
		'allow "anybody sees open"' '  from any to app open' "$@"
}

gw_people() {
	pub subject alice finance,staff
	pub subject bob vendors
	pub session tok-alice alice payroll
	pub session tok-bob bob payroll
}

# In force on every worker: they look every 50 ms.
in_force() { # HOST PATH STATUS [CURL...]
	local host=$1 path=$2 status=$3
	shift 3
	[ "$(get "$host" "$path" "$@" | code)" = "$status" ]
}
