import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'

import { expect, onTestFinished, test } from 'vitest'

import { Secret } from '../../src/core/secret.ts'
import { holding } from '../../src/outputs/held-directory.ts'
import {
  carry,
  makeDirectory,
  makeParents,
  remove,
  removeEmptyDirectory,
  replaceFile,
  writeNewFile,
} from '../../src/outputs/volume-write.ts'
import { temporaryVolume } from '../support/temporary-volume.ts'

const file = { content: new Secret('new'), mode: 0o640 }
const modeOf = (path: string): string => (statSync(path).mode & 0o7777).toString(8)

test('a directory is made with those above it, 0755 whatever the umask; one that is there stays', () => {
  const umask = process.umask(0o077)
  onTestFinished(() => void process.umask(umask))
  const home = temporaryVolume()
  chmodSync(home, 0o700)

  makeDirectory(join(home, 'a', 'b'))
  chmodSync(join(home, 'a'), 0o711)
  makeDirectory(join(home, 'a'))

  expect([home, join(home, 'a'), join(home, 'a/b')].map(modeOf)).toEqual(['700', '711', '755'])
})

test('where a file stands no directory is made', () => {
  const home = temporaryVolume()
  writeFileSync(join(home, 'a'), '')

  expect(() => makeDirectory(join(home, 'a'))).toThrow(expect.objectContaining({ code: 'EEXIST' }))
  expect(() => makeDirectory(join(home, 'a', 'b'))).toThrow(
    expect.objectContaining({ code: 'ENOTDIR' }),
  )
  expect(() => makeDirectory('/proc/nowhere/a')).toThrow(
    expect.objectContaining({ code: 'ENOENT' }),
  )
})

test('P8 a link in the place of a parent is not gone through', () => {
  const home = temporaryVolume()
  const elsewhere = temporaryVolume()
  symlinkSync(elsewhere, join(home, 'a'))
  mkdirSync(join(home, 'b'))

  expect(() => holding(home, (held) => makeParents(held, ['a/x']))).toThrow(
    expect.objectContaining({ code: 'EEXIST' }),
  )
  holding(home, (held) => makeParents(held, ['b/c/x', 'b/y']))

  expect(readdirSync(elsewhere)).toEqual([])
  expect(modeOf(join(home, 'b/c'))).toBe('755')
})

test('a parent that cannot be made is an error, not a parent', () => {
  const home = temporaryVolume()
  const name = 'x'.repeat(256)

  expect(() => holding(home, (held) => makeParents(held, [`${name}/x`]))).toThrow(
    expect.objectContaining({ code: 'ENAMETOOLONG' }),
  )
})

test('a new file is never an old one', () => {
  const home = temporaryVolume()
  writeFileSync(join(home, 'a'), 'old')

  expect(() => holding(home, (held) => writeNewFile(held, 'a', file))).toThrow(
    expect.objectContaining({ code: 'EEXIST' }),
  )
  expect(readFileSync(join(home, 'a'), 'utf8')).toBe('old')
})

test('P1 a file is replaced whole, and what a kill left beside it goes', () => {
  const home = temporaryVolume()
  writeFileSync(join(home, 'a'), 'old')
  writeFileSync(join(home, '.a.tmp'), 'half')

  holding(home, (held) => replaceFile(held, 'a', file))

  expect(readdirSync(home)).toEqual(['a'])
  expect([readFileSync(join(home, 'a'), 'utf8'), modeOf(join(home, 'a'))]).toEqual(['new', '640'])
})

test('P7 a file that cannot be put in its place leaves nothing half-made', () => {
  const home = temporaryVolume()
  mkdirSync(join(home, 'a', 'b'), { recursive: true })

  expect(() => holding(home, (held) => replaceFile(held, 'a', file))).toThrow(
    expect.objectContaining({ code: 'EISDIR' }),
  )
  expect(readdirSync(home)).toEqual(['a'])
})

test('a file is carried into the next set by a second name, or not at all', () => {
  const home = temporaryVolume()
  writeFileSync(join(home, 'a'), 'x')
  mkdirSync(join(home, 'directory'))
  const carried = (from: string, to: string): boolean =>
    holding(home, (held) => carry(held, from, to))

  expect(carried('a', 'b')).toBe(true)
  expect(statSync(join(home, 'b')).ino).toBe(statSync(join(home, 'a')).ino)
  // What may have no second name is written anew.
  expect(carried('directory', 'c')).toBe(false)
  expect(carried('gone', 'c')).toBe(false)
  expect(() => carried('a', 'b')).toThrow(expect.objectContaining({ code: 'EEXIST' }))
})

test('whatever stands there is removed, links unfollowed, and nothing there is fine', () => {
  const home = temporaryVolume()
  const elsewhere = temporaryVolume()
  writeFileSync(join(elsewhere, 'kept'), '')
  mkdirSync(join(home, 'a/b'), { recursive: true })
  writeFileSync(join(home, 'a/b/c'), '')
  symlinkSync(elsewhere, join(home, 'a/link'))

  holding(home, (held) => {
    remove(held, 'a')
    remove(held, 'gone')
  })

  expect(readdirSync(home)).toEqual([])
  expect(existsSync(join(elsewhere, 'kept'))).toBe(true)
})

test('an empty directory makes room; one with something in it is named', () => {
  const home = temporaryVolume()
  mkdirSync(join(home, 'empty'))
  mkdirSync(join(home, 'full/b'), { recursive: true })
  writeFileSync(join(home, 'file'), '')
  const path = join(home, 'full')
  const makeRoom = (name: string): void =>
    holding(home, (held) => removeEmptyDirectory(held, name, 'the file db.json'))

  makeRoom('empty')

  expect(readdirSync(home)).toEqual(['file', 'full'])
  expect(() => makeRoom('full')).toThrow(
    expect.objectContaining({
      code: 'OUTPUT_BLOCKED',
      message: `${path} is a directory with something in it, where the file db.json belongs`,
      hint: `ls -la ${path}; move it away, or give the file another path (conjur.org/secret-file-path.<group>)`,
      facts: { path },
    }),
  )
  expect(() => makeRoom('file')).toThrow(expect.objectContaining({ code: 'ENOTDIR' }))
  expect(lstatSync(join(home, 'file')).isFile()).toBe(true)
})
