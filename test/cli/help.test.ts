import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { commands } from '../../src/cli/commands.ts'

const root = join(import.meta.dirname, '../..')
const has = (command: string): boolean =>
  spawnSync('sh', ['-c', `command -v ${command}`]).status === 0

function agent(...words: readonly string[]): string {
  const argv = [join(root, 'src/main.ts'), ...words]
  const { stdout, status } = spawnSync(process.execPath, argv, { encoding: 'utf8' })
  expect(status).toBe(0)
  return stdout
}

test.each(['', ...Object.keys(commands)])('the help of %j fits 24 × 80', (command) => {
  const lines = agent(...(command === '' ? [] : [command]), '--help')
    .trimEnd()
    .split('\n')

  expect(lines.filter((line) => line.length > 80)).toEqual([])
  expect(lines.length).toBeLessThanOrEqual(24)
})

test('the first screen names every command but those that scripts run', () => {
  const screen = agent('--help')

  const unnamed = Object.keys(commands).filter((name) => !new RegExp(`\\b${name}\\b`).test(screen))
  expect(unnamed).toEqual(['run', 'secrets-provided', 'secrets-unchanged'])
})

test('the manual page tells every command, flag, setting and exit code', () => {
  const page = agent('man').replaceAll('\\-', '-')

  for (const [name, { flags }] of Object.entries(commands)) {
    expect(page).toContain(`.SS ${name}`)
    for (const flag of Object.keys(flags)) expect(page).toContain(`--${flag}`)
  }
  expect(page).toContain('CONJUR_APPLIANCE_URL')
  expect(page).toContain('128+n')
})

test.skipIf(!has('groff'))('groff sets the manual page without a warning', () => {
  const { stderr, stdout, status } = spawnSync('groff', ['-man', '-Tutf8', '-ww'], {
    input: agent('man'),
    encoding: 'utf8',
  })

  expect([status, stderr]).toEqual([0, ''])
  expect(stdout).toContain('conjur-agent exec --once -- ./migrate')
})

test.skipIf(!has('mandoc'))('mandoc finds nothing wrong with the manual page', () => {
  const { stdout } = spawnSync('mandoc', ['-Tlint'], { input: agent('man'), encoding: 'utf8' })

  expect(stdout).toBe('')
})
