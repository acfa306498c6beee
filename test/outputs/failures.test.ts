import { mkdtempSync, rmdirSync, statfsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterAll, expect, test } from 'vitest'

import { OutputError } from '../../src/core/errors.ts'
import { errorNumber, outputFailure } from '../../src/outputs/output-failure.ts'
import { storeFailure } from '../../src/outputs/store-failure.ts'

const directory = mkdtempSync(join(tmpdir(), 'conjur-agent-test-'))
afterAll(() => rmdirSync(directory))

function refusal(code: string, errno: number): Error {
  return Object.assign(new Error('x'), { code, errno, syscall: 'open' })
}

/** All that a reader is told. */
function told(error: unknown): Readonly<Record<string, unknown>> {
  if (!(error instanceof OutputError)) throw error
  const { code, message, hint, retryable, facts } = error
  return { code, message, hint, retryable, facts }
}

const MOUNTED = `ls -la ${directory} shows whether the volume is still mounted there`
const OWN = `ls -ld ${directory}: it must be writable for uid ${process.geteuid?.()}, gid ${process.getegid?.()}`

test.each([
  [
    'EROFS',
    -30,
    'read-only file system',
    `mount an emptyDir with medium: Memory at ${directory}, without readOnly, in this container`,
    false,
  ],
  ['EACCES', -13, 'permission denied', OWN, false],
  ['EPERM', -1, 'operation not permitted', OWN, false],
  ['ENOTDIR', -20, 'not a directory', `ls -ld ${directory}: a part of that path is a file`, false],
  ['ENOENT', -2, 'no such file or directory', MOUNTED, true],
  ['EEXIST', 17, 'file already exists', MOUNTED, true],
  ['ENOTEMPTY', -39, 'directory not empty', MOUNTED, true],
  ['EIO', -5, 'i/o error', MOUNTED, true],
  ['EMFILE', -24, 'too many open files', MOUNTED, false],
])('P5 %s is told whole', (number, errno, words, hint, retryable) => {
  expect(told(outputFailure(refusal(number, errno), directory))).toEqual({
    code: 'OUTPUT_UNWRITABLE',
    message: `${directory} cannot be written: ${words} (${number})`,
    hint,
    retryable,
    facts: { directory, errno: number },
  })
})

test.each(['ENOSPC', 'EDQUOT'])('P5 %s says how much would fit', (number) => {
  const { bavail, bsize, ffree } = statfsSync('/proc')
  const bytes = bavail * bsize

  expect(told(outputFailure(refusal(number, -28), '/proc'))).toEqual({
    code: 'OUTPUT_FULL',
    message: `/proc is full: ${bytes} bytes and ${ffree} more files would fit; the last set stays`,
    hint: 'df -h /proc; a volume holds the old and the new set at once: raise its sizeLimit (chart: agent.secretsVolume.sizeLimit)',
    retryable: true,
    facts: { directory: '/proc', freeBytes: bytes, freeInodes: ffree },
  })
})

test('what would fit is counted in bytes', () => {
  const { facts } = told(outputFailure(refusal('ENOSPC', -28), '/'))
  const { bavail, bsize } = statfsSync('/')

  // Others write to this disk meanwhile: the order of magnitude has to do.
  expect(facts).toMatchObject({ freeBytes: expect.any(Number) })
  expect(JSON.stringify(facts)).toMatch(
    new RegExp(`"freeBytes":\\d{${String(bavail * bsize).length - 1},}`),
  )
})

test('a volume that is gone has no room', () => {
  expect(told(outputFailure(refusal('ENOSPC', -28), join(directory, 'gone')))).toMatchObject({
    facts: { freeBytes: 0, freeInodes: 0 },
  })
})

test('an error without a number of the system is refused by the system all the same', () => {
  const bare = Object.assign(new Error('x'), { code: 'EACCES', syscall: 'open' })

  expect(told(outputFailure(bare, directory))['message']).toBe(
    `${directory} cannot be written: refused by the system (EACCES)`,
  )
})

test.each([
  ['a defect of ours', new TypeError('ours')],
  ['an output error', new OutputError('OUTPUT_UNFIT', 'x', { hint: 'h' })],
  [
    'an output error with a number',
    Object.assign(new OutputError('OUTPUT_FULL', 'x', { hint: 'h' }), { syscall: 'open' }),
  ],
  ['a code without a call of the system', Object.assign(new Error('x'), { code: 'ERR_X' })],
  ['a call without a code', Object.assign(new Error('x'), { syscall: 'open' })],
  ['a code that is no text', Object.assign(new Error('x'), { code: 7, syscall: 'open' })],
  ['no error', { code: 'EACCES', syscall: 'open' }],
  ['nothing', undefined],
])('%s passes unchanged', (_, error) => {
  expect(outputFailure(error, directory)).toBe(error)
})

test('the name of an error of the system is what others decide by', () => {
  expect(errorNumber(refusal('ENOENT', -2))).toBe('ENOENT')
  expect(errorNumber(Object.assign(new Error('x'), { code: 7, syscall: 'open' }))).toBeUndefined()
})

test.each([
  [
    401,
    'OUTPUT_UNWRITABLE',
    'this service account may not patch Secret db (401)',
    'load what `conjur-agent rbac` prints',
    false,
  ],
  [
    403,
    'OUTPUT_UNWRITABLE',
    'this service account may not patch Secret db (403)',
    'load what `conjur-agent rbac` prints',
    false,
  ],
  [
    404,
    'OUTPUT_UNWRITABLE',
    'Secret db does not exist',
    'kubectl apply it with a conjur-map, or correct K8S_SECRETS',
    true,
  ],
  [
    409,
    'OUTPUT_UNWRITABLE',
    'Secret db was changed or deleted meanwhile (409)',
    'kubectl get secret/db --show-managed-fields shows by whom',
    true,
  ],
  [
    413,
    'OUTPUT_FULL',
    'Secret db is too large for the API server (413)',
    'spread its map over several Secrets',
    false,
  ],
  [
    422,
    'OUTPUT_UNFIT',
    'the API server takes no such data in Secret db (422)',
    'compare its type with its keys: kubernetes.io/tls, for one, needs tls.crt and tls.key',
    false,
  ],
  [
    'no answer' as const,
    'OUTPUT_UNWRITABLE',
    'Secret db cannot be written: why (no answer)',
    'kubectl get --raw /readyz shows whether the API server is well',
    true,
  ],
])('P5 the answer %s of the API server is told whole', (status, code, message, hint, retryable) => {
  expect(told(storeFailure('Secret db', 'patch', { status, reason: 'why' }))).toEqual({
    code,
    message,
    hint,
    retryable,
    facts: { secret: 'Secret db', status },
  })
})
