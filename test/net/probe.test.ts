import { expect, test } from 'vitest'
import { SendFailure } from '../../src/core/http.ts'
import { certificatesIn, probe } from '../../src/net/probe.ts'
import { testCa, type Issued } from '../support/certificate.ts'
import { loopbackServer } from '../support/loopback-server.ts'

const ca = await testCa('Example Root CA')
const { signal } = new AbortController()

async function shown(issued: Issued, trusted: string | undefined): ReturnType<typeof probe.tls> {
  await using server = await loopbackServer(() => undefined, issued)
  return await probe.tls(server.url, { ca: trusted, signal })
}

test('a trusted chain is shown from the leaf up, with its protocol', async () => {
  const facts = await shown(await ca.issue({ days: 30 }), ca.cert)

  expect(facts).toMatchObject({
    protocol: 'TLSv1.3',
    failure: undefined,
    chain: [
      {
        subject: 'localhost',
        issuer: 'Example Root CA',
        isRoot: false,
        names: ['DNS:localhost', 'IP Address:127.0.0.1'],
      },
    ],
  })
})

test('a certificate between leaf and root is shown where the server sends it', async () => {
  const between = await ca.intermediate('Example Issuing CA')
  const { key, cert } = await between.issue()

  const facts = await shown({ key, cert: `${cert}\n${between.cert}` }, ca.cert)

  expect(facts.failure).toBeUndefined()
  expect(facts.chain.map(({ subject }) => subject)).toEqual(['localhost', 'Example Issuing CA'])
})

test('a chain that the server sends without its middle is not trusted, and what it lacks has a name', async () => {
  const between = await ca.intermediate('Example Issuing CA')

  const { failure, chain } = await shown(await between.issue(), ca.cert)

  expect(failure?.kind).toBe('tls-untrusted')
  expect(chain.map(({ issuer }) => issuer)).toEqual(['Example Issuing CA'])
})

test.each([
  ['tls-untrusted', async () => (await testCa('Other CA')).issue()],
  ['tls-wrong-name', () => ca.issue({ names: ['other.example'] })],
  ['tls-expired', () => ca.issue({ days: -1 })],
])('P8 a certificate that is %s is shown with that verdict', async (kind, issue) => {
  const { failure, chain } = await shown(await issue(), ca.cert)

  expect(failure).toBeInstanceOf(SendFailure)
  expect(failure?.kind).toBe(kind)
  expect(chain).toHaveLength(1)
})

test('the probe shakes hands and sends nothing', async () => {
  let bytes = 0
  await using server = await loopbackServer(() => bytes++, await ca.issue())

  await probe.tls(server.url, { ca: ca.cert, signal })

  expect(bytes).toBe(0)
})

test('what speaks no TLS, what is not there and what is silent are told apart', async () => {
  await using plain = await loopbackServer((_request, response) => response.end())
  const url = new URL(plain.url.href.replace('http:', 'https:'))
  const kindOf = (asked: URL, until: AbortSignal): Promise<string> =>
    probe.tls(asked, { ca: undefined, signal: until }).then(
      () => 'answered',
      (error: unknown) => (error instanceof SendFailure ? error.kind : 'another'),
    )

  expect(await kindOf(url, signal)).toBe('tls-failed')
  expect(await kindOf(new URL('https://127.0.0.1:9'), signal)).toBe('refused')
  expect(await kindOf(url, AbortSignal.abort())).toBe('timeout')
})

test('names are resolved, addresses are taken as they are', async () => {
  expect(await probe.addresses('127.0.0.1', signal)).toEqual(['127.0.0.1'])
  expect(await probe.addresses('[::1]', signal)).toEqual(['::1'])
  expect(await probe.addresses('localhost', signal)).toContain('127.0.0.1')
  await expect(probe.addresses('conjur.invalid', signal)).rejects.toMatchObject({
    kind: 'unresolved',
  })
})

test('the certificates of a PEM text are named, whatever else stands there', async () => {
  const other = await testCa('Other CA')

  const names = certificatesIn(`# ours\n${ca.cert}\nrubbish\n${other.cert}\n`).map(
    ({ subject }) => subject,
  )

  expect(names).toEqual(['Example Root CA', 'Other CA'])
})
