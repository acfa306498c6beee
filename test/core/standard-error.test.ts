import { spawnSync } from 'node:child_process'
import { closeSync, constants, mkdtempSync, openSync, readSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { standardError } from '../../src/core/standard-error.ts'

const opened: number[] = []
const folder = mkdtempSync(join(tmpdir(), 'standard-error-'))

afterEach(() => {
  for (const descriptor of opened.splice(0)) closeSync(descriptor)
  rmSync(join(folder, 'pipe'), { force: true })
})

/** A pipe of the kernel, which nobody waits at. */
function pipe(): { readonly reader: number; readonly writer: number } {
  const path = join(folder, 'pipe')
  spawnSync('mkfifo', [path])
  const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  const writer = openSync(path, constants.O_WRONLY | constants.O_NONBLOCK)
  opened.push(writer)
  return { reader, writer }
}

function readAll(descriptor: number): string {
  const buffer = Buffer.alloc(1024 * 1024)
  return buffer.toString('utf8', 0, readSync(descriptor, buffer))
}

const never = (): never => {
  throw new Error('a stream was made')
}

test('a line is written at once and makes no stream', () => {
  const { reader, writer } = pipe()
  opened.push(reader)

  standardError(never, writer).write('one: ü\n')

  expect(readAll(reader)).toBe('one: ü\n')
})

test('P3 what a full pipe does not take goes to the stream, and every later line after it', () => {
  const { reader, writer } = pipe()
  opened.push(reader)
  const rest: Buffer[] = []
  let made = 0
  const to = standardError(() => {
    made += 1
    return { write: (bytes) => rest.push(Buffer.from(bytes)) }
  }, writer)
  const long = `${'x'.repeat(100_000)}\n`

  to.write(long)
  const taken = readAll(reader)
  to.write('next\n')

  expect(taken.length).toBeGreaterThan(0)
  expect(taken + Buffer.concat(rest).toString()).toBe(`${long}next\n`)
  expect(made).toBe(1)
})

test('P3 a reader that has left costs the lines alone', () => {
  const { reader, writer } = pipe()
  closeSync(reader)
  const to = standardError(never, writer)

  to.write('one\n')
  to.write('two\n')

  expect(() => to.write('three\n')).not.toThrow()
})
