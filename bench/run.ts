import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { crowd } from './crowd.ts'
import { devserver } from './devserver.ts'
import { fleet } from './fleet.ts'
import { herdFollowers, herdHibernate, herdOutage, herdRestart } from './herd.ts'
import { injector } from './injector.ts'
import { hibernate, rest } from './rest.ts'
import { EXECUTABLE } from './program.ts'
import { holds, table, type Row } from './runner.ts'
import { scale } from './scale.ts'
import { size } from './size.ts'
import { start } from './start.ts'
import { traffic } from './traffic.ts'

/**
 * Runs the benches named on the command line, or all, and puts their tables into RESULTS.md. With
 * `--compare CMD` any other program is measured beside ours in `start` and `rest`, with the same
 * environment; what it measures is then printed and not kept.
 */
const { values: flags, positionals: asked } = parseArgs({
  options: { compare: { type: 'string' } },
  allowPositionals: true,
})
const benches: Readonly<Record<string, () => Promise<readonly Row[]>>> = {
  start: () => start(flags.compare),
  rest: () => rest(flags.compare),
  size: async () => size(),
  hibernate,
  scale,
  traffic,
  fleet,
  injector,
  devserver,
  'herd-restart': herdRestart,
  'herd-outage': herdOutage,
  'herd-followers': herdFollowers,
  'herd-hibernate': herdHibernate,
  crowd,
}
/**
 * The simulations take minutes and are the same on any machine: `npm run simulate`. The crowd of real
 * processes wants a machine of its own: `npm run bench crowd`.
 */
const onlyIfAsked: readonly string[] = [
  'herd-restart',
  'herd-outage',
  'herd-followers',
  'herd-hibernate',
  'crowd',
]
const results = new URL('RESULTS.md', import.meta.url)

const unknown = asked.filter((name) => !(name in benches))
if (unknown.length > 0) {
  const all = Object.keys(benches).join(', ')
  process.stderr.write(`there is no bench ${unknown.join(', ')}; there are ${all}\n`)
  process.exit(2)
}
if (!existsSync(EXECUTABLE)) {
  process.stderr.write(
    'without the executable, whose rows are left out: npm run build:executable\n',
  )
}

let failed = 0
for (const [name, bench] of Object.entries(benches)) {
  if (asked.length > 0 ? !asked.includes(name) : onlyIfAsked.includes(name)) continue
  const rows = await bench()
  const text = table(name, rows)
  process.stdout.write(`${text}\n`)
  failed += rows.filter((row) => !holds(row)).length
  if (flags.compare === undefined) keep(name, text)
}
process.exitCode = failed === 0 ? 0 : 1

/** Replaces one bench's section of the results, or adds it. */
function keep(name: string, text: string): void {
  const before = existing()
  const sections = before
    .split(/^(?=## )/m)
    .filter((section) => !section.startsWith(`## ${name}\n`))
  writeFileSync(results, `${[...sections, text].map((section) => section.trim()).join('\n\n')}\n`)
}

function existing(): string {
  try {
    return readFileSync(results, 'utf8')
  } catch {
    return '# Results\n\nWhat `npm run bench` measured last, on the machine named below each table.\n'
  }
}
