// SPDX-License-Identifier: Apache-2.0
//
// Sign-in with an identity provider, as browsers and hostile providers do it,
// against a running cordond. TAP on standard output.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import crypto from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';

import { Browser } from './browser.mjs';
import { Cordon, until } from './cordon.mjs';
import { Hostile, makeKey, sign } from './hostile.mjs';
import { Real } from './provider.mjs';

const AUTH = 'https://localhost:8443';
const START = `${AUTH}/.cordon/oidc/start`;
const CALLBACK = `${AUTH}/.cordon/oidc/callback`;
let nr = 0;
let failed = 0;
const root = fs.mkdtempSync(path.join(os.tmpdir(), 'cordon-oidc.'));
const cleanup = [];
process.on('exit', () => {
  if (failed && process.env.OIDC_KEEP) console.error(`# kept: ${root}`);
  else fs.rmSync(root, { recursive: true, force: true });
});

async function test(name, run) {
  try {
    await run();
    console.log(`ok ${++nr} - ${name}`);
  } catch (e) {
    failed++;
    console.error(e.stack.replace(/^/gm, '# '));
    console.log(`not ok ${++nr} - ${name}`);
  }
}

// ---- a real provider ----

async function real() {
  const p = await new Real(CALLBACK).listen();
  cleanup.push(() => p.close());
  const secret = path.join(root, 'client-secret');
  fs.writeFileSync(secret, p.secret, { mode: 0o600 });
  const c = await new Cordon(root, 'real', `# the real provider
oidc_issuer ${p.issuer}
oidc_title Example & Sons
oidc_client_id cordon
oidc_client_secret_file ${secret}
oidc_groups_claim groups
`);
  cleanup.push(() => c.stop());
  await c.start();
  await realTests(p, c);
}

