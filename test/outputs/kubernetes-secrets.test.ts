import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { Secret } from '../../src/core/secret.ts'
import {
  CONDITION,
  kubernetesSecrets,
  type SecretStore,
} from '../../src/outputs/kubernetes-secrets.ts'
import { readSecretMap } from '../../src/outputs/secret-map.ts'
import type { StoredTarget } from '../../src/outputs/secret-plan.ts'
import type { StoreRefusal } from '../../src/outputs/store-failure.ts'

const never = new AbortController().signal

/** A namespace in memory; what is applied stays, with its owner. */
function namespaceOf(
  secrets: Readonly<
    Record<
      string,
      {
        data: Record<string, string>
        annotations?: Record<string, string>
        type?: string
        isImmutable?: boolean
      }
    >
  >,
  refuse?: StoreRefusal,
) {
  const held = new Map<string, StoredTarget>()
  for (const [name, { data, annotations = {}, ...kind }] of Object.entries(secrets)) {
    held.set(name, {
      name,
      namespace: 'shop',
      uid: name,
      type: 'Opaque',
      isImmutable: false,
      data: new Map(Object.entries(data).map(([key, text]) => [key, new Secret(text)])),
      annotations: new Map(Object.entries(annotations)),
      ownKeys: new Set(),
      ...kind,
    })
  }
  const applies: string[] = []
  const warnings: string[] = []
  const store: SecretStore = {
    read: async (name) => held.get(name),
    list: async () => [...held.values()],
    async apply(target, own) {
      applies.push(target.name)
      if (refuse !== undefined) return refuse
      const foreign = [...target.data].filter(([key]) => !target.ownKeys.has(key))
      held.set(target.name, {
        ...target,
        data: new Map([...foreign, ...own]),
        ownKeys: new Set(own.keys()),
      })
      return undefined
    },
    async tell({ name }, { text, isWarning }) {
      const target = held.get(name)
      if (target === undefined) return
      held.set(name, {
        ...target,
        annotations: new Map([...target.annotations, [CONDITION, text]]),
      })
      if (isWarning) warnings.push(text)
    },
  }
  const output = (names: readonly string[]) =>
    kubernetesSecrets({
      store,
      names,
      parseYaml: async (text) => parse(text),
      parseList: async (text) => ({
        problems: text === 'bad' ? ['is no list'] : [],
        entries: text.split('\n').map((line) => ({
          alias: line.slice(line.lastIndexOf('/') + 1),
          variableId: line.slice(2),
          contentType: 'text',
          required: true,
        })),
      }),
    })
  const read = (name: string) =>
    Object.fromEntries([...(held.get(name)?.data ?? [])].map(([key, value]) => [key, value.text()]))
  return { output, read, applies, warnings, held, store }
}

function snapshot(
  values: Record<string, string>,
  { unknown = [], listed }: { unknown?: string[]; listed?: string[] } = {},
) {
  return {
    accessToken: new Secret('{}'),
    values: new Map(Object.entries(values).map(([id, text]) => [id, new Secret(text)])),
    unknown: new Set(unknown),
    ...(listed === undefined ? {} : { listed }),
  }
}

const map = { 'conjur-map': 'user: app/user\npassword: app/password' }
const both = { 'app/user': 'web', 'app/password': 'hunter2' }

test('a Secret says which variables it wants, and which of all', async () => {
  const { output } = namespaceOf({
    db: { data: map },
    conf: {
      data: {},
      annotations: {
        'conjur.org/conjur-secrets.conf': '- app/host',
        'conjur.org/secret-file-template.conf': '{{ secret "host" }}',
        'conjur.org/conjur-secrets.other': '- app/unused',
      },
    },
    all: { data: { 'conjur-map': '"*": {id: "*", include: "app/*", exclude: "**/tmp"}' } },
  })

  const wanted = await output([]).wanted(never)

  expect(wanted.variableIds).toEqual(['app/user', 'app/password', 'app/host'])
  expect(wanted.ofAll?.(['app/user', 'other/user', 'app/tmp'])).toEqual(['app/user'])
})

