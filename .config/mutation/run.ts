import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { reasonFor } from './reasons.ts'
import { PROCESS_ONLY, ROOMS } from './rooms.ts'

/**
 * `npm run mutate [-- ROOM…]`: breaks the code of each room in every small way Stryker knows, one at a time, and
 * counts the breaks that no test of that room notices. Writes docs/mutation.md from the last run of each.
 */
const HOME = '.config/mutation'

interface Mutant {
  readonly status: string
  readonly mutatorName: string
  readonly replacement?: string
  readonly location: { readonly start: { readonly line: number } }
}

interface Report {
  readonly files: Readonly<
    Record<string, { readonly source: string; readonly mutants: readonly Mutant[] }>
  >
}

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
writeFileSync('docs/mutation.md', page())

function run(command: string, given: readonly string[], room = ''): void {
  const env = { ...process.env, CONJUR_AGENT_MUTATE: room }
  const { status } = spawnSync(command, given, { stdio: 'inherit', env })
  if (status !== 0) process.exit(status ?? 1)
}

function page(): string {
  const parts = ROOMS.map((room) => section(room)).filter((part) => part !== undefined)
  return `# Mutation testing

*Reference, for who changes the code:* how much of it the tests would notice. A *mutant* is one small break (a condition turned, a text
emptied, a call left out); it is *killed* when a test of its room fails. \`npm run mutate\` makes this page (about an hour on two
cores); \`npm run mutate -- conjur\` runs one room. Only suites that run the code in their own process count: those that start the
built program kill more, but a mutant does not reach it. Not counted for that reason: ${notCounted()}.
Of the injector, the files that decide. The aim is 85 % in each room; \`identity\` and \`outputs\` are below it or not measured whole, most of
what lives there are words for people.

| room | mutants | killed | survived | never run | score |
|---|--:|--:|--:|--:|--:|
${parts.map(({ row }) => row).join('\n')}

${parts.map(({ text }) => text).join('\n\n')}
`
}

function notCounted(): string {
  return Object.entries(PROCESS_ONLY)
    .flatMap(([room, names]) => names.map((name) => `\`${room}/${name}.ts\``))
    .join(', ')
}

function section(room: string): { readonly row: string; readonly text: string } | undefined {
  const file = `.stryker-tmp/${room}.json`
  if (!existsSync(file)) return undefined
  const report: Report = JSON.parse(readFileSync(file, 'utf8'))
  const unreached = new Set((PROCESS_ONLY[room] ?? []).map((name) => `src/${room}/${name}.ts`))
  const files = Object.fromEntries(
    Object.entries(report.files).filter(([name]) => !unreached.has(name)),
  )
  const rows = Object.entries(files).map(([name, { mutants }]) =>
    count(name.replace('src/', ''), mutants),
  )
  const all = count(
    room,
    Object.values(files).flatMap(({ mutants }) => mutants),
  )
  const left = Object.entries(files).flatMap(([name, { source, mutants }]) =>
    mutants
      .filter(({ status }) => status === 'Survived' || status === 'NoCoverage')
      .map((mutant) => ({
        name,
        line: source.split('\n')[mutant.location.start.line - 1] ?? '',
        mutant,
      })),
  )
  const reasons = new Map<string, string[]>()
  for (const { name, line, mutant } of left) {
    const reason = reasonFor({
      file: name,
      line,
      mutator: mutant.mutatorName,
      ran: mutant.status === 'Survived',
    })
    const place = `${name.replace(/^src\/\w+\//, '')}:${mutant.location.start.line}`
    reasons.set(reason, [...(reasons.get(reason) ?? []), place])
  }
  const survivors = [...reasons]
    .toSorted((one, other) => other[1].length - one[1].length)
    .map(([reason, places]) => `- **${reason}** (${places.length}): ${collapse(places)}`)
  return {
    row: all,
    text: `## ${room}

| file | mutants | killed | survived | never run | score |
|---|--:|--:|--:|--:|--:|
${rows.join('\n')}

Survivors, by reason:

${survivors.join('\n')}`,
  }
}

/** Lines of one file stand together; a line that holds several survivors is named once. */
function collapse(places: readonly string[]): string {
  const lines = new Map<string, Set<string>>()
  for (const place of places) {
    const [file = '', line = ''] = place.split(':')
    lines.set(file, (lines.get(file) ?? new Set()).add(line))
  }
  return [...lines].map(([file, at]) => `\`${file}\` ${[...at].join(', ')}`).join('; ')
}

function count(name: string, mutants: readonly Mutant[]): string {
  const of = (...wanted: readonly string[]): number =>
    mutants.filter(({ status }) => wanted.includes(status)).length
  const killed = of('Killed', 'Timeout')
  const survived = of('Survived')
  const unseen = of('NoCoverage')
  const all = killed + survived + unseen
  return `| ${name} | ${all} | ${killed} | ${survived} | ${unseen} | ${all === 0 ? '–' : `${((killed / all) * 100).toFixed(1)} %`} |`
}
