import { defineConfig } from 'vitest/config'

/** A control plane or a cluster is one for the machine: the files run one after the other. */
export default defineConfig({
  test: {
    root: '.',
    include: ['test/e2e/**/*.test.ts'],
    pool: 'forks',
    fileParallelism: false,
    testTimeout: 120_000,
    hookTimeout: 300_000,
    typecheck: { enabled: false },
  },
})