test('nothing is written to a Secret that already holds its values', async () => {
  const { output, applies } = namespaceOf({ db: { data: map } })
  await output(['db']).publish(snapshot(both), never)

  const published = await output(['db']).publish(snapshot(both), never)

  expect(published).toEqual([{ name: 'secret/db', kind: 'secret', values: 2, state: 'same' }])
  expect(applies).toEqual(['db'])
})

describe('P4', () => {
  test('a Secret that never was filled is not while a value is missing', async () => {
    const { output, read, held } = namespaceOf({ db: { data: map } })

    const published = await output(['db']).publish(snapshot({ 'app/user': 'web' }), never)

    expect(published[0]?.state).toBe('missing')
    expect(read('db')).toEqual(map)
    expect(held.get('db')?.annotations.get(CONDITION)).toBe(
      'waiting: Secret db lacks app/password: Conjur gives no value',
    )
  })

  test('an uncertain value leaves its key, a withdrawn one takes it along, foreign keys stay', async () => {
    const { output, read } = namespaceOf({ db: { data: { ...map, foreign: 'theirs' } } })
    await output(['db']).publish(snapshot(both), never)

    await output(['db']).publish(snapshot({}, { unknown: ['app/password'] }), never)

    expect(read('db')).toEqual({ ...map, foreign: 'theirs', password: 'hunter2' })
  })

  test('a foreign key does not become ours for want of a value', async () => {
    const { output, applies } = namespaceOf({ db: { data: { ...map, password: 'theirs' } } })

    const published = await output(['db']).publish(
      snapshot({ 'app/user': 'web' }, { unknown: ['app/password'] }),
      never,
    )

    expect(published[0]?.state).toBe('missing')
    expect(applies).toEqual([])
  })

  test('while it is not known which variables there are, what "*" filled stays', async () => {
    const { output, read } = namespaceOf({ db: { data: { 'conjur-map': '"*": "*"' } } })
    await output(['db']).publish(snapshot(both, { listed: Object.keys(both) }), never)

    const published = await output(['db']).publish(snapshot({}), never)

    expect(published[0]?.state).toBe('kept')
    expect(read('db')).toMatchObject({ 'app.user': 'web', 'app.password': 'hunter2' })
  })
})

test.each<[StoreRefusal, string, string]>([
  [
    { status: 403, reason: '' },
    'OUTPUT_UNWRITABLE',
    'this service account may not patch Secret db (403)',
  ],
  [
    { status: 409, reason: '' },
    'OUTPUT_UNWRITABLE',
    'Secret db was changed or deleted meanwhile (409)',
  ],
  [{ status: 413, reason: '' }, 'OUTPUT_FULL', 'Secret db is too large for the API server (413)'],
  [
    { status: 422, reason: '' },
    'OUTPUT_UNFIT',
    'the API server takes no such data in Secret db (422)',
  ],
  [
    { status: 500, reason: 'the API server answers 500' },
    'OUTPUT_UNWRITABLE',
    'Secret db cannot be written: the API server answers 500 (500)',
  ],
])('a refusal %o is an outcome, told once', async (refusal, code, message) => {
  const { output, warnings } = namespaceOf({ db: { data: map } }, refusal)

  const published = await output(['db']).publish(snapshot(both), never)
  await output(['db']).publish(snapshot(both), never)

  expect(published[0]).toMatchObject({ state: 'kept', error: { code, message } })
  expect(warnings).toEqual([`${code}: ${message}`])
})

const UNFIT_HINT = 'kubectl edit secret db; docs/file-formats.md shows what a map may hold'

