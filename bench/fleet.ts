import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { setTimeout } from 'node:timers/promises'
import { plot } from '../test/support/plot.ts'
import { openPlace } from './place.ts'
import { memory } from './rest.ts'
import { MAIN } from './program.ts'
import type { Row } from './runner.ts'

const PODS = 10_000
const GIB = 1024

/** Idle anonymous memory of the incumbents in MiB, measured on a machine like this one: secrets-provider 1.9.0, Vault agent. */
const PEERS: Readonly<Record<string, number>> = { 'secrets-provider': 7.6, 'Vault agent': 72 }

/** The memory that thousands of idle agents hold for themselves, beside the incumbents'. */
export async function fleet(): Promise<readonly Row[]> {
  const each: Record<string, number> = {
    stay: await idle('stay'),
    hibernate: await idle('hibernate'),
    ...PEERS,
  }
  const curves = Object.entries(each)
    .filter(([name]) => name !== 'Vault agent')
    .map(([name, mib]) => ({
      name,
      points: [
        [0, 0],
        [PODS, (mib * PODS) / GIB],
      ] as const,
    }))
  const title = 'Memory that idle agents hold for themselves, in GiB, by pods'
  const file = new URL('../docs/scale/fleet-memory.svg', import.meta.url)
  writeFileSync(file, plot({ title, x: 'pods', curves }))
  return Object.entries(each).flatMap(([name, mib]) => [
    { what: `${name}: one`, measured: round(mib), unit: 'MiB' },
    { what: `${name}: ${PODS} pods`, measured: round((mib * PODS) / GIB), unit: 'GiB' },
  ])
}

/** Anonymous memory of one agent and what it leaves, once nothing goes on any more. */
async function idle(mode: 'stay' | 'hibernate'): Promise<number> {
  const place = await openPlace(10)
  const agent = spawn(process.execPath, [MAIN, 'sidecar'], {
    env: {
      ...place.fresh('one file'),
      CONJUR_SECRETS_REFRESH_INTERVAL: '1h',
      CONJUR_IDLE: mode,
    },
    stdio: ['ignore', 'ignore', 'pipe'],
    detached: true,
  })
  try {
    let log = ''
    agent.stderr?.setEncoding('utf8').on('data', (text: string) => (log += text))
    while (!log.includes('"PUBLISHED"')) {
      if (agent.exitCode !== null) throw new Error(`it ended: ${log}`)
      await setTimeout(50)
    }
    if (mode === 'hibernate') await asleep(agent.pid)
    await setTimeout(3000)
    return [agent.pid ?? 0, ...childrenOf(agent.pid)].reduce(
      (sum, pid) => sum + memory({ pid }).anonymous,
      0,
    )
  } finally {
    // The whole group: what hibernates has a process that counts its sleep.
    process.kill(-(agent.pid ?? 0), 'SIGKILL')
    await ended(agent)
    await place.close()
  }
}

async function ended(agent: ChildProcess): Promise<void> {
  if (agent.exitCode === null && agent.signalCode === null) await once(agent, 'exit')
}

/** Resolves when a shell has taken the engine's place. */
async function asleep(pid = 0): Promise<void> {
  while (readFileSync(`/proc/${pid}/cmdline`, 'utf8').startsWith(process.execPath)) {
    await setTimeout(50)
  }
}

function childrenOf(pid = 0): readonly number[] {
  const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
  return text.split(' ').filter(Boolean).map(Number)
}

function round(value: number): number {
  return Math.round(value * 100) / 100
}
