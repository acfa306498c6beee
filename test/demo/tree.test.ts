import { expect, test } from 'vitest'
import { symbolsFor } from '../../src/core/terminal.ts'
import { drawTree, modeText, type Picture } from '../../src/demo/tree.ts'
import type { VolumeEntry } from '../../src/demo/volume.ts'

const entry = (name: string, rest: Partial<VolumeEntry> = {}): VolumeEntry => ({
  name,
  bytes: 0,
  mode: 0o640,
  version: '1',
  ...rest,
})

const picture: Picture = {
  directory: '/run/user/1000/conjur-demo/secrets',
  entries: [
    entry('..data', { target: '..1' }),
    entry('access-token', { bytes: 640 }),
    entry('api-key', { bytes: 32 }),
    entry('db.json', { bytes: 61 }),
  ],
  kinds: new Map([
    ['access-token', { kind: 'token', values: 0 }],
    ['api-key', { kind: 'plain', values: 1 }],
    ['db.json', { kind: 'json', values: 2 }],
  ]),
  tokenLeftMs: 19_800,
}

test('the volume is drawn with kinds, values, sizes and modes', () => {
  expect(drawTree(picture, symbolsFor({ LANG: 'C.UTF-8' }))).toEqual([
    '/run/user/1000/conjur-demo/secrets',
    '├── ..data → ..1',
    '├── access-token     token   20 s left',
    '├── api-key          plain   1 value     32 bytes   -rw-r-----',
    '└── db.json          json    2 values    61 bytes   -rw-r-----',
  ])
})

test('where the locale has no UTF-8 it is drawn in plain letters', () => {
  const drawn = drawTree(picture, symbolsFor({ LANG: 'C' })).join('\n')

  expect(drawn).toBe(
    [
      '/run/user/1000/conjur-demo/secrets',
      '|-- ..data -> ..1',
      '|-- access-token     token   20 s left',
      '|-- api-key          plain   1 value     32 bytes   -rw-r-----',
      '`-- db.json          json    2 values    61 bytes   -rw-r-----',
    ].join('\n'),
  )
})

test.each([
  [0o640, '-rw-r-----'],
  [0o644, '-rw-r--r--'],
  [0o755, '-rwxr-xr-x'],
  [0o000, '----------'],
])('mode %i is written %s', (mode, text) => {
  expect(modeText(mode)).toBe(text)
})
