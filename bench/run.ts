import { readFileSync, writeFileSync } from 'node:fs'
import { devserver } from './devserver.ts'
import { holds, table, type Row } from './runner.ts'

/** Runs the benches named on the command line, or all, and puts their tables into RESULTS.md. */
const benches: Readonly<Record<string, () => Promise<readonly Row[]>>> = { devserver }
const results = new URL('RESULTS.md', import.meta.url)

const asked = process.argv.slice(2)
let failed = 0
for (const [name, bench] of Object.entries(benches)) {
  if (asked.length > 0 && !asked.includes(name)) continue
  const rows = await bench()
  const text = table(name, rows)
  process.stdout.write(`${text}\n`)
  failed += rows.filter((row) => !holds(row)).length
  keep(name, text)
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
