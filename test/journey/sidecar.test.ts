import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, expect, test, vi } from 'vitest'
import { logLines, type AgentProcess } from '../support/agent-process.ts'
import { freePort } from '../support/free-port.ts'
import { revoke } from '../support/revoke.ts'
import { CANARY, workbench, type Workbench } from '../support/workbench.ts'

let bench: Workbench

afterEach(async () => {
  await bench[Symbol.asyncDispose]()
})

const QUICK = { CONJUR_SECRETS_REFRESH_INTERVAL: '1s' }

/** Polls a fact of the outside world, such as a file's content, until it holds. */
function eventually(check: () => void, timeout = 15_000): Promise<void> {
  return vi.waitFor(check, { timeout, interval: 20 })
}

function db(): { user: string; password: string } {
  return JSON.parse(readFileSync(join(bench.secrets, 'db.json'), 'utf8')) as ReturnType<typeof db>
}

async function published(environment: Record<string, string> = {}): Promise<AgentProcess> {
  const agent = bench.start(['sidecar'], environment)
  await agent.line(({ code }) => code === 'PUBLISHED')
  return agent
}

async function stop(agent: AgentProcess): Promise<number> {
  const started = performance.now()
  agent.kill('SIGTERM')
  const { code } = await agent.ended
  expect(code).toBe(0)
  expect(agent.output()).not.toContain(CANARY)
  return performance.now() - started
}

test('a value that is rotated in Conjur arrives in the file', async () => {
  bench = await workbench()
  const agent = await published(QUICK)

  bench.conjur.setValue('apps/db-password', 'rotated')
  await eventually(() => expect(db().password).toBe('rotated'))

  await stop(agent)
})

test("an application is told of a change, by the incumbent's status files too", async () => {
  bench = await workbench()
  const status = join(bench.secrets, '..', 'status')
  await mkdir(status, { recursive: true })
  const told = join(status, 'reload')
  const agent = await published({
    ...QUICK,
    CONJUR_STATUS_DIRECTORY: status,
    CONJUR_RELOAD__DB: `touch ${told}`,
    CONJUR_RELOAD_INTERVAL: '1s',
  })
  await eventually(() => expect(existsSync(join(status, 'CONJUR_SECRETS_PROVIDED'))).toBe(true))
  await eventually(() => expect(existsSync(told)).toBe(true))
  const isUpdatedAtOnce = existsSync(join(status, 'CONJUR_SECRETS_UPDATED'))
  await rm(told)

  bench.conjur.setValue('apps/db-password', 'rotated')
  await eventually(() => expect(existsSync(join(status, 'CONJUR_SECRETS_UPDATED'))).toBe(true))
  await eventually(() => expect(existsSync(told)).toBe(true))

  expect(isUpdatedAtOnce).toBe(false)
  await stop(agent)
})

test('SIGHUP reads the values now', async () => {
  bench = await workbench()
  const agent = await published({ CONJUR_SECRETS_REFRESH_INTERVAL: '1h' })

  bench.conjur.setValue('apps/db-password', 'rotated')
  agent.kill('SIGHUP')
  await eventually(() => expect(db().password).toBe('rotated'))

  await stop(agent)
})

test('P3 the access token is renewed before it ends, and the files of the set stay untouched', async () => {
  bench = await workbench({ tokenTtlSeconds: 4 })
  const agent = await published({ CONJUR_SECRETS_REFRESH_INTERVAL: 'off' })
  const first = await readFile(bench.tokenFile, 'utf8')
  const set = readdirSync(bench.secrets).toSorted()

  await eventually(() => expect(readFileSync(bench.tokenFile, 'utf8')).not.toBe(first))

  expect(readdirSync(bench.secrets).toSorted()).toEqual(set)
  await stop(agent)
})

test('P3 an outage leaves the last set and the token in place, and ends by itself', async () => {
  bench = await workbench()
  const agent = await published(QUICK)

  bench.conjur.faults.add({ kind: 'unavailable' })
  await agent.line(({ code }) => code === 'CONJUR_UNAVAILABLE')
  expect(db().password).toBe(`${CANARY}-password`)
  expect(existsSync(bench.tokenFile)).toBe(true)
  bench.conjur.setValue('apps/db-password', 'after')
  bench.conjur.faults.clear()

  await eventually(() => expect(db().password).toBe('after'))
  await stop(agent)
})

test('drift is repaired: a deleted file comes back with its content', async () => {
  bench = await workbench()
  const agent = await published(QUICK)

  await rm(join(bench.secrets, 'db.json'))
  await eventually(() => expect(db().password).toBe(`${CANARY}-password`))

  await stop(agent)
})

test('a quiet refresh asks for one batch, logs in no more and says nothing', async () => {
  bench = await workbench()
  const agent = await published(QUICK)
  const before = bench.conjur.requests.get('batch') ?? 0

  await eventually(() =>
    expect(bench.conjur.requests.get('batch') ?? 0).toBeGreaterThan(before + 2),
  )

  expect(bench.conjur.requests.get('authenticate')).toBe(1)
  expect(logLines(agent.stderr()).filter(({ level }) => level !== 'debug')).toHaveLength(3)
  await stop(agent)
})

test('P10 a platform token that is replaced leads to a pass by itself', async () => {
  bench = await workbench()
  const agent = await published({ CONJUR_SECRETS_REFRESH_INTERVAL: '1h' })
  bench.conjur.setValue('apps/db-password', 'rotated')

  await bench.projectToken({ jti: 'next' })

  await eventually(() => expect(db().password).toBe('rotated'))
  await stop(agent)
})