async function realTests(p, c) {
  const browser = new Browser(c);

  await test('the sign-in page offers the provider', async () => {
    const a = await browser.get(`${AUTH}/.cordon/signin?app=stats&to=/x`);
    assert.equal(a.status, 200);
    assert.match(a.body, /Sign in with Example &amp; Sons/);
    assert.match(a.body, /\/\.cordon\/oidc\/start\?app=stats&amp;to=\/x/);
  });

  await test('sign-in makes a person, groups and a session', async () => {
    const a = await browser.go(START);
    assert.equal(a.status, 200, a.body);
    assert.equal(a.url, `${AUTH}/`);
    assert.match(a.body, /Alice Example/);
    const user = await c.user('alice');
    assert.equal(user.display, 'Alice Example');
    assert.equal(user.email, 'alice@example.com');
    // The admins' group never comes from a provider.
    assert.deepEqual(user.groups, ['finance']);
    assert.equal(user.has_password, false);
    const [s] = await c.sessions('alice');
    assert.equal(s.kind, 'person');
    assert.equal(s.mfa_kind, 'totp');
    assert.ok(Math.abs(Date.parse(s.mfa_at) - Date.now()) < 60e3, s.mfa_at);
  });

  await test('what was asked carries PKCE, state, nonce, max_age', () => {
    const u = new URL(browser.seen.find((s) => s.includes('/auth?')));
    const q = Object.fromEntries(u.searchParams);
    assert.equal(q.code_challenge_method, 'S256');
    assert.match(q.code_challenge, /^[\w-]{43}$/);
    assert.match(q.state, /^[\w-]{43}$/);
    assert.match(q.nonce, /^[\w-]{43}$/);
    assert.equal(q.max_age, '43200');
    assert.equal(q.redirect_uri, CALLBACK);
  });

  await test('from there to an app, acknowledged, then used', async () => {
    await c.agent();
    const applied = await c.api('POST', '/v1/policy', { files: [{
      name: 'p.cordon', text: `version 1
app stats
  url      https://stats.localhost:8443
  upstream http://127.0.0.1:9
allow "finance sees stats"
  from group finance
  to   app stats
` }] });
    assert.equal(applied.status, 200, JSON.stringify(applied.json));
    const a = await browser.go(`${AUTH}/.cordon/start?app=stats&to=/graph`,
      (to) => to === 'https://stats.localhost:8443/graph');
    assert.equal(a.stopped, 'https://stats.localhost:8443/graph', a.body);
    assert.match(browser.cookies('stats.localhost:8443').get('__Host-cordon'),
      /^[\w-]{43}$/);
    const kinds = (await c.sessions('alice')).map((s) => s.kind);
    assert.deepEqual(kinds.sort(), ['app', 'person']);
  });

  await test('a replayed callback is refused, the session stays', async () => {
    const back = browser.seen.find((s) => s.startsWith(CALLBACK));
    const a = await browser.get(back);
    assert.equal(a.status, 403);
    assert.match(a.body, /interrupted/);
    assert.equal((await c.sessions('alice')).length, 2);
  });

  await test('a replayed code is refused by the provider, and so here',
    async () => {
      const thief = new Browser(c, '192.0.2.66');
      const used = new URL(browser.seen.find((s) => s.startsWith(CALLBACK)));
      const held = await thief.go(START, (to) => to.startsWith(CALLBACK));
      const mine = new URL(held.stopped);
      mine.searchParams.set('code', used.searchParams.get('code'));
      const a = await thief.get(mine.href);
      assert.equal(a.status, 403);
      assert.match(a.body, /could not be verified/);
      assert.equal(thief.cookies('localhost:8443').get('__Host-cordon-auth'),
        undefined);
    });

  await test('step-up asks the provider again', async () => {
    const before = (await c.sessions('alice')).find((s) => s.kind === 'person');
    const asked = p.logins;
    browser.seen = [];
    await until('another second', () =>
      Date.now() > Date.parse(before.mfa_at) + 1100);
    const a = await browser.go(`${AUTH}/.cordon/stepup`);
    assert.equal(a.status, 200, a.body);
    assert.equal(p.logins, asked + 1);
    const q = new URL(browser.seen.find((s) => s.includes('/auth?')));
    assert.equal(q.searchParams.get('prompt'), 'login');
    assert.equal(q.searchParams.get('max_age'), '0');
    const after = (await c.sessions('alice')).find((s) => s.kind === 'person');
    assert.equal(after.id, before.id);
    assert.ok(Date.parse(after.mfa_at) > Date.parse(before.mfa_at));
    const apps = (await c.sessions('alice')).filter((s) => s.kind === 'app');
    assert.equal(apps[0].mfa_at, after.mfa_at);
  });

  await test('a stolen cookie is worth nothing after a step-up', async () => {
    const stolen = browser.cookies('localhost:8443').get('__Host-cordon-auth');
    await browser.go(`${START}?need=stepup`);
    const now = browser.cookies('localhost:8443').get('__Host-cordon-auth');
    assert.notEqual(now, stolen);
    const thief = new Browser(c, '192.0.2.67');
    thief.cookies('localhost:8443').set('__Host-cordon-auth', stolen);
    const a = await thief.get(`${AUTH}/`);
    assert.match(a.headers.location ?? '', /signin/);
    assert.equal((await browser.get(`${AUTH}/`)).status, 200);
  });

  await test('the kind is that of the proof whose age counts', async () => {
    const kinds = async () =>
      (await c.sessions('alice')).map((s) => s.mfa_kind);
    p.login = { accountId: 'alice-sub', amr: ['pwd', 'hwk'] };
    await browser.go(`${START}?need=stepup`);
    assert.deepEqual(await kinds(), ['webauthn', 'webauthn']);
    p.login = { accountId: 'alice-sub', amr: ['pwd', 'otp'] };
    await browser.go(`${START}?need=stepup`);
    assert.deepEqual(await kinds(), ['totp', 'totp']);
  });

  await test('step-up without a second factor is no step-up', async () => {
    const [before] = await c.sessions('alice');
    p.login = { accountId: 'alice-sub', amr: ['pwd'] };
    const a = await browser.go(`${START}?need=stepup`);
    assert.equal(a.status, 403);
    assert.match(a.body, /second factor/);
    const [after] = await c.sessions('alice');
    assert.equal(after.mfa_at, before.mfa_at);
  });

  await test('step-up as somebody else is refused', async () => {
    p.people['mallory-sub'] = { preferred_username: 'mallory' };
    p.login = { accountId: 'mallory-sub', amr: ['otp'] };
    browser.jar.delete(new URL(p.issuer).host); // signed out there
    const a = await browser.go(`${START}?need=stepup`);
    assert.equal(a.status, 403);
    assert.match(a.body, /somebody else/);
    assert.equal(await c.user('mallory'), undefined);
  });
  p.login = { accountId: 'alice-sub', amr: ['pwd', 'otp'] };

  await test('a group the claim no longer gives is taken away', async () => {
    await c.api('PATCH', '/v1/groups/finance', { add: [], remove: [] });
    await c.api('POST', '/v1/groups', { name: 'local' });
    await c.api('PATCH', '/v1/groups/local', { add: ['alice'] });
    p.people['alice-sub'].groups = ['ops', 'Not A Name'];
    await new Browser(c).go(START);
    assert.deepEqual((await c.user('alice')).groups, ['local', 'ops']);
  });

  for (const alg of ['ES256', 'EdDSA']) {
    await test(`keys are rotated, to ${alg}, without a restart`, async () => {
      p.rotate(alg);
      const a = await new Browser(c).go(START);
      assert.equal(a.url, `${AUTH}/`, a.body);
    });
  }

  await test('a disabled person is refused, and told no more', async () => {
    await c.api('POST', '/v1/users/alice/disable');
    const a = await new Browser(c).go(START);
    assert.equal(a.status, 403);
    assert.match(a.body, /no account here/);
    assert.deepEqual(await c.sessions('alice'), []);
    await c.api('POST', '/v1/users/alice/enable');
  });

  await test('a name that is taken is not taken over', async () => {
    await c.api('POST', '/v1/users', { name: 'root', password: 'x'.repeat(20),
      email: 'root@example.com' });
    p.people['eve-sub'] = { preferred_username: 'root',
      email: 'root@example.com' };
    p.login = { accountId: 'eve-sub', amr: ['otp'] };
    const a = await new Browser(c).go(START);
    assert.equal(a.status, 403);
    assert.match(a.body, /no account here/);
    assert.deepEqual(await c.sessions('root'), []);
  });

  await test('an admin links it, and then it is that account', async () => {
    const linked = await c.api('PATCH', '/v1/users/root',
      { oidc_subject: 'eve-sub' });
    assert.equal(linked.status, 200, JSON.stringify(linked.json));
    assert.equal(linked.json.oidc_subject, 'eve-sub');
    const a = await new Browser(c).go(START);
    assert.equal(a.url, `${AUTH}/`, a.body);
    assert.match(a.body, /root/);
    const twice = await c.api('PATCH', '/v1/users/alice',
      { oidc_subject: 'eve-sub' });
    assert.equal(twice.status, 409);
  });

  await test('the log holds no secret', async () => {
    const log = c.log() + c.log('keys');
    assert.ok(log.includes('OIDC_KEYS'));
    assert.ok(!log.includes(p.secret));
    for (const url of browser.seen.filter((s) => s.startsWith(CALLBACK)))
      for (const name of ['code', 'state']) {
        const value = new URL(url).searchParams.get(name);
        assert.ok(value && !log.includes(value), name);
      }
  });
}

