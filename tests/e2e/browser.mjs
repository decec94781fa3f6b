// SPDX-License-Identifier: Apache-2.0
//
// What people do with the demo, in a real browser: sign in with a second
// factor, use an app, watch a stream, be refused with a reason, be asked for
// a fresh code, lose access while looking, sign out. TAP on standard output.
// Every wait is for a state and bounded; nothing sleeps and hopes.
import { execFile } from 'node:child_process';
import { request } from 'node:http';
import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { chromium } from 'playwright-core';

const run = promisify(execFile);
const { CORDON, CORDON_RUN, CORDON_PORT, CORDON_TMP } = process.env;
const site = (name) => `https://${name ? name + '.' : ''}localhost:${CORDON_PORT}`;
const cordon = async (...words) =>
  (await run(CORDON, [...words, '--run', CORDON_RUN])).stdout.trim();

// The admin API, as the command line uses it.
const api = (method, path, body) => new Promise((resolve, reject) => {
  const call = request({ socketPath: join(CORDON_RUN, 'api.sock'), method, path,
    headers: { Host: 'cordon', 'Content-Type': 'application/json' } }, (answer) => {
    let text = '';

    answer.setEncoding('utf8');
    answer.on('data', (part) => { text += part; });
    answer.on('end', () => (answer.statusCode < 300 ? resolve(JSON.parse(text || 'null'))
      : reject(new Error(`${method} ${path}: ${answer.statusCode} ${text}`))));
  });

  call.on('error', reject);
  call.end(body === undefined ? undefined : JSON.stringify(body));
});

let points = 0;
let failed = 0;
const contexts = [];

async function test(name, body) {
  try {
    await body();
    console.log(`ok ${++points} - ${name}`);
  } catch (error) {
    failed++;
    console.log(`${String(error.stack).replace(/^/gm, '# ')}\nnot ok ${++points} - ${name}`);
  }
}

function check(held, what) {
  if (!held) throw new Error(what);
}

// A new browser profile: nobody's cookies.
async function browser() {
  const profile = await mkdtemp(join(CORDON_TMP, 'profile-'));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    headless: true,
    timeout: 60000,
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
      '--disable-background-networking', '--disable-component-update', '--disable-sync'],
  });

  context.setDefaultTimeout(15000);
  contexts.push(context);
  return context;
}

// A code is good once: the next sign-in of the same person needs another.
const used = new Map();

