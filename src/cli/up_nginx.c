// SPDX-License-Identifier: Apache-2.0
/*
 * run/nginx.conf: everything that does not depend on the policy. Routes,
 * upstreams, certificates and decisions come from our modules at run time, so
 * this file is written once and nginx is never reloaded by us.
 *
 * nginx's master is started as the gateway's user and inherits its sockets by
 * number in $NGINX, the way of its own binary upgrade; it works with Debian's
 * 1.22 including reloads, and leaves no root process that parses anything.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/up.h"
#include "sys/conf.h"

#define NGINX "/usr/sbin/nginx"
#define STREAM_MODULE "/usr/lib/nginx/modules/ngx_stream_module.so"
#define AUTHORITIES "/etc/ssl/certs/ca-certificates.crt"
#define CONF_MAX (1 << 16)
#define NOFILE 65536
#define CONNECTIONS (NOFILE / 4) /* of a worker, with those to upstreams */

/* What browsers and programs of 2022 on can do; TLS 1.3 chooses by itself. */
static const char tls[] =
	"ssl_protocols TLSv1.2 TLSv1.3;\n"
	"ssl_ciphers ECDHE-ECDSA-AES128-GCM-SHA256:"
	"ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:"
	"ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES256-GCM-SHA384:"
	"ECDHE-RSA-CHACHA20-POLY1305;\n"
	"ssl_prefer_server_ciphers off;\n"
	"ssl_session_timeout 1h;\n"
	"ssl_session_tickets off;\n";

/* Strict-Transport-Security would lock a browser out of everything else on
 * localhost or on an address, for a year. */
static bool wants_hsts(const char *domain)
{
	struct in6_addr any;
	size_t n = strlen(domain);

	if (inet_pton(AF_INET, domain, &any) == 1 ||
	    inet_pton(AF_INET6, domain, &any) == 1)
		return false;
	return strcmp(domain, "localhost") != 0 &&
	       !(n > 10 && !strcmp(domain + n - 10, ".localhost"));
}

static void put_listen(struct up *up, struct cd_buf *b, enum up_role role,
		       const char *flags)
{
	for (size_t i = 0; i < up->n_sockets; i++) {
		if (up->sockets[i].role == role)
			cd_buf_printf(b, "    listen %s%s;\n",
				      up->sockets[i].text, flags);
	}
}

static bool has_role(const struct up *up, enum up_role role)
{
	for (size_t i = 0; i < up->n_sockets; i++) {
		if (up->sockets[i].role == role)
			return true;
	}
	return false;
}

static void put_main(struct up *up, struct cd_buf *b)
{
	cd_buf_printf(b,
		      "# Written by cordon up at every start.\n"
		      "daemon off;\n"
		      "worker_processes %u;\n"
		      "pid %s/gw/nginx.pid;\n"
		      "error_log stderr notice;\n",
		      up->workers, up->opt.run);
	if (has_role(up, UP_TCP))
		cd_buf_puts(b, "load_module " STREAM_MODULE ";\n");
	cd_buf_printf(b, "load_module %s/ngx_http_cordon_module.so;\n",
		      up->modules);
	if (has_role(up, UP_TCP))
		cd_buf_printf(b,
			      "load_module %s/ngx_stream_cordon_module.so;\n",
			      up->modules);
	cd_buf_printf(b, "events { worker_connections %d; }\n", CONNECTIONS);
}

/* Without a bound one address fills all places of a worker with handshakes
 * that never end. */
static int put_per_address(struct up *up, struct cd_buf *b)
{
	struct cd_diag *diag cd_auto(cd_diag_free) = NULL;
	struct cd_conf conf cd_auto(cd_conf_done) = {0};
	char path[PATH_MAX];
	uint64_t n;

	up_path(path, up->opt.conf, "cordon.conf");
	if (cd_diag_new(&diag) < 0 || cd_conf_load(path, diag, &conf) < 0)
		return up_fail("%s has a mistake: cordond says which", path);
	if (cd_str_parse_u64(cd_str_from(conf.connections_per_address), &n) <
		    0 ||
	    n > CONNECTIONS)
		return up_fail("%s: connections_per_address: '%s' is not a "
			       "number of 0 to %d",
			       path, conf.connections_per_address, CONNECTIONS);
	cd_buf_printf(b, "cordon_per_address %u;\n", (unsigned int)n);
	return 0;
}

