import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { page } from './page.ts'
import { ROOMS } from './rooms.ts'

/**
 * `npm run mutate [-- ROOM…]`: breaks the code of each room in every small way Stryker knows, one at a time, and
 * counts the breaks that no test of that room notices. Writes docs/mutation.md; `--report` does that alone.
 */
const HOME = '.config/mutation'
const PAGE = 'docs/mutation.md'

const asked = process.argv.slice(2).filter((argument) => argument !== '--report')
if (!process.argv.includes('--report')) {
  run('npm', ['ci', '--prefix', HOME])
  for (const room of asked.length === 0 ? ROOMS : asked) {
    // A mutant may signal any process it sees: it sees none but those of its own tests.
    const root = process.getuid?.() === 0 ? [] : ['--user', '--map-root-user']
    const apart = [...root, '--pid', '--fork', '--mount', '--mount-proc', '--kill-child']
    const stryker = `${HOME}/node_modules/@stryker-mutator/core/bin/stryker.js`
    run('unshare', [...apart, 'node', stryker, 'run', `${HOME}/stryker.config.mjs`], room)
  }
}
writeFileSync(PAGE, page(readFileSync(PAGE, 'utf8')))

function run(command: string, given: readonly string[], room = ''): void {
  const env = { ...process.env, CONJUR_AGENT_MUTATE: room }
  const { status } = spawnSync(command, given, { stdio: 'inherit', env })
  if (status !== 0) process.exit(status ?? 1)
}
