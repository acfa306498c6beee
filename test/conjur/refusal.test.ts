import { expect, test } from 'vitest'
import { authenticate } from '../../src/conjur/authenticate.ts'
import type { Authenticator } from '../../src/conjur/address.ts'
import { conjurCode, noReply, unexpectedReply } from '../../src/conjur/refusal.ts'
import { ConjurError } from '../../src/core/errors.ts'
import { SendFailure, type HttpReply, type SendFailureKind } from '../../src/core/http.ts'
import { Secret } from '../../src/core/secret.ts'
import { reply, scriptedSend } from '../support/scripted-send.ts'

const asked = { what: 'variable apps/web/key', host: 'conjur.example.com', now: 0 }
const jwt = { type: 'authn-jwt', serviceId: 'prod' } as const

/** All that a reader is told. */
function told(error: unknown): Readonly<Record<string, unknown>> {
  expect(error).toBeInstanceOf(ConjurError)
  if (!(error instanceof ConjurError)) throw error
  const { code, message, hint, retryable, facts } = error
  return { code, message, hint, retryable, facts }
}

async function refused(
  answer: HttpReply,
  authenticator: Authenticator,
  login: string | undefined,
): Promise<Readonly<Record<string, unknown>>> {
  const { send } = scriptedSend(() => answer)
  const place = { applianceUrl: new URL('https://conjur.example.com'), account: 'acme' }
  const options = { send, place, authenticator, login, timeoutMs: 1000, now: () => 0 }
  const { signal } = new AbortController()
  return told(await authenticate(options, new Secret('k'), signal).catch((error: unknown) => error))
}

const REDIRECTED = {
  code: 'CONJUR_BAD_REPLY',
  hint: 'set CONJUR_APPLIANCE_URL to the address that Conjur itself answers',
  retryable: false,
}
const AWAY = {
  code: 'CONJUR_UNAVAILABLE',
  hint: "look at Conjur's own health and log; it is asked again",
  retryable: true,
}
const STRANGE = {
  code: 'CONJUR_BAD_REPLY',
  message: "conjur.example.com answers variable apps/web/key with something that is not Conjur's",
  hint: 'curl -i conjur.example.com shows who answers there: a proxy, a portal, or a base path that is missing in CONJUR_APPLIANCE_URL',
  retryable: true,
}
const REJECTED = {
  code: 'CONJUR_REJECTED',
  hint: "see Conjur's own log at this time for the CONJ… code",
  retryable: false,
}

test.each([
  [300, REDIRECTED],
  [302, REDIRECTED],
  [399, REDIRECTED],
  [429, AWAY],
  [500, AWAY],
  [599, AWAY],
  [200, STRANGE],
  [201, STRANGE],
  [204, STRANGE],
  [202, REJECTED],
  [299, REJECTED],
  [400, REJECTED],
  [418, REJECTED],
  [499, REJECTED],
])('P5 a reply of %i says what it is and where to look', (status, expected) => {
  const messages: Readonly<Record<string, string>> = {
    CONJUR_BAD_REPLY: `conjur.example.com redirects variable apps/web/key elsewhere (${status}); redirects are not followed`,
    CONJUR_UNAVAILABLE: `conjur.example.com cannot answer variable apps/web/key now (${status})`,
    CONJUR_REJECTED: `conjur.example.com rejects variable apps/web/key (${status})`,
  }

  const error = told(unexpectedReply(reply(status), asked))

  expect(error).toMatchObject({ message: messages[expected.code], ...expected })
  expect(error['facts']).toEqual({
    host: 'conjur.example.com',
    status,
    ...(expected === STRANGE ? { contentType: undefined } : {}),
  })
})

test('a page in the place of an answer is named by its type', () => {
  const page = reply(200, '<html>', { 'content-type': 'text/html' })

  expect(unexpectedReply(page, asked).facts).toEqual({
    host: 'conjur.example.com',
    status: 200,
    contentType: 'text/html',
  })
})

test("Conjur's own code goes into the facts, wherever it stands in the first 4 KiB", () => {
  const said = '{"error":{"message":"CONJ00190W it is so"}}'

  expect(unexpectedReply(reply(422, said), asked).facts['conjurCode']).toBe('CONJ00190W')
  expect(conjurCode(reply(422, 'CONJ0019W'))).toBeUndefined()
  expect(conjurCode(reply(422, 'XCONJ00190W'))).toBeUndefined()
  expect(conjurCode(reply(422, `${' '.repeat(4096)}CONJ00190W`))).toBeUndefined()
})

test('P9 a server that asks to be left alone is', () => {
  const away = reply(503, '', { 'retry-after': 'Thu, 01 Jan 1970 00:00:09 GMT' })

  expect(unexpectedReply(away, { ...asked, now: 2000 }).retryAfterMs).toBe(7000)
})

