import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { sleeper } from '../../src/agent/hibernate.ts'
import { WAKING, type Waking } from '../../src/agent/waking.ts'

const FIRST: Waking = {
  startedAt: 1,
  checkedAt: undefined,
  valuesAt: undefined,
  renewAt: undefined,
  attempt: 0,
  calm: 0,
  refused: new Set(),
  zeroAt: undefined,
  receivedAt: undefined,
}

let directory: string
let diary: string
let sleeping: ChildProcess

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'sleeper-'))
  diary = join(directory, 'diary')
})

afterEach(() => {
  sleeping.kill('SIGKILL')
  rmSync(directory, { recursive: true })
})

/** A shell that sleeps, and below it what writes down what it is told and asks for a second of sleep. */
function start(shell: string, environment: Record<string, string>): ChildProcess {
  const text = `echo "$${WAKING}" >>${diary}; echo '1 2/////0/3/'; exit 75`
  const command = ['/bin/sh', '-c', text]
  const [file = '', ...args] = sleeper(shell, { seconds: 0, waking: FIRST }, command)
  return spawn(file, args, { env: environment, stdio: ['ignore', 'ignore', 'pipe'] })
}

/** Shells that stand at `/bin/sh` somewhere; bash up to 5.0 puts a here-document into a file. */
test.for([
  ['/usr/bin/dash', ''],
  ['/bin/bash', ''],
  ['/bin/bash', '5.0'],
  ['/bin/ksh', ''],
  ['/bin/mksh', ''],
] as const)(
  'P9 %s %s sleeps for as long as it is told, and hands on what it is told',
  async ([shell, compatible], { skip }) => {
    if (!existsSync(shell)) skip('not on this machine')
    sleeping = start(shell, { PATH: '/usr/bin:/bin', BASH_COMPAT: compatible })
    const ended = once(sleeping, 'exit')

    await vi.waitFor(
      () => expect(readFileSync(diary, 'utf8').split('\n').length).toBeGreaterThan(2),
      { timeout: 20_000 },
    )
    sleeping.kill('SIGTERM')

    expect(await ended).toEqual([0, null])
    const lines = readFileSync(diary, 'utf8').trim().split('\n')
    expect(new Set(lines.slice(1))).toEqual(new Set(['2/////0/3/']))
  },
)

test('P9 where nothing counts seconds it ends, so that the platform backs off', async () => {
  sleeping = start('/bin/sh', { PATH: directory })
  let said = ''
  sleeping.stderr?.on('data', (text: Buffer) => (said += text.toString()))

  expect(await once(sleeping, 'close')).toEqual([127, null])
  expect(said).toBe('cannot hibernate: sleep ends with 127\n')
  expect(existsSync(diary)).toBe(false)
})