// ---- a hostile provider ----

async function hostile() {
  const p = await new Hostile().listen();
  cleanup.push(() => p.close());
  const c = await new Cordon(root, 'hostile', `oidc_issuer ${p.issuer}
oidc_client_id cordon
oidc_groups_claim groups
`);
  cleanup.push(() => c.stop());
  await c.start();
  await tokenTests(p, c);
  await flowTests(p, c);
  await test('refusals are in the journal, with the check', async () => {
    const dir = c.file('state/cordond/journal');
    for (const text of ['ANSWER: BAD_NONCE', 'ANSWER: EXPIRED',
      'ANSWER: another issuer', 'TOO_OLD: TOO_OLD', 'NO_ACCOUNT: '])
      await until(text, () => fs.readdirSync(dir).some((f) =>
        fs.readFileSync(path.join(dir, f), 'latin1').includes(text)));
  });
  await answerTests(p, c);
  await test('the log of the hostile day holds no secret either', () => {
    const log = c.log();
    assert.ok(p.secrets.length > 40);
    for (const s of p.secrets) assert.ok(!log.includes(s));
  });
}

// A fresh browser each, so that no test leans on another's cookies.
async function refused(p, c, name, change, text = /could not be verified/) {
  await test(name, async () => {
    const b = new Browser(c);
    p.reset();
    change(p);
    const a = await b.go(START);
    assert.ok([403, 502].includes(a.status), `${a.status} ${a.url} ${a.body}`);
    assert.match(a.body, text);
    assert.equal(b.cookies('localhost:8443').get('__Host-cordon-auth'),
      undefined);
    assert.deepEqual((await c.sessions('hal')), []);
  });
}