/* Limits against slow and large clients; no buffering, so that event streams
 * and uploads pass as they come (but forms for cordond, which has few places,
 * wait until they are whole). How long a body may be is an app's own line in
 * the policy. */
static void put_http_common(struct up *up, struct cd_buf *b)
{
	const char *run = up->opt.run;

	cd_buf_printf(b,
		      "cordon_run %s;\n"
		      "cordon_auth_url %s;\n"
		      "client_body_temp_path %s/gw/body;\n"
		      "proxy_temp_path %s/gw/proxy;\n"
		      "fastcgi_temp_path %s/gw/fastcgi;\n"
		      "uwsgi_temp_path %s/gw/uwsgi;\n"
		      "scgi_temp_path %s/gw/scgi;\n",
		      run, up->auth_url, run, run, run, run, run);
	cd_buf_puts(b, "cordon_health_trust " AUTHORITIES ";\n"
		       "access_log off;\n"
		       "server_tokens off;\n"
		       "client_header_timeout 15s;\n"
		       "client_body_timeout 60s;\n"
		       "send_timeout 60s;\n"
		       "keepalive_timeout 75s;\n"
		       "keepalive_requests 10000;\n"
		       "client_header_buffer_size 2k;\n"
		       "large_client_header_buffers 8 16k;\n"
		       "client_max_body_size 0;\n"
		       "reset_timedout_connection on;\n"
		       "tcp_nodelay on;\n"
		       "ssl_session_cache shared:cordon_https:4m;\n");
	cd_buf_puts(b, tls);
}

static void put_proxy(struct up *up, struct cd_buf *b)
{
	cd_buf_printf(b,
		      "upstream cordon_apps {\n"
		      "    server 127.0.0.1:9;\n"
		      "    cordon_balancer;\n"
		      "    keepalive 128;\n}\n"
		      "upstream cordon_tls {\n"
		      "    server 127.0.0.1:9;\n"
		      "    cordon_balancer;\n}\n"
		      "upstream cordon_pages {\n"
		      "    server unix:%s/public.sock;\n"
		      "    keepalive 16;\n}\n",
		      up->opt.run);
	cd_buf_puts(b, "proxy_http_version 1.1;\n"
		       "proxy_set_header Host $http_host;\n"
		       "proxy_set_header Upgrade $cordon_upgrade;\n"
		       "proxy_set_header Connection $cordon_connection;\n"
		       "proxy_hide_header Strict-Transport-Security;\n"
		       "proxy_redirect off;\n"
		       "proxy_ignore_headers X-Accel-Redirect X-Accel-Expires "
		       "X-Accel-Charset X-Accel-Limit-Rate X-Accel-Buffering;\n"
		       "proxy_buffering off;\n"
		       "proxy_request_buffering off;\n"
		       "proxy_buffer_size 16k;\n"
		       "proxy_buffers 8 16k;\n"
		       "proxy_connect_timeout 5s;\n"
		       "proxy_send_timeout 1h;\n"
		       "proxy_read_timeout 1h;\n");
}

static void put_redirect(struct up *up, struct cd_buf *b)
{
	char port[16] = "";

	if (!has_role(up, UP_HTTP))
		return;
	if (up->port != 443)
		snprintf(port, sizeof(port), ":%u", up->port);
	cd_buf_puts(b, "server {\n");
	put_listen(up, b, UP_HTTP, " default_server");
	cd_buf_printf(b,
		      "    server_name %s;\n"
		      "    return 308 https://$host%s$request_uri;\n}\n",
		      up->opt.domain, port);
}

/* One server for every name: which app a host is, and what of it is a page of
 * ours, is for the module to say. The named locations are its ways out. */