test('P10 a changed config file is taken up, a broken one is told and left', async () => {
  bench = await workbench()
  const file = join(bench.directory, 'agent.json')
  const config = (alias: string): string =>
    JSON.stringify({ groups: { app: { secrets: [{ [alias]: 'apps/db-user' }], format: 'json' } } })
  await writeFile(file, config('one'))
  const agent = await published({ CONJUR_CONFIG_FILE: file, CONJUR_SECRETS_REFRESH_INTERVAL: '1h' })

  await writeFile(`${file}.new`, '{"groups":{"app":{"secrets":[]}}}')
  await rename(`${file}.new`, file)
  await agent.line(({ code }) => code === 'CONFIG_INVALID')
  expect(JSON.parse(await bench.read('app.json'))).toEqual({ one: 'web' })
  await writeFile(`${file}.new`, config('two'))
  await rename(`${file}.new`, file)

  await eventually(() =>
    expect(JSON.parse(readFileSync(join(bench.secrets, 'app.json'), 'utf8'))).toEqual({
      two: 'web',
    }),
  )
  await stop(agent)
})

test('P4 a variable that is withdrawn goes after the second answer, the other file stays as it is', async () => {
  bench = await workbench()
  const agent = await published({
    ...QUICK,
    CONJUR_SECRETS__KEY: '- key: apps/api-key',
    CONJUR_SECRET_FILE_FORMAT__KEY: 'json',
  })
  await revoke(bench.conjur, 'api-key')

  const kept = await agent.line(({ output }) => output === 'key.json')
  expect(kept).toMatchObject({ code: 'CONJUR_NOT_FOUND', variable: 'apps/api-key' })
  await eventually(() => expect(existsSync(join(bench.secrets, 'key.json'))).toBe(false))

  expect(db().password).toBe(`${CANARY}-password`)
  await stop(agent)
})

test('a killed sidecar’s successor finds the set, and leaves nothing behind', async () => {
  bench = await workbench()
  const agent = await published(QUICK)
  agent.kill('SIGKILL')
  await agent.ended
  const set = readdirSync(bench.secrets).toSorted()

  const second = bench.start(['sidecar'], QUICK)
  await second.line(({ code }) => code === 'TOKEN_TAKEN_OVER')
  await eventually(() => expect(bench.conjur.requests.get('batch')).toBeGreaterThan(1))
  await stop(second)

  expect(readdirSync(bench.secrets).toSorted()).toEqual(set)
})

test('the status document tells what is fresh, and healthcheck and status read it', async () => {
  bench = await workbench()
  const directory = join(bench.directory, 'status')
  await mkdir(directory)
  const agent = await published({ CONJUR_STATUS_DIRECTORY: directory })
  await eventually(() => expect(existsSync(join(directory, 'agent.json'))).toBe(true))
  const document = readFileSync(join(directory, 'agent.json'), 'utf8')

  const [probe, view] = [
    bench.start(['healthcheck', '--status-directory', directory]),
    bench.start(['status'], { CONJUR_STATUS_DIRECTORY: directory }),
  ]

  expect(JSON.parse(document)).toMatchObject({ ready: true, mode: 'sidecar' })
  expect(document).not.toContain(CANARY)
  expect((await probe.ended).code).toBe(0)
  expect((await view.ended).code).toBe(0)
  expect(view.output()).toMatch(
    /^✓ fresh · sidecar · up .*access token: \d+ min( \d+ s)? left, renews in/,
  )
  expect(view.output()).toMatch(/\ndb\.json +json +2 /)
  await stop(agent)
})

test('P7 what a kill left half-written beside the status document goes with the next pass', async () => {
  bench = await workbench()
  const directory = join(bench.directory, 'status')
  await mkdir(directory)
  await writeFile(join(directory, '.agent.json.tmp'), '{"schema":"conjur-ag')

  const agent = bench.start(['init'], { CONJUR_STATUS_DIRECTORY: directory })

  expect((await agent.ended).code).toBe(0)
  expect(readdirSync(directory).filter((name) => name.startsWith('.'))).toEqual([])
  expect(readFileSync(join(directory, 'agent.json'), 'utf8')).toContain('"ready":true')
})

test('the status server answers on loopback and takes a refresh; the metrics port serves metrics alone', async () => {
  bench = await workbench()
  const [port, metricsPort] = [await freePort(), await freePort()]
  const agent = await published({
    CONJUR_STATUS_LISTEN: `127.0.0.1:${port}`,
    CONJUR_METRICS_LISTEN: `127.0.0.1:${metricsPort}`,
    CONJUR_SECRETS_REFRESH_INTERVAL: '1h',
  })
  const at = (path: string, on = port): string => `http://127.0.0.1:${on}${path}`

  await vi.waitFor(async () => expect((await fetch(at('/readyz'))).status).toBe(200))
  expect((await fetch(at('/livez'))).status).toBe(200)
  for (const on of [port, metricsPort]) {
    const metrics = await (await fetch(at('/metrics', on))).text()
    expect(metrics).toContain('conjur_agent_refresh_total{result="ok"} 1\n')
  }
  expect((await fetch(at('/status', metricsPort))).status).toBe(404)
  bench.conjur.setValue('apps/db-password', 'rotated')
  expect((await fetch(at('/refresh'), { method: 'POST' })).status).toBe(202)
  await eventually(() => expect(db().password).toBe('rotated'))

  await stop(agent)
})
