// SPDX-License-Identifier: Apache-2.0
//
// The real provider: npm's oidc-provider, certified by the OpenID Foundation,
// with interactions that answer by themselves. `rotate()` puts a new one with
// a new key in its place; the old key is gone from its key set at once.
import crypto from 'node:crypto';
import http from 'node:http';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

const module_ = path.join(process.env.OIDC_MODULES,
  'oidc-provider/lib/index.js');

export class Real {
  login = { accountId: 'alice-sub', amr: ['pwd', 'otp'] };
  people = {
    'alice-sub': { preferred_username: 'Alice', name: 'Alice Example',
      email: 'alice@example.com', groups: ['finance', 'admins'] },
  };
  logins = 0; // times somebody was asked

  constructor(redirect_uri) {
    this.secret = crypto.randomBytes(24).toString('base64url');
    this.redirect_uri = redirect_uri;
    this.keys = 0;
  }

  async listen() {
    // It says at length that it is not production; so it is.
    console.warn = console.info = () => {};
    this.Provider = (await import(pathToFileURL(module_).href)).default;
    this.server = http.createServer((req, res) => this.#answer(req, res));
    await new Promise((done) => this.server.listen(0, '127.0.0.1', done));
    this.issuer = `http://127.0.0.1:${this.server.address().port}`;
    this.rotate('RS256');
    return this;
  }

  close() {
    this.server.closeAllConnections();
    this.server.close();
  }

  #jwk(alg) {
    const make = {
      RS256: () => crypto.generateKeyPairSync('rsa', { modulusLength: 2048 }),
      ES256: () => crypto.generateKeyPairSync('ec', { namedCurve: 'P-256' }),
      EdDSA: () => crypto.generateKeyPairSync('ed25519'),
    };
    return { ...make[alg]().privateKey.export({ format: 'jwk' }),
      kid: `k${++this.keys}`, use: 'sig', alg };
  }

  rotate(alg) {
    this.provider = new this.Provider(this.issuer, {
      clients: [{ client_id: 'cordon', client_secret: this.secret,
        redirect_uris: [this.redirect_uri], id_token_signed_response_alg: alg,
        grant_types: ['authorization_code'], response_types: ['code'] }],
      jwks: { keys: [this.#jwk(alg)] },
      cookies: { keys: ['only-for-tests'] },
      claims: { openid: ['sub', 'amr', 'auth_time', 'preferred_username',
        'name', 'email', 'groups'] },
      conformIdTokenClaims: false,
      enabledJWA: { idTokenSigningAlgValues: ['RS256', 'ES256', 'EdDSA'] },
      features: { devInteractions: { enabled: false } },
      pkce: { required: () => true, methods: ['S256'] },
      interactions: { url: (_, i) => `/interaction/${i.uid}` },
      findAccount: (_, sub) => ({ accountId: sub,
        claims: async () => ({ sub, ...this.people[sub] }) }),
    });
    this.callback = this.provider.callback();
  }

  async #answer(req, res) {
    if (!req.url.startsWith('/interaction/')) return this.callback(req, res);
    try {
      const { prompt, params, session } =
        await this.provider.interactionDetails(req, res);
      const result = {};
      if (prompt.name === 'login') {
        this.logins++;
        result.login = this.login;
      } else {
        const grant = new this.provider.Grant({ clientId: params.client_id,
          accountId: session.accountId });
        grant.addOIDCScope(params.scope);
        result.consent = { grantId: await grant.save() };
      }
      await this.provider.interactionFinished(req, res, result,
        { mergeWithLastSubmission: true });
    } catch (e) {
      console.error(`# ${e.stack}`);
      res.writeHead(500).end();
    }
  }
}
