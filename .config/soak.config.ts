import { defineConfig } from 'vitest/config'

/**
 * The suites that attack the built program, with the numbers that `npm test` has no time for. One
 * after the other, so that none is measured beside another.
 */
export default defineConfig({
  test: {
    root: '.',
    include: ['test/attack/**/*.test.ts'],
    env: { CONJUR_AGENT_ATTACK: 'long' },
    pool: 'forks',
    fileParallelism: false,
    testTimeout: 3_600_000,
    hookTimeout: 60_000,
  },
})
