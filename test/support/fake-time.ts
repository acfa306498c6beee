import { globSync } from 'node:fs'

const [LIBRARY] = globSync('/usr/lib/*/faketime/libfaketime.so.1')

/** Whether a process can be given a wall clock of its own here; suites that need it are skipped, with one line, where not. */
export function canFakeTime(): boolean {
  if (LIBRARY === undefined)
    process.stderr.write('skipped: no libfaketime here (apt-get install libfaketime)\n')
  return LIBRARY !== undefined
}

/** Settings under which a program's wall clock is off by what a file says, such as `+600`; read afresh each time. */
export function fakeTime(file: string): Readonly<Record<string, string>> {
  return {
    LD_PRELOAD: LIBRARY ?? '',
    FAKETIME_TIMESTAMP_FILE: file,
    FAKETIME_NO_CACHE: '1',
    FAKETIME_DONT_FAKE_MONOTONIC: '1',
  }
}
