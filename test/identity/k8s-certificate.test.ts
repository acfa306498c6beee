import 'reflect-metadata'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:https'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import type { TLSSocket } from 'node:tls'

import * as x509 from '@peculiar/x509'
import { afterEach, beforeEach, expect, test } from 'vitest'

import { authenticate } from '../../src/conjur/authenticate.ts'
import type { IdentityError } from '../../src/core/errors.ts'
import {
  k8sCertificate,
  namesOf,
  type K8sCertificateOptions,
} from '../../src/identity/k8s-certificate.ts'
import { createSender, type Sender } from '../../src/net/send.ts'
import { hastyClock, type FakeClock } from '../support/fake-clock.ts'
import { bodyOf } from '../support/loopback-server.ts'
import { accessTokenJson } from '../support/scripted-send.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const LOGIN = 'host/conjur/authn-k8s/prod/apps/shop/service_account/web'
const RSA = {
  name: 'RSASSA-PKCS1-v1_5',
  hash: 'SHA-256',
  modulusLength: 2048,
  publicExponent: new Uint8Array([1, 0, 1]),
}
const keys = await crypto.subtle.generateKey(RSA, true, ['sign', 'verify'])
const ca = await x509.X509CertificateGenerator.createSelfSigned({
  name: 'CN=Simulated Conjur',
  keys,
  signingAlgorithm: RSA,
  notBefore: new Date(Date.now() - 3_600_000),
  notAfter: new Date(Date.now() + 86_400_000),
  extensions: [
    new x509.BasicConstraintsExtension(true, undefined, true),
    new x509.SubjectAlternativeNameExtension([{ type: 'ip', value: '127.0.0.1' }]),
  ],
})
const caKey = `-----BEGIN PRIVATE KEY-----\n${Buffer.from(await crypto.subtle.exportKey('pkcs8', keys.privateKey)).toString('base64')}\n-----END PRIVATE KEY-----`
const signal = new AbortController().signal

let clock: FakeClock
let directory: Awaited<ReturnType<typeof temporaryDirectory>>
let certificatePath: string
let server: Server
let url: URL
let sender: Sender
let requests: { path: string; prefix: unknown; csr: x509.Pkcs10CertificateRequest }[]
let logins: { path: string; peer: string | undefined }[]
let answer: { status: number; deliver: (certificate: x509.X509Certificate) => Promise<void> }

beforeEach(async () => {
  clock = hastyClock(Date.now())
  directory = await temporaryDirectory()
  certificatePath = join(directory.path, 'client.pem')
  requests = []
  logins = []
  answer = {
    status: 202,
    deliver: (certificate) => writeFile(certificatePath, certificate.toString('pem')),
  }
  server = createServer(
    {
      key: caKey,
      cert: ca.toString('pem'),
      ca: ca.toString('pem'),
      requestCert: true,
      rejectUnauthorized: false,
    },
    (request, response) => {
      const path = request.url ?? ''
      void bodyOf(request).then(
        async (body) => {
          if (path.endsWith('/authenticate')) {
            const socket = request.socket as TLSSocket
            const { CN } = socket.authorized
              ? socket.getPeerCertificate().subject
              : { CN: undefined }
            logins.push({ path, peer: Array.isArray(CN) ? CN[0] : CN })
            return response.end(accessTokenJson({ iat: 1000, sub: LOGIN, exp: 1480 }))
          }
          const csr = new x509.Pkcs10CertificateRequest(body)
          requests.push({ path, prefix: request.headers['host-id-prefix'], csr })
          if (answer.status === 202) await answer.deliver(await sign(csr))
          return response.writeHead(answer.status).end()
        },
        () => response.destroy(),
      )
    },
  )
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  url = new URL(`https://127.0.0.1:${(server.address() as AddressInfo).port}`)
  sender = createSender({ ca: () => Promise.resolve(ca.toString('pem')), connectTimeoutMs: 2000 })
})

afterEach(async () => {
  await sender.close()
  server.close()
  server.closeAllConnections()
  await directory[Symbol.asyncDispose]()
})

test.each([
  ['host/web', 'web', 'host'],
  ['host/apps/web', 'web', 'host.apps'],
  ['host/a/b/c', 'a.b.c', 'host'],
  [LOGIN, 'shop.service_account.web', 'host.conjur.authn-k8s.prod.apps'],
])(
  'the login %s becomes the common name %s and the prefix %s',
  (login, commonName, hostIdPrefix) => {
    expect(namesOf(login)).toEqual({ commonName, hostIdPrefix })
  },
)

