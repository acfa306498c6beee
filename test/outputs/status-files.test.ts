import { spawnSync } from 'node:child_process'
import {
  existsSync,
  lstatSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { statusFiles } from '../../src/outputs/status-files.ts'
import { temporaryVolume } from '../support/temporary-volume.ts'

const PROVIDED = 'CONJUR_SECRETS_PROVIDED'
const UPDATED = 'CONJUR_SECRETS_UPDATED'

test('the first success is marked as provided, not as an update', () => {
  const directory = temporaryVolume()

  statusFiles(directory).provided({ changed: true })

  expect(readdirSync(directory).toSorted()).toEqual([PROVIDED, 'conjur-secrets-unchanged.sh'])
  expect(readFileSync(join(directory, PROVIDED), 'utf8')).toBe('')
  expect(statSync(join(directory, PROVIDED)).mode & 0o777).toBe(0o666)
})

test('a later change is marked, and a pass without one is not', () => {
  const directory = temporaryVolume()
  const status = statusFiles(directory)
  status.provided({ changed: true })

  status.provided({ changed: false })
  const afterQuietPass = existsSync(join(directory, UPDATED))
  status.provided({ changed: true })

  expect(afterQuietPass).toBe(false)
  expect(statSync(join(directory, UPDATED)).mode & 0o777).toBe(0o666)
})

test('an agent that is started again does not take its first pass for an update', () => {
  const directory = temporaryVolume()
  statusFiles(directory).provided({ changed: true })

  statusFiles(directory).provided({ changed: false })

  expect(existsSync(join(directory, UPDATED))).toBe(false)
})

test('where no status directory is mounted there are no status files', () => {
  const directory = join(temporaryVolume(), 'status')

  statusFiles(directory).provided({ changed: true })

  expect(existsSync(directory)).toBe(false)
})

test('no link that an application planted is followed', () => {
  const directory = temporaryVolume()
  const outside = join(temporaryVolume(), 'outside')
  writeFileSync(outside, 'outside')
  for (const name of [PROVIDED, `.${PROVIDED}.tmp`, 'conjur-secrets-unchanged.sh']) {
    symlinkSync(outside, join(directory, name))
  }

  statusFiles(directory).provided({ changed: true })

  expect(readFileSync(outside, 'utf8')).toBe('outside')
  expect(lstatSync(join(directory, PROVIDED)).isFile()).toBe(true)
})

test.each(['sh', 'bash', 'dash'])(
  'the script for liveness probes fails once after a change: %s',
  (shell) => {
    const directory = temporaryVolume()
    const status = statusFiles(directory)
    const script = join(directory, 'conjur-secrets-unchanged.sh')
    const probe = () => spawnSync(shell, [script], { stdio: 'ignore' }).status
    status.provided({ changed: true })

    const unchanged = probe()
    status.provided({ changed: true })
    const changed = [probe(), probe()]

    expect(unchanged).toBe(0)
    expect(changed).toEqual([1, 0])
    expect(statSync(script).mode & 0o777).toBe(0o755)
  },
)

test('P7 what a kill left half-written goes with the next pass, whether or not that changes something', () => {
  const directory = temporaryVolume()
  const files = statusFiles(directory)
  files.provided({ changed: true })
  writeFileSync(join(directory, '.CONJUR_SECRETS_UPDATED.tmp'), '')

  files.provided({ changed: false })

  expect(readdirSync(directory).filter((name) => name.startsWith('.'))).toEqual([])
})
