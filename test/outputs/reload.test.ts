import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { HttpRequest } from '../../src/core/http.ts'
import { findProcesses, readPidFile } from '../../src/outputs/find-process.ts'
import type { Published } from '../../src/outputs/output.ts'
import {
  createReloader,
  type ReloadAction,
  type Reloaded,
  type ReloaderOptions,
} from '../../src/outputs/reload.ts'
import { temporaryVolume } from '../support/temporary-volume.ts'

const written: Published = { name: 'db.json', kind: 'json', values: 1, state: 'written' }

/** A reloader of one group over time that stands still until a sleep is let go. */
function reloader(actions: readonly ReloadAction[], more: Partial<ReloaderOptions> = {}) {
  const told: Reloaded[] = []
  const sleeps: { ms: number; wake: () => void }[] = []
  let now = 0
  const made = createReloader({
    groups: [{ name: 'db', files: ['db.json'], actions }],
    intervalMs: 10_000,
    send: () => Promise.reject(new Error('nothing is sent')),
    onReloaded: (reloaded) => told.push(reloaded),
    clock: {
      monotonic: () => now,
      sleep: (ms, signal) =>
        new Promise((resolve, reject) => {
          signal.addEventListener('abort', () => reject(signal.reason))
          sleeps.push({
            ms,
            wake: () => {
              now += ms
              resolve()
            },
          })
        }),
    },
    ...more,
  })
  return { ...made, told, sleeps }
}

const never = new AbortController().signal
const touch = (path: string): ReloadAction => ({ kind: 'touch', path })

describe('an application is told', () => {
  test('by a signal to its process id', async () => {
    const child = spawn(process.execPath, [
      '-e',
      'process.on("SIGUSR1", () => process.exit(7)); setInterval(() => {}, 1e6); console.log("up")',
    ])
    const pidFile = join(temporaryVolume(), 'app.pid')
    writeFileSync(pidFile, `${child.pid}\n`)
    await once(child.stdout, 'data')
    const ends = once(child, 'exit')
    const { published, idle, told } = reloader([
      { kind: 'signal', signal: 'SIGUSR1', target: pidFile },
    ])

    published([written], never)
    await idle()

    expect(await ends).toEqual([7, null])
    expect(told).toMatchObject([{ group: 'db', kind: 'signal', result: 'done' }])
  })

  test('by a signal to its name', async () => {
    const child = spawn('sleep', ['600'], { argv0: 'conjur-test-app' })
    onTestFinished(() => void child.kill('SIGKILL'))
    await once(child, 'spawn')
    const ends = once(child, 'exit')
    const { published, idle, told } = reloader([
      { kind: 'signal', signal: 'SIGTERM', target: 'conjur-test-app' },
    ])

    published([written], never)
    await idle()

    expect(await ends).toEqual([null, 'SIGTERM'])
    expect(told).toMatchObject([{ result: 'done', what: 'SIGTERM to 1 × conjur-test-app' }])
  })

  test('by a POST on loopback', async () => {
    const requests: HttpRequest[] = []
    const { published, idle, told } = reloader(
      [{ kind: 'post', url: new URL('http://127.0.0.1:8080/-/reload') }],
      {
        send: async (request) => {
          requests.push(request)
          return { status: 204, headers: {}, body: Buffer.alloc(0) }
        },
      },
    )

    published([written], never)
    await idle()

    expect(requests).toMatchObject([{ method: 'POST' }])
    expect(requests[0]?.url.href).toBe('http://127.0.0.1:8080/-/reload')
    expect(told).toMatchObject([{ result: 'done', what: '127.0.0.1:8080 answers 204' }])
  })

  test('by a program that no shell reads and that inherits nothing of ours', async () => {
    const out = join(temporaryVolume(), '$(out)')
    const script = 'require("fs").writeFileSync(process.argv[1], JSON.stringify(process.env))'
    const { published, idle, told } = reloader([
      { kind: 'exec', command: [process.execPath, '-e', script, out] },
    ])

    published([written], never)
    await idle()

    expect(Object.keys(JSON.parse(readFileSync(out, 'utf8')))).toEqual(['PATH'])
    expect(told).toMatchObject([{ result: 'done' }])
  })

  test('by touching a file, which is made where it is missing', async () => {
    const path = join(temporaryVolume(), 'reload')
    const first = reloader([touch(path)])
    first.published([written], never)
    await first.idle()
    utimesSync(path, 1, 1)

    const second = reloader([touch(path)])
    second.published([written], never)
    await second.idle()

    expect(statSync(path).mtimeMs).toBeGreaterThan(1000)
  })
})

