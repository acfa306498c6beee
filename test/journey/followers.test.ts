import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { logLines, type AgentProcess } from '../support/agent-process.ts'
import { CANARY, workbench, type Workbench } from '../support/workbench.ts'

let first: Workbench
let second: Workbench
let third: Workbench

beforeEach(async () => {
  first = await workbench()
  second = await workbench()
  third = await workbench()
  // The same Conjur three times over: what is told them apart is one value.
  const keys = JSON.stringify({ type: 'jwks', value: first.kubernetes.jwks })
  for (const { conjur } of [second, third]) {
    conjur.setValue('conjur/authn-jwt/prod/public-keys', keys)
  }
  first.conjur.setValue('apps/db-user', 'first')
  second.conjur.setValue('apps/db-user', 'second')
  third.conjur.setValue('apps/db-user', 'third')
})

afterEach(async () => {
  for (const bench of [first, second, third]) await bench[Symbol.asyncDispose]()
})

/** The three as one list, each with a certificate of one CA or another. */
function all(): Record<string, string> {
  const benches = [first, second, third]
  return {
    CONJUR_APPLIANCE_URL: benches.map(({ conjur }) => conjur.url).join(', '),
    CONJUR_SSL_CERTIFICATE: benches.map(({ conjur }) => conjur.ca).join('\n'),
  }
}

function user(): string {
  const text = readFileSync(join(first.secrets, 'db.json'), 'utf8')
  return (JSON.parse(text) as { user: string }).user
}

function switches(agent: AgentProcess): string[] {
  return logLines(agent.stderr())
    .filter(({ code }) => code === 'SERVER_SWITCHED')
    .map(({ msg }) => msg)
}

function hostOf({ conjur }: Workbench): string {
  return new URL(conjur.url).host
}

test('a first secret comes from the third where the first is gone and the second cannot answer', async () => {
  await first.conjur.close()
  second.conjur.faults.add({ kind: 'unavailable' })

  const agent = first.start(['init'], all())

  expect((await agent.ended).code).toBe(0)
  expect(user()).toBe('third')
  expect(switches(agent)).toEqual([
    `${hostOf(first)} refuses the connection; ${hostOf(third)} is asked from now on`,
  ])
  expect(third.conjur.requests.get('authenticate')).toBe(1)
  expect(agent.output()).not.toContain(CANARY)
})

test('a server that takes the connection and hangs is passed over within its share of the time', async () => {
  first.conjur.faults.add({ kind: 'slow', delayMs: 600_000 })

  const agent = first.start(['init'], { ...all(), CONJUR_HTTP_TIMEOUT: '3' })

  expect((await agent.ended).code).toBe(0)
  expect(user()).toBe('second')
  expect(switches(agent)).toEqual([
    `${hostOf(first)} does not answer in time; ${hostOf(second)} is asked from now on`,
  ])
})

test('P3 a sidecar whose server dies goes on with the next one, and stays there', async () => {
  const agent = first.start(['sidecar'], { ...all(), CONJUR_SECRETS_REFRESH_INTERVAL: '1s' })
  await agent.line(({ code }) => code === 'PUBLISHED')
  expect(user()).toBe('first')

  first.conjur.faults.add({ kind: 'outage' })
  await vi.waitFor(() => expect(user()).toBe('second'), { timeout: 20_000 })
  first.conjur.faults.clear()
  second.conjur.setValue('apps/db-user', 'second again')
  await vi.waitFor(() => expect(user()).toBe('second again'), { timeout: 20_000 })

  expect(switches(agent)).toHaveLength(1)
  agent.kill('SIGTERM')
  expect((await agent.ended).code).toBe(0)
  expect(agent.output()).not.toContain(CANARY)
})

test('P4 a refusal is an answer: no other server is asked', async () => {
  first.conjur.faults.add({ kind: 'unauthenticated' })

  const agent = first.start(['init'], { ...all(), RETRY_COUNT_LIMIT: '1' })

  expect((await agent.ended).code).toBe(5)
  expect(agent.stderr()).toContain('CONJUR_UNAUTHENTICATED')
  expect(second.conjur.requests.get('authenticate')).toBeUndefined()
  expect(switches(agent)).toEqual([])
})

test('P4 a value that the server which takes over does not have is kept at its first word, and goes at its second', async () => {
  first.conjur.setValue('apps/unset', 'only here')
  const agent = first.start(['sidecar'], {
    ...all(),
    CONJUR_SECRETS__DB: '- user: apps/db-user\n- key: apps/unset',
    CONJUR_SECRETS_REFRESH_INTERVAL: '1h',
  })
  await agent.line(({ code }) => code === 'PUBLISHED')
  const files = (): unknown => JSON.parse(readFileSync(join(first.secrets, 'db.json'), 'utf8'))

  first.conjur.faults.add({ kind: 'outage' })
  agent.kill('SIGHUP')
  await agent.line(({ msg }) => msg.startsWith('db.json is kept as it was'))
  expect(files()).toEqual({ user: 'second', key: 'only here' })
  agent.kill('SIGHUP')

  await vi.waitFor(() => expect(files()).toEqual({ user: 'second' }), { timeout: 20_000 })
  agent.kill('SIGTERM')
  expect((await agent.ended).code).toBe(0)
})

test('logins and reads may each have their list, and go on when the first of each is away', async () => {
  first.conjur.faults.add({ kind: 'outage' })
  const { CONJUR_APPLIANCE_URL: reads = '', ...rest } = all()
  const logins = reads.split(', ').map((url) => `${url}/authn-jwt/prod`)

  const agent = first.start(['init'], {
    ...rest,
    CONJUR_APPLIANCE_URL: reads,
    CONJUR_AUTHN_URL: logins.slice(0, 2).join(' '),
  })

  expect((await agent.ended).code).toBe(0)
  expect(user()).toBe('second')
  expect(switches(agent)).toHaveLength(2)
})

test('a named connection may have several servers', async () => {
  second.conjur.faults.add({ kind: 'unavailable' })
  const file = join(first.directory, 'agent.json')
  const { CONJUR_SSL_CERTIFICATE: sslCertificate } = all()
  const applianceUrl = `${second.conjur.url} ${third.conjur.url}`
  writeFileSync(
    file,
    JSON.stringify({
      connections: { old: { applianceUrl, sslCertificate } },
      groups: { old: { secrets: [{ user: 'apps/db-user' }], format: 'json', connection: 'old' } },
    }),
  )

  const agent = first.start(['init', '--config', file])

  expect((await agent.ended).code).toBe(0)
  expect(JSON.parse(await first.read('old.json'))).toEqual({ user: 'third' })
  expect(user()).toBe('first')
})

test('doctor looks at every server, and tells of those that the agent would pass over', async () => {
  await first.conjur.close()
  third.conjur.faults.add({ kind: 'unavailable', path: '/authn-jwt' })

  const agent = first.start(['doctor'], { ...all(), CONJUR_SECRETS_DIRECTORY: first.directory })

  expect((await agent.ended).code).toBe(0)
  const report = agent.output()
  expect(report).toContain(`passed over: ${hostOf(first)} refuses the connection`)
  expect(report).toContain(
    `passed over: ${hostOf(third)} cannot answer login host/apps/web with authn-jwt/prod now (503)`,
  )
  expect(report).not.toContain(CANARY)
})
