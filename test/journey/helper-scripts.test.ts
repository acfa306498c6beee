import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { PROGRAM_FILE } from '../support/program.ts'
import { temporaryVolume } from '../support/temporary-volume.ts'

/** A script whose first line names the program, as they stand in the image. */
function script(command: string): string {
  const directory = temporaryVolume()
  const program = join(directory, 'conjur-agent')
  chmodSync(PROGRAM_FILE, 0o755)
  symlinkSync(PROGRAM_FILE, program)
  const path = join(directory, `conjur-${command}.sh`)
  writeFileSync(path, `#!${program} ${command}\n`, { mode: 0o755 })
  return path
}

function environment(status: string): Record<string, string> {
  return { PATH: dirname(process.execPath), CONJUR_STATUS_DIRECTORY: status }
}

test('conjur-secrets-provided.sh waits for the first set, without a shell', async () => {
  const status = temporaryVolume()
  const waiting: ChildProcess = spawn(script('secrets-provided'), { env: environment(status) })
  const ends = once(waiting, 'exit')
  await once(waiting, 'spawn')

  const endedBefore = waiting.exitCode
  writeFileSync(join(status, 'CONJUR_SECRETS_PROVIDED'), '')

  expect(endedBefore).toBeNull()
  expect(await ends).toEqual([0, null])
})

test('conjur-secrets-unchanged.sh fails once after a change, without a shell', () => {
  const status = temporaryVolume()
  const path = script('secrets-unchanged')
  const probe = () => spawnSync(path, { env: environment(status) }).status
  const updated = join(status, 'CONJUR_SECRETS_UPDATED')

  const unchanged = probe()
  writeFileSync(updated, '')
  const changed = [probe(), probe()]

  expect(unchanged).toBe(0)
  expect(changed).toEqual([1, 0])
  expect(existsSync(updated)).toBe(false)
})