describe('it is not told', () => {
  test.each(['same', 'kept', 'missing'] as const)('when its file is %s', async (state) => {
    const { published, idle, told } = reloader([touch('/nowhere/x')])

    published([{ ...written, state }], never)
    await idle()

    expect(told).toEqual([])
  })

  test('when only the file of another group changed', async () => {
    const { published, idle, told } = reloader([touch('/nowhere/x')])

    published([{ ...written, name: 'web.json' }], never)
    await idle()

    expect(told).toEqual([])
  })
})

test('changes that come too fast are told once, at the end of the interval', async () => {
  const path = join(temporaryVolume(), 'reload')
  const { published, idle, told, sleeps } = reloader([touch(path)])
  published([written], never)
  await idle()

  for (let change = 0; change < 5; change++) published([written], never)
  const during = told.length
  for (const { wake } of sleeps) wake()
  await idle()

  expect(during).toBe(1)
  expect(sleeps.map(({ ms }) => ms)).toEqual([10_000])
  expect(told).toHaveLength(2)
})

test('P7 a reload that waits is dropped at the end', async () => {
  const ending = new AbortController()
  const path = join(temporaryVolume(), 'reload')
  const { published, idle, told } = reloader([touch(path)])
  published([written], ending.signal)
  await idle()

  published([written], ending.signal)
  ending.abort()
  await idle()

  expect(told).toHaveLength(1)
})

test.each<[string, ReloadAction, Pick<Reloaded, 'result' | 'what'>]>([
  [
    'a name without process',
    { kind: 'signal', signal: 'SIGHUP', target: 'no-such-app' },
    { result: 'absent', what: 'no process no-such-app' },
  ],
  [
    'a pid file that is not there',
    { kind: 'signal', signal: 'SIGHUP', target: '/nowhere/pid' },
    { result: 'absent', what: 'no process /nowhere/pid' },
  ],
  [
    'a program that fails',
    { kind: 'exec', command: ['/bin/false'] },
    { result: 'failed', what: '/bin/false: exit code 1' },
  ],
  [
    'a program that is not there',
    { kind: 'exec', command: ['/nowhere/x'] },
    { result: 'failed', what: 'spawn /nowhere/x ENOENT' },
  ],
  [
    'a POST that nobody takes',
    { kind: 'post', url: new URL('http://127.0.0.1:1/') },
    { result: 'failed', what: 'nothing is sent' },
  ],
])('%s is an outcome, not an end', async (_what, action, expected) => {
  const { published, idle, told } = reloader([action])

  published([written], never)
  await idle()

  expect(told).toEqual([{ group: 'db', kind: action.kind, ...expected }])
})

test.each([
  [199, 'failed'],
  [200, 'done'],
  [299, 'done'],
  [300, 'failed'],
  [500, 'failed'],
])('a POST that is answered with %i is %s', async (status, result) => {
  const { published, idle, told } = reloader(
    [{ kind: 'post', url: new URL('http://127.0.0.1:8080/') }],
    {
      send: async (request) => {
        expect(request).toMatchObject({ deadlineMs: 10_000, maxBodyBytes: 65_536, signal: never })
        return { status, headers: {}, body: Buffer.alloc(0) }
      },
    },
  )

  published([written], never)
  await idle()

  expect(told).toEqual([
    { group: 'db', kind: 'post', result, what: `127.0.0.1:8080 answers ${status}` },
  ])
})

test('a program that a signal ends is told by that signal', async () => {
  const { published, idle, told } = reloader([
    { kind: 'exec', command: ['/bin/sh', '-c', 'kill -TERM $$'] },
  ])

  published([written], never)
  await idle()

  expect(told).toMatchObject([{ result: 'failed', what: '/bin/sh: ended by SIGTERM' }])
})

test('a program finds the usual ones, and nothing on its input', async () => {
  const out = join(temporaryVolume(), 'out')
  const { published, idle } = reloader([
    { kind: 'exec', command: ['/bin/sh', '-c', `{ printf '%s ' "$PATH"; cat; } > '${out}'`] },
  ])

  published([written], never)
  await idle()

  expect(readFileSync(out, 'utf8')).toBe(
    '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin ',
  )
})