test.each([
  [
    'an immutable Secret',
    { data: map, isImmutable: true },
    {
      code: 'OUTPUT_BLOCKED',
      message: 'Secret db is immutable',
      hint: 'kubectl create secret under another name, or delete and create it without immutable: true',
      facts: { secret: 'db' },
    },
  ],
  [
    'a token of Kubernetes',
    { data: map, type: 'kubernetes.io/service-account-token' },
    {
      code: 'OUTPUT_UNFIT',
      message:
        'Secret db: has the type kubernetes.io/service-account-token, which belongs to Kubernetes itself',
      hint: UNFIT_HINT,
      facts: { secret: 'db' },
    },
  ],
  [
    'a map of nothing',
    { data: {} },
    {
      code: 'OUTPUT_UNFIT',
      message: 'Secret db: has neither conjur-map nor groups',
      hint: UNFIT_HINT,
      facts: { secret: 'db' },
    },
  ],
  [
    'a map that is no YAML',
    { data: { 'conjur-map': ': {' } },
    {
      code: 'OUTPUT_UNFIT',
      message: 'Secret db: conjur-map is no YAML map',
      hint: UNFIT_HINT,
      facts: { secret: 'db' },
    },
  ],
])('P5 %s is told whole, and nothing is written', async (_, secret, error) => {
  const { output, applies, warnings } = namespaceOf({ db: secret })

  const published = await output(['db']).publish(snapshot(both), never)

  expect(published).toMatchObject([
    { name: 'secret/db', kind: 'secret', state: 'kept', error: { ...error, retryable: false } },
  ])
  expect(applies).toEqual([])
  expect(warnings).toEqual([`${error.code}: ${error.message}`])
})

test('P5 a Secret that never was filled says what it waits for', async () => {
  const { output, held, warnings } = namespaceOf({ db: { data: map } })

  const published = await output(['db']).publish(snapshot({ 'app/user': 'web' }), never)

  expect(published).toEqual([
    {
      name: 'secret/db',
      kind: 'secret',
      values: 0,
      state: 'missing',
      error: expect.objectContaining({
        code: 'OUTPUT_UNFIT',
        message: 'Secret db lacks app/password: Conjur gives no value',
        hint: 'conjur-agent doctor --until variables says why',
        retryable: true,
        facts: { secret: 'db', variable: 'app/password' },
      }),
    },
  ])
  expect(held.get('db')?.annotations.get(CONDITION)).toBe(
    'waiting: Secret db lacks app/password: Conjur gives no value',
  )
  expect(warnings).toEqual([])
})

test('a condition says how fresh its Secret is', async () => {
  const { output, held } = namespaceOf({ db: { data: map } })
  const condition = async (...told: Parameters<typeof snapshot>): Promise<unknown> => {
    await output(['db']).publish(snapshot(...told), never)
    return held.get('db')?.annotations.get(CONDITION)
  }

  expect(await condition(both)).toBe('fresh')
  expect(await condition({ 'app/user': 'web' }, { unknown: ['app/password'] })).toBe(
    'kept: a value is uncertain',
  )
})

test.each([
  [1024 * 1024, true],
  [1024 * 1024 + 1, false],
])('all values of a Secret, those of others too, may have %i bytes: %s', async (bytes, fits) => {
  const foreign = 'f'.repeat(1000)
  const { output, applies } = namespaceOf({
    db: { data: { 'conjur-map': 'a: app/a', theirs: foreign, a: 'left by another' } },
  })
  const value = 'v'.repeat(bytes - 'a: app/a'.length - foreign.length)

  const [first] = await output(['db']).publish(snapshot({ 'app/a': value }), never)

  expect(applies).toEqual(fits ? ['db'] : [])
  expect(first?.error).toEqual(
    fits
      ? undefined
      : expect.objectContaining({
          code: 'OUTPUT_FULL',
          message: `Secret db would hold ${bytes} bytes, at most 1048576 fit`,
          hint: 'spread its map over several Secrets, or filter "*" with include and exclude',
          facts: { secret: 'db', bytes },
        }),
  )
})