const SHOW = 'openssl s_client -showcerts -connect conjur.example.com:443'
const REACH =
  'curl -v https://conjur.example.com/ from this machine; then CONJUR_APPLIANCE_URL, its DNS name and the network policy'

test.each<[SendFailureKind, string, string]>([
  ['unresolved', 'the name conjur.example.com does not resolve', REACH],
  ['refused', 'conjur.example.com refuses the connection', REACH],
  ['unroutable', 'there is no route to conjur.example.com', REACH],
  ['timeout', 'conjur.example.com does not answer in time', REACH],
  ['reset', 'conjur.example.com closes the connection without an answer', REACH],
  ['cut', 'the answer of conjur.example.com ends before it is complete', REACH],
  ['too-large', 'the answer of conjur.example.com is too long', REACH],
  ['malformed', 'conjur.example.com answers with something that is not HTTP', REACH],
  [
    'proxy',
    'the proxy conjur.example.com lets nothing through',
    'curl -v https://conjur.example.com/ through HTTPS_PROXY; to go without it put conjur.example.com into NO_PROXY',
  ],
])('P5 no reply (%s) is told, and how to see it', (kind, message, hint) => {
  const error = noReply(new SendFailure(kind, 'conjur.example.com'), asked)

  expect(told(error)).toEqual({
    code: 'CONJUR_UNREACHABLE',
    message,
    hint,
    retryable: true,
    facts: { host: 'conjur.example.com', kind },
  })
})

test.each<[SendFailureKind, string, string]>([
  [
    'tls-untrusted',
    'the certificate of conjur.example.com is signed by nobody we trust',
    `put the CA that signed it into CONJUR_SSL_CERTIFICATE or CONJUR_CERT_FILE; ${SHOW} shows the chain`,
  ],
  [
    'tls-wrong-name',
    'the certificate of conjur.example.com names another host',
    `set CONJUR_APPLIANCE_URL to a name that stands in the certificate; ${SHOW} shows it`,
  ],
  [
    'tls-expired',
    'the certificate of conjur.example.com is expired or not yet valid',
    `compare the clock (date -u) with the certificate's dates; ${SHOW} shows them`,
  ],
  [
    'tls-failed',
    'no TLS session can be made with conjur.example.com',
    `${SHOW} shows where the handshake ends`,
  ],
])(
  'P8 a server that cannot be trusted (%s) is told, and not tried again',
  (kind, message, hint) => {
    const error = noReply(new SendFailure(kind, 'conjur.example.com'), asked)

    expect(told(error)).toEqual({
      code: 'CONJUR_UNTRUSTED',
      message,
      hint,
      retryable: false,
      facts: { host: 'conjur.example.com', kind },
    })
  },
)

test('behind a proxy that lets nothing through it is Conjur that is named', () => {
  expect(told(noReply(new SendFailure('proxy', 'proxy.example.com:3128'), asked))).toMatchObject({
    message: 'the proxy proxy.example.com:3128 lets nothing through',
    hint: 'curl -v https://conjur.example.com/ through HTTPS_PROXY; to go without it put conjur.example.com into NO_PROXY',
    facts: { host: 'conjur.example.com', kind: 'proxy' },
  })
})

test('the command to see a certificate names the port that is used', () => {
  const failure = new SendFailure('tls-failed', 'conjur.example.com:8443')

  expect(noReply(failure, { ...asked, host: 'conjur.example.com:8443' })).toMatchObject({
    hint: 'openssl s_client -showcerts -connect conjur.example.com:8443 shows where the handshake ends',
  })
})

test('what is no failure of the network is passed on as it is', () => {
  const fault = new TypeError('ours')

  expect(noReply(fault, asked)).toBe(fault)
})

const LOGIN_FACTS = {
  host: 'conjur.example.com',
  authenticator: 'authn-jwt/prod',
  login: 'host/apps/web',
}