test('a certificate is asked for with the SPIFFE id of the pod, and taken from where Conjur puts it', async () => {
  const credential = await source().token(signal)

  expect(credential.kind).toBe('client-certificate')
  expect(requests).toHaveLength(1)
  const [{ path, prefix, csr } = { csr: undefined }] = requests
  expect([path, prefix]).toEqual([
    '/authn-k8s/prod/inject_client_cert',
    'host.conjur.authn-k8s.prod.apps',
  ])
  expect(csr?.subject).toBe('CN=shop.service_account.web')
  expect(await csr?.verify()).toBe(true)
  const san = new x509.SubjectAlternativeNameExtension(
    csr?.getExtension('2.5.29.17')?.rawData ?? new ArrayBuffer(0),
  )
  expect(san.names.toJSON()).toEqual([
    { type: 'url', value: 'spiffe://cluster.local/namespace/shop/podname/web-6f7c9' },
  ])
  expect(await readFile(certificatePath).catch(() => 'gone')).toBe('gone')
})

test('the login shows the certificate in the TLS handshake and nothing in the body', async () => {
  const { secret } = await source().token(signal)

  const token = await authenticate(
    {
      send: sender.send,
      place: { applianceUrl: url, account: 'acme' },
      authenticator: { type: 'authn-k8s', serviceId: 'prod' },
      login: LOGIN,
      timeoutMs: 2000,
      now: Date.now,
    },
    secret,
    signal,
  )

  expect(token.login).toBe(LOGIN)
  expect(logins).toEqual([
    {
      path: `/authn-k8s/prod/acme/${encodeURIComponent(LOGIN)}/authenticate`,
      peer: 'shop.service_account.web',
    },
  ])
})

test('the certificate is kept until its last half minute', async () => {
  const k8s = source()
  await k8s.token(signal)
  await k8s.token(signal)
  await clock.advance(3_600_000 - 31_000)
  await k8s.token(signal)
  const before = requests.length
  await clock.advance(2000)

  await k8s.token(signal)

  expect([before, requests.length]).toEqual([1, 2])
})

test('one that an earlier try left behind is not taken', async () => {
  await writeFile(certificatePath, ca.toString('pem'))
  answer = { ...answer, deliver: () => Promise.resolve() }

  const error = await failure({ budgetMs: 0 })

  expect(error).toMatchObject({
    code: 'IDENTITY_NOT_READY',
    message: `Conjur accepts the request, but no certificate arrives at ${certificatePath} within 150 ms`,
    hint: 'let Conjur exec into this container (RBAC pods/exec), mount a writable directory there, or raise CONJUR_CLIENT_CERT_RETRY_COUNT_LIMIT',
    retryable: true,
    facts: { path: certificatePath, copyLog: undefined },
  })
  expect(clock.waits).toEqual([50, 50, 50])
})

test("what Conjur's copying complains about is told", async () => {
  const logPath = join(directory.path, 'copy.log')
  answer = {
    ...answer,
    deliver: () => writeFile(logPath, 'sh: cannot create client.pem: Read-only file system\n'),
  }

  const error = await failure({ budgetMs: 0, logPath })

  expect(error.facts['copyLog']).toBe('sh: cannot create client.pem: Read-only file system')
})

test('a certificate of another key is IDENTITY_MALFORMED', async () => {
  answer = { ...answer, deliver: () => writeFile(certificatePath, ca.toString('pem')) }

  const error = await failure({ budgetMs: 0 })

  expect(error).toMatchObject({
    code: 'IDENTITY_MALFORMED',
    message: `what arrives at ${certificatePath} is no certificate of our key`,
    hint: `see that no other container of this pod writes ${certificatePath}`,
    retryable: true,
    facts: { path: certificatePath },
  })
})

test('so is what only looks like a certificate', async () => {
  const text = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n'
  answer = { ...answer, deliver: () => writeFile(certificatePath, text) }

  expect(await failure({ budgetMs: 0 })).toMatchObject({ code: 'IDENTITY_MALFORMED' })
})

test('one that arrives at the last look is taken', async () => {
  let certificate = ''
  answer = {
    ...answer,
    deliver: (made) => {
      certificate = made.toString('pem')
      return Promise.resolve()
    },
  }
  const late: FakeClock = {
    ...clock,
    sleep: async (ms, stop) => {
      await clock.sleep(ms, stop)
      if (clock.waits.length === 3) await writeFile(certificatePath, certificate)
    },
  }

  expect((await source({ clock: late }).token(signal)).kind).toBe('client-certificate')
})

