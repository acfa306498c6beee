import { describe, expect, test } from 'vitest'
import { ask, tokenFor, type Answer } from './client.ts'
import { harness, type Harness } from './harness.ts'

/** A server with its administrator logged in. */
async function administered(policy = ''): Promise<Harness & { load: Load; show: Show }> {
  const rig = await harness({ policy })
  const admin = await tokenFor(rig.server, 'admin', rig.server.adminApiKey)
  return {
    ...rig,
    [Symbol.asyncDispose]: () => rig[Symbol.asyncDispose](),
    load: (method, body, path = 'root') =>
      ask(rig.server, { method, path: `/policies/acme/policy/${path}`, headers: admin, body }),
    show: async (path) => (await ask(rig.server, { path, headers: admin })).json(),
  }
}
type Load = (method: 'POST' | 'PUT' | 'PATCH', body: string, path?: string) => Promise<Answer>
type Show = (path: string) => Promise<unknown>

describe('loading a policy', () => {
  test('names are relative to the policy around them, members may start at the root or climb', async () => {
    await using rig = await administered()

    await rig.load(
      'POST',
      `
- !group ops
- !policy
  id: a
  body:
  - !policy
    id: b
    body:
    - !host web
    - !user alice
    - !layer
    - !grant { role: !layer , members: [ !host web, !user /bob, !group ../../ops ] }
- !user bob
`,
    )

    expect(await rig.show('/roles/acme/layer/a%2Fb?members')).toMatchObject([
      { member: 'acme:group:ops' },
      { member: 'acme:host:a/b/web' },
      { member: 'acme:policy:a/b', ownership: true },
      { member: 'acme:user:bob' },
    ])
    expect(await rig.show('/resources/acme/user?count=true')).toEqual({ count: 3 })
    expect(await rig.show('/resources/acme/user/alice@a-b')).toMatchObject({
      owner: 'acme:policy:a/b',
    })
  })

  test('an alias is the very thing its anchor names, wherever it is used', async () => {
    await using rig = await administered()

    const reply = await rig.load(
      'POST',
      `
- !policy
  id: app
  body:
  - &secrets
    - !variable one
    - !variable two
  - !group readers
  - !permit { role: !group readers, privileges: [ read, execute ], resources: *secrets }
`,
    )

    expect(reply.status).toBe(201)
    expect(await rig.show('/resources/acme/variable/app/two')).toMatchObject({
      permissions: [
        { privilege: 'execute', role: 'acme:group:app/readers', policy: 'acme:policy:root' },
        { privilege: 'read', role: 'acme:group:app/readers', policy: 'acme:policy:root' },
      ],
    })
  })

  test('annotations are kept as text, plain scalars as the server reads them', async () => {
    await using rig = await administered()

    await rig.load(
      'POST',
      `
- !variable
  id: v
  kind: password
  mime_type: text/plain
  annotations:
    a: yes
    b: "yes"
    c: 007
    d: 1.0
    e: ~
    f: text
`,
    )

    expect(await rig.show('/resources/acme/variable/v')).toMatchObject({
      annotations: [
        { name: 'a', value: 'true' },
        { name: 'b', value: 'yes' },
        { name: 'c', value: '7' },
        { name: 'conjur/kind', value: 'password' },
        { name: 'conjur/mime_type', value: 'text/plain' },
        { name: 'd', value: '1.0' },
        { name: 'e', value: '' },
        { name: 'f', value: 'text' },
      ],
    })
  })

  test('new users and hosts come back with their keys, once', async () => {
    await using rig = await administered()

    const first = await rig.load('POST', '- !host web\n- !user alice\n- !group g\n')
    const again = await rig.load('POST', '- !host web\n')

    expect(first.status).toBe(201)
    expect(first.json()).toEqual({
      created_roles: {
        'acme:host:web': { id: 'acme:host:web', api_key: rig.server.apiKeyOf('host/web') },
        'acme:user:alice': { id: 'acme:user:alice', api_key: rig.server.apiKeyOf('alice') },
      },
      version: 1,
    })
    expect(again.json()).toEqual({ created_roles: {}, version: 2 })
  })

  test('an annotation that looks like an attribute is warned about', async () => {
    await using rig = await administered()

    const reply = await rig.load(
      'POST',
      '- !host { id: web, annotations: { restricted_to: 10.0.0.1 } }',
    )

    expect(reply.json()).toMatchObject({
      warnings: [
        "Annotation 'restricted_to' matches a known policy attribute. This annotation will not be treated as a standard attribute and may not have the intended effect.",
      ],
    })
  })

  test('PATCH takes back what the same policy gave: grants, permissions, records', async () => {
    const variable = '/resources/acme/variable/v'
    await using rig = await administered(`
- !host web
- !group readers
- !variable v
- !variable gone
- !permit { role: !group readers, privileges: [ read, execute ], resource: !variable v }
- !grant { role: !group readers, member: !host web }
`)

    const reply = await rig.load(
      'PATCH',
      `
- !deny { role: !group readers, privilege: execute, resource: !variable v }
- !revoke { role: !group readers, member: !host web }
- !delete { record: !variable gone }
`,
    )

    expect(reply.status).toBe(201)
    expect(await rig.show(variable)).toMatchObject({ permissions: [{ privilege: 'read' }] })
    expect(await rig.show('/roles/acme/group/readers?members&kind=host')).toEqual([])
    expect(await rig.show('/resources/acme/variable?count=true')).toEqual({ count: 1 })
  })

  test('a denial hits the role, privilege and resource that it names, and nothing beside them', async () => {
    await using rig = await administered(`
- !group a
- !group b
- !variable v
- !variable w
- !permit { role: !group a, privileges: [ read, execute ], resources: [ !variable v, !variable w ] }
- !permit { role: !group b, privileges: [ execute ], resource: !variable v }
`)

    await rig.load('PATCH', '- !deny { role: !group a, privilege: execute, resource: !variable v }')

    expect(await rig.show('/resources/acme/variable/v')).toMatchObject({
      permissions: [
        { privilege: 'read', role: 'acme:group:a' },
        { privilege: 'execute', role: 'acme:group:b' },
      ],
    })
    expect(await rig.show('/resources/acme/variable/w')).toMatchObject({
      permissions: [{ privilege: 'execute' }, { privilege: 'read' }],
    })
  })

  test('what another branch loaded is not taken back', async () => {
    await using rig = await administered(`
- !policy apps
- !group readers
- !host web
- !grant { role: !group readers, member: !host web }
`)

    await rig.load('PATCH', '- !revoke { role: !group /readers, member: !host /web }', 'apps')

    expect(await rig.show('/roles/acme/group/readers?members&kind=host')).toHaveLength(1)
  })

  test('PUT leaves only what it names, and what other branches loaded below it is gone with their branch', async () => {
    await using rig = await administered('- !policy apps\n- !variable old\n- !group keep\n')
    await rig.load('POST', '- !variable inner', 'apps')

    const reply = await rig.load('PUT', '- !group keep\n- !variable fresh\n')

    expect(reply.status).toBe(201)
    expect(await rig.show('/resources/acme?kind=variable')).toMatchObject([
      { id: 'acme:variable:fresh' },
    ])
    expect(await rig.show('/resources/acme/policy?count=true')).toEqual({ count: 1 })
  })

  test('a variable that a policy drops and declares again has lost its value', async () => {
    await using rig = await administered('- !variable v\n')
    rig.server.setValue('v', 'secret')

    await rig.load('PUT', '- !variable other\n')
    await rig.load('POST', '- !variable v\n')

    expect(await rig.show('/resources/acme/variable/v')).toMatchObject({ secrets: [] })
  })

  test.each<[what: string, policy: string, error: Record<string, unknown>]>([
    [
      'an unknown reference',
      '- !permit { role: !user bob, privilege: read, resource: !variable v }',
      { code: 'policy_invalid', message: "Variable 'v' not found in account 'acme'" },
    ],
    [
      'a record twice',
      '- !variable v\n- !variable v\n',
      { code: 'policy_invalid', message: "variable 'v' is declared more than once" },
    ],
    [
      'an absolute name',
      '- !variable /v\n',
      { code: 'policy_invalid', message: 'Illegal absolute id: /v' },
    ],
    [
      'a blank name at the root',
      '- !group\n',
      { code: 'policy_invalid', message: 'group has a blank id' },
    ],
    [
      'a climb beyond the root',
      '- !group g\n- !grant { role: !group g, member: !host ../web }',
      { code: 'policy_invalid', message: 'Invalid relative reference: ../web' },
    ],
    [
      'an unknown tag',
      '- !host a\n- !nonsense\n  id: x\n',
      { message: "Error at line 2, column 5 in policy : Unrecognized data type '!nonsense'" },
    ],
    [
      'an unknown attribute',
      '- !host\n  id: a\n  colour: red\n',
      { message: "Error at line 3, column 0 in policy : No such attribute 'colour' on type Host" },
    ],
    [
      'an attribute twice',
      '- !host\n  id: a\n  id: b\n',
      { message: 'Error at line 2, column 5 in policy : Duplicate attribute: id' },
    ],
    [
      'a number for a name',
      '- !host\n  id: 7\n',
      { message: expect.stringContaining("Expected a string for field 'id', got Integer") },
    ],
    [
      'no CIDR',
      '- !host { id: a, restricted_to: nowhere }',
      { message: expect.stringContaining("Invalid IP address or CIDR range 'nowhere'") },
    ],
    [
      'a CIDR with host bits',
      '- !host { id: a, restricted_to: 10.0.0.1/24 }',
      { message: expect.stringContaining("Did you mean '10.0.0.0/24'?") },
    ],
    [
      'a host factory without layers',
      '- !host-factory f',
      { message: "Host factory 'f' does not include any layers" },
    ],
    [
      'a deletion where only adding is allowed',
      '- !delete { record: !host a }',
      { code: 'validation_failed', message: 'policy_text may not contain deletion statements' },
    ],
    ['no text', ' \n', { code: 'validation_failed', message: 'policy_text is not present' }],
    ['no YAML', '- !host: [', { code: 'policy_invalid' }],
    ['a mapping at the top', 'a: b', { code: 'policy_invalid' }],
    [
      'aliases that multiply',
      bomb(),
      { message: expect.stringContaining("alias 'a18' stands for too much") },
    ],
    ['lists in lists without end', `- ${'['.repeat(50_000)}`, { code: 'policy_invalid' }],
  ])('%s is 422, and nothing of the text is kept', async (_what, policy, error) => {
    await using rig = await administered()

    const reply = await rig.load('POST', policy)

    expect(reply.status).toBe(422)
    expect(reply.json()).toMatchObject({ error })
    expect(await rig.show('/resources/acme?count=true')).toEqual({ count: 2 })
  })

  test('who may not see a branch gets 404, who may not change it 403', async () => {
    await using rig = await harness({
      policy: `
- !user alice
- !policy seen
- !policy hidden
- !permit { role: !user alice, privilege: read, resource: !policy seen }
`,
    })
    const alice = await tokenFor(rig.server, 'alice', rig.server.apiKeyOf('alice') ?? '')
    const load = (path: string): Promise<Answer> =>
      ask(rig.server, {
        method: 'POST',
        path: `/policies/acme/policy/${path}`,
        headers: alice,
        body: '- !group g',
      })

    const seen = await load('seen')
    const hidden = await load('hidden')

    expect(seen.status).toBe(403)
    expect(hidden.status).toBe(404)
    expect(hidden.json()).toMatchObject({
      error: { message: "Policy 'hidden' not found in account 'acme'" },
    })
  })

  test('a rehearsal tells what would change and changes nothing', async () => {
    await using rig = await administered('- !policy apps\n')

    const reply = await rig.load('POST', '- !host web\n- !variable v\n', 'apps?dryRun=true')

    expect(reply.status).toBe(200)
    expect(reply.json()).toEqual({
      status: 'Valid YAML',
      created: {
        items: [
          {
            identifier: 'acme:host:apps/web',
            id: 'apps/web',
            type: 'host',
            owner: 'acme:policy:apps',
            policy: 'acme:policy:apps',
            permissions: {},
            annotations: {},
            members: ['acme:policy:apps'],
            memberships: [],
            restricted_to: [],
          },
          {
            identifier: 'acme:variable:apps/v',
            id: 'apps/v',
            type: 'variable',
            owner: 'acme:policy:apps',
            policy: 'acme:policy:apps',
            permitted: {},
            annotations: {},
          },
        ],
      },
      updated: {
        before: {
          items: [expect.objectContaining({ identifier: 'acme:policy:apps', memberships: [] })],
        },
        after: {
          items: [
            expect.objectContaining({
              identifier: 'acme:policy:apps',
              memberships: ['acme:host:apps/web'],
            }),
          ],
        },
      },
      deleted: { items: [] },
    })
    expect(await rig.show('/resources/acme/host?count=true')).toEqual({ count: 0 })
  })

  test('a rehearsal of a bad text is 422 with the place', async () => {
    await using rig = await administered()

    const reply = await rig.load('POST', '- !nonsense x\n', 'root?dryRun=true')

    expect(reply.status).toBe(422)
    expect(reply.json()).toMatchObject({ status: 'Invalid YAML', errors: [{ line: 1, column: 0 }] })
  })
})

/** Every list holds the one before it twice: 2^26 variables. */
function bomb(): string {
  const doubled = Array.from(
    { length: 26 },
    (_, index) => `- &a${index + 1} [ *a${index}, *a${index} ]`,
  )
  return ['- &a0 [ !variable x ]', ...doubled].join('\n')
}
