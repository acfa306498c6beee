import { defineConfig } from 'vitest/config'

/**
 * Tests on a real Kubernetes, as test/e2e/run.sh starts them. They share one control plane, which is
 * one for the machine, so the files run one after the other.
 */
export default defineConfig({
  test: {
    root: '.',
    include: ['test/e2e/**/*.test.ts'],
    globalSetup: ['test/e2e/start-control-plane.ts'],
    pool: 'forks',
    fileParallelism: false,
    testTimeout: 120_000,
    hookTimeout: 300_000,
  },
})
