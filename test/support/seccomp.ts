import { spawnSync } from 'node:child_process'
import { join } from 'node:path'

/** Debian's, since its package of libseccomp is for this one. */
const PYTHON = '/usr/bin/python3'

/** The words before a command that put it under the profile of deploy/kubernetes/seccomp.json. */
export const UNDER_SECCOMP: readonly string[] = [
  PYTHON,
  join(import.meta.dirname, 'under-seccomp.py'),
  join(import.meta.dirname, '../../deploy/kubernetes/seccomp.json'),
]

/** Whether a profile can be loaded here; suites that need it are skipped, with one line, where not. */
export function canLoadSeccomp(): boolean {
  const can = spawnSync(PYTHON, ['-c', 'import seccomp'], { stdio: 'ignore' }).status === 0
  if (!can) process.stderr.write('skipped: no python3-seccomp here (apt-get install it)\n')
  return can
}
