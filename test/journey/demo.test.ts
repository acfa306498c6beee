import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { builtProgram } from '../support/program.ts'

/** Where the demo makes its directory: nothing may be left of it. */
let runtime = ''
let children: ChildProcess[] = []

beforeEach(() => {
  runtime = mkdtempSync('/dev/shm/conjur-demo-test-')
  children = []
})

afterEach(() => {
  for (const child of children) child.kill('SIGKILL')
  rmSync(runtime, { recursive: true, force: true })
})

interface Demo {
  readonly child: ChildProcess
  output(): string
  /** Resolves when the output holds the text; rejects when the demo ends without it. */
  says(text: string): Promise<void>
  readonly ended: Promise<number | null>
}

function startDemo(...flags: readonly string[]): Demo {
  const [file, ...words] = builtProgram(['demo', ...flags])
  const child = spawn(file, words, {
    env: { PATH: process.env['PATH'] ?? '', XDG_RUNTIME_DIR: runtime },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  children.push(child)
  let output = ''
  const listeners = new Set<() => void>()
  const hear = (text: string): void => {
    output += text
    for (const listener of listeners) listener()
  }
  child.stdout.setEncoding('utf8').on('data', (text: string) => hear(`[stdout] ${text}`))
  child.stderr.setEncoding('utf8').on('data', hear)
  const ended = once(child, 'close').then(([code]) => code as number | null)
  return {
    child,
    output: () => output,
    ended,
    says: (text) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          if (output.includes(text)) resolve()
        }
        listeners.add(look)
        look()
        void ended.then(() => reject(new Error(`it ended without ${text}:\n${output}`)))
      }),
  }
}

/** Processes that have the test's directory in their environment or arguments. */
function processesIn(directory: string): readonly { pid: number; argv: string }[] {
  const read = (path: string): string => {
    try {
      return readFileSync(path, 'utf8')
    } catch {
      return ''
    }
  }
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => ({
      pid: Number(pid),
      argv: read(`/proc/${pid}/cmdline`).replaceAll('\0', ' '),
      environment: read(`/proc/${pid}/environ`),
    }))
    .filter(({ argv, environment }) => `${argv} ${environment}`.includes(directory))
}

/** Ports, directories, times, counts and reasons replaced, so that the screen can be compared. */
function masked(screen: string): string {
  return screen
    .replaceAll(runtime, 'RUNTIME')
    .replace(/conjur-demo-\w{6}/g, 'conjur-demo-ID')
    .replace(/127\.0\.0\.1:\d+/g, '127.0.0.1:PORT')
    .replace(/^ +\+\d+ s {2}/gm, '+N s  ')
    .replace(/of [\d,]+ reads/g, 'of N reads')
    .replace(/\d+\.\d s/g, 'N s')
    .replace(/\d+ s left/g, 'N s left')
    .replace(/\d+ ms/g, 'N ms')
    .replace(/at \d\d % of/g, 'at N % of')
    .replace(/(identity +[\w-]+): .+/g, '$1: REASON')
}

