import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { plainText, recording } from '../../.config/picture.ts'
import { blocksOf } from '../support/pages.ts'

/*
 * docs/tutorial-laptop.md is run as it is written, and what it says one should see is compared with
 * what one sees. `npm run demo` is the built program here: other suites use that build meanwhile.
 */

const run = promisify(execFile)
const root = join(import.meta.dirname, '../..')
const steps = blocksOf('docs/tutorial-laptop.md')
const commands = steps.filter(({ language }) => language === 'sh').map(({ text }) => text)
const shown = steps.filter(({ language }) => language === '').map(({ text }) => text)
const NPM = 'npm() { shift 2; if [ "$1" = -- ]; then shift; fi; exec node dist/main.js demo "$@"; }'

let runtime = ''
beforeEach(() => {
  runtime = mkdtempSync('/dev/shm/conjur-tutorial-')
})
afterEach(() => {
  rmSync(runtime, { recursive: true, force: true })
})

test('step 1: the demo shows what the tutorial and the picture show', async () => {
  const { lines, end } = await untilLine(commands[0] ?? '', / s {2}stop /)
  await end()

  expect(masked(lines.join('\n'))).toBe(masked(shown[0] ?? ''))
  expect(masked(plainText(recording()).split('\n').slice(1).join('\n'))).toBe(
    masked(shown[0] ?? ''),
  )
}, 60_000)

test('steps 2 to 4: what the demo left running is read as the tutorial says', async () => {
  const { lines, end } = await untilLine(commands[1] ?? '', /runs until Ctrl-C/)
  try {
    const expected = shown[1] ?? ''
    const directory = /^→ cat (.*)\/web\/secrets/m.exec(lines.join('\n'))?.[1] ?? ''

    expect(masked(lines.join('\n'))).toContain(masked(expected))
    expect(masked(await typed(commands[2] ?? '', directory))).toBe(masked(shown[2] ?? ''))
    expect(masked(await typed(commands[3] ?? '', directory))).toBe(masked(shown[3] ?? ''))
  } finally {
    await end()
  }
}, 60_000)

/** Starts a step and resolves once it has said a line; `end` is Ctrl-C. */
async function untilLine(
  command: string,
  last: RegExp,
): Promise<{ lines: readonly string[]; end: () => Promise<void> }> {
  const shell = spawn('bash', ['-c', `${NPM}\n${command}`], {
    cwd: root,
    env: { PATH: path(), XDG_RUNTIME_DIR: runtime, npm_lifecycle_event: 'demo' },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const closed = once(shell, 'close')
  const lines: string[] = []
  for await (const line of createInterface({ input: shell.stderr })) {
    lines.push(line)
    if (last.test(line)) break
  }
  return {
    lines,
    end: async () => {
      shell.kill('SIGINT')
      await closed
    },
  }
}

/** A step's command with the directory that the demo printed. */
async function typed(command: string, directory: string): Promise<string> {
  const line = command.replaceAll('/dev/shm/conjur-demo', directory)
  const { stdout } = await run('bash', ['-c', line], { cwd: root, env: { PATH: path() } })
  return stdout.trimEnd()
}

function path(): string {
  return `${dirname(process.execPath)}:${process.env['PATH'] ?? ''}`
}

/** What differs from run to run replaced: places, ports, times, counts, values. */
function masked(text: string): string {
  return text
    .replaceAll(/\/\S*?conjur-demo(-\w{6})?(?=[/\s])/g, 'DIRECTORY')
    .replaceAll(/conjur-devserver(-\w{6})?/g, 'DEVSERVER')
    .replaceAll(/127\.0\.0\.1:\d+/g, '127.0.0.1:PORT')
    .replaceAll(/demo-value-[\w-]+|demo-value-…/g, 'VALUE')
    .replaceAll(/^ *\+\d+ s {2}/gm, '+N s  ')
    .replaceAll(/of [\d,]+ reads/g, 'of N reads')
    .replaceAll(/[\d.]+ (s|ms|min|%)/g, 'N $1')
    .replaceAll(/(?<=N s) +(?=N|✓)|(?<=–|\d) +(?=N s)/g, '  ')
    .replaceAll(/ +NEXT +STATE/g, '  NEXT  STATE')
}