static void put_https(struct up *up, struct cd_buf *b)
{
	cd_buf_puts(b, "server {\n");
	put_listen(up, b, UP_HTTPS, " ssl http2 default_server");
	cd_buf_puts(b, "    ssl_certificate $cordon_certificate;\n"
		       "    ssl_certificate_key $cordon_certificate;\n"
		       "    cordon_certificates on;\n"
		       "    cordon on;\n");
	if (wants_hsts(up->opt.domain))
		cd_buf_puts(b, "    add_header Strict-Transport-Security "
			       "$cordon_hsts always;\n");
	cd_buf_puts(b,
		    "    error_page 413 502 503 504 @cordon_trouble;\n"
		    "    location / { proxy_pass http://cordon_apps; }\n"
		    "    location @cordon_tls {\n"
		    "        proxy_pass https://cordon_tls;\n"
		    "        proxy_ssl_server_name on;\n"
		    "        proxy_ssl_name $cordon_upstream_host;\n"
		    "        proxy_ssl_verify on;\n"
		    "        proxy_ssl_verify_depth 4;\n"
		    "        proxy_ssl_protocols TLSv1.2 TLSv1.3;\n"
		    "        proxy_ssl_trusted_certificate " AUTHORITIES ";\n"
		    "    }\n"
		    "    location @cordon_pages {\n"
		    "        proxy_pass http://cordon_pages;\n"
		    "        proxy_request_buffering on;\n"
		    "        client_body_buffer_size 64k;\n"
		    "        client_max_body_size 64k;\n"
		    "        error_page 502 504 = @cordon_away;\n"
		    "    }\n"
		    "    location @cordon_denied {\n"
		    "        proxy_pass http://cordon_pages;\n"
		    "        proxy_pass_request_body off;\n"
		    "        proxy_set_header Host $http_host;\n"
		    "        proxy_set_header Connection \"\";\n"
		    "        proxy_set_header Content-Length \"\";\n"
		    "        error_page 502 504 = @cordon_away;\n"
		    "    }\n"
		    "    location @cordon_away { cordon_away; }\n"
		    "    location @cordon_trouble {\n"
		    "        cordon off;\n"
		    "        cordon_trouble;\n"
		    "    }\n"
		    "}\n");
}

/*
 * Agents of other machines, by a name of their own: on the sign-in host every
 * browser would be asked for a certificate. Which agent it is stands in the
 * certificate, whose subject must be that one name; what an agent may do is for
 * cordond to say. A handshake for another name asked for no certificate, so a
 * request in it that names this host is refused by nginx. After a change all
 * agents poll again at once: their connections to cordond are kept, because so
 * many new ones would not fit its backlog.
 */
static void put_agents(struct up *up, struct cd_buf *b)
{
	const char *run = up->opt.run;

	if (!up->opt.agents_ca)
		return;
	cd_buf_printf(b,
		      "map $ssl_client_s_dn $agent_name {\n"
		      "    \"~^CN=([a-z0-9][a-z0-9._@-]{0,62})$\" $1;\n}\n"
		      "upstream cordon_agents {\n"
		      "    server unix:%s/remote.sock;\n"
		      "    keepalive 8192;\n}\n"
		      "server {\n",
		      run);
	put_listen(up, b, UP_HTTPS, " ssl");
	cd_buf_printf(b,
		      "    server_name agents.%s;\n"
		      "    ssl_certificate $cordon_certificate;\n"
		      "    ssl_certificate_key $cordon_certificate;\n"
		      "    cordon_certificates on;\n"
		      "    ssl_client_certificate %s/gw/agents-ca.pem;\n"
		      "    ssl_verify_client on;\n"
		      "    ssl_verify_depth 2;\n"
		      "    ssl_session_cache off;\n",
		      up->opt.domain, run);
	cd_buf_puts(b, "    client_max_body_size 16k;\n"
		       "    location / { return 404; }\n"
		       "    location /v1/ {\n"
		       "        if ($ssl_client_verify != SUCCESS) "
		       "{ return 403; }\n"
		       "        if ($agent_name = \"\") { return 403; }\n"
		       "        proxy_pass http://cordon_agents;\n"
		       "        proxy_set_header Host cordon;\n"
		       "        proxy_set_header Connection \"\";\n"
		       "        proxy_set_header X-Cordon-Agent $agent_name;\n"
		       "        proxy_read_timeout 90s;\n"
		       "    }\n"
		       "}\n");
}

