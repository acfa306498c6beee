import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { afterEach, expect, test, vi } from 'vitest'
import { logLines } from '../support/agent-process.ts'
import { record, scaled, stopwatch } from '../support/attack.ts'
import { canFakeTime, fakeTime } from '../support/fake-time.ts'
import { EXECUTABLE } from '../support/program.ts'
import { replaceByRename } from '../support/replace-by-rename.ts'
import { workbench, type Workbench } from '../support/workbench.ts'

const TTL_SECONDS = 8
const SECONDS = scaled(14, 180)

let bench: Workbench

afterEach(async () => {
  await bench[Symbol.asyncDispose]()
})

/** The instant, in seconds, at which the access token in a file ends. */
function expiry(file: string): number {
  const { payload } = JSON.parse(readFileSync(file, 'utf8')) as { payload: string }
  return (JSON.parse(Buffer.from(payload, 'base64').toString()) as { exp: number }).exp
}

// An executable may be bound to its C library, which then takes no clock from outside.
test.skipIf(EXECUTABLE !== undefined || !canFakeTime())(
  `P3 a wall clock ten minutes off, or jumping each second, lets no token of ${TTL_SECONDS} s expire in ${SECONDS} s; the platform token changes each second`,
  async () => {
    bench = await workbench({ tokenTtlSeconds: TTL_SECONDS })
    const took = stopwatch()
    const clocks = ['fast', 'slow', 'jumping'].map((name) => {
      const clock = join(bench.directory, `clock-${name}`)
      const tokenFile = join(bench.directory, name, 'access-token')
      replaceByRename(clock, name === 'slow' ? '-600' : '+600')
      const agent = bench.start(['sidecar'], {
        ...fakeTime(clock),
        CONJUR_SECRETS_DIRECTORY: join(bench.directory, name, 'secrets'),
        CONJUR_AUTHN_TOKEN_FILE: tokenFile,
      })
      return { name, clock, tokenFile, agent, expiries: new Set<number>() }
    })
    await Promise.all(clocks.map(({ agent }) => agent.line(({ code }) => code === 'PUBLISHED')))
    for (const { name, agent } of clocks) {
      const [first] = logLines(agent.stderr())
      const aheadMs = Date.parse(String(first?.['time'])) - Date.now()
      if (name === 'slow') expect(aheadMs).toBeLessThan(-500_000)
      else expect(aheadMs).toBeGreaterThan(500_000)
    }
    let expired = 0
    let jumps = 0

    // A second a round: this drives clocks of the outside world, it awaits nothing.
    for (let second = 1; second <= SECONDS; second++) {
      await bench.projectToken({ jti: String(second) })
      for (const { name, clock } of clocks) {
        if (name !== 'jumping') continue
        replaceByRename(clock, second % 2 === 0 ? '+600' : '-600')
        jumps++
      }
      for (let tenth = 0; tenth < 10; tenth++) {
        await pause(100)
        for (const { tokenFile, expiries } of clocks) {
          const end = expiry(tokenFile)
          expiries.add(end)
          if (end * 1000 <= Date.now()) expired++
        }
      }
    }

    record('P3 clocks of a process', {
      tried: {
        'seconds of three agents, ten minutes fast, slow, and jumping': SECONDS,
        jumps,
        'platform tokens': SECONDS,
        'access tokens': clocks.reduce((sum, { expiries }) => sum + expiries.size, 0),
      },
      lost: { 'looks at an expired token': expired },
      seconds: took(),
    })
    expect(expired).toBe(0)
    for (const { agent, expiries } of clocks) {
      expect(expiries.size, agent.output()).toBeGreaterThan(1)
    }
  },
  60_000 + SECONDS * 4000,
)

test('P3 an agent that was suspended beyond the life of its token renews it when it wakes, without a restart', async () => {
  bench = await workbench({ tokenTtlSeconds: 4 })
  const agent = bench.start(['sidecar'])
  await agent.line(({ code }) => code === 'PUBLISHED')

  agent.kill('SIGSTOP')
  await vi.waitFor(() => expect(expiry(bench.tokenFile) * 1000).toBeLessThan(Date.now()), {
    timeout: 20_000,
  })
  agent.kill('SIGCONT')

  await vi.waitFor(() => expect(expiry(bench.tokenFile) * 1000).toBeGreaterThan(Date.now()), {
    timeout: 20_000,
  })
})

test('P3 keys that the issuer has just rotated cost one refused login, and the application nothing', async () => {
  bench = await workbench({ tokenTtlSeconds: 8 })
  const agent = bench.start(['sidecar'], { RETRY_INTERVAL_SEC: '1' })
  await agent.line(({ code }) => code === 'PUBLISHED')
  const first = expiry(bench.tokenFile)

  bench.conjur.faults.add({ kind: 'unauthenticated', times: 1 })
  await agent.line(({ code }) => code === 'CONJUR_UNAUTHENTICATED')
  expect(expiry(bench.tokenFile)).toBe(first)

  await vi.waitFor(() => expect(expiry(bench.tokenFile)).toBeGreaterThan(first), {
    timeout: 20_000,
  })
})
