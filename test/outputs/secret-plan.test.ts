import { describe, expect, test } from 'vitest'

import { Secret } from '../../src/core/secret.ts'
import type { Snapshot } from '../../src/outputs/output.ts'
import type { MapAll } from '../../src/outputs/map-all.ts'
import type { SecretMap } from '../../src/outputs/secret-map.ts'
import { planSecret, type StoredTarget } from '../../src/outputs/secret-plan.ts'

const ALL: MapAll = { contentType: 'text', include: [], exclude: [], strip: 'app/', max: 2 }
const USER = { key: 'user', variableId: 'app/user', contentType: 'text' } as const
const CERT = { key: 'cert', variableId: 'app/cert', contentType: 'base64' } as const

interface Case {
  readonly map: Partial<SecretMap>
  /** What stands in the Secret, all of it ours but what is named by `foreign`. */
  readonly stored?: Readonly<Record<string, string>>
  readonly foreign?: readonly string[]
  readonly values?: Readonly<Record<string, string>>
  readonly unknown?: readonly string[]
  readonly listed?: readonly string[]
}

function texts(of: Readonly<Record<string, string>>): ReadonlyMap<string, Secret> {
  return new Map(Object.entries(of).map(([name, text]) => [name, new Secret(text)]))
}

function planned({ map, stored = {}, foreign = [], values = {}, unknown = [], listed }: Case) {
  const target: StoredTarget = {
    name: 'db',
    namespace: 'shop',
    uid: 'u',
    type: 'Opaque',
    isImmutable: false,
    data: texts(stored),
    annotations: new Map(),
    ownKeys: new Set(Object.keys(stored).filter((key) => !foreign.includes(key))),
  }
  const snapshot: Snapshot = {
    accessToken: new Secret('{}'),
    values: texts(values),
    unknown: new Set(unknown),
    ...(listed === undefined ? {} : { listed }),
  }
  const { own, ...rest } = planSecret(target, { entries: [], templates: [], ...map }, snapshot)
  return {
    ...rest,
    own: Object.fromEntries([...own].map(([key, value]) => [key, value.text()])),
  }
}

const NOTHING = { isKept: false, lacking: [], notes: [] }

describe('a key of the map', () => {
  test('is filled, base64 by its bytes', () => {
    const values = { 'app/user': 'web', 'app/cert': 'YWJj' }

    expect(planned({ map: { entries: [USER, CERT] }, values })).toEqual({
      ...NOTHING,
      own: { user: 'web', cert: 'abc' },
    })
  })

  test('is delivered as it is where it is no base64, which is noted', () => {
    expect(planned({ map: { entries: [CERT] }, values: { 'app/cert': '?' } })).toEqual({
      ...NOTHING,
      own: { cert: '?' },
      notes: ['cert is not base64: delivered as it is'],
    })
  })

  test('P4 stays while its value is uncertain, if it is ours', () => {
    const entries = [USER]
    const unknown = ['app/user']

    expect(planned({ map: { entries }, stored: { user: 'old' }, unknown })).toEqual({
      ...NOTHING,
      own: { user: 'old' },
      isKept: true,
    })
    expect(
      planned({ map: { entries }, stored: { user: 'theirs' }, foreign: ['user'], unknown }),
    ).toEqual({ ...NOTHING, own: {}, lacking: ['app/user'] })
  })

  test('P4 goes when Conjur withdrew its value, and a Secret never filled waits for it', () => {
    const entries = [USER, CERT]
    const values = { 'app/cert': 'YWJj' }

    expect(planned({ map: { entries }, stored: { user: 'old' }, values })).toEqual({
      ...NOTHING,
      own: { cert: 'abc' },
    })
    expect(planned({ map: { entries }, values })).toMatchObject({ lacking: ['app/user'] })
  })
})