test('P1 P2 P3 P4 P7: the demo plays every scene once, shows no value, and leaves nothing behind', async () => {
  const demo = startDemo('--once')

  const code = await demo.ended

  expect(masked(demo.output())).toBe(`\
everything below runs on this machine and is gone afterwards; lifetimes are shortened 24-fold
✓ Conjur     devserver on https://127.0.0.1:PORT, ready in N s: 3 hosts, 3 variables
✓ platform   simulated; issues a token for system:serviceaccount:shop:web
✓ agent      first set published after N s: 1 login, 1 batch request

  RUNTIME/conjur-demo-ID/web/secrets
  ├── ..data → ..1
  ├── access-token     token   N s left
  ├── api-key          plain   1 value     32 bytes   -rw-r-----
  └── db.json          json    2 values    60 bytes   -rw-r-----

+N s  rotate    someone sets apps/web/db-password in Conjur
+N s  publish   ..data → ..2: db.json changed, api-key untouched; of N reads 0 torn, 0 mixed
+N s  renew     access token at N % of its life: renewal is due
+N s  outage    Conjur answers 503; again in N s, then N s; last set stays
+N s  recover   access token renewed with N s to spare; files untouched, no reader noticed
+N s  revoke    host/apps/web loses api-key: refused twice, api-key removed, db.json untouched
+N s  stop      SIGTERM; gone after N ms; 2 files left, 0 temporary

authn-azure by managed identity, simulated
✓ platform   simulated metadata service on http://127.0.0.1:PORT: VM vm-web, system-assigned
✓ identity   azure-imds: REASON
✓ login      host/apps/vm-web with authn-azure/demo, access token for 20 s
✓ agent      first set published after N s: 1 login, 1 batch request
✓ files      api-key 32 bytes -rw-r-----, db.json 60 bytes -rw-r-----
✓ stop       SIGTERM; gone after N ms

authn-azure by workload identity, simulated
✓ platform   simulated Entra on http://127.0.0.1:PORT: takes the token of system:serviceaccount:shop:web
✓ identity   azure-workload-identity: REASON
✓ login      host/apps/aks-web with authn-azure/demo, access token for 20 s
✓ agent      first set published after N s: 1 login, 1 batch request
✓ files      api-key 32 bytes -rw-r-----, db.json 60 bytes -rw-r-----
✓ stop       SIGTERM; gone after N ms

→ left running: conjur-agent demo --keep
→ in a cluster, 10 min: docs/quickstart-kubernetes.md
`)
  expect(demo.output()).not.toMatch(/demo-value-|eyJ/)
  expect(code).toBe(0)
  expect(readdirSync(runtime)).toEqual([])
  expect(processesIn(runtime)).toEqual([])
}, 90_000)

test('P2: --keep leaves everything running until SIGINT and then nothing', async () => {
  const demo = startDemo('--keep')
  await demo.says('everything runs until Ctrl-C')
  const secrets = /✓ files +(\S+)/.exec(demo.output())?.[1] ?? ''
  const values = ['api-key', 'db.json', 'access-token'].map((name) =>
    readFileSync(join(secrets, name), 'utf8'),
  )

  demo.child.kill('SIGINT')
  const code = await demo.ended

  const [apiKey, db] = values
  expect(values[0]).toHaveLength(32)
  expect(demo.output()).not.toContain(apiKey)
  expect(demo.output()).not.toContain((JSON.parse(db ?? '') as { password: string }).password)
  expect(code).toBe(0)
  expect(readdirSync(runtime)).toEqual([])
  expect(processesIn(runtime)).toEqual([])
}, 60_000)

test('P7: SIGTERM in the middle of a scene ends everything, with 0', async () => {
  const demo = startDemo()
  await demo.says('rotate')

  demo.child.kill('SIGTERM')
  const code = await demo.ended

  expect(demo.output()).not.toContain('✗')
  expect(code).toBe(0)
  expect(readdirSync(runtime)).toEqual([])
  expect(processesIn(runtime)).toEqual([])
}, 60_000)

test('a scene that does not come true is told with the last lines of the log, and ends with 1', async () => {
  const demo = startDemo()
  await demo.says('rotate')
  const agent = processesIn(runtime).find(({ argv }) => argv.includes(' sidecar'))

  process.kill(agent?.pid ?? 0, 'SIGKILL')
  const code = await demo.ended

  expect(demo.output()).toMatch(/^✗ publish +the agent ended by itself$/m)
  expect(demo.output()).toMatch(/^ {2}│ agent: .*"code":"PUBLISHED"/m)
  expect(demo.output()).not.toMatch(/demo-value-/)
  expect(code).toBe(1)
  expect(readdirSync(runtime)).toEqual([])
  expect(processesIn(runtime)).toEqual([])
}, 60_000)

test('--once and --keep together are a wrong command line', async () => {
  const demo = startDemo('--once', '--keep')

  expect(await demo.ended).toBe(2)
  expect(demo.output()).toBe(
    'demo takes --once or --keep, not both\nhint: conjur-agent demo --keep leaves everything running until Ctrl-C\n',
  )
})
