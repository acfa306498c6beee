import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** How many files the values go to. */
export type Layout = 'one file' | 'many files'

/** A Conjur with some variables, and a directory in memory for what is made of them. */
export interface Place {
  readonly count: number
  /**
   * The environment of an agent; each call empties the directory it publishes to. It goes through
   * what counts and delays, unless it is told to go straight: being led through costs time.
   */
  fresh(layout: Layout, way?: 'counted' | 'straight'): Readonly<Record<string, string>>
  /** How many of the values stand in the directory. */
  published(): number
  /** How many requests were answered since the start, by what they ask for. */
  requests(): Promise<Readonly<Record<string, number>>>
  /** Connections accepted since the start. */
  connections(): number
  /** Bytes of both directions since the start, TLS included. */
  bytes(): number
  /** Time that every byte takes to the server and back, in milliseconds. */
  delay(roundTripMs: number): void
  close(): Promise<void>
}

/**
 * Starts a Conjur with `count` variables in a process of its own, behind a proxy that counts and
 * delays. Values are some twenty bytes long, or `bytes` where that is given.
 */
export async function openPlace(count: number, bytes = 0): Promise<Place> {
  const child = fork(join(import.meta.dirname, 'conjur.ts'), [String(count), String(bytes)])
  const { url, ca, jwt } = await told<{ url: string; ca: string; jwt: string }>(child)
  const proxy = await openProxy(Number(new URL(url).port))
  const directory = mkdtempSync(
    join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'agent-bench-'),
  )
  const at = (name: string): string => join(directory, name)
  writeFileSync(at('jwt'), jwt)
  writeFileSync(at('ca.pem'), ca)
  const list = Array.from({ length: count }, (_, index) => `- v${index}: apps/v${index}`).join(
    '\\n',
  )
  for (const [layout, format] of [
    ['one file', 'json'] as const,
    ['many files', 'plain'] as const,
  ]) {
    const path = layout === 'many files' ? 'conjur.org/secret-file-path.db="./"\n' : ''
    const text = `conjur.org/conjur-secrets.db="${list}"\nconjur.org/secret-file-format.db="${format}"\n${path}`
    writeFileSync(at(layout), text)
  }
  return {
    count,
    fresh(layout, way = 'counted') {
      for (const name of ['secrets', 'token', 'status'])
        rmSync(at(name), { recursive: true, force: true })
      return {
        PATH: process.env['PATH'] ?? '',
        CONJUR_APPLIANCE_URL: way === 'straight' ? url : `https://127.0.0.1:${proxy.port}`,
        CONJUR_ACCOUNT: 'acme',
        CONJUR_AUTHENTICATOR: 'authn-jwt/prod',
        CONJUR_AUTHN_LOGIN: 'host/apps/web',
        CONJUR_CERT_FILE: at('ca.pem'),
        JWT_TOKEN_PATH: at('jwt'),
        CONJUR_ANNOTATIONS_FILE: at(layout),
        CONJUR_SECRETS_DIRECTORY: at('secrets'),
        CONJUR_AUTHN_TOKEN_FILE: at('token'),
        CONJUR_STATUS_DIRECTORY: at('status'),
        CONJUR_STATUS_LISTEN: 'off',
        BENCH_VALUES: String(count),
        BENCH_LAYOUT: layout,
      }
    },
    published: () =>
      new Set(textsBelow(at('secrets')).flatMap((text) => text.match(/value-of-v\d+-/g) ?? []))
        .size,
    async requests() {
      const answer = told<{ requests: Record<string, number> }>(child)
      child.send('how many?')
      return (await answer).requests
    },
    connections: () => proxy.connections(),
    bytes: () => proxy.bytes(),
    delay: (roundTripMs) => proxy.delay(roundTripMs),
    async close() {
      rmSync(directory, { recursive: true, force: true })
      const ended = once(child, 'exit')
      child.disconnect()
      await Promise.all([ended, proxy.close()])
    },
  }
}

function textsBelow(directory: string): readonly string[] {
  if (!existsSync(directory)) return []
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => readFileSync(join(entry.parentPath, entry.name), 'utf8'))
}

async function told<Message>(child: ChildProcess): Promise<Message> {
  const [message] = (await once(child, 'message')) as [Message]
  return message
}

interface Proxy {
  readonly port: number
  connections(): number
  bytes(): number
  delay(roundTripMs: number): void
  close(): Promise<void>
}

async function openProxy(target: number): Promise<Proxy> {
  let connections = 0
  let passed = 0
  let oneWayMs = 0
  const sockets = new Set<Socket>()
  const pass = (from: Socket, to: Socket): void => {
    from.on('data', (bytes) => {
      passed += bytes.length
      if (oneWayMs === 0) to.write(bytes)
      else setTimeout(() => to.destroyed || to.write(bytes), oneWayMs)
    })
    from.on('close', () => to.destroy())
    from.on('error', () => to.destroy())
    from.setNoDelay(true)
    sockets.add(from)
    from.on('close', () => sockets.delete(from))
  }
  const server = createServer((client) => {
    connections++
    const upstream = connect(target, '127.0.0.1')
    pass(client, upstream)
    pass(upstream, client)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    connections: () => connections,
    bytes: () => passed,
    delay: (roundTripMs) => void (oneWayMs = roundTripMs / 2),
    async close() {
      const closed = once(server, 'close')
      server.close()
      for (const socket of sockets) socket.destroy()
      await closed
    },
  }
}