async function tokenTests(p, c) {
  const now = () => Math.floor(Date.now() / 1000);
  const other = makeKey('RS256', 'one');
  const pem = () => p.key.publicKey.export({ type: 'spki', format: 'pem' });
  const hmac = (key) => (header, payload) => {
    const text = [{ ...header, alg: 'HS256' }, payload]
      .map((o) => Buffer.from(JSON.stringify(o)).toString('base64url'))
      .join('.');
    return `${text}.${crypto.createHmac('sha256', key).update(text)
      .digest('base64url')}`;
  };
  const bad = (name, what, text) =>
    refused(p, c, name, (h) => { h.bad = what(h); }, text);

  await bad('wrong aud', () => ({ claims: { aud: 'other' } }));
  await bad('several aud without azp',
    () => ({ claims: { aud: ['cordon', 'other'] } }));
  await bad('azp of another client', () => ({ claims: { azp: 'other' } }));
  await bad('wrong iss', () => ({ claims: { iss: 'https://evil.example' } }));
  await bad('a key of the same name that is another',
    () => ({ sign: (h, pl) => sign(other, h, pl) }));
  await bad('alg none', () => ({ sign: (h, pl) =>
    `${sign(other, { ...h, alg: 'none' }, pl).split('.').slice(0, 2)
      .join('.')}.` }));
  await bad('alg HS256 with the public key in PEM',
    (h) => ({ sign: hmac(pem(h)) }));
  await bad('alg HS256 with the modulus', (h) => ({ sign: hmac(Buffer.from(
    h.key.publicKey.export({ format: 'jwk' }).n, 'base64url')) }));
  await bad('a key in the header of the token', () => ({
    header: { jwk: other.publicKey.export({ format: 'jwk' }) },
    sign: (h, pl) => sign(other, h, pl) }));
  await bad('a critical header', () => ({ header: { crit: ['exp'] } }));
  await bad('nonce of another sign-in',
    () => ({ claims: { nonce: 'x'.repeat(43) } }));
  await bad('no nonce', () => ({ claims: { nonce: undefined } }));
  await bad('an expired token',
    () => ({ claims: { iat: now() - 700, exp: now() - 400 } }));
  await bad('no exp', () => ({ claims: { exp: undefined } }));
  await bad('a token made before it was asked for',
    () => ({ claims: { iat: now() - 300 } }));
  await bad('a token from the future',
    () => ({ claims: { iat: now() + 900, exp: now() + 1200 } }));
  await bad('auth_time beyond max_age',
    () => ({ claims: { auth_time: now() - 50000 } }), /fresh sign-in/);
  await bad('no auth_time', () => ({ claims: { auth_time: undefined } }),
    /fresh sign-in/);
  await bad('no sub', () => ({ claims: { sub: undefined } }));
  await bad('groups that are no names', () => ({ claims: { groups: [{}] } }));
  await bad('more groups than may be', () => ({ claims: {
    groups: Array.from({ length: 257 }, (_, i) => `g${i}`) } }));
  await bad('groups kept elsewhere', () => ({ claims: {
    _claim_names: { groups: 'src1' } } }));
  await bad('a name that is none',
    () => ({ claims: { preferred_username: '../x' } }), /no account/);
}

