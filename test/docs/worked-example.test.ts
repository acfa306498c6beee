import { spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'

const root = join(import.meta.dirname, '../..')
const patch = join(import.meta.dirname, 'worked-example/setting.patch')

test('a new setting is so many files as CONTRIBUTING.md says: it compiles, its test passes, its pages follow', () => {
  const place = mkdtempSync(join(tmpdir(), 'conjur-agent-example-'))
  onTestFinished(() => {
    rmSync(place, { recursive: true, force: true })
  })
  const parts = ['src', 'test', '.config', 'docs', 'bench', 'package.json', 'tsconfig.json']
  for (const name of parts) {
    cpSync(join(root, name), join(place, name), {
      recursive: true,
      filter: (path) => !/node_modules$|[/]dist$/.test(path),
    })
  }
  symlinkSync(join(root, 'node_modules'), join(place, 'node_modules'))
  const run = (command: string, ...args: readonly string[]): string => {
    const { status, stdout, stderr } = spawnSync(command, args, { cwd: place, encoding: 'utf8' })
    expect(status, `${command} ${args.join(' ')}\n${stdout}${stderr}`).toBe(0)
    return stdout
  }
  const bin = (name: string): string => join(root, 'node_modules/.bin', name)

  run('patch', '-p1', '-i', patch)

  run(bin('tsc'), '--noEmit')
  run(
    bin('vitest'),
    'run',
    '--config',
    '.config/vitest.config.ts',
    'test/config/start-message.test.ts',
  )
  run(process.execPath, '.config/docs.ts')
  expect(readFileSync(join(place, 'docs/settings.md'), 'utf8')).toContain('CONJUR_START_MESSAGE')
  const touched = [...readFileSync(patch, 'utf8').matchAll(/^\+\+\+ b\/(.*)$/gm)].map(
    ([, name]) => name,
  )
  const told = readFileSync(join(root, 'CONTRIBUTING.md'), 'utf8')
  for (const name of touched) expect(told).toContain(`\`${name}\``)
})