async function freshCode(name) {
  for (let end = Date.now() + 40000; Date.now() < end;) {
    const code = await cordon('demo', 'code', name);

    if (used.get(name) !== code) {
      used.set(name, code);
      return code;
    }
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
  throw new Error(`no new code for ${name}`);
}

async function enter(page, label, value) {
  await page.getByLabel(label).fill(value);
}

const submit = (page) => page.locator('main form button, form button').first().click();

async function signIn(page, name, code) {
  await enter(page, 'Name', name);
  await enter(page, 'Password', await cordon('demo', 'password', name));
  await enter(page, /^Code/, code ?? await freshCode(name));
  await submit(page);
}

const alice = await browser();
const bob = await browser();
const carol = await browser();

await test('a stranger is sent to the sign-in page', async () => {
  const page = await alice.newPage();

  await page.goto(`${site('prometheus')}/classic/graph`);
  await page.waitForURL(`${site()}/**`);
  check(await page.getByLabel('Password').count() === 1, 'no password field');
});

await test('a wrong code does not sign in', async () => {
  const page = alice.pages().at(-1);

  await signIn(page, 'alice', '000000');
  await page.getByRole('alert').waitFor();
  check(page.url().startsWith(site() + '/'), page.url());
});

await test('alice signs in and arrives where she wanted to go', async () => {
  const page = await alice.newPage();

  await page.goto(`${site('prometheus')}/classic/graph`);
  await signIn(page, 'alice');
  await page.waitForURL(`${site('prometheus')}/classic/graph**`);
  check(/prometheus/i.test(await page.title()), await page.title());
});

await test("prometheus's API answers through the gateway", async () => {
  const answer = await alice.pages().at(-1).evaluate(async () =>
    (await fetch('/api/v1/query?query=up')).json());

  check(answer.status === 'success', JSON.stringify(answer));
});

await test('the app cannot read its session cookie', async () => {
  const seen = await alice.pages().at(-1).evaluate(() => document.cookie);

  check(!seen.includes('__Host-'), seen);
});

await test('bob is refused with a reason', async () => {
  const page = await bob.newPage();

  await page.goto(`${site('prometheus')}/classic/graph`);
  await signIn(page, 'bob');
  const answer = await page.waitForResponse((r) => r.url().endsWith('/classic/graph') && r.status() === 403);
  const text = await page.locator('body').innerText();

  check(answer.status() === 403, `${answer.status()}`);
  check(/polic|allow|reason/i.test(text), text);
  await writeFile(join(CORDON_TMP, 'refused.txt'), text);
});

await test('... and may ask the API', async () => {
  const page = await bob.newPage();
  const answer = await page.goto(`${site('prometheus')}/api/v1/query?query=up`);

  check(answer.status() === 200, `${answer.status()}`);
});

let socket;

await test("carol watches the statistics, live", async () => {
  const page = await carol.newPage();
  const opened = page.waitForEvent('websocket', { timeout: 30000 });

  await page.goto(`${site('stats')}/`);
  await signIn(page, 'carol');
  socket = await opened;
  await page.waitForFunction(() => Number(document.getElementById('lines')?.textContent) >= 2);
  check(await page.locator('#state').innerText() === 'live', 'not live');
});

await test('disabling her ends the stream within a second', async () => {
  const closed = new Promise((resolve) => { socket.on('close', () => resolve(Date.now())); });

  await cordon('user', 'disable', 'carol');
  const from = Date.now();
  const took = Math.max(0, await closed - from);

  console.log(`# closed ${took} ms after the command returned`);
  check(took <= 1000, `${took} ms`);
  await carol.pages().at(-1).locator('#state.cut').waitFor();
});

await test('she cannot come back', async () => {
  const page = carol.pages().at(-1);

  await page.goto(`${site('stats')}/`);
  await page.waitForURL(`${site()}/**`);
});

await test('an old second factor is asked for again', async () => {
  const { files } = await api('GET', '/v1/policy');
  const withAge = (age) => files.map(({ name, text }) => ({ name,
    text: text.replace(/(allow "finance uses prometheus"[^]*?mfa\.age < )12h/, `$1${age}`) }));

  check(JSON.stringify(withAge('1s')) !== JSON.stringify(files), 'no such rule');
  await api('POST', '/v1/policy', { files: withAge('1s') });
  const page = await alice.newPage();

  // A policy is in force on every worker within a second of its application.
  for (let end = Date.now() + 5000; Date.now() < end && !page.url().startsWith(`${site()}/`);)
    await page.goto(`${site('prometheus')}/classic/graph`);
  await page.getByLabel(/^Code/).waitFor();
  check(await page.getByLabel('Password').count() === 0, 'asked for the password too');
  await api('POST', '/v1/policy', { files: withAge('10m') }); // time to read the code
  await enter(page, /^Code/, await freshCode('alice'));
  await submit(page);
  await page.waitForURL(`${site('prometheus')}/classic/graph**`);
});

await test('alice signs out, everywhere', async () => {
  const page = await alice.newPage();

  await page.goto(`${site()}/.cordon/signout`);
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByText('You are signed out').waitFor();
  const back = await alice.newPage();

  await back.goto(`${site('prometheus')}/classic/graph`);
  await back.waitForURL(`${site()}/**`);
  await back.getByLabel('Password').waitFor();
});

await Promise.all(contexts.map((context) => context.close().catch(() => {})));
console.log(`1..${points}`);
process.exit(failed ? 1 : 0);
