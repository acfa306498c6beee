import { defineConfig } from 'vitest/config'

/** Tests that need a cluster: `KUBECONFIG=… npx vitest run --config .config/e2e.config.ts`. */
export default defineConfig({
  test: { root: '.', include: ['test/e2e/**/*.test.ts'], pool: 'forks', testTimeout: 60_000 },
})
