// A real OAuth 2 / OpenID Connect server that was not written here (npm oidc-provider), for the tests.
//
//   node oidc.mjs '{"clients": [{"client_id": "…", "client_secret": "…", "redirect_uris": ["…"]}], "access_token_seconds": 5}'
//
// Strict on purpose: PKCE with S256 always, a refresh token works once and its second use kills the whole grant, access tokens
// live for seconds, answers carry the issuer (RFC 9207). Any name of letters is an account. With `"par": true` it takes pushed
// requests (RFC 9126), with `"dpop": true` it binds tokens to keys (RFC 9449) and wants a nonce in every proof. Beside it stands
// a small API that keeps records by author, and on another port the controls of the tests. Prints both addresses as one line of
// JSON and ends when its standard input closes.
import { createServer } from 'node:http';
import { createHash, createPublicKey, generateKeyPairSync, randomBytes, randomUUID, verify } from 'node:crypto';
import Provider from 'oidc-provider';

const options = JSON.parse(process.argv[2] ?? '{}');
process.stdin.resume().on('end', () => process.exit(0));

// -- what the server knows --
const store = new Map();
const records = [];
let requests = [];
// Who signs in at the next page without being asked; null: the page asks.
let next = null;
let fault = null;
let delay = { milliseconds: 0 };

class Adapter {
  constructor(model) {
    this.model = model;
  }
  key(id) {
    return `${this.model}:${id}`;
  }
  async upsert(id, payload, expiresIn) {
    store.set(this.key(id), { model: this.model, payload, until: expiresIn ? Date.now() + expiresIn * 1000 : Infinity });
  }
  async find(id) {
    const entry = store.get(this.key(id));
    return entry && entry.until > Date.now() ? entry.payload : undefined;
  }
  async findByUid(uid) {
    return [...store.values()].find((entry) => entry.model === this.model && entry.payload.uid === uid)?.payload;
  }
  async findByUserCode(code) {
    return [...store.values()].find((entry) => entry.model === this.model && entry.payload.userCode === code)?.payload;
  }
  async consume(id) {
    store.get(this.key(id)).payload.consumed = Math.floor(Date.now() / 1000);
  }
  async destroy(id) {
    store.delete(this.key(id));
  }
  async revokeByGrantId(grantId) {
    for (const [key, { payload }] of store) if (payload.grantId === grantId) store.delete(key);
  }
}

function grants() {
  return [...store.values()]
    .filter(({ model }) => model === 'Grant')
    .map(({ payload }) => ({ grant: payload.jti, account: payload.accountId, client: payload.clientId, scope: payload.openid?.scope ?? '' }));
}

// As a person would in the settings of their account: every grant of this account, and what was issued under it.
function revoke(account) {
  const revoked = grants().filter((grant) => grant.account === account);
  for (const { grant } of revoked) {
    for (const [key, { model, payload }] of store) {
      if (payload.grantId === grant || (model === 'Grant' && payload.jti === grant)) store.delete(key);
    }
  }
  return revoked.length;
}

// -- the server --
const server = createServer();
await new Promise((ready) => server.listen(0, '127.0.0.1', ready));
const issuer = `http://127.0.0.1:${server.address().port}`;

const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
const provider = new Provider(issuer, {
  adapter: Adapter,
  clients: (options.clients ?? []).map((client) => ({
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    ...client,
  })),
  jwks: { keys: [{ ...privateKey.export({ format: 'jwk' }), use: 'sig', kid: 'tests' }] },
  cookies: { keys: [randomUUID()] },
  scopes: ['openid', 'offline_access', 'email', 'profile', 'records.read', 'records.write', 'read', 'write'],
  claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name', 'preferred_username'] },
  findAccount: async (_ctx, id) => ({
    accountId: id,
    claims: async () => ({ sub: id, email: `${id}@idp.example`, email_verified: true, name: id, preferred_username: id }),
  }),
  pkce: { required: () => true },
  rotateRefreshToken: true,
  issueRefreshToken: async (_ctx, client) => client.grantTypeAllowed('refresh_token'),
  revokeGrantPolicy: () => true,
  interactions: { url: (_ctx, interaction) => `/interaction/${interaction.uid}` },
  features: {
    devInteractions: { enabled: false },
    introspection: { enabled: true, allowedPolicy: async () => true },
    revocation: { enabled: true, allowedPolicy: async () => true },
    userinfo: { enabled: true },
    pushedAuthorizationRequests: { enabled: options.par === true },
    dPoP: { enabled: options.dpop === true, nonceSecret: randomBytes(32), requireNonce: () => true },
  },
  ttl: {
    AccessToken: options.access_token_seconds ?? 5,
    AuthorizationCode: 60,
    RefreshToken: options.refresh_token_seconds ?? 86400,
    IdToken: 3600,
    Interaction: 3600,
    Session: 86400,
    Grant: 86400,
  },
  renderError: async (ctx, out) => {
    ctx.type = 'html';
    ctx.body = page('Error', `<p id="error">${escape(out.error)}: ${escape(out.error_description ?? '')}</p>`);
  },
});

