import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, expect, test, vi } from 'vitest'
import { startAgent } from '../support/agent-process.ts'
import { canUnshare, muteNameServer } from '../support/mute-name-server.ts'
import { builtProgram, EXECUTABLE } from '../support/program.ts'
import { CANARY, workbench, type Workbench } from '../support/workbench.ts'

let bench: Workbench

/** Ends the engine itself, half a second after the start. */
const FATAL = `
import { setFlagsFromString } from 'node:v8'
setFlagsFromString('--max-old-space-size=40')
setTimeout(() => { const all = []; for (;;) all.push(new Array(5_000_000).fill(0.5)) }, 500)
`

afterEach(async () => {
  await bench[Symbol.asyncDispose]()
})

/** An agent that is in the middle of reading its config file, since nobody writes to it. */
async function reading(argv: readonly string[]): Promise<ReturnType<typeof startAgent>> {
  bench = await workbench()
  const fifo = join(bench.directory, 'config.yaml')
  execFileSync('mkfifo', [fifo])
  const agent = startAgent([...argv, '--config', fifo], bench.environment)
  // Opening it for writing succeeds once somebody reads.
  const writer = await open(fifo, 'w')
  void agent.ended.then(() => writer.close())
  return agent
}

test.each([
  ['sidecar', 0],
  ['init', 143],
])('P7 SIGTERM ends %s within a second while it reads its configuration', async (mode, code) => {
  const agent = await reading([mode])
  const started = performance.now()

  agent.kill('SIGHUP')
  agent.kill('SIGTERM')

  expect(await agent.ended).toEqual({ code, signal: null })
  expect(performance.now() - started).toBeLessThan(1000)
})

test('P7 a second SIGTERM does not cut the end short', async () => {
  bench = await workbench()
  const agent = bench.start(['sidecar'], { CONJUR_SECRETS_REFRESH_INTERVAL: '1s' })
  await agent.line(({ code }) => code === 'PUBLISHED')

  agent.kill('SIGTERM')
  agent.kill('SIGTERM')
  agent.kill('SIGINT')

  expect(await agent.ended).toEqual({ code: 0, signal: null })
})

// An executable takes none of Node's flags, by which these plant their defect and ask for the report.
test.skipIf(EXECUTABLE !== undefined)(
  'P2 a defect outside every promise ends the program with 1 and tells nothing of what it carries',
  async () => {
    bench = await workbench()
    const defect = `setTimeout(() => { throw new Error(${JSON.stringify(CANARY)}) }, 300)`
    const agent = startAgent(['sidecar'], bench.environment, {
      node: ['--import', `data:text/javascript,${encodeURIComponent(defect)}`],
    })

    const { code } = await agent.ended

    expect(code).toBe(1)
    expect(agent.output()).toContain('INTERNAL: this is a defect of conjur-agent (Error)\nhint: ')
    expect(agent.output()).not.toContain(CANARY)
  },
)

test('P3 an agent whose log nobody reads any more keeps its files fresh', async () => {
  bench = await workbench()
  const [file, ...words] = builtProgram(['sidecar'])
  const agent = spawn(file, words, {
    env: { ...bench.environment, LOG_LEVEL: 'debug', CONJUR_SECRETS_REFRESH_INTERVAL: '1s' },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const ended = once(agent, 'exit')
  await once(agent.stderr, 'data')
  agent.stderr.destroy()

  for (const value of ['one', 'two', 'three']) {
    bench.conjur.setValue('apps/db-password', value)
    const published = async (): Promise<void> =>
      expect(await bench.read('db.json')).toContain(value)
    await vi.waitFor(published, { timeout: 10_000 })
  }

  agent.kill('SIGTERM')
  expect(await ended).toEqual([0, null])
})

test.skipIf(!canUnshare()).each([
  ['sidecar', ['sidecar'], 0],
  ['init', ['init'], 143],
  ['exec', ['exec', '--', 'sleep', '30'], 143],
  ['doctor', ['doctor', '--timeout', '60s'], 143],
  ['policy --check', ['policy', '--check'], 143],
] as const)(
  'P7 SIGTERM ends %s within a second while a thread waits for a mute name server',
  async (_name, argv, code) => {
    bench = await workbench()
    using server = await muteNameServer(bench.directory)
    const agent = bench.start(
      argv,
      { CONJUR_APPLIANCE_URL: 'https://conjur.example.com' },
      { under: server.under },
    )
    await server.asked
    const started = performance.now()

    agent.kill('SIGTERM')

    expect(await agent.ended).toEqual({ code, signal: null })
    expect(performance.now() - started).toBeLessThan(1000)
  },
)

test('P2 SIGUSR1 opens no inspector, and the agent goes on', async () => {
  bench = await workbench()
  const agent = bench.start(['sidecar'], {}, { node: ['--inspect-port=0'] })
  await agent.line(({ code }) => code === 'PUBLISHED')

  agent.kill('SIGUSR1')
  for (const value of ['one', 'two']) {
    bench.conjur.setValue('apps/db-password', value)
    agent.kill('SIGHUP')
    const published = async (): Promise<void> =>
      expect(await bench.read('db.json')).toContain(value)
    await vi.waitFor(published, { timeout: 10_000 })
  }
  agent.kill('SIGTERM')

  expect(await agent.ended).toEqual({ code: 0, signal: null })
  expect(agent.stderr()).not.toContain('Debugger listening')
})

test('P2 a core dump of the agent would hold none of its memory; that of a child is as it was', async () => {
  bench = await workbench()
  const ours = readFileSync('/proc/self/coredump_filter', 'utf8')
  const seen = join(bench.directory, 'filter')

  const agent = bench.start([
    'exec',
    '--',
    'sh',
    '-c',
    `cat /proc/self/coredump_filter > ${seen}; exec sleep 30`,
  ])
  await vi.waitFor(() => expect(readFileSync(seen, 'utf8')).toBe(ours), { timeout: 15_000 })
  const filter = readFileSync(`/proc/${agent.pid}/coredump_filter`, 'utf8')
  agent.kill('SIGTERM')

  await agent.ended
  expect(Number.parseInt(filter, 16)).toBe(0)
})

test.skipIf(EXECUTABLE !== undefined)(
  'P2 a report of a fatal error that an administrator asked for leaves the environment out',
  async () => {
    bench = await workbench()
    const agent = bench.start(
      ['sidecar'],
      { A_PASSWORD: CANARY },
      {
        node: [
          '--report-on-fatalerror',
          `--report-directory=${bench.directory}`,
          '--report-filename=report.json',
          '--import',
          `data:text/javascript,${encodeURIComponent(FATAL)}`,
        ],
      },
    )

    const { signal } = await agent.ended

    expect(signal).toBe('SIGABRT')
    const report = readFileSync(join(bench.directory, 'report.json'), 'utf8')
    expect(report).toContain('"trigger": "OOMError"')
    expect(report).not.toContain(CANARY)
  },
)
