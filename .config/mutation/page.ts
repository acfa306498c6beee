import { existsSync, readFileSync } from 'node:fs'

import { reasonFor } from './reasons.ts'
import { LEFT_OUT, PROCESS_ONLY, ROOMS } from './rooms.ts'

/** The page of the last run of each room; of a room that has not run here, what the page said before. */

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

const HEAD = '| mutants | killed | survived | never run | score |\n|---|--:|--:|--:|--:|--:|'

/** docs/mutation.md, from the reports of Stryker and from what that page held. */
export function page(before: string): string {
  const parts = ROOMS.map((room) => sectionOf(room) ?? sectionBefore(room, before))
  return `# Mutation testing

*Reference, for who changes the code:* how much of it the tests would notice. A *mutant* is one small break (a condition turned, a text
emptied, a call left out); it is *killed* when a test of its room fails. \`npm run mutate\` makes this page (half an hour on two
cores); \`npm run mutate -- conjur\` runs one room. The aim is 85 % in each.

Only tests that run the code in their own process count: those that start the built program kill more, but a mutant
does not reach it. Not counted for that reason: ${listed(Object.entries(PROCESS_ONLY))}.
Left out of the tests that are asked: ${LEFT_OUT.join('; ')}. Of the injector, the files that decide are counted. Constants of a module,
which are made before a mutant can be switched on, are not. Tests that wait for more than half a second are run for what no other test reaches.

| room ${HEAD}
${parts.map(({ row }) => row).join('\n')}

${parts.map(({ text }) => text).join('\n\n')}
`
}

interface Section {
  readonly row: string
  readonly text: string
}

function listed(files: readonly (readonly [room: string, names: readonly string[]])[]): string {
  return files.flatMap(([room, names]) => names.map((name) => `\`${room}/${name}.ts\``)).join(', ')
}

function sectionBefore(room: string, before: string): Section {
  const row = before.split('\n').find((line) => line.startsWith(`| ${room} |`))
  const from = before.indexOf(`\n## ${room}\n`) + 1
  const to = before.indexOf('\n## ', from)
  const text = before.slice(from, to === -1 ? undefined : to).trimEnd()
  if (row === undefined || from === 0) return { row: `| ${room} | – | – | – | – | – |`, text: '' }
  return { row, text }
}

function sectionOf(room: string): Section | undefined {
  const report = reportOf(room)
  if (report === undefined) return undefined
  const files = Object.entries(report.files)
    .map(([path, file]) => ({ name: path.replace('src/', ''), ...file }))
    .toSorted((one, other) => (one.name < other.name ? -1 : 1))
  const all = files.flatMap(({ mutants }) => mutants)
  const survivors = files.map(survivorsOf).filter((text) => text !== '')
  return {
    row: count(room, all),
    text: `## ${room}

| file ${HEAD}
${files.map(({ name, mutants }) => count(name, mutants)).join('\n')}

Survivors, and why each may live:

${survivors.join('\n')}`,
  }
}

function reportOf(room: string): Report | undefined {
  const file = `.stryker-tmp/${room}.json`
  return existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : undefined
}

const OWED = 'a test is owed'

function survivorsOf(file: {
  readonly name: string
  readonly source: string
  readonly mutants: readonly Mutant[]
}): string {
  const lines = file.source.split('\n')
  const reasons = new Map<string, Set<number>>()
  for (const { status, mutatorName, location } of file.mutants) {
    if (status !== 'Survived' && status !== 'NoCoverage') continue
    const { line } = location.start
    const about = { file: file.name, line: lines[line - 1] ?? '', mutator: mutatorName }
    const why = reasonFor(about) ?? OWED
    reasons.set(why, (reasons.get(why) ?? new Set()).add(line))
  }
  if (reasons.size === 0) return ''
  const texts = [...reasons].map(([why, at]) => `  - ${[...at].join(', ')}: ${why}`)
  return [`- \`${file.name}\``, ...texts].join('\n')
}

function count(name: string, mutants: readonly Mutant[]): string {
  const of = (...wanted: readonly string[]): number =>
    mutants.filter(({ status }) => wanted.includes(status)).length
  const killed = of('Killed', 'Timeout')
  const survived = of('Survived')
  const unseen = of('NoCoverage')
  const all = killed + survived + unseen
  const score = all === 0 ? '–' : `${((killed / all) * 100).toFixed(1)} %`
  return `| ${name} | ${all} | ${killed} | ${survived} | ${unseen} | ${score} |`
}