provider.use(async (ctx, proceed) => {
  const token = ctx.path === '/token';
  if (token && delay.milliseconds) await new Promise((done) => setTimeout(done, delay.milliseconds));
  if (token && fault && fault.times > 0) {
    fault.times -= 1;
    ctx.status = fault.status;
    ctx.body = fault.body;
    requests.push({ route: 'token', grant_type: null, account: null, status: fault.status, error: 'fault' });
    return;
  }
  await proceed();
  if (ctx.oidc?.route) {
    requests.push({
      route: ctx.oidc.route,
      grant_type: ctx.oidc.params?.grant_type ?? null,
      account: ctx.oidc.entities?.Account?.accountId ?? null,
      status: ctx.status,
      error: ctx.body?.error ?? null,
      proved: ctx.get('dpop') !== '',
    });
  }
});

// -- pages of the server: who are you, do you agree --
const escape = (text) => String(text).replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
const page = (title, body) => `<!doctype html><html lang="en"><title>${title}</title><h1>${title}</h1>${body}</html>`;

async function agree(details) {
  const { prompt, params, session, grantId } = details;
  const accountId = session.accountId;
  const grant = grantId ? await provider.Grant.find(grantId) : new provider.Grant({ accountId, clientId: params.client_id });
  grant.addOIDCScope(params.scope);
  if (prompt.details.missingOIDCClaims) grant.addOIDCClaims(prompt.details.missingOIDCClaims);
  return { consent: { grantId: await grant.save() } };
}

async function interaction(request, response, action) {
  const details = await provider.interactionDetails(request, response);
  const { uid, prompt, params } = details;
  const finish = (result) => provider.interactionFinished(request, response, result, { mergeWithLastSubmission: prompt.name !== 'login' });
  if (action === 'abort') return finish({ error: 'access_denied', error_description: 'the person said no' });
  if (prompt.name === 'login') {
    const account = action === 'login' ? (await form(request)).get('account') : next;
    if (account) return finish({ login: { accountId: account } });
    return html(response, page('Sign in', `<form method="post" action="/interaction/${uid}/login"><input name="account" value="">
      <button>Sign in</button></form><form method="post" action="/interaction/${uid}/abort"><button>Cancel</button></form>`));
  }
  if (action === 'confirm' || next) return finish(await agree(details));
  return html(response, page('Allow access', `<p>${escape(params.client_id)} asks for ${escape(params.scope)}</p>
    <form method="post" action="/interaction/${uid}/confirm"><button>Allow</button></form>
    <form method="post" action="/interaction/${uid}/abort"><button>Refuse</button></form>`));
}

// The thumbprint of the key that a request proves to hold, for this token; none if anything about the proof is wrong.
function proved(request, path, token) {
  const [head, body, signature] = (request.headers.dpop ?? '').split('.');
  const read = (part) => JSON.parse(Buffer.from(part ?? '', 'base64url').toString('utf8'));
  const hash = (text) => createHash('sha256').update(text).digest('base64url');
  try {
    const { jwk, typ, alg } = read(head);
    const { htm, htu, iat, ath } = read(body);
    const key = createPublicKey({ key: jwk, format: 'jwk' });
    const signed = verify('sha256', Buffer.from(`${head}.${body}`), { key, dsaEncoding: 'ieee-p1363' }, Buffer.from(signature, 'base64url'));
    const fits = typ === 'dpop+jwt' && alg === 'ES256' && htm === request.method && htu === issuer + path && ath === hash(token);
    if (!signed || !fits || Math.abs(iat - Date.now() / 1000) > 60) return undefined;
    return hash(JSON.stringify({ crv: jwk.crv, kty: jwk.kty, x: jwk.x, y: jwk.y }));
  } catch {
    return undefined;
  }
}