static void put_stream(struct up *up, const struct cd_buf *resolver,
		       const struct cd_buf *bound, struct cd_buf *b)
{
	const char *run = up->opt.run;

	if (!has_role(up, UP_TCP))
		return;
	cd_buf_printf(b,
		      "stream {\n"
		      "cordon_run %s;\n%.*s%.*s"
		      "ssl_session_cache shared:cordon_tcp:1m;\n%s"
		      "server {\n",
		      run, CD_STR_FMT(cd_buf_get(resolver)),
		      CD_STR_FMT(cd_buf_get(bound)), tls);
	put_listen(up, b, UP_TCP, " ssl");
	cd_buf_printf(b,
		      "    ssl_certificate $cordon_certificate;\n"
		      "    ssl_certificate_key $cordon_certificate;\n"
		      "    cordon_certificates on;\n"
		      "    ssl_client_certificate %s/gw/client-ca.pem;\n"
		      "    ssl_verify_client optional;\n"
		      "    ssl_verify_depth 2;\n"
		      "    ssl_handshake_timeout 15s;\n"
		      "    preread_timeout 5s;\n"
		      "    cordon on;\n"
		      "    proxy_pass $cordon_target;\n"
		      "    proxy_connect_timeout 5s;\n"
		      "    proxy_timeout 1h;\n"
		      "    tcp_nodelay on;\n"
		      "}\n}\n",
		      run);
}

static int write_file(const char *path, const char *text, size_t len)
{
	int fd = up_file_new(path);
	int err = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, len) != (ssize_t)len || fchmod(fd, 0644) < 0)
		err = errno ? -errno : -EIO;
	close(fd);
	return err;
}

int up_nginx_configure(struct up *up)
{
	struct cd_buf b cd_auto(cd_buf_done), resolver cd_auto(cd_buf_done);
	struct cd_buf bound cd_auto(cd_buf_done);
	char path[PATH_MAX];
	int err;

	cd_buf_init(&b, CONF_MAX);
	cd_buf_init(&resolver, CONF_MAX);
	cd_buf_init(&bound, CONF_MAX);
	if (up_resolver_put(up, &resolver) < 0 ||
	    put_per_address(up, &bound) < 0)
		return -1;
	put_main(up, &b);
	cd_buf_puts(&b, "http {\n");
	put_http_common(up, &b);
	cd_buf_str(&b, cd_buf_get(&resolver));
	cd_buf_str(&b, cd_buf_get(&bound));
	put_proxy(up, &b);
	put_redirect(up, &b);
	put_https(up, &b);
	put_agents(up, &b);
	cd_buf_puts(&b, "}\n");
	put_stream(up, &resolver, &bound, &b);
	up_path(path, up->opt.run, "nginx.conf");
	err = b.err ? b.err : write_file(path, b.data, b.len);
	return err ? up_fail("cannot write %s: %s", path, cd_strerror(err)) : 0;
}

static bool exists(void *path)
{
	return access(path, F_OK) == 0;
}

int up_nginx_start(struct up *up)
{
	static char conf[PATH_MAX], pid[PATH_MAX], env[256] = "NGINX=";
	static const char *argv[] = {NGINX, "-e", "stderr", "-p",
				     NULL,  "-c", conf,	    NULL};
	static const char *envv[] = {env, NULL};
	struct cd_service s = {.name = "nginx", .ready = exists, .ctx = pid};

	up_path(conf, up->opt.run, "nginx.conf");
	up_path(pid, up->opt.run, "gw/nginx.pid");
	argv[4] = up->opt.run;
	unlink(pid);
	for (size_t i = 0; i < up->n_sockets; i++) {
		size_t n = strlen(env);

		s.spawn.fds[s.spawn.n_fds++] = up->sockets[i].fd;
		snprintf(env + n, sizeof(env) - n, "%zu;", 3 + i);
	}
	s.spawn.argv = argv;
	s.spawn.env = envv;
	s.spawn.uid = up->ids[UP_GW].uid;
	s.spawn.gid = up->ids[UP_GW].gid;
	s.spawn.netns = up_demo_netns(up);
	s.spawn.nofile = NOFILE;
	return up_service_start(up, &s);
}
