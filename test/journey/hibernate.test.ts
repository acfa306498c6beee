import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, lstatSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { mkdir, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { logLines, startAgent, type AgentProcess } from '../support/agent-process.ts'
import { revoke } from '../support/revoke.ts'
import { CANARY, workbench, type Workbench } from '../support/workbench.ts'

let bench: Workbench
let status: string

beforeEach(async () => {
  bench = await workbench()
  status = join(bench.directory, 'status')
  await mkdir(status)
})

afterEach(async () => {
  await bench[Symbol.asyncDispose]()
})

const batches = (): number => bench.conjur.requests.get('batch') ?? 0
const logins = (): number => bench.conjur.requests.get('authenticate') ?? 0

function eventually(check: () => void): Promise<void> {
  return vi.waitFor(check, { timeout: 20_000, interval: 20 })
}

function db(): { user: string; password: string } {
  return JSON.parse(readFileSync(join(bench.secrets, 'db.json'), 'utf8')) as ReturnType<typeof db>
}

function hibernating(environment: Record<string, string> = {}): AgentProcess {
  return bench.start(['sidecar'], {
    CONJUR_IDLE: 'hibernate',
    CONJUR_SECRETS_REFRESH_INTERVAL: '1h',
    CONJUR_STATUS_DIRECTORY: status,
    ...environment,
  })
}

const QUICK = { CONJUR_SECRETS_REFRESH_INTERVAL: '1s' }

function commandOf(pid: number): string {
  return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')
}

function childrenOf(pid: number): readonly number[] {
  const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim()
  return text === '' ? [] : text.split(' ').map(Number)
}

/** Whether it sleeps: a shell, and below it a program that counts seconds. */
function isAsleep({ pid }: AgentProcess): boolean {
  const [sleeper, ...others] = childrenOf(pid)
  const isShell = commandOf(pid).includes('/sh -c')
  return (
    isShell &&
    others.length === 0 &&
    sleeper !== undefined &&
    commandOf(sleeper).startsWith('sleep ')
  )
}

async function asleep(agent: AgentProcess): Promise<void> {
  await eventually(() => expect(isAsleep(agent)).toBe(true))
}

async function stop(agent: AgentProcess): Promise<number> {
  const started = performance.now()
  agent.kill('SIGTERM')
  const { code } = await agent.ended
  expect(code).toBe(0)
  expect(agent.output()).not.toContain(CANARY)
  return performance.now() - started
}

test('between passes a shell sleeps in the place of the agent, and the set, the token and the status stand', async () => {
  const agent = hibernating()
  await asleep(agent)

  const probe = bench.start(['healthcheck', '--status-directory', status])
  const live = bench.start(['healthcheck', '--live', '--status-directory', status])
  const view = bench.start(['status', '--status-directory', status])

  expect(db().password).toBe(`${CANARY}-password`)
  expect(existsSync(bench.tokenFile)).toBe(true)
  expect([await probe.ended, await live.ended, await view.ended].map(({ code }) => code)).toEqual([
    0, 0, 0,
  ])
  expect(commandOf(agent.pid)).not.toContain(CANARY)
  await stop(agent)
})

test('P9 while the access token cannot be written it stays awake, logs in once, and sleeps when it can', async () => {
  await mkdir(join(bench.tokenFile, 'in-the-way'), { recursive: true })
  const agent = hibernating()
  await eventually(() => expect(batches()).toBeGreaterThan(2))

  await rm(bench.tokenFile, { recursive: true })
  await asleep(agent)

  expect(statSync(bench.tokenFile).isFile()).toBe(true)
  expect(logins()).toBe(1)
  await stop(agent)
})

test('it wakes by time, reads afresh, touches nothing that has not changed, and logs in once', async () => {
  const agent = hibernating(QUICK)
  await asleep(agent)
  const before = readdirSync(bench.secrets).toSorted()
  const { mtimeMs, ino } = lstatSync(join(bench.secrets, '..data'))
  const token = statSync(bench.tokenFile)
  const read = batches()

  await eventually(() => expect(batches()).toBeGreaterThan(read + 2))

  expect(logins()).toBe(1)
  expect(readdirSync(bench.secrets).toSorted()).toEqual(before)
  expect(lstatSync(join(bench.secrets, '..data'))).toMatchObject({ mtimeMs, ino })
  expect(statSync(bench.tokenFile)).toMatchObject({ mtimeMs: token.mtimeMs, ino: token.ino })
  expect(logLines(agent.stderr()).filter(({ level }) => level !== 'debug')).toHaveLength(3)
  await stop(agent)
})

test('a value that is rotated while it sleeps arrives with the next pass', async () => {
  const agent = hibernating(QUICK)
  await asleep(agent)

  bench.conjur.setValue('apps/db-password', 'rotated')

  await eventually(() => expect(db().password).toBe('rotated'))
  await stop(agent)
})

test('SIGHUP wakes it', async () => {
  const agent = hibernating()
  await asleep(agent)
  bench.conjur.setValue('apps/db-password', 'rotated')

  agent.kill('SIGHUP')

  await eventually(() => expect(db().password).toBe('rotated'))
  await asleep(agent)
  await stop(agent)
})

test('a SIGHUP at any moment leads to a pass that begins after it', async () => {
  const agent = hibernating()
  await asleep(agent)

  for (let round = 0; round < 12; round++) {
    // The second comes while the first is being answered, each time a little later.
    agent.kill('SIGHUP')
    await eventually(() => expect(isAsleep(agent)).toBe(false))
    await new Promise((resolve) => setTimeout(resolve, round * 12))
    bench.conjur.setValue('apps/db-password', `round-${round}`)
    agent.kill('SIGHUP')
    await eventually(() => expect(db().password).toBe(`round-${round}`))
    await asleep(agent)
  }

  await stop(agent)
})

test('P7 SIGTERM ends it with 0 while it sleeps, and leaves no process', async () => {
  const agent = hibernating()
  await asleep(agent)
  const [sleeper = 0] = childrenOf(agent.pid)

  expect(await stop(agent)).toBeLessThan(1000)

  await eventually(() => expect(existsSync(`/proc/${sleeper}`)).toBe(false))
  expect(db().password).toBe(`${CANARY}-password`)
})

test('P7 SIGTERM at any moment of a waking ends it with 0', async () => {
  for (let delay = 0; delay < 150; delay += 15) {
    const agent = hibernating()
    await asleep(agent)
    agent.kill('SIGHUP')
    await eventually(() => expect(isAsleep(agent)).toBe(false))
    await new Promise((resolve) => setTimeout(resolve, delay))
    const below = childrenOf(agent.pid)

    expect(await stop(agent)).toBeLessThan(2000)

    expect(below.filter((pid) => existsSync(`/proc/${pid}`))).toEqual([])
  }
})

/** Starts one that writes many files, and sends it the signal while it does, before the shell is there. */
async function signalledAsItPublishes(signal: NodeJS.Signals): Promise<AgentProcess> {
  const list = Array.from({ length: 1000 }, (_, index) => `- key${index}: apps/db-user`)
  const agent = hibernating({
    CONJUR_SECRETS__MANY: list.join('\n'),
    CONJUR_SECRET_FILE_FORMAT__MANY: 'plain',
  })
  await eventually(() => expect(readdirSync(bench.secrets)).toContain('..1'))
  agent.kill(signal)
  return agent
}

test('P7 SIGTERM while the first set is written ends it with 0', async () => {
  const agent = await signalledAsItPublishes('SIGTERM')

  expect((await agent.ended).code).toBe(0)
})

test('SIGHUP while the first set is written leads to a pass that begins after it', async () => {
  const agent = await signalledAsItPublishes('SIGHUP')
  bench.conjur.setValue('apps/db-password', 'rotated')

  await eventually(() => expect(db().password).toBe('rotated'))
  await stop(agent)
})

test('P7 SIGTERM ends a waking that waits for an answer', async () => {
  const agent = hibernating()
  await asleep(agent)
  bench.conjur.faults.add({ kind: 'slow', delayMs: 60_000 })
  agent.kill('SIGHUP')
  await eventually(() => expect(childrenOf(agent.pid).map(commandOf).join()).toContain('sidecar'))

  expect(await stop(agent)).toBeLessThan(2000)
})

test('P3 the access token is renewed while the values wait, and the set stays untouched', async () => {
  await bench[Symbol.asyncDispose]()
  bench = await workbench({ tokenTtlSeconds: 6 })
  status = join(bench.directory, 'status')
  await mkdir(status)
  const agent = hibernating({ CONJUR_SECRETS_REFRESH_INTERVAL: 'off' })
  await asleep(agent)
  const first = readFileSync(bench.tokenFile, 'utf8')
  const set = readdirSync(bench.secrets).toSorted()

  await eventually(() => expect(readFileSync(bench.tokenFile, 'utf8')).not.toBe(first))
  await asleep(agent)
  const document = readFileSync(join(status, 'agent.json'), 'utf8')

  expect(batches()).toBe(1)
  expect(readdirSync(bench.secrets).toSorted()).toEqual(set)
  expect(JSON.parse(document)).toMatchObject({
    ready: true,
    outputs: [{ name: 'access-token' }, { name: 'db.json', state: 'fresh' }],
  })
  await stop(agent)
})

test('P3 an outage lasts over several wakings: longer waits, the set and the token stay, ready all the while', async () => {
  const agent = hibernating(QUICK)
  await asleep(agent)
  bench.conjur.faults.add({ kind: 'unavailable' })
  const failures = () =>
    logLines(agent.stderr()).filter(({ code }) => code === 'CONJUR_UNAVAILABLE')

  await eventually(() => expect(failures().length).toBeGreaterThan(2))
  const probe = bench.start(['healthcheck', '--status-directory', status])

  expect(failures().map(({ attempt }) => attempt)).toEqual(failures().map((_, index) => index + 1))
  const waits = failures().map(({ waitMs }) => Number(waitMs))
  expect(waits[2]).toBeGreaterThan(waits[0] ?? Infinity)
  expect((await probe.ended).code).toBe(0)
  expect(db().password).toBe(`${CANARY}-password`)
  bench.conjur.faults.clear()
  bench.conjur.setValue('apps/db-password', 'after')
  await eventually(() => expect(db().password).toBe('after'))
  await stop(agent)
})

test('P4 a withdrawn variable goes after a second answer, which is sought before it sleeps again', async () => {
  const agent = hibernating({
    ...QUICK,
    CONJUR_SECRETS__KEY: '- key: apps/api-key\n- user: apps/db-user',
    CONJUR_SECRET_FILE_FORMAT__KEY: 'json',
  })
  await asleep(agent)
  const key = (): string => readFileSync(join(bench.secrets, 'key.json'), 'utf8')
  expect(Object.keys(JSON.parse(key()) as object)).toEqual(['key', 'user'])
  await revoke(bench.conjur, 'api-key')

  await eventually(() => expect(JSON.parse(key())).toEqual({ user: 'web' }))
  await asleep(agent)
  bench.conjur.setValue('apps/db-user', 'other')

  // What was refused for certain stays so over a sleep: the file's other values go on.
  await eventually(() => expect(JSON.parse(key())).toEqual({ user: 'other' }))
  expect(commandOf(agent.pid)).not.toContain('api-key')
  await stop(agent)
})

test('P1 killed while it sleeps, it leaves the set; its successor goes on without a login', async () => {
  const agent = hibernating()
  await asleep(agent)
  const [sleeper = 0] = childrenOf(agent.pid)
  agent.kill('SIGKILL')
  process.kill(sleeper, 'SIGKILL')
  await agent.ended
  const set = readdirSync(bench.secrets).toSorted()

  const next = hibernating()
  await asleep(next)

  expect(readdirSync(bench.secrets).toSorted()).toEqual(set)
  expect(logins()).toBe(1)
  await stop(next)
})

test('a waking that is killed ends the whole with its code, so that the platform backs off', async () => {
  const agent = hibernating()
  await asleep(agent)
  bench.conjur.faults.add({ kind: 'slow', delayMs: 60_000 })
  agent.kill('SIGHUP')
  await eventually(() => expect(childrenOf(agent.pid).map(commandOf).join()).toContain('sidecar'))

  process.kill(childrenOf(agent.pid)[0] ?? 0, 'SIGKILL')

  expect((await agent.ended).code).toBe(137)
  expect(db().password).toBe(`${CANARY}-password`)
})

test('P10 what changes while it sleeps counts at the next waking: configuration, CA and platform token', async () => {
  const file = join(bench.directory, 'agent.json')
  const config = (alias: string): string =>
    JSON.stringify({ groups: { app: { secrets: [{ [alias]: 'apps/db-user' }], format: 'json' } } })
  await writeFile(file, config('one'))
  const agent = hibernating({ CONJUR_CONFIG_FILE: file })
  await asleep(agent)
  const app = (): string => readFileSync(join(bench.secrets, 'app.json'), 'utf8')

  await writeFile(`${file}.new`, '{"groups":{"app":{"secrets":[]}}}')
  await rename(`${file}.new`, file)
  agent.kill('SIGHUP')
  const told = await agent.line(({ code }) => code === 'CONFIG_INVALID')
  expect(told.msg).toContain('the last set stays')
  expect(JSON.parse(app())).toEqual({ one: 'web' })
  await writeFile(`${file}.new`, config('two'))
  await rename(`${file}.new`, file)
  agent.kill('SIGHUP')

  await eventually(() => expect(JSON.parse(app())).toEqual({ two: 'web' }))
  await stop(agent)
})

test('drift that came while it slept is repaired', async () => {
  const agent = hibernating()
  await asleep(agent)
  await rm(join(bench.secrets, 'db.json'))

  agent.kill('SIGHUP')

  await eventually(() => expect(db().password).toBe(`${CANARY}-password`))
  await stop(agent)
})

test('an application is told of what changed before the agent sleeps', async () => {
  const told = join(status, 'reload')
  const agent = hibernating({ CONJUR_RELOAD__DB: `touch ${told}` })
  await asleep(agent)
  expect(existsSync(told)).toBe(true)
  await rm(told)

  bench.conjur.setValue('apps/db-password', 'rotated')
  agent.kill('SIGHUP')
  await eventually(() => expect(existsSync(told)).toBe(true))

  await stop(agent)
})

test('P5 the injector’s probe is a line of the shell: it fails before the first set and passes after it', async () => {
  const probe = (): number => {
    try {
      execFileSync('/bin/sh', ['-c', PROBE], { stdio: 'ignore' })
      return 0
    } catch (error) {
      return (error as { status: number }).status
    }
  }
  const PROBE = `read -r l <${status}/agent.json; case $l in *'"ready":true'*) ;; *) exit 1 ;; esac`
  bench.conjur.faults.add({ kind: 'unavailable' })
  const agent = hibernating()
  await agent.line(({ code }) => code === 'CONJUR_UNAVAILABLE')
  await asleep(agent)
  const before = probe()
  bench.conjur.faults.clear()

  agent.kill('SIGHUP')
  await eventually(() => expect(probe()).toBe(0))

  expect(before).toBe(1)
  await stop(agent)
})

const ISOLATED = ['unshare', '--pid', '--mount', '--fork', '--kill-child', '--mount-proc'] as const

/** Whether this machine lets us make namespaces and be somebody else. */
const canIsolate =
  process.getuid?.() === 0 &&
  spawnSync(ISOLATED[0], [...ISOLATED.slice(1), 'setpriv', '--version']).status === 0

test.skipIf(!canIsolate)(
  'as the first process of a container, of any uid and with a read-only root, it sleeps, buries orphans and hears signals',
  async () => {
    const UID = 4711
    execFileSync('chown', ['-R', String(UID), bench.directory])
    execFileSync('chmod', ['-R', 'a+rX', bench.directory])
    const environment = {
      ...bench.environment,
      CONJUR_IDLE: 'hibernate',
      CONJUR_SECRETS_REFRESH_INTERVAL: '1h',
      CONJUR_STATUS_DIRECTORY: status,
    }
    const inside = `/usr/bin/mount -o remount,bind,ro / && exec /usr/bin/setpriv --reuid ${UID} --regid ${UID} --clear-groups -- "$@"`
    const outer = startAgent(['sidecar'], environment, {
      under: [...ISOLATED, 'sh', '-c', inside, 'sh'],
    })
    const first = (): AgentProcess => ({ ...outer, pid: childrenOf(outer.pid)[0] ?? 0 })
    await eventually(() => expect(isAsleep(first())).toBe(true))
    const { pid } = first()
    expect(readFileSync(`/proc/${pid}/status`, 'utf8')).toMatch(/^NSpid:\t\d+\t1$/m)

    // A process whose parent ends at once: the first process becomes its parent, and has to bury it.
    const orphan = ['sh', '-c', '(sleep 3 >/dev/null 2>&1 </dev/null & echo $!)']
    execFileSync('nsenter', ['--target', String(pid), '--pid', '--mount', ...orphan])
    await eventually(() => expect(childrenOf(pid)).toHaveLength(2))
    await eventually(() => expect(childrenOf(pid)).toHaveLength(1))

    bench.conjur.setValue('apps/db-password', 'rotated')
    process.kill(pid, 'SIGHUP')
    await eventually(() => expect(db().password).toBe('rotated'))
    await eventually(() => expect(isAsleep(first())).toBe(true))
    process.kill(pid, 'SIGTERM')

    expect((await outer.ended).code).toBe(0)
    expect(statSync(bench.tokenFile).uid).toBe(UID)
  },
)

test.skipIf(!canIsolate)(
  'P6 without a shell it refuses at its start, before anything is sent, and says what to do',
  async () => {
    const hidden = 'mount --bind /dev/null "$(readlink -f /bin/sh)" && exec "$@"'
    const agent = startAgent(
      ['sidecar'],
      { ...bench.environment, CONJUR_IDLE: 'hibernate' },
      { under: ['unshare', '--mount', 'sh', '-c', hidden, 'sh'] },
    )

    expect((await agent.ended).code).toBe(3)
    expect(agent.stderr()).toContain(
      'CONJUR_IDLE  hibernate needs a shell, and there is no /bin/sh: use the image whose tag ends in -hibernate, or write stay\n',
    )
    expect(bench.conjur.requests.size).toBe(0)
  },
)

test('exec stays with its program, and says that the setting has no effect', async () => {
  const agent = bench.start(['exec', '--once', '--', 'true'], { CONJUR_IDLE: 'hibernate' })

  expect((await agent.ended).code).toBe(0)
  expect(agent.stderr()).toContain('exec stays with its program')
})
