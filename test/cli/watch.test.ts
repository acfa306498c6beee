import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test, vi } from 'vitest'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const MAIN = join(import.meta.dirname, '../../src/main.ts')
const hasScript = spawnSync('script', ['--version']).status === 0

function document(directory: string, login: string): void {
  const at = (ms: number): string => new Date(Date.now() + ms).toISOString()
  const status = {
    schema: 'conjur-agent/status/v1',
    mode: 'sidecar',
    startedAt: at(-60_000),
    writtenAt: at(0),
    ready: true,
    reasons: [],
    nextPassAt: at(3_600_000),
    accessToken: { login, lifetimeSeconds: 480, expiresAt: at(3_600_000) },
    outputs: [{ name: `${login}.json`, kind: 'json', values: 1, state: 'fresh' }],
  }
  writeFileSync(join(directory, 'agent.json'), JSON.stringify(status))
}

/** `status --watch`, started by these words. */
function watching(directory: string, before: readonly string[] = []) {
  const words = [process.execPath, MAIN, 'status', '--watch', '--status-directory', directory]
  const [program = '', ...args] =
    before.length === 0
      ? words
      : [...before, words.map((word) => `'${word}'`).join(' '), '/dev/null']
  const child = spawn(program, args, {
    env: { PATH: process.env['PATH'] ?? '', TERM: 'xterm', LANG: 'C.UTF-8' },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  let out = ''
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString('utf8')))
  const ended = once(child, 'exit')
  return {
    child,
    ended,
    shown: () => out,
    sees: (text: string) => vi.waitFor(() => expect(out).toContain(text), { timeout: 30_000 }),
  }
}

test.skipIf(!hasScript)(
  'on a terminal the table is drawn in place until q, and the screen is left as it was',
  async () => {
    await using directory = await temporaryDirectory()
    document(directory.path, 'first')
    const status = watching(directory.path, ['script', '-qfec'])

    await status.sees('first.json')
    document(directory.path, 'second')
    await status.sees('second.json')
    status.child.stdin.write('q')
    const [code] = await status.ended

    expect(code).toBe(0)
    expect(status.shown()).toMatch(/\x1b\[\?1049h\x1b\[\?25l\x1b\[H/)
    expect(status.shown()).toMatch(/\x1b\[\?25h\x1b\[\?1049l$/)
    expect(status.shown()).not.toContain('\x1b[2J')
  },
)

test('piped, a block is added when something changed; P7 a signal ends it with 0', async () => {
  await using directory = await temporaryDirectory()
  const status = watching(directory.path)

  await status.sees('there is no status document')
  document(directory.path, 'first')
  await status.sees('first.json')
  status.child.kill('SIGTERM')

  expect(await status.ended).toEqual([0, null])
  expect(status.shown()).not.toContain('\x1b')
})
