import { readFileSync, readlinkSync, statSync, unlinkSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { OutputError } from '../../src/core/errors.ts'
import { Secret } from '../../src/core/secret.ts'
import { checkGroups } from '../../src/outputs/check-groups.ts'
import { renderList, type ListFormat } from '../../src/outputs/formats.ts'
import { renderTemplate } from '../../src/outputs/gotemplate/render-template.ts'
import type { Snapshot } from '../../src/outputs/output.ts'
import { secretFiles } from '../../src/outputs/secret-files.ts'
import type { SecretGroup } from '../../src/outputs/secret-group.ts'
import { readSecretMap, type SecretMap } from '../../src/outputs/secret-map.ts'
import { planSecret, type StoredTarget } from '../../src/outputs/secret-plan.ts'
import { temporaryVolume } from '../support/temporary-volume.ts'

/** One check for each row of docs/migrate.md: that what it says of us is so. */
const differences: Readonly<Record<string, () => void | Promise<void>>> = {
  'bash-expansion': () => expect(safe('bash', '$(id)')).toBe("export v='$(id)'"),
  'bash-escapes': () => expect(safe('bash', 'a\n\t\x1b')).toBe("export v='a\n\t\x1b'"),
  'json-escapes': () => expect(JSON.parse(safe('json', '\0\x07\x0b'))).toEqual({ v: '\0\x07\x0b' }),
  'properties-quotes': () => expect(safe('properties', 'a b')).toBe('v=a b'),
  'dotenv-escapes': () => expect(safe('dotenv', 'a\\b"c')).toBe(`v='a\\b"c'`),
  'no-utf8': () => expect(() => safe('yaml', Uint8Array.of(0xff))).toThrow(OutputError),
  'path-escape': () => expect(checkGroups([{ ...group, path: '../x' }])).toHaveLength(1),
  'alias-twice': () => {
    const twice = { ...group, entries: [...group.entries, ...group.entries.slice(0, 1)] }
    expect(checkGroups([twice])).toEqual(['group db: alias "user" stands twice'])
  },
  links: async () => {
    const directory = await published()
    expect(readlinkSync(join(directory, 'db.json'))).toBe('..data/db.json')
  },
  drift: async () => {
    const directory = await published()
    unlinkSync(join(directory, '..data/db.json'))
    await publish(directory, known)
    expect(readFileSync(join(directory, 'db.json'), 'utf8')).toContain('hunter2')
  },
  'template-fails': async () => {
    const decoding = templated('{{ secret "user" | b64dec }}')
    const directory = await published({ user: 'd2Vi', password: '' }, decoding)
    await publish(directory, { user: '!', password: '' }, decoding)
    expect(readFileSync(join(directory, 'db.json'), 'utf8')).toBe('web')
  },
  'missing-required': async () => {
    const directory = temporaryVolume()
    const other = { ...group, name: 'web', path: 'web.json', entries: group.entries.slice(0, 1) }
    await publish(directory, { user: 'web' }, group, other)
    expect(readFileSync(join(directory, 'web.json'), 'utf8')).toBe('{"user":"web"}')
  },
  revocation: async () => {
    const directory = await published()
    await publish(directory, { user: 'web' })
    expect(readFileSync(join(directory, 'db.json'), 'utf8')).toBe('{"user":"web"}')
  },
  'directory-mode': async () => {
    const directory = await published(known, { ...group, path: 'sub/db.json' })
    expect(statSync(join(directory, 'sub')).mode & 0o777).toBe(0o755)
  },
  'secret-blank': () => {
    const target = stored({ user: 'web', password: 'hunter2' })
    expect([...plan(target, { user: 'web' }).own.keys()]).toEqual(['user'])
  },
  'secret-foreign': () => {
    const target = { ...stored({ foreign: 'theirs' }), ownKeys: new Set<string>() }
    expect(plan(target, known).own.has('foreign')).toBe(false)
  },
  'secret-base64-group': () => {
    const templates = [{ key: 'conf', template: '{{ secret "user" }}', entries: base64User() }]
    const { own } = plan(stored({}), { user: 'd2Vi' }, { entries: [], templates })
    expect(own.get('conf')?.text()).toBe('web')
  },
  'secret-empty-template': () => {
    const templates = [{ key: 'conf', template: '{{ secret "user" }}', entries: base64User() }]
    expect(plan(stored({}), {}, { entries: [], templates }).own.has('conf')).toBe(false)
  },
  'secret-drift': () => {
    const { own } = plan(stored({ user: 'someone' }), known)
    expect(own.get('user')?.text()).toBe('web')
  },
  'secret-patch': () => {
    const source = readFileSync('src/kubernetes/managed-secrets.ts', 'utf8')
    expect(source).toContain('patchNamespacedSecret')
    expect(source).not.toMatch(/replaceNamespacedSecret|createNamespacedSecret/)
  },
  'fetch-all-cap': () => {
    expect(planAll('*').error?.message).toMatch(/gives 600 keys, at most 500/)
    expect(planAll({ id: '*', max: 1000 }).own.size).toBe(600)
  },
  'fetch-all-fields': () =>
    expect(readSecretMap({ '*': { id: '*', inclde: 'app/*' } }).problems).toHaveLength(1),
  'template-address': () =>
    expect(() => renderTemplate('{{ . }}', [])).toThrow(/no text of its own/),
}

const rows = [...readFileSync('docs/migrate.md', 'utf8').matchAll(/^\| `([\w-]+)` \|/gm)]

test('every difference on the page is checked here, and every one here is on the page', () => {
  expect(rows.map(([, id]) => id)).toEqual(Object.keys(differences))
})

test.each(Object.entries(differences))('%s', async (_id, check) => {
  await check()
})

const known = { user: 'web', password: 'hunter2' }
const group: SecretGroup = {
  name: 'db',
  path: 'db.json',
  format: 'json',
  mode: 0o644,
  entries: ['user', 'password'].map((alias) => ({
    alias,
    variableId: alias,
    contentType: 'text',
    required: true,
  })),
}

function templated(text: string): SecretGroup {
  return { ...group, format: 'template', template: { text } }
}

function base64User(): SecretGroup['entries'] {
  return group.entries.slice(0, 1).map((entry) => ({ ...entry, contentType: 'base64' }))
}

function safe(format: ListFormat, value: string | Uint8Array): string {
  const options = { format, group: 'db', compatibility: 'safe' } as const
  return renderList([{ alias: 'v', value: new Secret(value) }], options).toString('utf8')
}

function snapshot(values: Readonly<Record<string, string>>): Snapshot {
  return {
    accessToken: new Secret('{}'),
    values: new Map(Object.entries(values).map(([id, text]) => [id, new Secret(text)])),
    unknown: new Set(),
  }
}

async function published(
  values: Readonly<Record<string, string>> = known,
  ...groups: readonly SecretGroup[]
): Promise<string> {
  const directory = temporaryVolume()
  await publish(directory, values, ...groups)
  return directory
}

async function publish(
  directory: string,
  values: Readonly<Record<string, string>>,
  ...groups: readonly SecretGroup[]
): Promise<void> {
  const output = secretFiles({
    directory,
    groups: groups.length === 0 ? [group] : groups,
    publish: 'set',
    requireTmpfs: 'false',
    formatCompatibility: 'safe',
  })
  await output.publish(snapshot(values), new AbortController().signal)
}

function stored(data: Readonly<Record<string, string>>): StoredTarget {
  return {
    name: 'db',
    namespace: 'shop',
    uid: '1',
    type: 'Opaque',
    isImmutable: false,
    data: new Map(Object.entries(data).map(([key, text]) => [key, new Secret(text)])),
    annotations: new Map(),
    ownKeys: new Set(Object.keys(data)),
  }
}

function plan(
  target: StoredTarget,
  values: Readonly<Record<string, string>>,
  map: SecretMap = {
    templates: [],
    entries: ['user', 'password'].map((key) => ({ key, variableId: key, contentType: 'text' })),
  },
) {
  return planSecret(target, map, snapshot(values))
}

/** A new Secret that asks for all of 600 variables. */
function planAll(all: unknown) {
  const listed = Array.from({ length: 600 }, (_, index) => `app/${index}`)
  const values = Object.fromEntries(listed.map((id) => [id, 'x']))
  const map = { ...readSecretMap({ '*': all }), templates: [] }
  return planSecret(stored({}), map, { ...snapshot(values), listed })
}