test('of a long complaint 300 characters are told', async () => {
  const logPath = join(directory.path, 'copy.log')
  answer = { ...answer, deliver: () => writeFile(logPath, ` ${'x'.repeat(400)}\n`) }

  const error = await failure({ budgetMs: 0, logPath })

  expect(error.facts['copyLog']).toBe('x'.repeat(300))
})

test.each([429, 500])('P5 %i is waited out, and told', async (status) => {
  answer = { ...answer, status }

  const error = await failure({ budgetMs: 1000 })

  expect(clock.waits).toEqual([1000])
  expect(error).toMatchObject({
    code: 'IDENTITY_NOT_READY',
    message: `Conjur at ${url.host} answers ${status}`,
    hint: `let this pod reach ${url.host}, or correct CONJUR_APPLIANCE_URL`,
    retryable: true,
  })
})

test('P8 a Conjur that is not trusted names the settings for its CA', async () => {
  const stranger = createSender({ ca: () => Promise.resolve(undefined), connectTimeoutMs: 2000 })

  const error = await failure({ send: stranger.send })
  await stranger.close()

  expect(error).toMatchObject({
    code: 'IDENTITY_REFUSED',
    hint: "name the CA of Conjur's certificate in CONJUR_SSL_CERTIFICATE or CONJUR_CERT_FILE",
  })
})

test('it is named, and no file is watched', () => {
  expect(source()).toMatchObject({ name: 'k8s-certificate', watched: [] })
})

test('P7 nothing is asked for once the end has come', async () => {
  const reason = new Error('SIGTERM')

  await expect(source().token(AbortSignal.abort(reason))).rejects.toBe(reason)
  expect(requests).toEqual([])
})

test.each([
  [401, true],
  [403, false],
  [404, false],
])('%i is IDENTITY_REFUSED at once', async (status, retryable) => {
  answer = { ...answer, status }

  const error = await failure()

  expect(error).toMatchObject({
    code: 'IDENTITY_REFUSED',
    retryable,
    message: `Conjur at ${url.host} injects no certificate for ${LOGIN} (${status})`,
    hint: "compare the pod's namespace, service account and container with the authn-k8s/… annotations of that host; Conjur's log has the CONJ… code",
  })
  expect(requests).toHaveLength(1)
})

test('a Conjur that is away is waited for', async () => {
  answer = { ...answer, status: 503 }

  const credential = await source({
    onRetry: () => {
      answer = { ...answer, status: 202 }
    },
  }).token(signal)

  expect(credential.kind).toBe('client-certificate')
})

test('P7: aborting ends the wait for the certificate', async () => {
  const stop = new AbortController()
  const reason = new Error('SIGTERM')
  answer = {
    ...answer,
    deliver: () => {
      stop.abort(reason)
      return Promise.resolve()
    },
  }

  const error = await source()
    .token(stop.signal)
    .catch((error: unknown) => error)

  expect(error).toBe(reason)
})

async function sign(csr: x509.Pkcs10CertificateRequest): Promise<x509.X509Certificate> {
  await mkdir(directory.path, { recursive: true })
  return x509.X509CertificateGenerator.create({
    subject: csr.subject,
    issuer: ca.subject,
    publicKey: csr.publicKey,
    signingKey: keys.privateKey,
    signingAlgorithm: RSA,
    notBefore: new Date(Date.now() - 60_000),
    notAfter: new Date(Math.ceil(clock.now() / 1000) * 1000 + 3_600_000),
  })
}

function source(overrides: Partial<K8sCertificateOptions> = {}): ReturnType<typeof k8sCertificate> {
  return k8sCertificate({
    send: sender.send,
    clock,
    random: () => 0,
    injectUrl: new URL('/authn-k8s/prod/inject_client_cert', url),
    login: LOGIN,
    namespace: 'shop',
    podName: 'web-6f7c9',
    certificatePath,
    looks: 3,
    logPath: join(directory.path, 'copy.log'),
    ...overrides,
  })
}

function failure(overrides: Partial<K8sCertificateOptions> = {}): Promise<IdentityError> {
  return source(overrides)
    .token(signal)
    .then(
      () => Promise.reject(new Error('there was a certificate')),
      (error: IdentityError) => error,
    )
}