test('a key of ours that goes makes room', async () => {
  const half = 'v'.repeat(600_000)
  const { output, held } = namespaceOf({ db: { data: { 'conjur-map': 'a: app/a' } } })
  await output(['db']).publish(snapshot({ 'app/a': half }), never)
  const target = held.get('db')
  if (target === undefined) throw new Error('it is there')
  held.set('db', {
    ...target,
    data: new Map([...target.data, ['conjur-map', new Secret('b: app/b')]]),
  })

  const published = await output(['db']).publish(snapshot({ 'app/b': half }), never)

  expect(published).toMatchObject([{ state: 'written' }])
})

test('with a label, a Secret that asks for nothing is left alone, which is noted', async () => {
  const { output, applies, held } = namespaceOf({ db: { data: map }, plain: { data: {} } })

  const published = await output([]).publish(snapshot(both), never)

  expect(published).toMatchObject([
    { name: 'secret/db', state: 'written' },
    {
      name: 'secret/plain',
      kind: 'secret',
      values: 0,
      state: 'same',
      notes: ['has neither conjur-map nor groups: left alone'],
    },
  ])
  expect(applies).toEqual(['db'])
  expect(held.get('plain')?.annotations.get(CONDITION)).toBeUndefined()
})

test('with a label too, a map that is wrong is told', async () => {
  const { output } = namespaceOf({ db: { data: { 'conjur-map': '- a' } } })

  expect(await output([]).publish(snapshot(both), never)).toMatchObject([
    { state: 'kept', error: { message: 'Secret db: conjur-map is no YAML map' } },
  ])
})

test('a map may hold a template alone', async () => {
  const { output, read } = namespaceOf({ conf: { data: {}, annotations: template('- app/user') } })

  const published = await output([]).publish(snapshot(both), never)

  expect(published).toMatchObject([{ state: 'written', values: 1 }])
  expect(read('conf')).toEqual({ conf: 'web' })
})

test('a list that is wrong is told by its annotation', async () => {
  const { output } = namespaceOf({ conf: { data: {}, annotations: template('bad') } })

  const published = await output(['conf']).publish(snapshot(both), never)

  expect(published[0]?.error?.message).toBe(
    'Secret conf: conjur.org/conjur-secrets.conf is no list',
  )
})

function template(list: string): Record<string, string> {
  return {
    'conjur.org/conjur-secrets.conf': list,
    'conjur.org/secret-file-template.conf': '{{ secret "user" }}',
    'kubectl.kubernetes.io/last-applied-configuration': '{}',
  }
}

test('P4 a Secret that is not there, or not to be read, does not stop the others', async () => {
  const { output, store, held } = namespaceOf({ db: { data: map } })
  const refusing = (name: string): Promise<StoredTarget | StoreRefusal | undefined> =>
    Promise.resolve(name === 'hidden' ? { status: 403, reason: 'no' } : held.get(name))
  Object.assign(store, { read: refusing })
  const names = ['gone', 'hidden', 'db']

  expect((await output(names).wanted(never)).variableIds).toEqual(['app/user', 'app/password'])
  expect(await output(names).publish(snapshot(both), never)).toMatchObject([
    {
      name: 'secret/gone',
      kind: 'secret',
      state: 'missing',
      error: { code: 'OUTPUT_UNWRITABLE', message: 'Secret gone does not exist', retryable: true },
    },
    {
      name: 'secret/hidden',
      state: 'missing',
      error: { message: 'this service account may not get Secret hidden (403)' },
    },
    { name: 'secret/db', state: 'written' },
  ])
})

test('an API server that does not answer ends the pass', async () => {
  const away: StoreRefusal = { status: 'no answer', reason: 'ECONNREFUSED' }
  const { output, store } = namespaceOf({})
  Object.assign(store, { read: async () => away, list: async () => away })

  await expect(output(['db']).publish(snapshot(both), never)).rejects.toMatchObject({
    message: 'Secret db cannot be written: ECONNREFUSED (no answer)',
  })
  Object.assign(store, { list: async () => ({ status: 403, reason: 'no' }) })
  await expect(output([]).wanted(never)).rejects.toMatchObject({
    message: 'this service account may not list Secrets with the label (403)',
  })
})