async function flowTests(p, c) {
  await test('the same provider, behaving, signs in', async () => {
    p.reset();
    const a = await new Browser(c).go(START);
    assert.equal(a.url, `${AUTH}/`, a.body);
    assert.match(a.body, /Hal/);
    assert.equal((await c.sessions('hal')).length, 1);
    await c.api('POST', '/v1/sessions/revoke', { user: 'hal' });
  });

  await test('state from another browser is refused and used up', async () => {
    const victim = new Browser(c);
    const attacker = new Browser(c);
    const held = await attacker.go(START, (to) => to.startsWith(CALLBACK));
    await victim.go(START, (to) => to.startsWith(CALLBACK));
    const tokens = p.count.token;
    for (const b of [victim, attacker]) {
      const a = await b.get(held.stopped);
      assert.equal(a.status, 403);
      assert.match(a.body, /began in another browser/);
      assert.equal(b.cookies('localhost:8443').get('__Host-cordon-auth'),
        undefined);
    }
    assert.equal(p.count.token, tokens); // the code was never sent
  });

  await test('a callback nobody asked for', async () => {
    const b = new Browser(c);
    for (const q of ['', '?code=x', '?code=x&state=y',
      `?code=x&state=${'A'.repeat(43)}`, '?error=access_denied']) {
      const a = await b.get(CALLBACK + q);
      assert.equal(a.status, 403);
    }
  });

  await refused(p, c, 'mix-up: the answer names another issuer',
    (h) => { h.bad = { back: { iss: 'https://evil.example' } }; });
  await refused(p, c, 'mix-up: the answer names no issuer',
    (h) => { h.bad = { back: { iss: undefined } }; });
  await test('in a mix-up the code is not sent anywhere', async () => {
    const tokens = p.count.token;
    p.bad = { back: { iss: 'https://evil.example' } };
    await new Browser(c).go(START);
    assert.equal(p.count.token, tokens);
  });
  await refused(p, c, 'the provider says no, its words are not shown',
    (h) => { h.bad = { back: { code: undefined, error: 'access_denied',
      error_description: '<script>alert(1)</script>' } }; },
    /^(?![^]*script)[^]*did not sign you in/);
  await refused(p, c, 'no code', (h) => { h.bad = { back: { code: '' } }; });

  await test('step-up with an auth_time from before', async () => {
    const b = new Browser(c);
    p.reset();
    await b.go(START);
    const [before] = await c.sessions('hal');
    p.bad = { claims: { auth_time: Math.floor(Date.now() / 1000) - 300 } };
    const a = await b.go(`${START}?need=stepup`);
    assert.equal(a.status, 403);
    assert.match(a.body, /fresh sign-in/);
    const q = p.requests.at(-1);
    assert.equal(q.prompt, 'login');
    assert.equal(q.max_age, '0');
    const [after] = await c.sessions('hal');
    assert.deepEqual(after, { ...before, seen: after.seen });
    await c.api('POST', '/v1/sessions/revoke', { user: 'hal' });
  });

  await test('made-up codes from one address are slowed down', async () => {
    const tokens = p.count.token;
    let a;
    p.reset();
    for (let i = 0; i < 70 && a?.status !== 429; i++) {
      const b = new Browser(c, '203.0.113.9');
      const held = await b.go(START, (to) => to.startsWith(CALLBACK));
      const made = new URL(held.stopped);
      made.searchParams.set('code', `guess-${i}`);
      a = await b.get(made.href);
    }
    assert.equal(a.status, 429);
    assert.ok(Number(a.headers['retry-after']) > 0);
    assert.equal(p.count.token - tokens, 50);
    // Somebody elsewhere is not held up.
    const fine = await new Browser(c).go(START);
    assert.equal(fine.url, `${AUTH}/`, fine.body);
    await c.api('POST', '/v1/sessions/revoke', { user: 'hal' });
  });

  await test('to another host is nowhere', async () => {
    p.reset();
    const b = new Browser(c);
    const a = await b.go(
      `${START}?app=${encodeURIComponent('//evil.example')}&to=//evil.example`);
    assert.ok(b.seen.every((u) => !new URL(u).host.includes('evil')));
    assert.equal(new URL(a.url).host, 'localhost:8443');
    await c.api('POST', '/v1/sessions/revoke', { user: 'hal' });
  });
}

