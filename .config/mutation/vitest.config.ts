import { defineConfig } from 'vitest/config'

const room = process.env.CONJUR_AGENT_MUTATE ?? ''

/** Suites of a room that stand elsewhere. */
const ELSEWHERE: Readonly<Record<string, readonly string[]>> = {
  conjur: ['test/interop/client-replay.test.ts'],
  identity: ['test/contract/identity-source.test.ts'],
}

/** A room's suites that run our code in their own process: a program that a test starts is built, and holds no mutant. */
export default defineConfig({
  test: {
    root: '.',
    include: [`test/${room}/**/*.test.ts`, ...(ELSEWHERE[room] ?? [])],
    exclude: [
      'test/agent/herd.test.ts',
      'test/injector/process.test.ts',
      'test/outputs/volume-readers.test.ts',
    ],
    pool: 'forks',
    testTimeout: 20_000,
  },
})