test('a variable that any "*" lets through is asked for', async () => {
  const { output } = namespaceOf({
    one: { data: { 'conjur-map': '"*": {id: "*", include: "a/*"}' } },
    two: { data: { 'conjur-map': '"*": {id: "*", include: "b/*"}' } },
  })

  const { ofAll } = await output([]).wanted(never)

  expect(ofAll?.(['a/x', 'b/x', 'c/x'])).toEqual(['a/x', 'b/x'])
  expect(
    (
      await namespaceOf({ db: { data: map } })
        .output([])
        .wanted(never)
    ).ofAll,
  ).toBeUndefined()
})

test('P7 nothing is written once the end has come', async () => {
  const { output, applies } = namespaceOf({ db: { data: map } })
  const reason = new Error('asked to end')

  await expect(output(['db']).publish(snapshot(both), AbortSignal.abort(reason))).rejects.toBe(
    reason,
  )
  expect(applies).toEqual([])
  expect(output(['db']).name).toBe('Kubernetes Secrets')
})

test('P2 no value stands in a condition', async () => {
  const { output, warnings } = namespaceOf({
    db: {
      data: {},
      annotations: {
        'conjur.org/conjur-secrets.conf': '- app/user',
        'conjur.org/secret-file-template.conf': '{{ secret "user" | b64dec }}',
      },
    },
  })

  await output(['db']).publish(snapshot({ 'app/user': 'hunter2!' }), never)

  expect(warnings.join()).not.toContain('hunter2')
})

describe('a conjur-map', () => {
  test('names a variable for each key, as text or as base64, and may ask for all', () => {
    const text =
      'a: app/a\nb: {id: app/b, content-type: base64}\nc: {id: app/c, content-type: text}\n"*": {id: "*", content-type: base64, include: [a, b], strip: app/}'

    expect(readSecretMap(parse(text))).toEqual({
      entries: [
        { key: 'a', variableId: 'app/a', contentType: 'text' },
        { key: 'b', variableId: 'app/b', contentType: 'base64' },
        { key: 'c', variableId: 'app/c', contentType: 'text' },
      ],
      all: { contentType: 'base64', include: ['a', 'b'], exclude: [], strip: 'app/', max: 500 },
      problems: [],
    })
    expect(readSecretMap(null)).toEqual({ entries: [], problems: ['conjur-map is no YAML map'] })
    expect(readSecretMap(parse('a: "*"'))).toEqual({
      entries: [{ key: 'a', variableId: '*', contentType: 'text' }],
      problems: [],
    })
  })

  test.each<[string, string[]]>([
    ['- a', ['conjur-map is no YAML map']],
    ['user: ""', ['key user names no variable']],
    ['"a/b": app/x', ['key a/b is no key of a Secret']],
    ['conjur-map: app/x', ['key conjur-map is no key of a Secret']],
    ['user: {content-type: base64}', ['key user names no variable']],
    ['user: {id: app/x, content-type: nonsense}', []],
    ['"*": app/x', ['key * is no key of a Secret']],
    ['"*": {include: "app/*"}', ['key * names no variable']],
    [
      '"*": {id: "*", inclde: "app/*"}',
      ['key * knows no inclde, but id, content-type, include, exclude, strip, max'],
    ],
    ['"*": {id: "*", include: []}', ['key * needs a glob or a list of globs as include']],
    ['"*": {id: "*", include: ["a", 1]}', ['key * needs a glob or a list of globs as include']],
    ['"*": {id: "*", exclude: ""}', ['key * needs a glob or a list of globs as exclude']],
    ['"*": {id: "*", exclude:}', ['key * needs a glob or a list of globs as exclude']],
    ['"*": {id: "*", strip: 1}', ['key * needs the start of a path as strip']],
    ['"*": {id: "*", max: 0}', ['key * needs a whole number from 1 as max']],
    ['"*": {id: "*", max: "9"}', ['key * needs a whole number from 1 as max']],
  ])('%s', (text, problems) => {
    expect(readSecretMap(parse(text)).problems).toEqual(problems)
  })
})

