import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'

const root = join(import.meta.dirname, '../..')
const report = execFileSync(process.execPath, ['.config/build.ts', '--report', '--dry-run'], {
  cwd: root,
  encoding: 'utf8',
  stdio: ['ignore', 'pipe', 'ignore'],
})
const sections = new Map(
  report
    .split('\n\n')
    .slice(1)
    .map((section) => [section.slice(0, section.indexOf('\n')), section]),
)

test('the build report has a section for every command that there is', () => {
  const main = readFileSync(join(root, 'src/main.ts'), 'utf8')
  const commands = [...main.matchAll(/case '([\w-]+)':/g)].map(([, name = '']) => name)

  expect([...sections.keys()].flatMap((names) => names.split(', '))).toEqual(commands)
})

test('the build report tells what a command loads at once, in files and bytes, and its largest modules', () => {
  const sidecar = sections.get('run, init, sidecar, exec') ?? ''

  expect(sidecar).toMatch(
    /^ {2}at once {2}\d{6} bytes: agent\.js \d{6}, front\.js \d{5}, rolldown-runtime\.js \d+$/m,
  )
  expect(sidecar).toMatch(/^ {2}wanted {3}\d+ bytes: .*_undici\.js \d+/m)
  expect(sidecar).toMatch(/^ +\d+ {2}src\/config\/settings\.ts$/m)
})

test('the build report begins with the size of all that is built', () => {
  expect(report).toMatch(/^dist: \d+ chunks, 1\.4\d\d MiB\n/)
})
