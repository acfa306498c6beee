import { mutated } from './rooms.ts'

const room = process.env.CONJUR_AGENT_MUTATE

export default {
  mutate: mutated(room),
  testRunner: 'vitest',
  vitest: { configFile: '.config/mutation/vitest.config.ts', related: false, pool: 'forks' },
  plugins: [import.meta.resolve('@stryker-mutator/vitest-runner')],
  coverageAnalysis: 'perTest',
  // A constant of a module is made once, before any mutant is switched on.
  ignoreStatic: true,
  concurrency: 1,
  timeoutMS: 3000,
  timeoutFactor: 3,
  // TypeScript 7 has no API that Stryker could rewrite this with; nothing of ours needs it to.
  tsconfigFile: 'none.json',
  disableTypeChecks: false,
  tempDirName: `.stryker-tmp/${room}`,
  ignorePatterns: ['dist', '.testbed', 'charts', 'deploy', 'coverage', 'docs', 'bench'],
  reporters: ['json'],
  jsonReporter: { fileName: `.stryker-tmp/${room}.json` },
}
