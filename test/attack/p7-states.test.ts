import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync, readFileSync, watch } from 'node:fs'
import type { ServerResponse } from 'node:http'
import { createServer } from 'node:net'
import { dirname, join } from 'node:path'
import { afterEach, expect, test, vi } from 'vitest'
import type { AgentProcess } from '../support/agent-process.ts'
import { record, stopwatch } from '../support/attack.ts'
import { testCa } from '../support/certificate.ts'
import { loopbackServer } from '../support/loopback-server.ts'
import { canUnshare, muteNameServer } from '../support/mute-name-server.ts'
import { canTrace, injecting } from '../support/strace.ts'
import { CANARY, metadataService, workbench, type Workbench } from '../support/workbench.ts'

const SIGNALS = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const
const NUMBERS = { SIGTERM: 15, SIGINT: 2 }
/** An address in a network of its own, where nobody answers a SYN. */
const HOLE = '10.77.0.2'
const IN_A_HOLE = [
  'ip link add hole type veth peer name end',
  'ip addr add 10.77.0.1/24 dev hole',
  'ip link set hole up',
  'ip link set end up',
  `ip neigh add ${HOLE} lladdr 02:00:00:00:00:01 dev hole`,
  'exec "$@"',
].join(' && ')

let bench: Workbench
let close: (() => unknown)[] = []

afterEach(async () => {
  try {
    for (const end of close) end()
  } finally {
    close = []
    await bench[Symbol.asyncDispose]()
  }
})

const canHaveNetwork = (): boolean =>
  canUnshare() &&
  spawnSync('unshare', ['-n', 'sh', '-c', IN_A_HOLE, 'sh', 'true'], { stdio: 'ignore' }).status ===
    0

interface State {
  /** Starts the agent in a mode and resolves once it is in the state. */
  readonly reach: (mode: string) => Promise<AgentProcess>
  /** Whether one pass of `init` comes by it. */
  readonly inInit: boolean
  readonly can?: () => boolean
}

