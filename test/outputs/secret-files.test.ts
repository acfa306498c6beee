import { existsSync, readFileSync, readdirSync, realpathSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { Secret } from '../../src/core/secret.ts'
import type { Published } from '../../src/outputs/output.ts'
import { secretFiles } from '../../src/outputs/secret-files.ts'
import { checkGroups } from '../../src/outputs/check-groups.ts'
import type { Entry, SecretGroup } from '../../src/outputs/secret-group.ts'
import { temporaryVolume } from '../support/temporary-volume.ts'

function entry(alias: string, more: Partial<Entry> = {}): Entry {
  return { alias, variableId: `app/${alias}`, contentType: 'text', required: true, ...more }
}

function group(more: Partial<SecretGroup> = {}): SecretGroup {
  const entries = [entry('user'), entry('password')]
  return { name: 'db', entries, path: 'db.json', format: 'json', mode: 0o640, ...more }
}

async function publish(
  directory: string,
  groups: readonly SecretGroup[],
  {
    values = {},
    unknown = [],
    listed,
  }: { values?: Record<string, string>; unknown?: string[]; listed?: string[] },
  signal = new AbortController().signal,
): Promise<Record<string, Published>> {
  const output = secretFiles({
    directory,
    groups,
    publish: 'set',
    requireTmpfs: 'false',
    formatCompatibility: 'safe',
  })
  const published = await output.publish(
    {
      accessToken: new Secret('{}'),
      values: new Map(
        Object.entries(values).map(([alias, text]) => [`app/${alias}`, new Secret(text)]),
      ),
      unknown: new Set(unknown.map((alias) => `app/${alias}`)),
      ...(listed === undefined ? {} : { listed: listed.map((alias) => `app/${alias}`) }),
    },
    signal,
  )
  return Object.fromEntries(published.map((each) => [each.name, each]))
}

const both = { user: 'web', password: 'hunter2' }

describe('a group', () => {
  test('becomes one file, with what a report needs', async () => {
    const directory = temporaryVolume()

    const published = await publish(directory, [group()], { values: both })

    expect(read(directory, 'db.json')).toBe('{"user":"web","password":"hunter2"}')
    expect(published['db.json']).toEqual({
      name: 'db.json',
      kind: 'json',
      values: 2,
      mode: 0o640,
      bytes: 35,
      state: 'written',
    })
  })

  test('of format plain becomes a file for each variable, any bytes', async () => {
    const directory = temporaryVolume()
    const groups = [
      group({ name: 'at-the-root', path: '', format: 'plain', entries: [entry('user')] }),
      group({
        name: 'below',
        path: 'keys',
        format: 'plain',
        entries: [entry('key', { contentType: 'base64' })],
      }),
    ]

    await publish(directory, groups, { values: { user: 'web', key: 'AP8A' } })

    expect(read(directory, 'user')).toBe('web')
    expect(readFileSync(join(directory, 'keys/key'))).toEqual(Buffer.from([0, 0xff, 0]))
  })

  test('decodes base64, and delivers what is none as it is, with a note', async () => {
    const directory = temporaryVolume()
    const entries = [
      entry('good', { contentType: 'base64' }),
      entry('bad', { contentType: 'base64' }),
    ]

    const published = await publish(directory, [group({ entries })], {
      values: { good: 'd2Vi\n', bad: 'no base64' },
    })

    expect(read(directory, 'db.json')).toBe('{"good":"web","bad":"no base64"}')
    expect(published['db.json']?.notes).toEqual(['bad is not base64: delivered as it is'])
  })

  test('takes a default, and leaves out what is optional', async () => {
    const directory = temporaryVolume()
    const entries = [
      entry('user', { required: false, default: 'nobody' }),
      entry('password', { required: false }),
      entry('host'),
    ]

    await publish(directory, [group({ entries })], { values: { host: 'h' } })

    expect(read(directory, 'db.json')).toBe('{"user":"nobody","host":"h"}')
  })
})

test('P1 a reader on its way through a superseded set still finds its file', async () => {
  const directory = temporaryVolume()
  await publish(directory, [group()], { values: both })
  const onItsWay = realpathSync(join(directory, 'db.json'))

  const publishing = publish(directory, [group()], { values: { ...both, user: 'new' } })
  const found = existsSync(onItsWay)
  await publishing

  expect(read(directory, 'db.json')).toContain('new')
  expect(found).toBe(true)
  expect(existsSync(onItsWay)).toBe(false)
})

test('P7 whoever is told to end during that time leaves nothing behind', async () => {
  const directory = temporaryVolume()
  await publish(directory, [group()], { values: both })
  const ending = new AbortController()

  const publishing = publish(
    directory,
    [group()],
    { values: { ...both, user: 'new' } },
    ending.signal,
  )
  ending.abort()
  await publishing

  expect(readdirSync(directory)).toEqual(['..2', '..data', 'db.json'])
})

describe('P4', () => {
  test('a group with an uncertain variable stays as it is; the others go on', async () => {
    const directory = temporaryVolume()
    const other = group({ name: 'web', path: 'web.json', entries: [entry('key')] })
    await publish(directory, [group(), other], { values: { ...both, key: 'old' } })

    const published = await publish(directory, [group(), other], {
      values: { user: 'changed', key: 'new' },
      unknown: ['password'],
    })

    expect(read(directory, 'db.json')).toBe('{"user":"web","password":"hunter2"}')
    expect(read(directory, 'web.json')).toBe('{"key":"new"}')
    expect(published['db.json']).toMatchObject({ state: 'kept', values: 2, bytes: 35 })
  })

  test.each([{ unknown: ['password'] }, { unknown: [] }])(
    'a group that never was published is not while a required variable is missing (%o)',
    async ({ unknown }) => {
      const directory = temporaryVolume()
      const other = group({ name: 'web', path: 'web.json', entries: [entry('key')] })

      const published = await publish(directory, [group(), other], {
        values: { user: 'web', key: 'k' },
        unknown,
      })

      expect(existsSync(join(directory, 'db.json'))).toBe(false)
      expect(published['db.json']).toEqual({
        name: 'db.json',
        kind: 'json',
        values: 0,
        state: 'missing',
      })
      expect(read(directory, 'web.json')).toBe('{"key":"k"}')
    },
  )

  test('a revoked variable leaves its file, and comes back', async () => {
    const directory = temporaryVolume()
    await publish(directory, [group()], { values: both })

    await publish(directory, [group()], { values: { user: 'web' } })
    const revoked = read(directory, 'db.json')
    await publish(directory, [group()], { values: both })

    expect(revoked).toBe('{"user":"web"}')
    expect(read(directory, 'db.json')).toBe('{"user":"web","password":"hunter2"}')
  })

  test('a file without entries goes', async () => {
    const directory = temporaryVolume()
    await publish(directory, [group()], { values: both })

    const published = await publish(directory, [group()], { values: {} })

    expect(published['db.json']?.state).toBe('removed')
    expect(readdirSync(directory).filter((name) => !name.startsWith('..'))).toEqual([])
  })

  test('of a plain group only the file of the variable changes', async () => {
    const directory = temporaryVolume()
    const plain = group({ path: 'keys', format: 'plain' })
    await publish(directory, [plain], { values: both })

    const kept = await publish(directory, [plain], {
      values: { user: 'new' },
      unknown: ['password'],
    })
    const gone = await publish(directory, [plain], { values: { user: 'new' } })

    expect(kept['keys/password']?.state).toBe('kept')
    expect(kept['keys/user']?.state).toBe('written')
    expect(gone['keys/password']?.state).toBe('removed')
    expect(readdirSync(join(directory, 'keys'))).toEqual(['user'])
  })

  test('a value that the format cannot carry leaves the file and names the alias; the others go on', async () => {
    const directory = temporaryVolume()
    const shell = group({ format: 'bash', path: 'db.sh' })
    const other = group({ name: 'web', path: 'web.json', entries: [entry('key')] })
    await publish(directory, [shell, other], { values: { ...both, key: 'old' } })

    const published = await publish(directory, [shell, other], {
      values: { user: 'web', password: 'a\0b', key: 'new' },
    })

    expect(published['db.sh']).toMatchObject({
      state: 'kept',
      error: { code: 'OUTPUT_UNFIT', facts: { group: 'db', alias: 'password' } },
    })
    expect(read(directory, 'db.sh')).toBe('export user="web"\nexport password="hunter2"')
    expect(read(directory, 'web.json')).toBe('{"key":"new"}')
  })

  test('the file of a group that is no longer configured goes with the next set', async () => {
    const directory = temporaryVolume()
    await publish(directory, [group({ path: 'old.json' })], { values: both })

    const published = await publish(directory, [group()], { values: both })

    expect(published['old.json']).toMatchObject({ state: 'removed' })
    expect(existsSync(join(directory, 'old.json'))).toBe(false)
  })
})

test.each<[string, Partial<SecretGroup>, string]>([
  ['a list without entries', { path: 'db.json' }, 'db.json'],
  [
    'a template that asks for what is gone',
    { path: 'db.conf', format: 'template', template: { text: '{{ secret "password" }}' } },
    'db.conf',
  ],
  ['the file of an entry', { path: 'keys', format: 'plain' }, 'keys/password'],
])('P4 of plain files too, %s goes', async (_, more, path) => {
  const directory = temporaryVolume()
  const asked = group(more)
  const output = secretFiles({
    directory,
    groups: [asked],
    publish: 'each',
    requireTmpfs: 'false',
    formatCompatibility: 'safe',
  })
  const pass = (values: Record<string, string>): Promise<readonly Published[]> =>
    output.publish(
      {
        accessToken: new Secret('{}'),
        values: new Map(
          Object.entries(values).map(([alias, text]) => [`app/${alias}`, new Secret(text)]),
        ),
        unknown: new Set(),
      },
      new AbortController().signal,
    )
  await pass(both)
  const before = existsSync(join(directory, path))

  const published = await pass({})

  expect([before, existsSync(join(directory, path))]).toEqual([true, false])
  expect(published).toContainEqual(expect.objectContaining({ name: path, state: 'removed' }))
})

describe('a group that asks for all', () => {
  const fetchAll = { contentType: 'text', policyPath: 'app' } as const
  const all = group({ entries: [], fetchAll })

  test('holds every variable by its whole path, in the order of the paths', async () => {
    const directory = temporaryVolume()

    await publish(directory, [all], { values: both, listed: ['user', 'password'] })

    expect(read(directory, 'db.json')).toBe('{"app/password":"hunter2","app/user":"web"}')
  })

  test.each(['json', 'plain'] as const)(
    'P4 stays while it is not known what there is: %s',
    async (format) => {
      const directory = temporaryVolume()
      const asked = { ...all, format, path: format === 'plain' ? '' : 'db.json' }
      await publish(directory, [asked], { values: both, listed: ['user', 'password'] })
      const before = readdirSync(directory, { recursive: true })

      await publish(directory, [asked], { values: {} })

      expect(readdirSync(directory, { recursive: true })).toEqual(before)
    },
  )

  test('holds those below its policy path, and no one of them is required', async () => {
    const directory = temporaryVolume()
    const below = { ...all, fetchAll: { contentType: 'base64', policyPath: 'app/a' } as const }
    const values = { 'a/2': 'Mg==', 'a/1': 'MQ==', ab: 'x', b: 'y' }

    const published = await publish(directory, [below], {
      values,
      listed: ['a/2', 'ab', 'a/hidden', 'b', 'a/1'],
    })

    expect(read(directory, 'db.json')).toBe('{"app/a/1":"1","app/a/2":"2"}')
    expect(published['db.json']).toMatchObject({ state: 'written', values: 2 })
  })

  test('and names no policy holds every one', async () => {
    const directory = temporaryVolume()
    const every = { ...all, fetchAll: { contentType: 'text', policyPath: '' } as const }

    await publish(directory, [every], { values: both, listed: ['user', 'password'] })

    expect(Object.keys(JSON.parse(read(directory, 'db.json')))).toEqual([
      'app/password',
      'app/user',
    ])
  })

  test('loses what is no longer there', async () => {
    const directory = temporaryVolume()
    const plain = { ...all, format: 'plain' as const, path: 'all' }
    await publish(directory, [plain], { values: both, listed: ['user', 'password'] })

    await publish(directory, [plain], { values: { user: 'web' }, listed: ['user'] })

    expect(readdirSync(join(directory, 'all/app'))).toEqual(['user'])
  })
})

describe('a template', () => {
  const text = 'user={{ secret "user" }}\n{{ range .SecretsArray }}{{ .Alias }};{{ end }}'
  const templated = group({ format: 'template', path: 'db.conf', template: { text } })

  test('is rendered over the group', async () => {
    const directory = temporaryVolume()

    const published = await publish(directory, [templated], { values: both })

    expect(read(directory, 'db.conf')).toBe('user=web\nuser;password;')
    expect(published['db.conf']).toMatchObject({ kind: 'template', values: 2, state: 'written' })
  })

  test('P10 in a file is read afresh in every pass', async () => {
    const directory = temporaryVolume()
    const file = join(temporaryVolume(), 'db.tpl')
    const inFile = group({ format: 'template', path: 'db.conf', template: { file } })
    writeFileSync(file, 'one {{ secret "user" }}')
    await publish(directory, [inFile], { values: both })

    writeFileSync(file, 'two {{ secret "user" }}')
    await publish(directory, [inFile], { values: both })

    expect(read(directory, 'db.conf')).toBe('two web')
  })

  test('sees an optional secret that is missing as the empty string', async () => {
    const directory = temporaryVolume()
    const entries = [entry('user', { required: false }), entry('password')]

    await publish(directory, [{ ...templated, entries }], { values: { password: 'x' } })

    expect(read(directory, 'db.conf')).toBe('user=\nuser;password;')
  })

  test('P4 goes with the secret that it asks for, and stays without one that it does not', async () => {
    const directory = temporaryVolume()
    await publish(directory, [templated], { values: both })

    await publish(directory, [templated], { values: { user: 'web' } })
    const withoutPassword = read(directory, 'db.conf')
    const published = await publish(directory, [templated], { values: { password: 'x' } })

    expect(withoutPassword).toBe('user=web\nuser;')
    expect(published['db.conf']?.state).toBe('removed')
  })

  test('P2 that fails with the true values leaves the file and tells the place alone', async () => {
    const directory = temporaryVolume()
    const decoding = { ...templated, template: { text: 'x\n{{ secret "user" | b64dec }}' } }
    await publish(directory, [decoding], { values: { user: 'd2Vi', password: '' } })

    const published = await publish(directory, [decoding], {
      values: { user: 'hunter2!', password: '' },
    })

    expect(read(directory, 'db.conf')).toBe('x\nweb')
    expect(published['db.conf']).toMatchObject({
      state: 'kept',
      error: {
        code: 'OUTPUT_UNFIT',
        message:
          'the template of group db fails at line 2, column 20: b64dec: the value is not base64',
      },
    })
  })

  test('may bring bytes that are no text only as text', async () => {
    const directory = temporaryVolume()
    const entries = [entry('user', { contentType: 'base64' })]
    const raw = { ...templated, entries }
    const encoded = { ...raw, template: { text: '{{ secret "user" | b64enc }}' } }

    const refused = await publish(directory, [raw], { values: { user: '/wA=' } })
    await publish(directory, [encoded], { values: { user: '/wA=' } })

    expect(refused['db.conf']?.error).toMatchObject({ facts: { group: 'db', alias: 'user' } })
    expect(read(directory, 'db.conf')).toBe('/wA=')
  })
})

describe('what stands there', () => {
  test('is told without a pass: kept or missing, each file with its values', async () => {
    const directory = temporaryVolume()
    const plain = group({
      name: 'keys',
      format: 'plain',
      path: 'keys',
      entries: [entry('a'), entry('b')],
    })
    const groups = [group(), plain]
    const look = (): readonly Published[] | undefined =>
      secretFiles({
        directory,
        groups,
        publish: 'set',
        requireTmpfs: 'false',
        formatCompatibility: 'safe',
      }).standing?.()

    const before = look()
    await publish(directory, [plain], { values: { a: '1', b: '2' } })

    expect(before).toEqual([
      { name: 'db.json', kind: 'json', values: 2, state: 'missing' },
      { name: 'keys/a', kind: 'plain', values: 1, state: 'missing' },
      { name: 'keys/b', kind: 'plain', values: 1, state: 'missing' },
    ])
    expect(look()?.map(({ state }) => state)).toEqual(['missing', 'kept', 'kept'])
  })

  test('and belongs to no group is told as a file that goes', async () => {
    const directory = temporaryVolume()
    await publish(directory, [group(), group({ name: 'old', path: 'old.json' })], { values: both })

    const published = await publish(directory, [group()], { values: both })

    expect(published['old.json']).toEqual({
      name: 'old.json',
      kind: 'file',
      values: 0,
      state: 'removed',
    })
  })

  test('P7 is not touched once the end has come', async () => {
    const directory = temporaryVolume()
    const reason = new Error('asked to end')

    await expect(
      publish(directory, [group()], { values: both }, AbortSignal.abort(reason)),
    ).rejects.toBe(reason)
    expect(readdirSync(directory)).toEqual([])
  })
})

describe('P4 what a group is made of', () => {
  test('an optional value that nobody knows yet does not hold up the first set', async () => {
    const directory = temporaryVolume()
    const entries = [entry('user'), entry('mode', { required: false })]

    await publish(directory, [group({ entries })], { values: { user: 'web' }, unknown: ['mode'] })
    expect(JSON.parse(read(directory, 'db.json'))).toEqual({ user: 'web' })

    await publish(directory, [group({ entries })], { values: { user: 'web', mode: 'x' } })
    const kept = await publish(directory, [group({ entries })], {
      values: { user: 'new' },
      unknown: ['mode'],
    })
    expect(kept['db.json']?.state).toBe('kept')
    expect(JSON.parse(read(directory, 'db.json'))).toEqual({ user: 'web', mode: 'x' })
  })

  test('a required value that nobody knows yet holds it up', async () => {
    const directory = temporaryVolume()

    const published = await publish(directory, [group()], {
      values: { user: 'web' },
      unknown: ['password'],
    })

    expect(published['db.json']).toMatchObject({ state: 'missing', values: 0 })
    expect(existsSync(join(directory, 'db.json'))).toBe(false)
  })

  test('a template of text alone needs no value', async () => {
    const directory = temporaryVolume()
    const fixed = {
      format: 'template',
      path: 'a.conf',
      template: { text: 'x' },
      entries: [],
    } as const

    const published = await publish(directory, [group(fixed)], {})

    expect(published['a.conf']).toMatchObject({ state: 'written', values: 0 })
    expect(read(directory, 'a.conf')).toBe('x')
  })

  test('a list of nothing is no file', async () => {
    const directory = temporaryVolume()

    const published = await publish(
      directory,
      [group({ entries: [entry('a', { required: false })] })],
      {},
    )

    expect(published['db.json']?.state).toBe('missing')
  })

  test('a template that asks for a secret that is there and fails is no reason to remove its file', async () => {
    const directory = temporaryVolume()
    const asking = (text: string): SecretGroup =>
      group({ format: 'template', path: 'db.conf', template: { text } })
    await publish(directory, [asking('{{ secret "user" }}')], { values: both })

    const published = await publish(directory, [asking('{{ secret "user" | b64dec }}')], {
      values: { user: '?' },
    })

    expect(published['db.conf']).toMatchObject({ state: 'kept', values: 2 })
    expect(read(directory, 'db.conf')).toBe('web')
  })

  test('of a plain group that asks for all, only its own files are held', async () => {
    const directory = temporaryVolume()
    const all = (policyPath: string, path: string): SecretGroup =>
      group({
        name: path,
        format: 'plain',
        path,
        entries: [],
        fetchAll: { contentType: 'text', policyPath },
      })
    const groups = [all('app/b', 'b'), all('app/a', 'a')]
    const listed = ['b/y', 'a/x', 'ab/z', 'a/w']
    const values = { 'b/y': '1', 'a/x': '2', 'ab/z': '3', 'a/w': '4' }

    const written = await publish(directory, groups, { values, listed })
    const unknown = await publish(directory, groups, { values })

    const names = ['b/app/b/y', 'a/app/a/w', 'a/app/a/x']
    expect(Object.keys(written)).toEqual(names)
    expect(Object.values(unknown).map(({ state }) => state)).not.toContain('removed')
    expect(read(directory, 'a/app/a/x')).toBe('2')
  })
})

describe('P6 what cannot be is known before any value', () => {
  test.each<[string, readonly Partial<SecretGroup>[], string]>([
    [
      'an escaping path',
      [{ path: '../evil' }],
      'group db: file path "../evil" has a part that begins with ".."',
    ],
    [
      'an absolute path',
      [{ path: '/etc/x' }],
      'group db: file path "/etc/x" is absolute; paths are relative to the secrets directory',
    ],
    ['an empty part', [{ path: 'a//b' }], 'group db: file path "a//b" has an empty part'],
    [
      'a plain alias that escapes',
      [{ format: 'plain', path: '', entries: [entry('..data')] }],
      'group db: file path "..data" has a part that begins with ".."',
    ],
    [
      'a bad alias',
      [{ format: 'bash', entries: [entry('a.b')] }],
      'group db: alias "a.b" is no variable name: letters, digits and _, the first no digit',
    ],
    ['an alias twice', [{ entries: [entry('a'), entry('a')] }], 'group db: alias "a" stands twice'],
    [
      'a template missing',
      [{ format: 'template' }],
      'group db: format template without a template',
    ],
    [
      'a template that cannot be read',
      [{ format: 'template', template: { text: '\n{{ if }}' } }],
      'group db: the template fails at line 2, column 7: missing value for if',
    ],
    [
      'a template that asks for what the group has not',
      [{ format: 'template', template: { text: '{{ secret "nope" }}' } }],
      'group db: the template fails at line 1, column 4: secret: the group has no secret "nope"',
    ],
    [
      'a template file that is not there',
      [{ format: 'template', template: { file: '/nowhere/db.tpl' } }],
      'group db: the template, /nowhere/db.tpl cannot be read',
    ],
    ['a template too many', [{ template: { text: '' } }], 'group db: a template, but format json'],
    ['a shared path', [{}, { name: 'web' }], 'groups db and web share the file path "db.json"'],
    [
      'a file where a directory is needed',
      [{ path: 'a' }, { name: 'web', path: 'a/b' }],
      'group db: file path "a" is a directory for group web ("a/b")',
    ],
  ])('%s', (_what, groups, expected) => {
    const problems = checkGroups(groups.map(group))

    expect(problems).toEqual([expected])
  })
})

function read(directory: string, path: string): string {
  return readFileSync(join(directory, path), 'utf8')
}
