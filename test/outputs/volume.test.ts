import { execFileSync, spawnSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { Secret } from '../../src/core/secret.ts'
import { holding } from '../../src/outputs/held-directory.ts'
import { outputFailure } from '../../src/outputs/output-failure.ts'
import { volume } from '../../src/outputs/volume.ts'
import { writeNewFile } from '../../src/outputs/volume-write.ts'
import { volumeFacts } from '../../src/outputs/volume-facts.ts'
import { temporaryVolume } from '../support/temporary-volume.ts'

type Contents = Readonly<Record<string, string>>

function publish(
  directory: string,
  contents: Contents,
  more: { keep?: readonly string[]; gone?: readonly string[]; how?: 'set' | 'each' } = {},
) {
  const files = new Map(
    Object.entries(contents).map(([path, text]) => [
      path,
      { content: new Secret(text), mode: 0o640 },
    ]),
  )
  const place = volume({ directory, publish: more.how ?? 'set', requireTmpfs: 'false' })
  const { outcomes, sweep } = place.publish({
    files,
    keep: new Set(more.keep),
    gone: new Set(more.gone),
  })
  sweep?.()
  return outcomes
}

/** Every name below a directory, links unfollowed: what it is, its mode, content or target. */
function tree(directory: string, prefix = ''): Record<string, string> {
  const all: Record<string, string> = {}
  for (const name of readdirSync(directory).toSorted()) {
    const path = join(directory, name)
    const stats = lstatSync(path)
    const mode = (stats.mode & 0o7777).toString(8)
    if (stats.isSymbolicLink()) all[prefix + name] = `-> ${readlinkSync(path)}`
    else if (stats.isFile()) all[prefix + name] = `${mode} ${readFileSync(path, 'utf8')}`
    else Object.assign(all, { [`${prefix}${name}/`]: mode }, tree(path, `${prefix}${name}/`))
  }
  return all
}

/** Identity and times of everything there: equal before and after if nothing was touched. */
function fingerprints(directory: string): string[] {
  return readdirSync(directory, { recursive: true, encoding: 'utf8' }).map((name) => {
    const { ino, ctimeNs, mode } = lstatSync(join(directory, name), { bigint: true })
    return `${name} ${ino} ${ctimeNs} ${mode}`
  })
}

describe('a set of files', () => {
  test('lies in a directory of its own, and every name is a link through ..data', () => {
    const directory = temporaryVolume()
    const umask = process.umask(0o077)
    onTestFinished(() => void process.umask(umask))

    const outcomes = publish(directory, { 'db.json': '{}', 'sub/deep/x.yaml': 'a: 1' })

    expect(tree(directory)).toEqual({
      '..1/': '755',
      '..1/db.json': '640 {}',
      '..1/sub/': '755',
      '..1/sub/deep/': '755',
      '..1/sub/deep/x.yaml': '640 a: 1',
      '..data': '-> ..1',
      'db.json': '-> ..data/db.json',
      sub: '-> ..data/sub',
    })
    expect([...outcomes]).toEqual([
      ['db.json', { state: 'written', mode: 0o640, bytes: 2 }],
      ['sub/deep/x.yaml', { state: 'written', mode: 0o640, bytes: 4 }],
    ])
  })

  test('that is unchanged touches nothing', () => {
    const directory = temporaryVolume()
    publish(directory, { a: 'one', 'sub/b': 'two' })
    const before = fingerprints(directory)

    const outcomes = publish(directory, { a: 'one', 'sub/b': 'two' })

    expect(fingerprints(directory)).toEqual(before)
    expect([...outcomes.values()].map(({ state }) => state)).toEqual(['same', 'same'])
  })

  test('carries an unchanged file over with its identity and times', () => {
    const directory = temporaryVolume()
    publish(directory, { a: 'one', b: 'two' })
    const { ino, mtimeMs } = statSync(join(directory, 'b'))

    const outcomes = publish(directory, { a: 'ONE', b: 'two' })

    expect(readFileSync(join(directory, 'a'), 'utf8')).toBe('ONE')
    expect(statSync(join(directory, 'b'))).toMatchObject({ ino, mtimeMs })
    expect(outcomes.get('a')?.state).toBe('written')
    expect(outcomes.get('b')?.state).toBe('same')
    expect(readdirSync(directory)).toEqual(['..2', '..data', 'a', 'b'])
  })

  test('numbers its directory above every number that is there', () => {
    const directory = temporaryVolume()
    mkdirSync(join(directory, '..9'))
    writeFileSync(join(directory, '..41'), '')
    symlinkSync('/nowhere', join(directory, '..100'))

    publish(directory, { a: 'one' })

    expect(tree(directory)).toEqual({
      '..101/': '755',
      '..101/a': '640 one',
      '..data': '-> ..101',
      a: '-> ..data/a',
    })
  })

  test('loses what it does not name', () => {
    const directory = temporaryVolume()
    publish(directory, { a: 'one', 'sub/b': 'two' })

    const outcomes = publish(directory, { a: 'one' })

    expect(tree(directory)).toEqual({
      '..2/': '755',
      '..2/a': '640 one',
      '..data': '-> ..2',
      a: '-> ..data/a',
    })
    expect(outcomes.get('sub/b')).toEqual({ state: 'removed' })
  })

  test('that never had a file leaves the directory empty', () => {
    const directory = temporaryVolume()

    publish(directory, {})

    expect(readdirSync(directory)).toEqual([])
  })

  test('P4 keeps files as they are on disk, and says which are missing', () => {
    const directory = temporaryVolume()
    publish(directory, { a: 'one', b: 'two' })

    const outcomes = publish(directory, { a: 'ONE' }, { keep: ['b', 'c'] })

    expect(readFileSync(join(directory, 'b'), 'utf8')).toBe('two')
    expect(outcomes.get('b')).toEqual({ state: 'kept', mode: 0o640, bytes: 3 })
    expect(outcomes.get('c')).toEqual({ state: 'missing' })
    expect(existsSync(join(directory, 'c'))).toBe(false)
  })

  test('P4 keeps a plain file that something else left at the path', () => {
    const directory = temporaryVolume()
    writeFileSync(join(directory, 'b'), 'two', { mode: 0o600 })

    publish(directory, { a: 'one' }, { keep: ['b'] })

    expect(tree(directory)).toMatchObject({ '..1/b': '600 two', b: '-> ..data/b' })
  })
})

test('P1 a set that another agent has published again is not swept away', () => {
  const directory = temporaryVolume()
  const place = volume({ directory, publish: 'set', requireTmpfs: 'false' })
  const set = (text: string): Parameters<typeof place.publish>[0] => ({
    files: new Map([['a', { content: new Secret(text), mode: 0o640 }]]),
    keep: new Set(),
    gone: new Set(),
  })
  place.publish(set('old'))
  const old = readlinkSync(join(directory, '..data'))
  const { sweep } = place.publish(set('new'))

  unlinkSync(join(directory, '..data'))
  symlinkSync(old, join(directory, '..data'))
  sweep?.()

  expect(readFileSync(join(directory, 'a'), 'utf8')).toBe('old')
})

describe('drift on the disk is repaired', () => {
  const set = { a: 'one', 'sub/b': 'two' }
  test.each<[string, (directory: string) => void]>([
    ['a file is deleted', (directory) => unlinkSync(join(directory, '..1/a'))],
    ['a file is changed', (directory) => writeFileSync(join(directory, '..1/a'), 'eno')],
    ['a file is emptied', (directory) => writeFileSync(join(directory, '..1/sub/b'), '')],
    ['a mode is changed', (directory) => chmodSync(join(directory, '..1/a'), 0o666)],
    ['a directory mode is changed', (directory) => chmodSync(join(directory, '..1/sub'), 0o777)],
    ['a file is added', (directory) => writeFileSync(join(directory, '..1/foreign'), '')],
    ['the set is deleted', (directory) => rmSync(join(directory, '..1'), { recursive: true })],
    ['the directory is deleted', (directory) => rmSync(directory, { recursive: true })],
    ['..data is deleted', (directory) => unlinkSync(join(directory, '..data'))],
    ['a link is deleted', (directory) => unlinkSync(join(directory, 'a'))],
    ['a link is turned elsewhere', (directory) => relink(join(directory, 'a'), '/etc/hostname')],
    ['a link becomes a file', (directory) => refile(join(directory, 'a'))],
    ['a link becomes an empty directory', (directory) => redirectory(join(directory, 'a'))],
    ['..data is turned elsewhere', (directory) => relink(join(directory, '..data'), '/etc')],
    ['..data becomes a file', (directory) => refile(join(directory, '..data'))],
    ['..data becomes an empty directory', (directory) => redirectory(join(directory, '..data'))],
    ['a file becomes a link', (directory) => relink(join(directory, '..1/a'), '/etc/hostname')],
    [
      'a killed pass left a set',
      (directory) => mkdirSync(join(directory, '..7/sub'), { recursive: true }),
    ],
    ['a killed pass left a link', (directory) => symlinkSync('..8', join(directory, '..8.tmp'))],
  ])('%s', (_what, drift) => {
    const directory = temporaryVolume()
    publish(directory, set)
    drift(directory)

    publish(directory, set)

    const { '..data': data = '', ...rest } = tree(directory)
    const current = data.slice(3)
    expect(rest).toEqual({
      [`${current}/`]: '755',
      [`${current}/a`]: '640 one',
      [`${current}/sub/`]: '755',
      [`${current}/sub/b`]: '640 two',
      a: '-> ..data/a',
      sub: '-> ..data/sub',
    })
  })

  function relink(path: string, target: string): void {
    unlinkSync(path)
    symlinkSync(target, path)
  }

  function refile(path: string): void {
    unlinkSync(path)
    writeFileSync(path, 'in the way')
  }

  function redirectory(path: string): void {
    unlinkSync(path)
    mkdirSync(path)
  }
})

test.each(['set', 'each'] as const)(
  'a directory in the way that is not empty is named, and nothing changes (%s)',
  (how) => {
    const directory = temporaryVolume()
    publish(directory, { a: 'one' }, { how })
    mkdirSync(join(directory, 'b/c'), { recursive: true })
    const before = fingerprints(directory)

    const act = () => publish(directory, { a: 'ONE', b: 'two' }, { how })

    expect(act).toThrow(
      expect.objectContaining({
        code: 'OUTPUT_BLOCKED',
        message: expect.stringContaining(`${directory}/b is a directory with something in it`),
      }),
    )
    expect(fingerprints(directory)).toEqual(before)
  },
)

test.each(['set', 'each'] as const)('no planted link is followed (%s)', (how) => {
  const directory = temporaryVolume()
  const outside = temporaryVolume()
  writeFileSync(join(outside, 'a'), 'outside')
  for (const name of ['a', '..1', '..1.tmp', '..2.tmp']) {
    symlinkSync(join(outside, 'a'), join(directory, name))
  }
  for (const name of ['sub', '..data', '..2']) symlinkSync(outside, join(directory, name))

  publish(directory, { a: 'one', 'sub/b': 'two' }, { how })

  expect(tree(outside)).toEqual({ a: '644 outside' })
  expect(readFileSync(join(directory, 'a'), 'utf8')).toBe('one')
  expect(readFileSync(join(directory, 'sub/b'), 'utf8')).toBe('two')
})

describe('P1 killed at any call, a reader sees the whole old set or the whole new one', () => {
  const cases: [string, 'set' | 'each', Contents, Contents][] = [
    ['first publication', 'set', {}, { a: 'new a', 'sub/b': 'new b' }],
    ['a change', 'set', { a: 'old a', 'sub/b': 'old b' }, { a: 'new a', 'sub/b': 'new b' }],
    ['one more, one fewer', 'set', { a: 'old a', b: 'old b' }, { a: 'old a', c: 'new c' }],
    ['plain files', 'each', { a: 'old a', 'sub/b': 'old b' }, { a: 'new a', 'sub/b': 'new b' }],
  ]
  test.each(cases)('%s (%s)', (_what, how, before, after) => {
    for (let at = 1; ; at++) {
      const directory = temporaryVolume()
      publish(directory, before, { how })

      const child = killedAt(directory, at, { how, after })

      const seen = Object.fromEntries(
        [...new Set([...Object.keys(before), ...Object.keys(after)])].flatMap((path) => {
          const file = join(directory, how === 'set' ? `..data/${path}` : path)
          return existsSync(file) ? [[path, readFileSync(file, 'utf8')]] : []
        }),
      )
      if (how === 'set') expect([before, after]).toContainEqual(seen)
      for (const [path, text] of Object.entries(seen))
        expect([before[path], after[path]]).toContain(text)
      publish(directory, after, { how })
      expect(readdirSync(directory).filter((name) => name.startsWith('..'))).toHaveLength(
        how === 'set' ? 2 : 0,
      )
      if (child !== null) break
    }
  })

  function killedAt(
    directory: string,
    at: number,
    { how, after }: { how: string; after: Contents },
  ): number | null {
    const script = join(import.meta.dirname, 'kill-point.ts')
    const { status, stderr } = spawnSync(
      process.execPath,
      [script, directory, how, String(at), JSON.stringify(after)],
      { encoding: 'utf8' },
    )
    if (status !== null && status !== 0) throw new Error(stderr)
    return status
  }
})

const isRoot = process.getuid?.() === 0

/** A tmpfs of its own; only root can have one. */
function mounted(options: string): string {
  const directory = temporaryVolume()
  execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', directory])
  onTestFinished(() => void execFileSync('umount', [directory]))
  return directory
}

describe.skipIf(!isRoot)('on a real tmpfs (needs root to mount one)', () => {
  test.each(['set', 'each'] as const)('P1 a full volume keeps the last set whole (%s)', (how) => {
    const directory = mounted('size=64k')
    publish(directory, { a: 'one', b: 'two' }, { how })
    const before = tree(directory)

    const act = () => publish(directory, { a: 'x'.repeat(30_000), b: 'y'.repeat(50_000) }, { how })

    expect(act).toThrow(
      expect.objectContaining({
        code: 'OUTPUT_FULL',
        message: expect.stringContaining(`${directory} is full`),
      }),
    )
    expect(tree(directory)).toEqual(before)
  })

  test('P1 so does one without room for another file', () => {
    const directory = mounted('size=64k,nr_inodes=8')
    publish(directory, { a: 'one', b: 'two' })
    const before = tree(directory)

    const act = () => publish(directory, { a: 'ONE', b: 'TWO', c: '3', d: '4' })

    expect(act).toThrow(expect.objectContaining({ code: 'OUTPUT_FULL' }))
    expect(tree(directory)).toEqual(before)
  })

  test('a read-only volume is named', () => {
    const directory = mounted('ro')

    const act = () => publish(directory, { a: 'one' })

    expect(act).toThrow(
      expect.objectContaining({
        code: 'OUTPUT_UNWRITABLE',
        message: `${directory} cannot be written: read-only file system (EROFS)`,
        hint: expect.stringContaining('medium: Memory'),
      }),
    )
  })

  test('memory is recognised and demanded', () => {
    const directory = mounted('size=64k')
    const place = volume({ directory, publish: 'set', requireTmpfs: 'true' })

    const act = () => place.publish({ files: new Map(), keep: new Set(), gone: new Set() })

    expect(act).not.toThrow()
    expect(volumeFacts(directory)).toMatchObject({ fileSystem: 'tmpfs', isWritable: true })
  })
})

test.each(['file', 'link'])(
  'a new file is not written over a %s that someone put there',
  (kind) => {
    const directory = temporaryVolume()
    const outside = join(temporaryVolume(), 'outside')
    writeFileSync(outside, 'outside')
    if (kind === 'link') symlinkSync(outside, join(directory, 'a'))
    else writeFileSync(join(directory, 'a'), 'there')

    const act = () =>
      holding(directory, (held) =>
        writeNewFile(held, 'a', { content: new Secret('new'), mode: 0o644 }),
      )

    expect(act).toThrow('EEXIST')
    expect(readFileSync(outside, 'utf8')).toBe('outside')
  },
)

test('a disk is refused where memory is demanded', () => {
  const place = volume({ directory: '/proc', publish: 'set', requireTmpfs: 'true' })

  const act = () => place.publish({ files: new Map(), keep: new Set(), gone: new Set() })

  expect(act).toThrow(expect.objectContaining({ code: 'OUTPUT_NOT_TMPFS' }))
})

test('a path below a file is unwritable, and says so', () => {
  const directory = join(temporaryVolume(), 'file')
  writeFileSync(directory, '')

  const act = () => publish(join(directory, 'secrets'), { a: 'one' })

  expect(act).toThrow(expect.objectContaining({ code: 'OUTPUT_UNWRITABLE' }))
})

test('a directory that is not there is made, readable for everyone', () => {
  const directory = join(temporaryVolume(), 'run/secrets')

  publish(directory, { a: 'one' })

  expect(lstatSync(directory).mode & 0o777).toBe(0o755)
  expect(readFileSync(join(directory, 'a'), 'utf8')).toBe('one')
})

describe('plain files, each by rename', () => {
  test('stand where consumers look, without links', () => {
    const directory = temporaryVolume()

    publish(directory, { a: 'one', 'sub/b': 'two' }, { how: 'each' })

    expect(tree(directory)).toEqual({ a: '640 one', 'sub/': '755', 'sub/b': '640 two' })
  })

  test('that are unchanged are not touched, and only those named as gone go', () => {
    const directory = temporaryVolume()
    publish(directory, { a: 'one', b: 'two', c: 'three' }, { how: 'each' })
    const { ino } = statSync(join(directory, 'a'))

    const outcomes = publish(directory, { a: 'one' }, { how: 'each', keep: ['c'], gone: ['b'] })

    expect(tree(directory)).toEqual({ a: '640 one', c: '640 three' })
    expect(statSync(join(directory, 'a')).ino).toBe(ino)
    expect(Object.fromEntries([...outcomes].map(([path, { state }]) => [path, state]))).toEqual({
      a: 'same',
      b: 'removed',
      c: 'kept',
    })
  })

  test('take the place of a set that was published before', () => {
    const directory = temporaryVolume()
    publish(directory, { a: 'one', 'sub/b': 'two', c: 'three' })

    publish(directory, { a: 'one' }, { how: 'each', keep: ['sub/b'] })

    expect(tree(directory)).toEqual({ a: '640 one', 'sub/': '755', 'sub/b': '640 two' })
  })
})

test('an error of the system whose number has lost its sign, as rmSync gives it, is told like any other', () => {
  const busy = Object.assign(new Error('busy'), { code: 'EBUSY', errno: 16, syscall: 'rm' })

  expect(outputFailure(busy, '/secrets')).toMatchObject({
    code: 'OUTPUT_UNWRITABLE',
    message: '/secrets cannot be written: resource busy or locked (EBUSY)',
  })
})