const states: Readonly<Record<string, State>> = {
  'between two passes': {
    inInit: false,
    async reach(mode) {
      const agent = bench.start([mode])
      await agent.line(({ code }) => code === 'PUBLISHED')
      return agent
    },
  },
  'inside the rename that makes the set appear': {
    inInit: true,
    can: canTrace,
    async reach(mode) {
      mkdirSync(bench.secrets)
      const linked = made(bench.secrets, '..1.tmp')
      const log = join(bench.directory, 'trace')
      // The first rename is that of the token's file.
      const under = injecting(log, { name: 'rename', when: 2 }, 'delay_enter=300ms')
      const agent = bench.start([mode], {}, { under })
      await linked
      close.push(() =>
        expect(readFileSync(log, 'utf8')).toMatch(/\.\.data".*(?:unfinished|DELAYED)/),
      )
      return agent
    },
  },
  'in a back-off': {
    inInit: true,
    async reach(mode) {
      bench.conjur.faults.add({ kind: 'unavailable' })
      const agent = bench.start([mode], { RETRY_INTERVAL_SEC: '20' })
      await agent.line(({ code }) => code === 'CONJUR_UNAVAILABLE')
      return agent
    },
  },
  'in a TCP connect that nobody answers': {
    inInit: true,
    can: canHaveNetwork,
    async reach(mode) {
      const agent = bench.start(
        [mode],
        { CONJUR_APPLIANCE_URL: `https://${HOLE}` },
        { under: ['unshare', '-n', 'sh', '-c', IN_A_HOLE, 'sh'] },
      )
      // 02 is SYN_SENT.
      await vi.waitFor(
        () => expect(readFileSync(`/proc/${agent.pid}/net/tcp`, 'utf8')).toMatch(/:01BB 02 /),
        { timeout: 15_000, interval: 20 },
      )
      return agent
    },
  },
  'in a TLS handshake that never ends': {
    inInit: true,
    async reach(mode) {
      const mute = createServer().listen(0, '127.0.0.1')
      await once(mute, 'listening')
      const address = mute.address()
      const port = typeof address === 'object' && address !== null ? address.port : 0
      const agent = bench.start([mode], { CONJUR_APPLIANCE_URL: `https://127.0.0.1:${port}` })
      const [socket] = (await once(mute, 'connection')) as [{ destroy(): void }]
      close.push(
        () => socket.destroy(),
        () => mute.close(),
      )
      return agent
    },
  },
  'before an answer begins': {
    inInit: true,
    reach: (mode) => asking(mode, () => undefined),
  },
  'in the middle of an answer': {
    inInit: true,
    reach: (mode) =>
      asking(mode, (response) => {
        response.writeHead(200, { 'content-length': '500' })
        response.write('{"protected":')
      }),
  },
  'waiting for a metadata service': {
    inInit: true,
    async reach(mode) {
      const imds = await metadataService(async () => ({ status: 429, body: '{}' }))
      close.push(() => imds.close())
      const agent = bench.start([mode], {
        CONJUR_AUTHENTICATOR: 'authn-azure/prod',
        AZURE_POD_IDENTITY_AUTHORITY_HOST: imds.url.origin,
      })
      await agent.line(({ code }) => code === 'IDENTITY_NOT_READY')
      return agent
    },
  },
  'while a thread waits for a mute name server': {
    inInit: true,
    can: canUnshare,
    async reach(mode) {
      const server = await muteNameServer(bench.directory)
      close.push(() => server[Symbol.dispose]())
      const agent = bench.start(
        [mode],
        { CONJUR_APPLIANCE_URL: 'https://conjur.example.com' },
        { under: server.under },
      )
      await server.asked
      return agent
    },
  },
  'while a command that tells the application does not end': {
    inInit: false,
    async reach(mode) {
      const file = join(bench.directory, 'told')
      const command = JSON.stringify(['/bin/sh', '-c', `echo $$ > ${file}; exec sleep 300`])
      const agent = bench.start([mode], { CONJUR_RELOAD__DB: `exec ${command}` })
      await agent.line(({ code }) => code === 'PUBLISHED')
      bench.conjur.setValue('apps/db-user', 'rotated')
      agent.kill('SIGHUP')
      const told = await pidIn(file)
      close.push(() => existsSync(`/proc/${told}`) && process.kill(told, 'SIGKILL'))
      return agent
    },
  },
}

/** An agent whose first login is asked of a server that answers so. */
async function asking(
  mode: string,
  answer: (response: ServerResponse) => void,
): Promise<AgentProcess> {
  const ca = await testCa()
  const asked = Promise.withResolvers<void>()
  const server = await loopbackServer(
    (_request, response) => {
      answer(response)
      asked.resolve()
    },
    await ca.issue(),
  )
  close.push(() => server.close())
  const agent = bench.start([mode], {
    CONJUR_APPLIANCE_URL: server.url.origin,
    CONJUR_SSL_CERTIFICATE: ca.cert,
  })
  await asked.promise
  return agent
}

/** The process id that a shell writes to a file, once it stands there whole. */
async function pidIn(file: string): Promise<number> {
  await vi.waitFor(() => expect(readFileSync(file, 'utf8')).toMatch(/\n/), { timeout: 15_000 })
  return Number(readFileSync(file, 'utf8'))
}

/** Resolves when something of that name is made in a directory. */
function made(directory: string, wanted: string): Promise<void> {
  return new Promise((resolve) => {
    const watcher = watch(directory, (_event, name) => {
      if (name !== wanted) return
      watcher.close()
      resolve()
    })
  })
}

const rows = Object.keys(states).flatMap((state) =>
  ['sidecar', 'init'].flatMap((mode) =>
    mode === 'init' && states[state]?.inInit !== true
      ? []
      : SIGNALS.map((signal) => ({ signal, mode, state })),
  ),
)

const ends = { tried: 0, late: 0, wrong: 0, left: 0 }
const took = stopwatch()

test.for(rows)('P7 $signal to $mode $state', async ({ signal, mode, state }, { skip }) => {
  const { reach, can } = states[state] ?? { reach: () => Promise.reject(new Error(state)) }
  bench = await workbench()
  if (can?.() === false) skip()
  const agent = await reach(mode)

  agent.kill(signal)
  // A hang-up asks for a pass and ends nothing: what ends it is the next signal.
  const last = signal === 'SIGHUP' ? 'SIGTERM' : signal
  const started = performance.now()
  if (signal === 'SIGHUP') agent.kill(last)
  const end = await agent.ended
  const ms = performance.now() - started

  const code = mode === 'sidecar' ? 0 : 128 + NUMBERS[last]
  // An init that has its set by then has kept its promise, and may say so.
  const codes = mode === 'init' && existsSync(join(bench.secrets, 'db.json')) ? [code, 0] : [code]
  ends.tried++
  if (ms > 1000) ends.late++
  if (end.signal !== null || !codes.includes(end.code ?? -1)) ends.wrong++
  ends.left += left().length
  record('P7 signals', {
    tried: { 'signals, each in a state of its own': ends.tried },
    lost: {
      'ends after more than a second': ends.late,
      'ends with another code': ends.wrong,
      'files left behind, or torn': ends.left,
    },
    seconds: took(),
  })
  expect(end.signal).toBeNull()
  expect(codes).toContain(end.code)
  expect(ms).toBeLessThan(1000)
  expect(left()).toEqual([])
  const talk = agent.stderr().split('\n')
  expect(talk.filter((line) => line !== '' && !line.startsWith('{'))).toEqual([])
  expect(agent.output()).not.toContain(CANARY)
})

/** What does not belong to a whole set and a whole token. */
function left(): readonly string[] {
  const { secrets, tokenFile } = bench
  const at = (path: string): string[] => (existsSync(path) ? readdirSync(path) : [])
  const found = [
    ...at(secrets).filter((name) => !/^(db\.json|\.\.data|\.\.\d+)$/.test(name)),
    ...at(dirname(tokenFile)).filter((name) => name !== 'access-token'),
  ]
  const sets = at(secrets).filter((name) => /^\.\.\d+$/.test(name))
  return [...found, ...sets.slice(1), ...(isWhole(join(secrets, 'db.json')) ? [] : ['db.json'])]
}

function isWhole(file: string): boolean {
  if (!existsSync(file)) return true
  const value: unknown = JSON.parse(readFileSync(file, 'utf8'))
  return typeof value === 'object' && value !== null && 'user' in value && 'password' in value
}

test('P7 exec leaves a child that ignores every signal to the platform, and ends with it', async () => {
  bench = await workbench()
  const file = join(bench.directory, 'child')
  const script = `trap '' TERM INT HUP; echo $$ > ${file}; while :; do sleep 1; done`
  const agent = bench.start(['exec', '--', 'sh', '-c', script])
  const child = await pidIn(file)

  for (const signal of SIGNALS) agent.kill(signal)
  // Heard by the agent: nothing stands in its queue of signals any more.
  await vi.waitFor(() =>
    expect(readFileSync(`/proc/${agent.pid}/status`, 'utf8')).toMatch(/^ShdPnd:\s+0+$/m),
  )
  expect(existsSync(`/proc/${child}`)).toBe(true)
  const started = performance.now()
  process.kill(child, 'SIGKILL')

  expect(await agent.ended).toEqual({ code: 137, signal: null })
  expect(performance.now() - started).toBeLessThan(1000)
})