describe('"*"', () => {
  test('P4 leaves what it filled while nobody knows what there is, but not what the map names', () => {
    const entries = [USER]
    const stored = { user: 'old', b: '2' }

    expect(planned({ map: { entries, all: ALL }, stored, values: {} })).toEqual({
      ...NOTHING,
      own: { b: '2' },
      isKept: true,
    })
  })

  test('P4 that has filled nothing yet is uncertain all the same', () => {
    expect(planned({ map: { all: ALL } })).toEqual({ ...NOTHING, own: {}, isKept: true })
  })

  test('P4 keeps a key whose value is uncertain, if it stands; what was never had is left out', () => {
    const listed = ['app/a', 'app/b', 'app/c']
    const unknown = ['app/b', 'app/c']
    const stored = { b: 'old' }

    expect(
      planned({ map: { all: ALL }, stored, values: { 'app/a': '1' }, unknown, listed }),
    ).toEqual({ ...NOTHING, own: { a: '1', b: 'old' }, isKept: true })
  })

  test('fills nothing that the map or a template names', () => {
    const templates = [{ key: 'conf', entries: [], template: 'x' }]
    const values = { 'app/user': 'web', 'app/conf': 'y', 'app/z': '1' }
    const listed = Object.keys(values)

    expect(planned({ map: { entries: [USER], templates, all: ALL }, values, listed }).own).toEqual({
      user: 'web',
      z: '1',
      conf: 'x',
    })
  })

  test('what may be seen and not read is left out', () => {
    expect(
      planned({ map: { all: ALL }, values: { 'app/a': '1' }, listed: ['app/a', 'app/secret'] }),
    ).toEqual({ ...NOTHING, own: { a: '1' } })
  })

  test('of too many keys those that stand are kept fresh and none comes, which is told whole', () => {
    const values = { 'app/a': 'new', 'app/b': '2', 'app/c': '3' }

    const { error, ...plan } = planned({
      map: { all: ALL },
      stored: { a: 'old' },
      values,
      listed: Object.keys(values),
    })

    expect(plan).toEqual({ ...NOTHING, own: { a: 'new' }, isKept: true })
    expect(error).toMatchObject({
      code: 'OUTPUT_FULL',
      message: 'Secret db: "*" gives 3 keys, at most 2 are allowed',
      hint: 'filter "*" in its conjur-map with include and exclude, or allow more: max: 3',
      facts: { secret: 'db', keys: 3, max: 2 },
    })
  })

  test('as many as are allowed are no problem', () => {
    const values = { 'app/a': '1', 'app/b': '2' }

    expect(planned({ map: { all: ALL }, values, listed: Object.keys(values) })).toEqual({
      ...NOTHING,
      own: { a: '1', b: '2' },
    })
  })
})

describe('a template', () => {
  const entries = [
    { alias: 'user', variableId: 'app/user', contentType: 'text', required: true },
    { alias: 'cert', variableId: 'app/cert', contentType: 'base64', required: true },
  ] as const
  const template = '{{ secret "user" }}:{{ secret "cert" }}'
  const map = { templates: [{ key: 'conf', entries, template }] }

  test('is rendered with its values, base64 by its bytes', () => {
    const values = { 'app/user': 'web', 'app/cert': 'YWJj' }

    expect(planned({ map, values })).toEqual({ ...NOTHING, own: { conf: 'web:abc' } })
  })

  test('P4 stays while one of its values is uncertain, if it is ours', () => {
    const values = { 'app/user': 'web' }
    const unknown = ['app/cert']

    expect(planned({ map, stored: { conf: 'old' }, values, unknown })).toEqual({
      ...NOTHING,
      own: { conf: 'old' },
      isKept: true,
    })
    expect(planned({ map, values, unknown })).toEqual({
      ...NOTHING,
      own: {},
      lacking: ['app/cert'],
    })
  })

  test('P4 goes with a value that it cannot do without, and stays without one that it can', () => {
    const values = { 'app/user': 'web' }
    const relaxed = { templates: [{ key: 'conf', entries, template: '{{ secret "user" }}' }] }

    expect(planned({ map, stored: { conf: 'old' }, values })).toEqual({ ...NOTHING, own: {} })
    expect(planned({ map, values })).toEqual({ ...NOTHING, own: {}, lacking: ['app/cert'] })
    expect(planned({ map: relaxed, stored: { conf: 'old' }, values })).toEqual({
      ...NOTHING,
      own: { conf: 'web' },
    })
  })

  test('that fails by itself is an error, and its key stays', () => {
    const broken = { templates: [{ key: 'conf', entries, template: '{{ secret "nobody" }}' }] }
    const values = { 'app/user': 'web', 'app/cert': 'YWJj' }

    const { error, ...plan } = planned({ map: broken, stored: { conf: 'old' }, values })

    expect(plan).toEqual({ ...NOTHING, own: { conf: 'old' }, isKept: true })
    expect(error).toMatchObject({ code: 'OUTPUT_UNFIT', message: expect.stringContaining('conf') })
  })

  test('that gives no text is refused, as in a file', () => {
    const values = { 'app/user': 'web', 'app/cert': '/w==' }

    expect(planned({ map, values }).error).toMatchObject({
      code: 'OUTPUT_UNFIT',
      message: 'the template of group conf gives no UTF-8 text: the value of cert is none',
    })
  })

  test('P2 and its message holds no value', () => {
    const broken = {
      templates: [{ key: 'conf', entries, template: '{{ secret "user" | b64dec }}' }],
    }
    const values = { 'app/user': 'hunter2!', 'app/cert': 'YWJj' }

    const { error } = planned({ map: broken, values })

    expect(JSON.stringify([error?.message, error?.hint, error?.facts])).not.toContain('hunter2')
  })
})
