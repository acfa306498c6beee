import { mutated } from './rooms.ts'

const room = process.env.CONJUR_AGENT_MUTATE

export default {
  mutate: mutated(room),
  testRunner: 'in-process',
  plugins: [new URL('./runner.ts', import.meta.url).pathname],
  coverageAnalysis: 'perTest',
  // A constant of a module is made once, before any mutant is switched on.
  ignoreStatic: true,
  concurrency: 1,
  // What a mutant may leave behind does not pile up.
  maxTestRunnerReuse: 200,
  timeoutMS: 15_000,
  // TypeScript 7 has no API that Stryker could rewrite this with; nothing of ours needs it to.
  tsconfigFile: 'none.json',
  disableTypeChecks: false,
  tempDirName: `.stryker-tmp/${room}`,
  ignorePatterns: [
    '.stryker-tmp',
    'dist',
    '.testbed',
    'charts',
    'deploy',
    'coverage',
    'docs',
    'bench',
  ],
  reporters: ['json', 'progress-append-only'],
  jsonReporter: { fileName: `.stryker-tmp/${room}.json` },
}
