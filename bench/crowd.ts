import { fork, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { largest, mean, windows } from '../test/support/herd/figures.ts'
import { runFleet } from '../test/support/herd/fleet.ts'
import { tirelessConjur } from '../test/support/herd/scaled.ts'
import { memory } from './rest.ts'
import { MAIN } from './program.ts'
import type { Row } from './runner.ts'

const AGENTS = Number(process.env['CROWD_AGENTS'] ?? 300)
/** Shorter lives than usual, so that much happens in few minutes. */
const TOKEN_SECONDS = 60
const REFRESH_SECONDS = 30
const WATCHED_SECONDS = 150
/** Counted in windows of so many seconds. */
const WINDOW = 5

/** What both the real processes and the simulated ones are measured by. */
interface Measured {
  /** A second, from the moment at which the server answers everyone. */
  readonly logins: readonly number[]
  readonly reads: readonly number[]
}

/**
 * The simulation held against reality: real sidecars start while the server answers nobody, then it
 * answers everybody in the same second; the model does the same with as many.
 */
export async function crowd(): Promise<readonly Row[]> {
  const real = await processes()
  const model = await simulated(real.startedWithinMs)
  const rows: Row[] = [
    {
      what: `${AGENTS} sidecars started, by this machine within`,
      measured: Math.round(real.startedWithinMs / 1000),
      unit: 's',
    },
    {
      what: 'private memory of all of them',
      measured: Math.round(real.privateMiB / 102.4) / 10,
      unit: 'GiB',
    },
  ]
  const both = (what: string, unit: string, of: (measured: Measured) => number): void => {
    const [measured, expected] = [round(of(real)), round(of(model))]
    rows.push({ what: `${what}: processes`, measured, unit })
    rows.push({ what: `${what}: model`, measured: expected, unit })
  }
  both('seconds until half have logged in after the outage', 's', ({ logins }) => half(logins))
  both('steady logins', '/s', ({ logins }) => mean(logins.slice(-90)))
  both('steady reads', '/s', ({ reads }) => mean(reads.slice(-90)))
  both(`peak of logins in ${WINDOW} s, a minute and later`, '× the mean', ({ logins }) =>
    peak(logins.slice(-90)),
  )
  both(`peak of reads in ${WINDOW} s, a minute and later`, '× the mean', ({ reads }) =>
    peak(reads.slice(-90)),
  )
  return rows
}

async function processes(): Promise<
  Measured & { readonly startedWithinMs: number; readonly privateMiB: number }
> {
  const directory = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'crowd-'))
  const conjur = fork(join(import.meta.dirname, 'conjur.ts'), ['10', '0', String(TOKEN_SECONDS)])
  const [{ url, ca, jwt }] = (await once(conjur, 'message')) as [Record<string, string>]
  const agents: ChildProcess[] = []
  try {
    writeFileSync(join(directory, 'jwt'), jwt ?? '')
    writeFileSync(join(directory, 'ca.pem'), ca ?? '')
    conjur.send('go away')
    const from = performance.now()
    for (let index = 0; index < AGENTS; index++) {
      agents.push(sidecar(join(directory, String(index)), { directory, url: url ?? '' }))
      // As many as a machine of two processors gets going without choking.
      await setTimeout(100)
    }
    // The last ones have met the outage too.
    await setTimeout(8000)
    const startedWithinMs = performance.now() - from
    conjur.send('come back')
    const seconds = await watched(conjur)
    const alive = agents.filter(({ exitCode }) => exitCode === null)
    const privateMiB = alive.reduce((sum, agent) => sum + memory(agent).uss, 0)
    return { ...seconds, startedWithinMs, privateMiB }
  } finally {
    await Promise.all(agents.map((agent) => ended(agent)))
    conjur.disconnect()
    rmSync(directory, { recursive: true, force: true })
  }
}

async function ended(agent: ChildProcess): Promise<void> {
  if (agent.exitCode !== null) return
  const exit = once(agent, 'exit')
  agent.kill('SIGKILL')
  await exit
}

function sidecar(
  own: string,
  { directory, url }: { directory: string; url: string },
): ChildProcess {
  mkdirSync(join(own, 'run'), { recursive: true })
  return spawn(process.execPath, [MAIN, 'sidecar'], {
    env: {
      PATH: process.env['PATH'] ?? '',
      CONJUR_APPLIANCE_URL: url,
      CONJUR_ACCOUNT: 'acme',
      CONJUR_AUTHENTICATOR: 'authn-jwt/prod',
      CONJUR_AUTHN_LOGIN: 'host/apps/web',
      CONJUR_CERT_FILE: join(directory, 'ca.pem'),
      JWT_TOKEN_PATH: join(directory, 'jwt'),
      CONJUR_SECRETS__ALL: Array.from({ length: 10 }, (_, at) => `- apps/v${at}`).join('\n'),
      CONJUR_SECRETS_DIRECTORY: join(own, 'secrets'),
      CONJUR_AUTHN_TOKEN_FILE: join(own, 'run/access-token'),
      CONJUR_SECRETS_REFRESH_INTERVAL: `${REFRESH_SECONDS}s`,
      CONJUR_STATUS_LISTEN: 'off',
    },
    stdio: 'ignore',
  })
}

/** What the server answers in each second from now on. */
async function watched(conjur: ChildProcess): Promise<Measured> {
  const [logins, reads]: [number[], number[]] = [[], []]
  const from = performance.now()
  let before = await answered(conjur)
  for (let second = 1; second <= WATCHED_SECONDS; second++) {
    await setTimeout(Math.max(0, from + second * 1000 - performance.now()))
    const now = await answered(conjur)
    logins.push(now.logins - before.logins)
    reads.push(now.reads - before.reads)
    before = now
  }
  return { logins, reads }
}

async function answered(conjur: ChildProcess): Promise<{ logins: number; reads: number }> {
  const reply = once(conjur, 'message')
  conjur.send('how many?')
  const [{ requests }] = (await reply) as [{ requests: Record<string, number> }]
  return { logins: requests['authenticate'] ?? 0, reads: requests['batch'] ?? 0 }
}

async function simulated(startedWithinMs: number): Promise<Measured> {
  const fleet = await runFleet({
    agents: AGENTS,
    startWithinMs: startedWithinMs - 8000,
    untilMs: startedWithinMs + WATCHED_SECONDS * 1000,
    refreshIntervalMs: REFRESH_SECONDS * 1000,
    traits: { ...tirelessConjur, tokenLifeMs: TOKEN_SECONDS * 1000 },
    servers: [{ outages: [{ kind: 'gone', from: 0, until: startedWithinMs }] }],
  })
  const seconds = (fleet.servers[0] ?? []).slice(Math.floor(startedWithinMs / 1000))
  return {
    logins: seconds.map(({ loginsServed }) => loginsServed),
    reads: seconds.map(({ readsServed }) => readsServed),
  }
}

/** When as many logins were given as half of the agents. */
function half(logins: readonly number[]): number {
  let sum = 0
  return 1 + logins.findIndex((count) => (sum += count) >= AGENTS / 2)
}

function peak(counts: readonly number[]): number {
  return largest(windows(counts, WINDOW)) / WINDOW / mean(counts)
}

function round(value: number): number {
  return Math.round(value * 100) / 100
}
