// SPDX-License-Identifier: Apache-2.0
//
// A cordond with its key broker in a folder of its own, and an agent of a few
// lines that follows the change stream and so acknowledges it.
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';

const program = path.join(process.env.CORDON_BUILD, 'cordond');

// However this program ends, none of what it started lives on.
const started = new Set();
process.on('exit', () => { for (const c of started) c.kill('SIGKILL'); });
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'])
  process.on(signal, () => process.exit(1));

// Waits for a state, never for a time.
export async function until(what, test, seconds = 15) {
  const end = Date.now() + seconds * 1000;
  for (;;) {
    const value = await test();
    if (value) return value;
    if (Date.now() > end) throw new Error(`waited ${seconds} s for: ${what}`);
    await new Promise((done) => setTimeout(done, 20));
  }
}

export class Cordon {
  auth = 'https://localhost:8443';

  constructor(root, name, conf) {
    this.dir = path.join(root, name);
    for (const d of ['run', 'state', 'conf'])
      fs.mkdirSync(path.join(this.dir, d), { recursive: true });
    fs.mkdirSync(path.join(this.dir, 'state/keys'), { mode: 0o700 });
    fs.writeFileSync(this.file('conf/cordon.conf'), conf);
    this.children = [];
  }

  file(name) { return path.join(this.dir, name); }
  socket(name) { return this.file(`run/${name}.sock`); }
  log(name = 'cordond') {
    return fs.readFileSync(this.file(`${name}.log`), 'utf8');
  }

  #spawn(name, args) {
    const out = fs.openSync(this.file(`${name}.log`), 'a');
    const child = spawn(program, args, { stdio: ['ignore', out, out] });
    fs.closeSync(out);
    const entry = { child, code: undefined };
    started.add(child);
    child.on('exit', (code, signal) => {
      started.delete(child);
      entry.code = code ?? signal;
    });
    this.children.push(entry);
    return entry;
  }

  spawnMain() {
    return this.#spawn('cordond', ['--run', this.file('run'), '--state',
      this.file('state'), '--conf', this.file('conf'), '--auth-url',
      this.auth]);
  }

  async start() {
    const uid = String(process.getuid());
    this.#spawn('keys', ['--keys', '--run', this.file('run'), '--state',
      this.file('state'), '--issuer', this.auth, '--uid-controller', uid,
      '--uid-gateway', uid]);
    await until('keys.sock', () => fs.existsSync(this.socket('keys/keys')));
    const main = this.spawnMain();
    await until('cordond', async () => {
      if (main.code !== undefined) throw new Error(this.log());
      try {
        return (await this.api('GET', '/v1/status')).status === 200;
      } catch { return false; }
    });
    return this;
  }

  async stop() {
    this.stopping = true;
    for (const { child, code } of this.children.reverse())
      if (code === undefined) child.kill('SIGTERM');
    await until('the end', () =>
      this.children.every((e) => e.code !== undefined), 10);
  }

  request(socket, method, path_, body, timeout = 30000) {
    return new Promise((done, fail) => {
      const req = http.request({ socketPath: this.socket(socket), method,
        path: path_, headers: { host: 'cordon',
          'content-type': 'application/json' }, timeout }, (res) => {
        const parts = [];
        res.on('data', (d) => parts.push(d));
        res.on('end', () => done({ status: res.statusCode,
          headers: res.headers, body: Buffer.concat(parts) }));
      });
      req.on('timeout', () => req.destroy(new Error('no answer')));
      req.on('error', fail);
      req.end(body === undefined ? '' : JSON.stringify(body));
    });
  }

  async api(method, path_, body) {
    const a = await this.request('api', method, path_, body);
    const text = a.body.toString();
    return { status: a.status, json: text ? JSON.parse(text) : undefined };
  }

  // Acknowledges what comes; returns after the first answer.
  async agent() {
    let from = 0;
    const round = async () => {
      const a = await this.request('agent', 'GET',
        `/v1/stream?agent=local&from=${from}&wait=5`);
      if (a.headers['x-cordon-last'])
        from = Number(a.headers['x-cordon-last']) + 1;
    };
    await round();
    this.following = (async () => {
      while (!this.stopping) {
        try { await round(); } catch { return; }
      }
    })();
  }

  async user(name) {
    const a = await this.api('GET', `/v1/users/${encodeURIComponent(name)}`);
    return a.status === 200 ? a.json : undefined;
  }

  async sessions(name) {
    const a = await this.api('GET', `/v1/sessions?user=${name}`);
    if (a.status !== 404) return a.json.items;
    return [];
  }
}