test('a file that is touched is named, and one that cannot be is an outcome', async () => {
  const directory = temporaryVolume()
  const path = join(directory, 'reload')
  const { published, idle, told } = reloader([touch(path), touch(`${path}/below`)])

  published([written], never)
  await idle()

  expect(told).toMatchObject([
    { kind: 'touch', result: 'done', what: path },
    { kind: 'touch', result: 'failed', what: expect.stringContaining('ENOTDIR') },
  ])
})

test('a file that goes is a change, and any file of a group is one', async () => {
  const path = join(temporaryVolume(), 'reload')
  const groups = [{ name: 'db', files: ['db.json', 'db.pem'], actions: [touch(path)] }]
  const { published, idle, told } = reloader([], { groups })

  published([{ ...written, name: 'db.pem', state: 'removed' }], never)
  await idle()

  expect(told).toHaveLength(1)
})

test('a change that comes later in the interval waits for its rest', async () => {
  let now = 0
  const waits: number[] = []
  const path = join(temporaryVolume(), 'reload')
  const { published, idle, told } = reloader([touch(path)], {
    clock: {
      monotonic: () => now,
      sleep: async (ms) => void waits.push(ms),
    },
  })
  for (const at of [0, 4000, 14_000]) {
    now = at
    published([written], never)
    await idle()
  }

  expect(waits).toEqual([6000])
  expect(told).toHaveLength(3)
})

test('a clock that fails otherwise than by an end is a defect, not an end', async () => {
  const clock = { monotonic: () => 0, sleep: () => Promise.reject(new TypeError('ours')) }
  const { published, idle } = reloader([touch(join(temporaryVolume(), 'reload'))], { clock })
  published([written], never)
  await idle()

  published([written], never)

  await expect(idle()).rejects.toThrow('ours')
})

test.each([
  ['42', 42],
  [' 42\n', 42],
  ['0', undefined],
  ['-1', undefined],
  ['012', undefined],
  ['12345678901', undefined],
  ['4x', undefined],
  ['x4', undefined],
  ['', undefined],
])('P8 the pid file %j means process %s', (text, pid) => {
  const path = join(temporaryVolume(), 'pid')
  writeFileSync(path, text)

  expect(readPidFile(path)).toBe(pid)
  expect(readPidFile(`${path}.gone`)).toBeUndefined()
})

test('what is no process, or has gone, or is ourselves, is not found', () => {
  const proc = temporaryVolume()
  const entries = ['self', '7x', 'x7', String(process.pid), '8', '9']
  for (const entry of entries) {
    mkdirSync(join(proc, entry))
    if (entry === '9') continue
    writeFileSync(join(proc, `${entry}/stat`), `${Number.parseInt(entry, 10)} (app) S 1 0 0`)
    writeFileSync(join(proc, `${entry}/cmdline`), '/bin/app\0')
  }

  expect(findProcesses('app', proc)).toEqual([8])
})

test('a process is known by the name that the kernel has for it, whatever it calls itself', () => {
  const proc = temporaryVolume()
  mkdirSync(join(proc, '7'))
  writeFileSync(join(proc, '7/stat'), '7 (od) 7 d () S 1 0 0')
  writeFileSync(join(proc, '7/cmdline'), '')

  expect(findProcesses('od) 7 d (', proc)).toEqual([7])
})

test('of a master and its workers only the master is found', () => {
  const proc = temporaryVolume()
  const running: [pid: number, comm: string, parent: number, program: string][] = [
    [10, 'nginx', 1, '/usr/sbin/nginx'],
    [11, 'nginx', 10, 'nginx: worker process'],
    [20, 'od) 7 d (', 1, '/bin/odd'],
    [30, 'node', 1, 'nginx'],
  ]
  for (const [pid, comm, parent, program] of running) {
    mkdirSync(join(proc, String(pid)))
    writeFileSync(join(proc, `${pid}/stat`), `${pid} (${comm}) S ${parent} 0 0`)
    writeFileSync(join(proc, `${pid}/cmdline`), `${program}\0-g\0`)
  }

  expect(findProcesses('nginx', proc)).toEqual([10, 30])
  expect(findProcesses('odd', proc)).toEqual([20])
})
