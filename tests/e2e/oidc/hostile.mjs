// SPDX-License-Identifier: Apache-2.0
//
// A provider that can be told to misbehave. By default it does what it should
// (code flow, PKCE checked, iss parameter), and signs whoever comes in;
// `this.bad` changes one thing at a time.
import crypto from 'node:crypto';
import http from 'node:http';
import https from 'node:https';

const b64 = (v) => Buffer.from(v).toString('base64url');

export const kinds = {
  RS256: () => crypto.generateKeyPairSync('rsa', { modulusLength: 2048 }),
  ES256: () => crypto.generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  EdDSA: () => crypto.generateKeyPairSync('ed25519'),
};

export function makeKey(alg, kid) {
  return { alg, kid, ...kinds[alg]() };
}

export function sign(key, header, payload) {
  const text = `${b64(JSON.stringify(header))}.${b64(JSON.stringify(payload))}`;
  const signature = crypto.sign(key.alg === 'EdDSA' ? null : 'sha256', text,
    { key: key.privateKey, dsaEncoding: 'ieee-p1363' });
  return `${text}.${signature.toString('base64url')}`;
}

export class Hostile {
  constructor() {
    this.key = makeKey('RS256', 'one');
    this.published = [this.key];
    this.codes = new Map();
    this.count = { discovery: 0, jwks: 0, authorize: 0, token: 0 };
    this.requests = []; // queries of the authorization endpoint
    this.secrets = []; // everything that must never be in a log
    this.reset();
  }

  reset() {
    this.bad = {};
    this.claims = { sub: 'h-1', preferred_username: 'hal', name: 'Hal',
      amr: ['pwd', 'otp'] };
  }

  // tls: {key, cert} of 127.0.0.1; without it plain http.
  async listen(tls) {
    const answer = (req, res) => {
      Promise.resolve(this.#answer(req, res)).catch((e) => {
        console.error(`# ${e.stack}`);
        res.writeHead(500).end();
      });
    };
    this.server = tls ? https.createServer(tls, answer) :
      http.createServer(answer);
    await new Promise((done) => this.server.listen(0, '127.0.0.1', done));
    this.issuer =
      `http${tls ? 's' : ''}://127.0.0.1:${this.server.address().port}`;
    return this;
  }

  close() {
    this.server.closeAllConnections();
    this.server.close();
  }

  #json(res, value, status = 200) {
    res.writeHead(status, { 'content-type': 'application/json' });
    res.end(JSON.stringify(value));
  }

  async #answer(req, res) {
    const url = new URL(req.url, this.issuer);
    if (url.pathname === '/.well-known/openid-configuration')
      return this.#discovery(res);
    if (url.pathname === '/jwks') return this.#jwks(res);
    if (url.pathname === '/authorize') return this.#authorize(url, res);
    if (url.pathname === '/token') return this.#token(req, res);
    res.writeHead(404).end();
  }

  #discovery(res) {
    this.count.discovery++;
    if (this.bad.discovery) return this.bad.discovery(res);
    this.#json(res, { issuer: this.issuer,
      authorization_endpoint: `${this.issuer}/authorize`,
      token_endpoint: `${this.issuer}/token`,
      jwks_uri: `${this.issuer}/jwks`,
      response_types_supported: ['code'],
      code_challenge_methods_supported: ['S256'],
      id_token_signing_alg_values_supported: ['RS256', 'ES256', 'EdDSA'],
      authorization_response_iss_parameter_supported: true,
      ...this.bad.meta });
  }

  #jwks(res) {
    this.count.jwks++;
    if (this.bad.jwks) return this.bad.jwks(res);
    this.#json(res, { keys: this.published.map((k) => ({
      ...k.publicKey.export({ format: 'jwk' }), kid: k.kid, alg: k.alg,
      use: 'sig' })) });
  }

  #authorize(url, res) {
    const q = Object.fromEntries(url.searchParams);
    this.count.authorize++;
    this.requests.push(q);
    const code = crypto.randomBytes(24).toString('base64url');
    this.codes.set(code, q);
    this.secrets.push(code);
    const back = new URL(q.redirect_uri);
    const params = { code, state: q.state, iss: this.issuer, ...this.bad.back };
    for (const [name, value] of Object.entries(params))
      if (value !== undefined) back.searchParams.set(name, value);
    res.writeHead(303, { location: back.href }).end();
  }

  async #token(req, res) {
    let text = '';
    for await (const part of req) text += part;
    this.count.token++;
    const form = Object.fromEntries(new URLSearchParams(text));
    const q = this.codes.get(form.code);
    this.codes.delete(form.code);
    if (this.bad.token) return this.bad.token(res);
    const challenge = crypto.createHash('sha256')
      .update(form.code_verifier ?? '').digest('base64url');
    if (!q || challenge !== q.code_challenge ||
        form.redirect_uri !== q.redirect_uri)
      return this.#json(res, { error: 'invalid_grant' }, 400);
    const id_token = this.#idToken(q);
    this.secrets.push(id_token, form.code_verifier, q.nonce);
    this.#json(res, { access_token: 'unused', token_type: 'Bearer',
      expires_in: 60, id_token });
  }

  #idToken(q) {
    const now = Math.floor(Date.now() / 1000);
    const payload = { iss: this.issuer, aud: q.client_id, iat: now,
      exp: now + 300, auth_time: now, nonce: q.nonce, ...this.claims,
      ...this.bad.claims };
    const header = { alg: this.key.alg, kid: this.key.kid, typ: 'JWT',
      ...this.bad.header };
    if (this.bad.sign) return this.bad.sign(header, payload);
    return sign(this.key, header, payload);
  }
}
