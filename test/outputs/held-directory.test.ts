import {
  linkSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { holding } from '../../src/outputs/held-directory.ts'
import { temporaryVolume } from '../support/temporary-volume.ts'

test('P8 what is swapped for a link after it was opened stays what it was', () => {
  const [directory, outside] = [temporaryVolume(), temporaryVolume()]
  mkdirSync(join(directory, 'sub'))

  holding(directory, (held) => {
    writeFileSync(held.at('sub/before'), 'one')
    renameSync(join(directory, 'sub'), join(directory, 'aside'))
    symlinkSync(outside, join(directory, 'sub'))
    writeFileSync(held.at('sub/after'), 'two')
  })

  expect(readdirSync(outside)).toEqual([])
  expect(readdirSync(join(directory, 'aside')).toSorted()).toEqual(['after', 'before'])
})

test('P8 the directory itself stays what it was when another takes its path', () => {
  const parent = temporaryVolume()
  const directory = join(parent, 'secrets')
  mkdirSync(directory)

  holding(directory, (held) => {
    renameSync(directory, join(parent, 'aside'))
    mkdirSync(directory)
    writeFileSync(held.at('a'), 'one')
  })

  expect(readdirSync(directory)).toEqual([])
  expect(readdirSync(join(parent, 'aside'))).toEqual(['a'])
})

test('P8 a link in the place of a directory leads nowhere', () => {
  const [directory, outside] = [temporaryVolume(), temporaryVolume()]
  symlinkSync(outside, join(directory, 'sub'))

  const act = () => holding(directory, (held) => held.at('sub/a'))

  expect(act).toThrow('ENOTDIR')
})

test('a thousand directories are worked in with a few descriptors, and none is left open', () => {
  const directory = temporaryVolume()
  const names = Array.from({ length: 1000 }, (_, index) => `d${index}`)
  for (const name of names) mkdirSync(join(directory, name))
  const before = readdirSync('/proc/self/fd').length
  let most = 0

  holding(directory, (held) => {
    writeFileSync(held.at('first'), 'same')
    for (const name of names) {
      linkSync(held.at('first'), held.at(`${name}/a`))
      most = Math.max(most, readdirSync('/proc/self/fd').length)
    }
    for (const [index, name] of names.entries()) {
      renameSync(held.at(`${name}/a`), held.at(`${names.at(-1 - index)}/b`))
    }
  })

  expect(
    names.filter((name) => readFileSync(join(directory, name, 'b'), 'utf8') === 'same'),
  ).toHaveLength(1000)
  expect(most - before).toBeLessThan(40)
  expect(readdirSync('/proc/self/fd')).toHaveLength(before)
})
