import { once } from 'node:events'
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
import { Worker } from 'node:worker_threads'
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

test('P8 a name alone lands in the directory that was opened, and the process is back where it was', () => {
  const [directory, outside] = [temporaryVolume(), temporaryVolume()]
  mkdirSync(join(directory, 'sub'))
  const before = process.cwd()

  holding(directory, (held) => {
    held.at('sub/opened')
    renameSync(join(directory, 'sub'), join(directory, 'aside'))
    symlinkSync(outside, join(directory, 'sub'))
    held.within('sub', (here) => writeFileSync(here.at('a'), 'one'))
    held.within('.', (here) => writeFileSync(here.at('b'), 'two'))
  })

  expect(process.cwd()).toBe(before)
  expect(readdirSync(outside)).toEqual([])
  expect(readdirSync(join(directory, 'aside'))).toEqual(['a'])
  expect(readdirSync(directory).toSorted()).toEqual(['aside', 'b', 'sub'])
})

test('what fails there leaves the process where it was, and no descriptor open', () => {
  const directory = temporaryVolume()
  const [before, descriptors] = [process.cwd(), readdirSync('/proc/self/fd').length]
  const fail = (): never => {
    throw new Error('full')
  }

  const act = () => holding(directory, (held) => held.within('.', fail))
  const lost = () => holding(directory, (held) => held.within('gone', fail))

  expect(act).toThrow('full')
  expect(lost).toThrow('ENOENT')
  expect(process.cwd()).toBe(before)
  expect(readdirSync('/proc/self/fd')).toHaveLength(descriptors)
})

test('where the process may not change its place, the same is done without', async () => {
  const directory = temporaryVolume()
  const module = new URL('../../src/outputs/held-directory.ts', import.meta.url).href
  const work = `import('${module}').then(({ holding }) =>
    holding(${JSON.stringify(directory)}, (held) =>
      held.within('.', (here) => require('node:fs').writeFileSync(here.at('a'), 'one'))))`

  const [code] = await once(new Worker(work, { eval: true }), 'exit')

  expect(code).toBe(0)
  expect(readFileSync(join(directory, 'a'), 'utf8')).toBe('one')
})