// -- an API behind it: records, each with its author; a repeated Idempotency-Key answers with the first record --
async function api(request, response, path) {
  const [, scheme, shown] = /^(Bearer|DPoP) (.+)$/i.exec(request.headers.authorization ?? '') ?? [];
  const found = shown && (await provider.AccessToken.find(shown));
  // A token that is bound to a key counts with its proof alone, and one that is not as a bearer's alone.
  const right = found?.jkt ? /^DPoP$/i.test(scheme) && proved(request, path, shown) === found.jkt : /^Bearer$/i.test(scheme);
  const token = found && right ? found : undefined;
  if (!token) {
    response.setHeader('www-authenticate', 'Bearer error="invalid_token"');
    return json(response, 401, { error: 'invalid_token' });
  }
  if (path === '/api/records' && request.method === 'POST') {
    const key = request.headers['idempotency-key'] ?? null;
    const known = key && records.find((record) => record.key === key && record.author === token.accountId);
    if (known) return json(response, 200, known);
    const record = { id: `rec_${records.length + 1}`, author: token.accountId, key, fields: JSON.parse((await text(request)) || '{}') };
    records.push(record);
    return json(response, 201, record);
  }
  if (path === '/api/records') return json(response, 200, { records: records.filter((record) => record.author === token.accountId) });
  if (path === '/api/me') return json(response, 200, { id: token.accountId, name: token.accountId, email: `${token.accountId}@idp.example` });
  return json(response, 404, { error: 'not_found' });
}

// -- the controls of the tests, on a port of their own --
const admin = createServer(async (request, response) => {
  const url = new URL(request.url, 'http://admin');
  const body = request.method === 'POST' ? JSON.parse((await text(request)) || '{}') : {};
  switch (`${request.method} ${url.pathname}`) {
    case 'GET /requests':
      return json(response, 200, requests);
    case 'POST /forget':
      requests = [];
      return json(response, 200, {});
    case 'GET /grants':
      return json(response, 200, grants());
    case 'GET /records':
      return json(response, 200, records);
    case 'POST /revoke':
      return json(response, 200, { revoked: revoke(body.account) });
    case 'POST /client':
      store.set(`Client:${body.client_id}`, {
        model: 'Client',
        payload: { grant_types: ['authorization_code', 'refresh_token'], response_types: ['code'], ...body },
        until: Infinity,
      });
      return json(response, 200, {});
    case 'POST /next':
      next = body.account ?? null;
      return json(response, 200, {});
    case 'POST /fault':
      fault = { times: 1, status: 503, body: '', ...body };
      return json(response, 200, {});
    case 'POST /delay':
      delay = { milliseconds: body.milliseconds ?? 0 };
      return json(response, 200, {});
    default:
      return json(response, 404, { error: 'not_found' });
  }
});
await new Promise((ready) => admin.listen(0, '127.0.0.1', ready));

async function text(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}
const form = async (request) => new URLSearchParams(await text(request));
function json(response, status, value) {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
}
function html(response, body) {
  response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }).end(body);
}

const callback = provider.callback();
server.on('request', async (request, response) => {
  const { pathname } = new URL(request.url, issuer);
  const [, first, , action] = pathname.split('/');
  try {
    if (first === 'interaction') await interaction(request, response, action);
    else if (first === 'api') await api(request, response, pathname);
    else callback(request, response);
  } catch (error) {
    if (!response.headersSent) response.writeHead(400, { 'content-type': 'text/plain' });
    response.end(`${error.name}: ${error.message}`);
  }
});

console.log(JSON.stringify({ issuer, admin: `http://127.0.0.1:${admin.address().port}` }));
