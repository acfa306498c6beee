import type { TLSSocket } from 'node:tls'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'

import { afterEach, beforeEach, expect, test } from 'vitest'

import { createSource } from '../../src/identity/create.ts'
import type { IdentitySource } from '../../src/identity/source.ts'
import { readTokenProxyCa } from '../../src/identity/token-proxy.ts'
import { createSender, type Sender } from '../../src/net/send.ts'
import { testCa } from '../support/certificate.ts'
import { hastyClock, type FakeClock } from '../support/fake-clock.ts'
import { loopbackServer, type LoopbackServer } from '../support/loopback-server.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'
import { azureClaims, serviceAccountClaims, tokenMaker } from '../support/token-maker.ts'

const NAME = 'proxy.example.com'
const ca = await testCa()
const other = await testCa('Another CA')
const maker = await tokenMaker({ now: Date.now })
const signal = new AbortController().signal

let clock: FakeClock
let directory: Awaited<ReturnType<typeof temporaryDirectory>>
let caFile: string
let server: LoopbackServer
let seen: (readonly [string | false | null | undefined, string | undefined])[]
let senders: Sender[]

beforeEach(async () => {
  clock = hastyClock(Date.now())
  directory = await temporaryDirectory()
  caFile = join(directory.path, 'ca.crt')
  await writeFile(caFile, ca.cert)
  await writeFile(join(directory.path, 'token'), await maker.make(serviceAccountClaims()))
  seen = []
  senders = []
  const jwt = await maker.make(azureClaims())
  server = await loopbackServer(
    (request, response) => {
      seen.push([(request.socket as TLSSocket).servername, request.url])
      response.end(JSON.stringify({ access_token: jwt }))
    },
    await ca.issue({ names: [NAME] }),
  )
})

afterEach(async () => {
  await Promise.all(senders.map((sender) => sender.close()))
  await server.close()
  await directory[Symbol.asyncDispose]()
})

test('the token request goes to the proxy, below its path, by its own server name', async () => {
  const token = await source('/bindings/').token(signal)

  expect(token.kind).toBe('jwt')
  expect(seen).toEqual([[NAME, '/bindings/tenant/oauth2/v2.0/token']])
})

test('a proxy that another CA vouches for is not trusted', async () => {
  await writeFile(caFile, other.cert)

  const error = await source('/')
    .token(signal)
    .catch((error: unknown) => error)

  expect(error).toMatchObject({
    code: 'IDENTITY_REFUSED',
    hint: 'AZURE_KUBERNETES_CA_FILE must hold the CA that signs it',
    retryable: false,
  })
  expect(seen).toEqual([])
})

test('P10: an empty CA file is being replaced; it is read again', async () => {
  await writeFile(caFile, '')
  const waited: string[] = []

  const token = await source('/', (code) => {
    waited.push(code)
    return writeFile(caFile, ca.cert)
  }).token(signal)

  expect(token.kind).toBe('jwt')
  expect(waited).toEqual(['IDENTITY_NOT_READY'])
})

test('a CA file that is not there is IDENTITY_ABSENT', async () => {
  caFile = join(directory.path, 'gone')

  const error = await source('/')
    .token(signal)
    .catch((error: unknown) => error)

  expect(error).toMatchObject({
    code: 'IDENTITY_ABSENT',
    hint: expect.stringContaining('AZURE_KUBERNETES_CA_FILE'),
  })
})

test('P5 what keeps the CA from being read is told whole', async () => {
  const file = join(directory.path, 'empty.crt')
  await writeFile(file, '')
  const gone = `${file}.gone`
  const facts = { path: file }

  await expect(readTokenProxyCa({ file })).rejects.toMatchObject({
    code: 'IDENTITY_NOT_READY',
    message: `the token proxy's CA file ${file} holds no certificate`,
    hint: `wait while the platform replaces it; else see what writes it: ls -l ${file}`,
    retryable: true,
    facts,
  })
  await expect(readTokenProxyCa({ file: gone })).rejects.toMatchObject({
    code: 'IDENTITY_ABSENT',
    message: `the token proxy's CA file ${gone} cannot be read`,
    hint: `AZURE_KUBERNETES_CA_FILE must name a file that is mounted: ls -l ${gone}`,
    retryable: false,
    facts: { path: gone },
  })
})

test("a CA that is given as text is that text, and none is the system's roots", async () => {
  expect(await readTokenProxyCa({ pem: ca.cert })).toBe(ca.cert)
  expect(await readTokenProxyCa({ file: caFile })).toBe(ca.cert)
  expect(await readTokenProxyCa(undefined)).toBeUndefined()
})

function source(
  path: string,
  onWait: (code: string) => Promise<void> = () => Promise.resolve(),
): IdentitySource {
  let told = Promise.resolve()
  const nowhere = (): Promise<never> => Promise.reject(new Error('nobody is asked directly'))
  return createSource(
    {
      kind: 'azure-workload-identity',
      tokenFile: join(directory.path, 'token'),
      clientId: 'client',
      tenantId: 'tenant',
      authorityHost: new URL('https://login.microsoftonline.com/'),
      resource: 'https://management.azure.com/',
      tokenProxy: { url: new URL(path, server.url), serverName: NAME, ca: { file: caFile } },
    },
    {
      clock: {
        now: () => clock.now(),
        sleep: async (ms, stop) => {
          await told
          return clock.sleep(ms, stop)
        },
      },
      onRetry: ({ code }) => {
        told = onWait(code)
      },
      toPlatform: nowhere,
      toInternet: nowhere,
      toConjur: nowhere,
      toTokenProxy: (proxy) => {
        const sender = createSender({
          ca: () => readTokenProxyCa(proxy.ca),
          serverName: proxy.serverName,
          connectTimeoutMs: 2000,
        })
        senders.push(sender)
        return sender.send
      },
      createToken: nowhere,
      environment: {},
    },
  )
}
