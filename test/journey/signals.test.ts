import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, expect, test, vi } from 'vitest'
import { startAgent } from '../support/agent-process.ts'
import { CANARY, workbench, type Workbench } from '../support/workbench.ts'

let bench: Workbench

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

test('P2 a defect outside every promise ends the program with 1 and tells nothing of what it carries', async () => {
  bench = await workbench()
  const defect = `setTimeout(() => { throw new Error(${JSON.stringify(CANARY)}) }, 300)`
  const agent = startAgent(['sidecar'], bench.environment, {
    node: ['--import', `data:text/javascript,${encodeURIComponent(defect)}`],
  })

  const { code } = await agent.ended

  expect(code).toBe(1)
  expect(agent.output()).toContain('INTERNAL: this is a defect of conjur-agent (Error)\nhint: ')
  expect(agent.output()).not.toContain(CANARY)
})

test('P3 an agent whose log nobody reads any more keeps its files fresh', async () => {
  bench = await workbench()
  const main = join(import.meta.dirname, '../../dist/main.js')
  const agent = spawn(process.execPath, [main, 'sidecar'], {
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