async function answerTests(p, c) {
  await test('rotation is followed once; forged kids cost no storm',
    async () => {
      p.reset();
      p.key = makeKey('ES256', 'two');
      p.published = [p.key];
      const before = p.count.jwks;
      let a = await new Browser(c).go(START);
      assert.equal(a.url, `${AUTH}/`, a.body);
      assert.equal(p.count.jwks, before + 1);
      const stranger = makeKey('ES256', 'never-published');
      p.bad = { sign: (h, pl) => sign(stranger, { ...h, kid: stranger.kid },
        pl) };
      for (let i = 0; i < 12; i++) {
        a = await new Browser(c).go(START);
        assert.equal(a.status, 403);
      }
      assert.ok(p.count.jwks - before <= 4, `${p.count.jwks - before}`);
      await c.api('POST', '/v1/sessions/revoke', { user: 'hal' });
    });

  await refused(p, c, 'a token answer of 10 MB',
    (h) => { h.bad = { token: (res) => {
      res.writeHead(200, { 'content-type': 'application/json' });
      res.end(JSON.stringify({ id_token: 'x'.repeat(10e6) }));
    } }; }, /could not be verified|did not answer/);
  await refused(p, c, 'a token answer that redirects', (h) => {
    h.bad = { token: (res) =>
      res.writeHead(302, { location: '/jwks' }).end() };
  }, /did not answer/);
  await refused(p, c, 'a token answer that is no JSON',
    (h) => { h.bad = { token: (res) => res.end('<html>') }; },
    /could not be verified|did not answer/);

  await test('a provider that hangs holds up nobody else', async () => {
    p.reset();
    p.bad = { token: () => {} };
    const slow = new Browser(c).go(START);
    const tokens = p.count.token;
    await until('the code is sent', () => p.count.token > tokens);
    const began = Date.now();
    for (let i = 0; i < 50; i++)
      assert.equal((await c.api('GET', '/v1/status')).status, 200);
    assert.ok(Date.now() - began < 2000);
    const a = await slow;
    assert.equal(a.status, 502);
    assert.match(a.body, /did not answer/);
  });

  await test('stopping answers whoever waits', async () => {
    p.reset();
    p.bad = { token: () => {} };
    const tokens = p.count.token;
    const waiting = new Browser(c).go(START).catch((e) => e);
    await until('the code is sent', () => p.count.token > tokens);
    const began = Date.now();
    await c.stop();
    const a = await waiting;
    assert.ok(a instanceof Error || a.status >= 500, a.body);
    assert.ok(Date.now() - began < 5000);
    assert.deepEqual(c.children.map((e) => e.code), [0, 0]);
  });
}

// ---- discovery and configuration ----

async function discovery() {
  const cases = [
    ['another issuer', { meta: { issuer: 'https://evil.example' } }],
    ['an issuer with a slash more', { slash: true }],
    ['a token endpoint without TLS elsewhere',
      { meta: { token_endpoint: 'http://192.0.2.1/token' } }],
    ['only PKCE plain', { meta: { code_challenge_methods_supported:
      ['plain'] } }],
    ['only HS256', { meta: { id_token_signing_alg_values_supported:
      ['HS256'] } }],
    ['a redirect', { discovery: (res) =>
      res.writeHead(302, { location: '/jwks' }).end() }],
    ['no keys', { jwks: (res) => res.end('{"keys":[]}') }],
    ['a document of 1 MB', { discovery: (res) => res.end(
      `{"x":"${'y'.repeat(1 << 20)}"}`) }],
  ];
  const p = await new Hostile().listen();
  cleanup.push(() => p.close());
  const c = new Cordon(root, 'discovery', `oidc_issuer ${p.issuer}
oidc_client_id cordon
`);
  cleanup.push(() => c.stop());
  p.bad = { meta: { issuer: 'https://evil.example' } };
  await c.start();
  for (const [name, bad] of cases) {
    await test(`discovery refused: ${name}`, async () => {
      p.reset();
      p.bad = bad.slash ? { meta: { issuer: `${p.issuer}/` } } : bad;
      const before = p.count.discovery;
      // A failure is remembered for a moment: wait until it was asked again.
      const a = await until('it is asked again', async () => {
        const answer = await new Browser(c).go(START);
        return p.count.discovery > before && answer;
      });
      assert.equal(a.status, 502);
      assert.equal(p.count.authorize, 0);
      assert.doesNotMatch(a.body, /evil|127\.0\.0\.1/);
    });
  }
  await test('a provider that comes to its senses is used', async () => {
    p.reset();
    const a = await until('sign-in', async () => {
      const answer = await new Browser(c).go(START);
      return answer.url === `${AUTH}/` && answer;
    });
    assert.match(a.body, /Hal/);
  });
}

