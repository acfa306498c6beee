import { existsSync, readFileSync } from 'node:fs'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { AgentProcess } from '../support/agent-process.ts'
import { CANARY, workbench, type Workbench } from '../support/workbench.ts'

let bench: Workbench

beforeEach(async () => {
  bench = await workbench()
})

afterEach(async () => {
  await bench[Symbol.asyncDispose]()
})

const logins = (): number => bench.conjur.requests.get('authenticate') ?? 0

async function init(environment: Record<string, string> = {}): Promise<void> {
  const agent = bench.start(['init'], environment)
  expect((await agent.ended).code).toBe(0)
}

/** Starts a sidecar where an earlier process has been, and ends it after a pass that read the values. */
async function sidecar(environment: Record<string, string> = {}): Promise<string> {
  const status = join(bench.directory, 'status')
  await mkdir(status, { recursive: true })
  await rm(join(status, 'agent.json'), { force: true })
  const more = { CONJUR_STATUS_DIRECTORY: status, ...environment }
  const agent = bench.start(['sidecar'], more)
  await vi.waitFor(() => expect(ready(status)).toBe(true), { timeout: 15_000, interval: 20 })
  return stop(agent)
}

function ready(status: string): boolean {
  const file = join(status, 'agent.json')
  if (!existsSync(file)) return false
  const document = JSON.parse(readFileSync(file, 'utf8')) as { ready: boolean; outputs: unknown[] }
  return document.ready && document.outputs.length > 0
}

async function stop(agent: AgentProcess): Promise<string> {
  agent.kill('SIGTERM')
  expect((await agent.ended).code).toBe(0)
  expect(agent.output()).not.toContain(CANARY)
  return agent.output()
}

test('a pod logs in once: the sidecar goes on with the token of the init container', async () => {
  await init()
  const token = await readFile(bench.tokenFile, 'utf8')

  const output = await sidecar()

  expect(logins()).toBe(1)
  expect(output).toContain('"TOKEN_TAKEN_OVER"')
  expect(await readFile(bench.tokenFile, 'utf8')).toBe(token)
})

test('a sidecar that starts anew does not log in anew, in base64 too', async () => {
  await sidecar({ CONJUR_TOKEN_ENCODING: 'base64' })

  await sidecar({ CONJUR_TOKEN_ENCODING: 'base64' })

  expect(logins()).toBe(1)
})

test('where only the token is wanted, Conjur is asked whose it is before it is believed', async () => {
  const alone = { CONJUR_SECRETS__DB: '', CONJUR_SECRET_FILE_FORMAT__DB: '' }
  await init(alone)

  await sidecar(alone)

  expect(logins()).toBe(1)
  expect(bench.conjur.requests.get('whoami')).toBe(1)
})

test.each<[string, (text: string) => string]>([
  ['of another login', (text) => withClaims(text, { sub: 'host/apps/other' })],
  ['of the future', (text) => withClaims(text, { iat: Math.floor(Date.now() / 1000) + 60 })],
  ['that is no token', () => 'nonsense'],
])('a file %s leads to a login, and to one line that says why', async (_name, change) => {
  await init()
  await writeFile(bench.tokenFile, change(await readFile(bench.tokenFile, 'utf8')))

  const output = await sidecar()

  expect(logins()).toBe(2)
  expect(output.match(/"TOKEN_NOT_TAKEN"/g)).toHaveLength(1)
})

test('a token that Conjur does not take leads to a login, and to one line that says so', async () => {
  await init()
  const forged = withClaims(await readFile(bench.tokenFile, 'utf8'), { exp: 9e9 })
  await writeFile(bench.tokenFile, forged)

  const output = await sidecar()

  expect(logins()).toBe(2)
  expect(output.match(/"TOKEN_REFUSED"/g)).toHaveLength(1)
  expect(await readFile(bench.tokenFile, 'utf8')).not.toBe(forged)
})

test('P3 a token with little life left is not taken over', async () => {
  await init()
  const old = { iat: Math.floor(Date.now() / 1000) - 400 }
  await writeFile(bench.tokenFile, withClaims(await readFile(bench.tokenFile, 'utf8'), old))

  await sidecar()

  expect(logins()).toBe(2)
})

test('P3 a sidecar that starts anew in an outage is ready with what it finds, and waits without it', async () => {
  await init()
  bench.conjur.faults.add({ kind: 'unavailable' })

  const output = await sidecar()

  expect(output).toContain('"CONJUR_UNAVAILABLE"')
  expect(logins()).toBe(1)
})

test('P5 a token alone is not taken for ready while the values were never read', async () => {
  bench.conjur.faults.add({ kind: 'unavailable', path: '/secrets' })
  const status = join(bench.directory, 'status')
  await mkdir(status)

  const agent = bench.start(['sidecar'], { CONJUR_STATUS_DIRECTORY: status })
  await agent.line(({ code }) => code === 'CONJUR_UNAVAILABLE')
  const probe = bench.start(['healthcheck', '--status-directory', status])

  expect((await probe.ended).code).toBe(1)
  expect(probe.output()).toContain('db.json was never published')
  await stop(agent)
})

function withClaims(text: string, claims: Record<string, unknown>): string {
  const token = JSON.parse(text) as { payload: string }
  const payload = JSON.parse(Buffer.from(token.payload, 'base64url').toString('utf8')) as object
  const changed = Buffer.from(JSON.stringify({ ...payload, ...claims })).toString('base64url')
  return JSON.stringify({ ...token, payload: changed })
}
