import { readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
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

/** A child that writes its environment to a file, notes signals there, and stays until it is told to go. */
const CHILD = `
import { appendFileSync, writeFileSync } from 'node:fs'
const [, , file, ...args] = process.argv
writeFileSync(file, JSON.stringify({ pid: process.pid, env: process.env, args }))
for (const name of ['SIGHUP', 'SIGUSR1']) process.on(name, () => appendFileSync(file + '.signals', name + '\\n'))
process.on('SIGTERM', () => process.exit(7))
setInterval(() => {}, 1000)
`

interface Seen {
  readonly pid: number
  readonly env: Record<string, string>
  readonly args: readonly string[]
}

async function exec(
  flags: readonly string[] = [],
  environment: Record<string, string> = {},
): Promise<AgentProcess> {
  await writeFile(join(bench.directory, 'child.mjs'), CHILD)
  return bench.start(
    [
      'exec',
      ...flags,
      '--',
      process.execPath,
      join(bench.directory, 'child.mjs'),
      join(bench.directory, 'seen'),
      '--its-own',
      'flag',
    ],
    { CONJUR_SECRETS_REFRESH_INTERVAL: '1s', ...environment },
  )
}

function seen(): Seen {
  return JSON.parse(readFileSync(join(bench.directory, 'seen'), 'utf8')) as Seen
}

function eventually(check: () => void): Promise<void> {
  return vi.waitFor(check, { timeout: 15_000, interval: 20 })
}

test('a child gets the values, its own arguments, and nothing of the agent’s settings', async () => {
  const agent = await exec(['--prefix', 'DB_'], { HOME: '/home/app' })
  await eventually(() => expect(seen().pid).toBeGreaterThan(0))

  const { env, args } = seen()
  expect(env).toMatchObject({
    DB_USER: 'web',
    DB_PASSWORD: `${CANARY}-password`,
    HOME: '/home/app',
  })
  expect(Object.keys(env).filter((name) => /^CONJUR_|JWT_TOKEN_PATH/.test(name))).toEqual([
    'CONJUR_AUTHN_TOKEN_FILE',
  ])
  expect(args).toEqual(['--its-own', 'flag'])
  agent.kill('SIGTERM')
  expect((await agent.ended).code).toBe(7)
  expect(agent.output()).not.toContain(CANARY)
})

test('a changed value starts the child anew', async () => {
  const agent = await exec()
  await eventually(() => expect(seen().env['PASSWORD']).toBe(`${CANARY}-password`))
  const { pid } = seen()

  bench.conjur.setValue('apps/db-password', 'rotated')
  await eventually(() => expect(seen().env['PASSWORD']).toBe('rotated'))

  expect(seen().pid).not.toBe(pid)
  agent.kill('SIGTERM')
  await agent.ended
})

test('or is told by a signal, as asked; signals from outside are the child’s', async () => {
  const agent = await exec(['--on-change', 'SIGHUP'])
  await eventually(() => expect(seen().pid).toBeGreaterThan(0))
  const signals = (): string => readFileSync(join(bench.directory, 'seen.signals'), 'utf8')

  bench.conjur.setValue('apps/db-password', 'rotated')
  await eventually(() => expect(signals()).toBe('SIGHUP\n'))
  agent.kill('SIGUSR1')
  await eventually(() => expect(signals()).toBe('SIGHUP\nSIGUSR1\n'))

  agent.kill('SIGTERM')
  expect((await agent.ended).code).toBe(7)
})

test.each([
  [['sh', '-c', 'exit 3'], 3],
  [['sh', '-c', 'kill -KILL $$'], 137],
  [['true'], 0],
])('%j gives the exit code %i', async (command, code) => {
  const agent = bench.start(['exec', '--once', '--', ...command])

  expect((await agent.ended).code).toBe(code)
})

test('P5 nothing is started while a required value is missing', async () => {
  const agent = await exec([], { CONJUR_SECRETS__DB: '- apps/unset', RETRY_COUNT_LIMIT: '0' })

  expect((await agent.ended).code).toBe(5)
  expect(agent.stderr()).toContain('CONJUR_NOT_FOUND: variable apps/unset')
  expect(() => seen()).toThrow('ENOENT')
})

test.each([
  [['exec'], 2, 'exec has no program to run'],
  [
    ['exec', '--on-change', 'shout', '--', 'true'],
    2,
    '--on-change shout is no way to tell a child',
  ],
  [
    ['exec', '--', '/no/such/program'],
    6,
    'OUTPUT_UNWRITABLE: /no/such/program cannot be started: ENOENT',
  ],
])('%j is refused with %i', async (argv, code, head) => {
  const agent = bench.start(argv)

  expect((await agent.ended).code).toBe(code)
  expect(agent.stderr()).toContain(head)
})