test.each([
  [
    reply(400),
    {
      code: 'CONJUR_REJECTED',
      message: 'Conjur finds no token in login host/apps/web with authn-jwt/prod (400)',
      hint: 'conjur-agent doctor shows the platform token; an empty or cut token file gives this answer',
      retryable: false,
      facts: { ...LOGIN_FACTS, status: 400 },
    },
  ],
  [
    reply(401),
    {
      code: 'CONJUR_UNAUTHENTICATED',
      message: 'Conjur refuses login host/apps/web with authn-jwt/prod (401)',
      hint: "compare the token's claims with the annotations of that host; Conjur's own log has the CONJ… code",
      retryable: true,
      facts: { ...LOGIN_FACTS, status: 401 },
    },
  ],
  [
    reply(401, 'CONJ00016E Token expired'),
    {
      code: 'CONJUR_UNAUTHENTICATED',
      message:
        'Conjur refuses login host/apps/web with authn-jwt/prod: the platform token is expired by its clock (401, CONJ00016E)',
      hint: 'compare date -u here and on the Conjur server, then see whether the platform renews the token',
      retryable: true,
      facts: { ...LOGIN_FACTS, status: 401, conjurCode: 'CONJ00016E' },
    },
  ],
  [
    reply(403),
    {
      code: 'CONJUR_FORBIDDEN',
      message: 'Conjur knows host/apps/web but does not let it use authn-jwt/prod (403)',
      hint: 'grant it authenticate on webservice conjur/authn-jwt/prod: add it to the group that has it',
      retryable: false,
      facts: { ...LOGIN_FACTS, status: 403 },
    },
  ],
  [
    reply(404),
    {
      code: 'CONJUR_NOT_FOUND',
      message: 'conjur.example.com has no route for login host/apps/web with authn-jwt/prod (404)',
      hint: 'compare CONJUR_APPLIANCE_URL (a base path such as /api?) and CONJUR_ACCOUNT with the server',
      retryable: false,
      facts: { ...LOGIN_FACTS, status: 404 },
    },
  ],
])('P5 a login that is refused is told whole: %#', async (answer, expected) => {
  expect(await refused(answer, jwt, 'host/apps/web')).toEqual(expected)
})

test('of several servers the one that refuses is named', async () => {
  const answer = { ...reply(404), from: 'dr.example.com' }

  expect(await refused(answer, jwt, 'host/apps/web')).toMatchObject({
    message: 'dr.example.com has no route for login host/apps/web with authn-jwt/prod (404)',
    facts: { host: 'dr.example.com' },
  })
})

test('a login that only the token names is called that', async () => {
  expect(await refused(reply(403), jwt, undefined)).toMatchObject({
    message: 'Conjur knows this host but does not let it use authn-jwt/prod (403)',
    facts: { host: 'conjur.example.com', status: 403, authenticator: 'authn-jwt/prod' },
  })
  expect(await refused(reply(401), jwt, undefined)).toEqual({
    code: 'CONJUR_UNAUTHENTICATED',
    message: 'Conjur refuses login the host that the token names with authn-jwt/prod (401)',
    hint: "compare the token's claims with the annotations of that host; Conjur's own log has the CONJ… code",
    retryable: true,
    facts: { host: 'conjur.example.com', status: 401, authenticator: 'authn-jwt/prod' },
  })
})

test.each([
  ['authn-azure', "compare the token's claims with the annotations of that host"],
  ['authn-gcp', "compare the token's claims with the annotations of that host"],
  ['authn-oidc', 'see that the claim named by id-token-user-property is a login that Conjur knows'],
  [
    'authn-iam',
    "see that the login ends in /<aws-account>/<role-name> and this machine's clock is right (date -u)",
  ],
  ['authn-k8s', 'see that the host is the one the certificate was asked for'],
  ['authn', "compare the key with the host's own: conjur host rotate-api-key gives a new one"],
] as const)('a refused login with %s says what to compare', async (type, compare) => {
  const told = await refused(reply(401), { type, serviceId: undefined }, 'host/apps/web')

  expect(told['message']).toBe(`Conjur refuses login host/apps/web with ${type} (401)`)
  expect(told['hint']).toBe(`${compare}; Conjur's own log has the CONJ… code`)
})

test('authn-k8s shows its certificate in the handshake, and an empty body', async () => {
  const { send, requests } = scriptedSend(() => reply(401))
  const place = { applianceUrl: new URL('https://conjur.example.com'), account: 'acme' }
  const authenticator = { type: 'authn-k8s', serviceId: 'prod' } as const
  const login = 'host/apps/web'
  const certificate = new Secret('pem')

  await authenticate(
    { send, place, authenticator, login, timeoutMs: 1234, now: () => 0 },
    certificate,
    new AbortController().signal,
  ).catch(() => undefined)

  expect(requests[0]).toMatchObject({
    method: 'POST',
    headers: { 'Content-Type': 'text/plain', 'Accept-Encoding': 'base64' },
    body: '',
    clientCertificate: certificate,
    deadlineMs: 1234,
    maxBodyBytes: 65_536,
  })
  expect(requests[0]?.url.href).toBe(
    'https://conjur.example.com/authn-k8s/prod/acme/host%2Fapps%2Fweb/authenticate',
  )
})

test.each(['admin', 'user/admin'])('P5 a login as %s is told whole', async (login) => {
  expect(await refused(reply(200), jwt, login)).toEqual({
    code: 'CONJUR_REJECTED',
    message: `login as ${login} is refused here; nothing was sent`,
    hint: 'give the workload a host of its own and name it in CONJUR_AUTHN_LOGIN: host/<path>',
    retryable: false,
    facts: { login },
  })
})