// ---- TLS ----

function certificate(name) {
  const [key, cert] = ['key', 'pem'].map((s) => path.join(root, `${name}.${s}`));
  execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt',
    'ec_paramgen_curve:P-256', '-nodes', '-keyout', key, '-out', cert, '-days',
    '2', '-subj', `/CN=${name}`, '-addext', 'subjectAltName=IP:127.0.0.1'],
  { stdio: 'ignore' });
  return { file: cert, key: fs.readFileSync(key), cert: fs.readFileSync(cert) };
}

async function overTls() {
  const ours = certificate('ours');
  const theirs = certificate('theirs');
  const p = await new Hostile().listen(ours);
  cleanup.push(() => p.close());
  const make = async (name, more) => {
    const c = new Cordon(root, name, `oidc_issuer ${p.issuer}
oidc_client_id cordon
${more}`);
    cleanup.push(() => c.stop());
    c.ca = ours.cert;
    return c.start();
  };
  await test('over TLS, with a CA of its own', async () => {
    const c = await make('tls', `oidc_ca_file ${ours.file}\n`);
    const a = await new Browser(c).go(START);
    assert.equal(a.url, `${AUTH}/`, a.body);
  });
  for (const [name, more] of [['the system\'s CAs', ''],
    ['another CA', `oidc_ca_file ${theirs.file}\n`]])
    await test(`a certificate that ${name} did not issue`, async () => {
      const c = await make(`tls-${more.length}`, more);
      const before = p.count.discovery;
      const a = await new Browser(c).go(START);
      assert.equal(a.status, 502);
      assert.equal(p.count.discovery, before);
      assert.match(c.log(), /OIDC_FETCH_FAILED.*certificate/);
    });
}

async function configuration() {
  const open = path.join(root, 'open-secret');
  fs.writeFileSync(open, 'correct-horse');
  fs.chmodSync(open, 0o644);
  const cases = [
    ['a misspelt key', '\noidc_isuer https://x.example\n',
      /cordon\.conf:2:.*oidc_isuer/],
    ['a secret in the file', 'oidc_client_secret hunter2\n',
      /cordon\.conf:1:.*oidc_client_secret/],
    ['an issuer without TLS', 'oidc_issuer http://id.example.com\n',
      /cordon\.conf:1:.*oidc_issuer/],
    ['no client', 'oidc_issuer https://id.example.com\n', /oidc_client_id/],
    ['a secret that others may read', `oidc_issuer https://id.example.com
oidc_client_id cordon
oidc_client_secret_file ${open}
`, /open-secret.*chmod/],
  ];
  for (const [i, [name, conf, text]] of cases.entries()) {
    await test(`configuration refused: ${name}`, async () => {
      const c = new Cordon(root, `conf${i}`, conf);
      const main = c.spawnMain();
      cleanup.push(() => c.stop());
      await until('the end of cordond', () => main.code !== undefined);
      assert.notEqual(main.code, 0);
      assert.match(c.log(), text);
      assert.ok(!c.log().includes('hunter2'));
    });
  }
  await test('without a provider nothing is offered', async () => {
    const c = new Cordon(root, 'none', '');
    cleanup.push(() => c.stop());
    await c.start();
    const b = new Browser(c);
    assert.equal((await b.get(START)).status, 404);
    assert.equal((await b.get(CALLBACK)).status, 404);
    assert.doesNotMatch((await b.get(`${AUTH}/.cordon/signin`)).body,
      /oidc/);
  });
}

try {
  await real();
  await hostile();
  await discovery();
  await overTls();
  await configuration();
} catch (e) {
  failed++;
  console.error(e.stack.replace(/^/gm, '# '));
  console.log(`not ok ${++nr} - the suite ran to its end`);
} finally {
  for (const undo of cleanup.reverse())
    await Promise.resolve(undo()).catch(() => {});
}
console.log(`1..${nr}`);
process.exit(failed ? 1 : 0);
