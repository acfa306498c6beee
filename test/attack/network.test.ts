import { readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import { createServer as createTlsServer, type TlsOptions } from 'node:tls'
import { once } from 'node:events'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { AgentProcess } from '../support/agent-process.ts'
import { testCa, type Issued, type TestCa } from '../support/certificate.ts'
import { loopbackServer } from '../support/loopback-server.ts'
import { canUnshare } from '../support/mute-name-server.ts'
import { rawServer } from '../support/raw-server.ts'
import { accessTokenJson } from '../support/scripted-send.ts'
import { CANARY, metadataService, workbench, type Workbench } from '../support/workbench.ts'

/*
 * P8 A network that lies, against the built agent: whoever answers with the wrong certificate sees no
 * byte of a request, whoever answers with anything but HTTP gets an error and no file.
 */

let bench: Workbench
let ca: TestCa
let leaf: Issued

beforeAll(async () => {
  bench = await workbench()
  ca = await testCa('Trusted CA')
  leaf = await ca.issue()
  expect((await bench.start(['init']).ended).code).toBe(0)
})

afterAll(async () => {
  await bench[Symbol.asyncDispose]()
})

const token = accessTokenJson({ iat: 1, exp: 481, sub: 'host/apps/web' })

function ok(body: string): string {
  return `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`
}

/** An agent that trusts our CA, pointed at a server of ours; what is tried again is tried once. */
function agentAt(origin: string, environment: Record<string, string> = {}): AgentProcess {
  return bench.start(['init'], {
    CONJUR_APPLIANCE_URL: origin,
    CONJUR_SSL_CERTIFICATE: ca.cert,
    RETRY_COUNT_LIMIT: '0',
    CONJUR_HTTP_TIMEOUT: '1',
    CONJUR_IDENTITY_TIMEOUT: '1s',
    LOG_LEVEL: 'debug',
    ...environment,
  })
}

/** Waits for its end: exit 5, one known error, the files as they were, nothing secret said. */
async function gaveUp(agent: AgentProcess, head: RegExp): Promise<void> {
  const { code } = await agent.ended
  const talk = agent
    .stderr()
    .split('\n')
    .filter((line) => line !== '' && !/^(?:\{|\(node:|\(Use )/.test(line))
  expect(talk[0]).toMatch(head)
  expect(talk.at(-1)).toMatch(/^hint: /)
  expect(code).toBe(5)
  expect(agent.output()).not.toContain(CANARY)
  expect(agent.output()).not.toMatch(/eyJ[\w-]{20}/)
  expect(JSON.parse(readFileSync(join(bench.secrets, 'db.json'), 'utf8'))).toEqual({
    user: 'web',
    password: `${CANARY}-password`,
  })
}

describe('P8 a server with the wrong certificate sees no request', () => {
  const chains: readonly (readonly [string, () => Promise<TlsOptions>, RegExp])[] = [
    [
      'another host name',
      () => ca.issue({ names: ['conjur.example.com', '127.0.0.2'] }),
      /^CONJUR_UNTRUSTED: the certificate of 127\.0\.0\.1:\d+ names another host$/,
    ],
    [
      'a name that only begins like ours',
      () => ca.issue({ names: ['127.0.0.1.example.com'] }),
      /^CONJUR_UNTRUSTED: .* names another host$/,
    ],
    [
      'an end that has passed',
      () => ca.issue({ days: -1 }),
      /^CONJUR_UNTRUSTED: .* is expired or not yet valid$/,
    ],
    [
      'a beginning that is to come',
      () => ca.issue({ fromHours: 1 }),
      /^CONJUR_UNTRUSTED: .* is expired or not yet valid$/,
    ],
    [
      'its own signature',
      () => ca.issue({ selfSigned: true }),
      /^CONJUR_UNTRUSTED: .* is signed by nobody we trust$/,
    ],
    [
      "another CA of our CA's name",
      async () => (await testCa('Trusted CA')).issue(),
      /^CONJUR_UNTRUSTED: .* is signed by nobody we trust$/,
    ],
    [
      "the intermediate of another one's chain",
      async () => {
        const [mine, other] = [await ca.intermediate('Mid'), await ca.intermediate('Mid')]
        const issued = await mine.issue()
        return { ...issued, cert: `${issued.cert}\n${other.cert}` }
      },
      /^CONJUR_UNTRUSTED: .* is signed by nobody we trust$/,
    ],
    [
      'a chain through a leaf that plays the authority',
      async () => {
        const leaf = await ca.intermediate('a stolen leaf', { isCa: false })
        const issued = await leaf.issue()
        return { ...issued, cert: `${issued.cert}\n${leaf.cert}` }
      },
      /^CONJUR_UNTRUSTED: /,
    ],
  ]
  test.each(chains)('%s', async (_name, tls, head) => {
    await using server = await rawServer(await tls(), (socket) => socket.end(ok(token)))

    await gaveUp(agentAt(server.origin), head)

    expect(server.heard).toEqual([])
  })

  test.each(['TLSv1', 'TLSv1.1'] as const)('nothing newer than %s', async (version) => {
    const old = { minVersion: version, maxVersion: version, ciphers: 'DEFAULT@SECLEVEL=0' } as const
    await using server = await rawServer({ ...leaf, ...old }, (socket) => socket.end(ok(token)))

    await gaveUp(agentAt(server.origin), /^CONJUR_UNTRUSTED: no TLS session can be made with /)

    expect(server.heard).toEqual([])
  })

  test('whatever the environment tells Node about certificates', async () => {
    const stranger = await testCa('Stranger')
    await using server = await rawServer(await stranger.issue(), (socket) => socket.end(ok(token)))
    const agent = agentAt(server.origin, { NODE_TLS_REJECT_UNAUTHORIZED: '0' })

    await gaveUp(agent, /^CONJUR_UNTRUSTED: .* is signed by nobody we trust$/)

    expect(server.heard).toEqual([])
  })

  test('whatever the environment tells Node about versions', async () => {
    const old = {
      maxVersion: 'TLSv1.1',
      minVersion: 'TLSv1',
      ciphers: 'DEFAULT@SECLEVEL=0',
    } as const
    await using server = await rawServer({ ...leaf, ...old }, (socket) => socket.end(ok(token)))
    const agent = agentAt(server.origin, {
      NODE_OPTIONS: '--tls-min-v1.0 --tls-cipher-list=DEFAULT@SECLEVEL=0',
    })

    await gaveUp(agent, /^CONJUR_UNTRUSTED: no TLS session can be made with /)

    expect(server.heard).toEqual([])
  })

  test('an extra root of the machine, where a CA is given', async () => {
    const stranger = await testCa('Stranger')
    const file = join(bench.directory, 'extra.pem')
    await writeFile(file, stranger.cert)
    await using server = await rawServer(await stranger.issue(), (socket) => socket.end(ok(token)))

    await gaveUp(
      agentAt(server.origin, { NODE_EXTRA_CA_CERTS: file }),
      /^CONJUR_UNTRUSTED: .* is signed by nobody we trust$/,
    )

    expect(server.heard).toEqual([])
  })
})

test('P8 a certificate that is replaced by a wrong one between two passes is not used again', async () => {
  const other = await (await testCa('Stranger')).issue()
  const heard: string[] = []
  const server = createTlsServer(leaf, (socket) => {
    socket.setEncoding('latin1').on('data', (text: string) => {
      heard.push(text.split(' ', 2).join(' '))
      const isLogin = text.startsWith('POST')
      const values = JSON.stringify({
        'acme:variable:apps/db-user': 'web',
        'acme:variable:apps/db-password': `${CANARY}-password`,
      })
      // No kept connection: each pass shakes hands anew.
      socket.end(ok(isLogin ? token : values).replace('\r\n', '\r\nConnection: close\r\n'))
    })
    socket.on('error', () => undefined)
  })
  server.on('tlsClientError', () => undefined)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const port = typeof address === 'object' ? address?.port : undefined
  const agent = bench.start(['sidecar'], {
    CONJUR_APPLIANCE_URL: `https://127.0.0.1:${port}`,
    CONJUR_SSL_CERTIFICATE: ca.cert,
    CONJUR_SECRETS_REFRESH_INTERVAL: '1s',
    CONJUR_SECRETS_DIRECTORY: join(bench.directory, 'replaced'),
  })
  await agent.line(({ code }) => code === 'PUBLISHED')

  server.setSecureContext(other)
  const before = heard.length
  await agent.line(({ code }) => code === 'CONJUR_UNTRUSTED')

  expect(heard).toHaveLength(before)
  expect(JSON.parse(await bench.read('../replaced/db.json'))).toMatchObject({ user: 'web' })
  agent.kill('SIGTERM')
  expect((await agent.ended).code).toBe(0)
  server.close()
})

describe('P8 no redirect is followed', () => {
  const places = ['POST', 'GET'] as const
  const statuses = [301, 302, 303, 307, 308] as const
  const cases = places.flatMap((place) => statuses.map((status) => [place, status] as const))
  test.each(cases)('of a %s, with status %i', async (place, status) => {
    const asked: string[] = []
    await using elsewhere = await rawServer(leaf, (socket, head) => {
      asked.push(head)
      socket.end(ok(token))
    })
    await using server = await rawServer(leaf, (socket, head) =>
      socket.write(
        head.startsWith(place)
          ? `HTTP/1.1 ${status} Moved\r\nLocation: ${elsewhere.origin}/\r\nContent-Length: 0\r\n\r\n`
          : ok(token),
      ),
    )

    await gaveUp(agentAt(server.origin), /^CONJUR_(?:BAD_REPLY|REJECTED): /)

    expect(asked).toEqual([])
    expect(server.heard.some((head) => head.startsWith(place))).toBe(true)
  })

  test.each([
    'http://169.254.169.254/latest/meta-data/iam/security-credentials/',
    'http://[fd00:ec2::254]/latest/meta-data/',
    'http://metadata.google.internal/computeMetadata/v1/',
    'file:///etc/passwd',
  ])('to %s, which no message repeats', async (location) => {
    await using server = await rawServer(leaf, (socket) =>
      socket.write(`HTTP/1.1 307 Moved\r\nLocation: ${location}\r\nContent-Length: 0\r\n\r\n`),
    )
    const agent = agentAt(server.origin)

    await gaveUp(agent, /^CONJUR_BAD_REPLY: /)

    expect(server.heard).toHaveLength(1)
    expect(agent.output()).not.toContain('169.254')
  })

  test('of the metadata service', async () => {
    const asked: string[] = []
    await using elsewhere = await loopbackServer((request, response) => {
      asked.push(request.url ?? '')
      response.end('{}')
    })
    await using imds = await metadataService(async () => ({
      status: 302,
      body: '',
      headers: { location: elsewhere.url.href },
    }))
    const agent = bench.start(['init'], {
      CONJUR_AUTHENTICATOR: 'authn-azure/prod',
      AZURE_POD_IDENTITY_AUTHORITY_HOST: imds.url.origin,
      CONJUR_IDENTITY_TIMEOUT: '1s',
      RETRY_COUNT_LIMIT: '0',
    })

    expect((await agent.ended).code).toBe(4)
    expect(agent.stderr()).toMatch(/^IDENTITY_\w+: .*302/m)
    expect(asked).toEqual([])
  })
})

/*
 * DNS is not what the agent relies on: the name in the certificate is. A name that leads elsewhere
 * from one pass to the next ends in an error, and the stranger learns no more than that name.
 */
describe.runIf(canUnshare())('P8 a DNS answer that changes', () => {
  test('leads to a stranger, who gets a handshake and nothing else', async () => {
    const values = JSON.stringify({
      'acme:variable:apps/db-user': 'web',
      'acme:variable:apps/db-password': `${CANARY}-password`,
    })
    const honest = await ca.issue({ names: ['conjur.test'] })
    const stranger = await (await testCa('Stranger')).issue({ names: ['conjur.test'] })
    const hosts = join(bench.directory, 'hosts')
    await writeFile(hosts, '127.0.0.2 conjur.test\n')
    const seen = { honest: 0, stranger: 0, handshakes: 0 }
    const [one, two] = [createTlsServer(honest), createTlsServer(stranger)]
    one.on('secureConnection', (socket) => {
      socket.on('error', () => undefined)
      socket.setEncoding('latin1').on('data', (text: string) => {
        seen.honest++
        const body = text.startsWith('POST') ? token : values
        socket.end(ok(body).replace('\r\n', '\r\nConnection: close\r\n'))
      })
    })
    two.on('connection', () => seen.handshakes++)
    two.on('tlsClientError', () => undefined)
    two.on('secureConnection', (socket) => {
      socket.on('error', () => undefined)
      socket.on('data', () => seen.stranger++)
    })
    one.listen(0, '127.0.0.2')
    await once(one, 'listening')
    const address = one.address()
    const port = typeof address === 'object' ? (address?.port ?? 0) : 0
    two.listen(port, '127.0.0.3')
    await once(two, 'listening')
    const agent = bench.start(
      ['sidecar'],
      {
        CONJUR_APPLIANCE_URL: `https://conjur.test:${port}`,
        CONJUR_SSL_CERTIFICATE: ca.cert,
        CONJUR_SECRETS_REFRESH_INTERVAL: '1s',
        CONJUR_SECRETS_DIRECTORY: join(bench.directory, 'renamed'),
      },
      {
        under: ['unshare', '-m', 'sh', '-c', 'mount --bind "$0" /etc/hosts && exec "$@"', hosts],
      },
    )
    await agent.line(({ code }) => code === 'PUBLISHED')

    await writeFile(hosts, '127.0.0.3 conjur.test\n')
    const line = await agent.line(({ code }) => code === 'CONJUR_UNTRUSTED')

    expect(line.msg).toContain('signed by nobody we trust')
    expect(seen.handshakes).toBeGreaterThan(0)
    expect(seen.stranger).toBe(0)
    expect(JSON.parse(await bench.read('../renamed/db.json'))).toMatchObject({ user: 'web' })
    agent.kill('SIGTERM')
    expect((await agent.ended).code).toBe(0)
    one.close()
    two.close()
  })
})

/** Sends a piece now and at every turn until the socket is gone. */
function forever(socket: Socket, first: string, piece: string): void {
  socket.write(first)
  const timer = setInterval(() => socket.write(piece), 50)
  socket.on('close', () => clearInterval(timer))
}

describe('an answer that is no honest HTTP ends in an error and within the deadline', () => {
  const header = 'x'.repeat(1024)
  const answers: readonly (readonly [string, (socket: Socket) => unknown, RegExp])[] = [
    [
      'a header of 1 MiB',
      (socket) => socket.write(`HTTP/1.1 200 OK\r\nX: ${header.repeat(1024)}\r\n\r\n`),
      /^CONJUR_\w+: /,
    ],
    [
      '10,000 headers',
      (socket) =>
        socket.write(
          `HTTP/1.1 200 OK\r\n${Array.from({ length: 10_000 }, (_, index) => `X-${index}: y\r\n`).join('')}\r\n`,
        ),
      /^CONJUR_\w+: /,
    ],
    [
      'a body that says it has 10 GiB',
      (socket) => forever(socket, 'HTTP/1.1 200 OK\r\nContent-Length: 10737418240\r\n\r\n', header),
      /^CONJUR_UNREACHABLE: /,
    ],
    [
      'a head, a byte at a time',
      (socket) => forever(socket, 'HTTP/1.1 200 OK\r\nX: ', 'x'),
      /^CONJUR_UNREACHABLE: .* does not answer in time$/,
    ],
    [
      'a body, a byte at a time',
      (socket) => forever(socket, 'HTTP/1.1 200 OK\r\nContent-Length: 10000\r\n\r\n{', ' '),
      /^CONJUR_UNREACHABLE: .* does not answer in time$/,
    ],
    [
      'continues without end',
      (socket) => forever(socket, '', 'HTTP/1.1 100 Continue\r\n\r\n'),
      /^CONJUR_UNREACHABLE: .* does not answer in time$/,
    ],
    [
      'another protocol',
      (socket) =>
        socket.write(
          'HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n',
        ),
      /^CONJUR_\w+: /,
    ],
    [
      'a length and chunks at once',
      (socket) =>
        socket.write(
          `HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
        ),
      /^CONJUR_UNREACHABLE: .* something that is not HTTP$/,
    ],
    [
      'two lengths',
      (socket) =>
        socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 200\r\n\r\n{}'),
      /^CONJUR_UNREACHABLE: .* something that is not HTTP$/,
    ],
    [
      'a negative length',
      (socket) => socket.write('HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n'),
      /^CONJUR_UNREACHABLE: .* something that is not HTTP$/,
    ],
    [
      'a chunk of more than can be',
      (socket) =>
        socket.write(
          'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffffffff\r\n',
        ),
      /^CONJUR_UNREACHABLE: /,
    ],
    [
      'chunks of nothing, without end',
      (socket) =>
        forever(socket, 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n', '1\r\n \r\n'),
      /^CONJUR_UNREACHABLE: .* does not answer in time$/,
    ],
    [
      'a NUL in a header',
      (socket) => socket.write(`HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 2\r\n\r\n{}`),
      /^CONJUR_\w+: /,
    ],
    ['bytes of no protocol', (socket) => socket.write('\0\x01\x02\xff\r\n\r\n'), /^CONJUR_\w+: /],
    ['HTTP/2', (socket) => socket.write('\0\0\x12\x04\0\0\0\0\0'), /^CONJUR_UNREACHABLE: /],
    [
      'JSON a million deep',
      (socket) => socket.end(ok('['.repeat(1_000_000))),
      /^CONJUR_(?:BAD_REPLY|UNREACHABLE): /,
    ],
    [
      'a token whose claims are no object',
      (socket) =>
        socket.end(ok(JSON.stringify({ protected: 'bnVsbA', payload: 'bnVsbA', signature: 'x' }))),
      /^CONJUR_BAD_REPLY: /,
    ],
  ]
  test.each(answers)('%s', async (_name, answer, head) => {
    await using server = await rawServer(leaf, (socket) => void answer(socket))

    await gaveUp(agentAt(server.origin), head)
  })

  test('a second answer behind the first is not taken for that to the next request', async () => {
    const planted = JSON.stringify({
      'acme:variable:apps/db-user': 'planted',
      'acme:variable:apps/db-password': 'planted',
    })
    await using server = await rawServer(leaf, (socket, head) => {
      if (head.startsWith('POST')) socket.write(ok(token) + ok(planted))
      else socket.write(`HTTP/1.1 503 Away\r\nContent-Length: 0\r\n\r\n`)
    })

    await gaveUp(agentAt(server.origin), /^CONJUR_UNAVAILABLE: /)
  })
})
