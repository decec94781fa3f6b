// SPDX-License-Identifier: Apache-2.0
//
// As much of a browser as sign-in needs: a cookie jar a host, redirects, the
// meta refresh of our pages. Hosts behind the gateway are reached through
// cordond's own socket, with the headers that a gateway sets.
import http from 'node:http';
import https from 'node:https';

let people = 0;

export class Browser {
  constructor(cordon, addr = `198.51.100.${++people % 250}`) {
    this.cordon = cordon;
    this.addr = addr;
    this.jar = new Map(); // host -> Map(name -> value)
    this.seen = []; // every URL asked for
  }

  cookies(host) {
    if (!this.jar.has(host)) this.jar.set(host, new Map());
    return this.jar.get(host);
  }

  #store(host, lines) {
    for (const line of [].concat(lines ?? [])) {
      const [pair, ...attributes] = line.split(';').map((s) => s.trim());
      const at = pair.indexOf('=');
      const name = pair.slice(0, at);
      const gone = attributes.some((a) => /^max-age=0$/i.test(a) ||
        (/^expires=/i.test(a) && new Date(a.slice(8)) < new Date()));
      if (name.startsWith('__Host-') &&
          !(attributes.includes('Secure') && attributes.includes('Path=/') &&
            !attributes.some((a) => /^domain/i.test(a))))
        throw new Error(`${name} breaks the rules of its prefix: ${line}`);
      if (gone) this.cookies(host).delete(name);
      else this.cookies(host).set(name, pair.slice(at + 1));
    }
  }

  // One request, no redirect followed.
  async get(url) {
    const u = new URL(url);
    const ours = u.hostname.endsWith('localhost');
    this.seen.push(u.href);
    const headers = { host: u.host };
    const jar = [...this.cookies(u.host)].map(([n, v]) => `${n}=${v}`);
    if (jar.length) headers.cookie = jar.join('; ');
    if (ours) headers['x-cordon-client-addr'] = this.addr;
    const where = ours ? { socketPath: this.cordon.socket('public') } :
      { host: u.hostname, port: u.port, ca: this.cordon.ca };
    const client = u.protocol === 'https:' && !ours ? https : http;
    const answer = await new Promise((done, fail) => {
      const req = client.request({ ...where, path: u.pathname + u.search, headers,
        timeout: 20000 }, (res) => {
        const parts = [];
        res.on('data', (d) => parts.push(d));
        res.on('end', () => done({ status: res.statusCode, url: u.href,
          headers: res.headers, body: Buffer.concat(parts).toString() }));
      });
      req.on('timeout', () => req.destroy(new Error(`no answer: ${u.href}`)));
      req.on('error', fail);
      req.end();
    });
    this.#store(u.host, answer.headers['set-cookie']);
    return answer;
  }

  next(answer) {
    const to = answer.headers.location ??
      answer.body.match(/http-equiv="refresh" content="0;url=([^"]+)"/)?.[1]
        .replaceAll('&amp;', '&');
    return to && new URL(to, answer.url).href;
  }

  // Follows until nothing is left to follow, or `stop` says so of a URL.
  async go(url, stop = () => false) {
    for (let i = 0; i < 25; i++) {
      const answer = await this.get(url);
      const to = this.next(answer);
      if (!to) return answer;
      if (stop(to)) return { ...answer, stopped: to };
      url = to;
    }
    throw new Error(`too many redirects: ${this.seen.slice(-6).join(' ')}`);
  }
}