describe('"*"', () => {
  const listed = ['app/a', 'app/b', 'app/c']
  const three = { 'app/a': '1', 'app/b': '2', 'app/c': '3' }
  const asking = (fields: string) => ({
    db: { data: { 'conjur-map': `"*": {id: "*", ${fields}}`, foreign: 'theirs' } },
  })

  test('as many keys as allowed are written, one more is refused and none is cut off', async () => {
    const { output, read, held } = namespaceOf(asking('max: 2, strip: app/'))
    const two = { 'app/a': '1', 'app/b': '2' }

    const [fits] = await output(['db']).publish(snapshot(two, { listed }), never)
    const [refused] = await output(['db']).publish(
      snapshot({ ...three, 'app/a': 'new' }, { listed }),
      never,
    )

    expect(fits).toMatchObject({ state: 'written', values: 2 })
    expect(refused?.error).toMatchObject({
      code: 'OUTPUT_FULL',
      message: 'Secret db: "*" gives 3 keys, at most 2 are allowed',
      hint: 'filter "*" in its conjur-map with include and exclude, or allow more: max: 3',
    })
    expect(read('db')).toMatchObject({ a: 'new', b: '2', foreign: 'theirs' })
    expect(Object.keys(read('db'))).not.toContain('c')
    expect(held.get('db')?.annotations.get(CONDITION)).toBe(
      'OUTPUT_FULL: Secret db: "*" gives 3 keys, at most 2 are allowed',
    )
  })

  test('a Secret that asks for too much from the start is left as it is', async () => {
    const { output, applies } = namespaceOf(asking('max: 2'))

    const [refused] = await output(['db']).publish(snapshot(three, { listed }), never)

    expect(refused).toMatchObject({ state: 'kept', error: { code: 'OUTPUT_FULL' } })
    expect(applies).toEqual([])
  })

  test('what is filtered out, unreadable or named by the map does not count', async () => {
    const { output, read } = namespaceOf({
      db: { data: { 'conjur-map': 'app.a: app/a\n"*": {id: "*", max: 1, exclude: "app/b"}' } },
    })

    const [published] = await output(['db']).publish(
      snapshot(three, { listed: [...listed, 'app/hidden'] }),
      never,
    )

    expect(published).toMatchObject({ state: 'written', values: 2 })
    expect(read('db')).toMatchObject({ 'app.a': '1', 'app.c': '3' })
  })

  test('a wrong filter is told with the Secret and the key, and nothing changes', async () => {
    const { output, warnings, applies } = namespaceOf(asking('exclde: app/b'))

    const wanted = await output(['db']).wanted(never)
    await output(['db']).publish(snapshot(three, { listed }), never)

    expect(wanted.ofAll).toBeUndefined()
    expect(applies).toEqual([])
    expect(warnings).toEqual([
      'OUTPUT_UNFIT: Secret db: key * knows no exclde, but id, content-type, include, exclude, strip, max',
    ])
  })

  test('of two paths with one key the first by name has it, and the other is told of', async () => {
    const { output, read } = namespaceOf(asking('strip: app/'))
    const values = { 'app/x.y': 'second', 'app/x/y': 'third', 'app/x-y': 'own', 'app/é': 'none' }

    const [published] = await output(['db']).publish(
      snapshot(values, { listed: Object.keys(values).toReversed() }),
      never,
    )

    expect(read('db')).toMatchObject({ 'x-y': 'own', 'x.y': 'second' })
    expect(published?.notes).toEqual([
      'app/x/y is left out: app/x.y has the key x.y',
      'app/é is left out: "." is no key of a Secret',
    ])
  })
})
