import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { tmpdir } from 'node:os'
import { onTestFinished } from 'vitest'

/** An empty directory that is gone when the test is. */
export function temporaryVolume(): string {
  const directory = mkdtempSync(join(tmpdir(), 'conjur-agent-'))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}
