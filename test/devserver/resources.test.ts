import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startDevserver, type Devserver } from '../../src/devserver/server.ts'
import { ask, tokenFor, type Answer } from './client.ts'

const policy = `
- !user alice
- !group ops
- !grant { role: !group ops, member: !user alice }
- !policy
  id: apps
  owner: !group ops
  body:
  - !host
    id: web
    annotations: { description: Serves pages }
    restricted_to: [ 10.0.0.0/8, 192.168.1.1 ]
  - !variable
    id: db/password
    annotations: { description: Databases of the shop }
  - !variable api-key
- !variable outside
- !host stranger
`

describe('what a role may know of', () => {
  let server: Devserver
  let tokens: Record<string, { authorization: string }>

  beforeAll(async () => {
    server = await startDevserver({ account: 'acme', policy, http: true })
    tokens = {}
    for (const login of ['admin', 'alice', 'host/stranger']) {
      tokens[login] = await tokenFor(server, login, server.apiKeyOf(login) ?? '')
    }
  })

  afterAll(() => server.close())

  const get = (path: string, as = 'alice'): Promise<Answer> =>
    ask(server, { path, ...(tokens[as] === undefined ? {} : { headers: tokens[as] }) })
  const ids = (reply: Answer): unknown =>
    (reply.json() as readonly { id: string }[]).map(({ id }) => id)

  test('an owner sees what a policy of hers holds, sorted by id', async () => {
    const reply = await get('/resources/acme')

    expect(ids(reply)).toEqual([
      'acme:host:apps/web',
      'acme:policy:apps',
      'acme:variable:apps/api-key',
      'acme:variable:apps/db/password',
    ])
  })

  test('kind, owner, limit and offset narrow the list, and count counts it', async () => {
    expect(ids(await get('/resources/acme/variable?limit=1'))).toEqual([
      'acme:variable:apps/api-key',
    ])
    expect(ids(await get('/resources/acme?kind=variable&offset=1'))).toEqual([
      'acme:variable:apps/db/password',
    ])
    expect(ids(await get('/resources/acme?owner=policy:apps&kind=host'))).toEqual([
      'acme:host:apps/web',
    ])
    expect((await get('/resources/acme/variable?count=true')).json()).toEqual({ count: 2 })
  })

  test.each([
    ['password', 1],
    ['PASSWORDS', 1],
    ['shop database', 1],
    ['db/password', 1],
    ['pages', 1],
    ['the', 0],
    ['nowhere', 0],
  ])('a search for %s finds %i', async (search, count) => {
    const reply = await get(`/resources/acme?search=${encodeURIComponent(search)}&count=true`)

    expect(reply.json()).toEqual({ count })
  })

  test.each([
    ['limit=0', "'limit' contains an invalid value. 'limit' must be a positive integer."],
    ['limit=x', "'limit' contains an invalid value. 'limit' must be a positive integer."],
    ['limit=1001', "'Limit' parameter must not exceed 1000"],
    [
      'offset=-1',
      "'offset' contains an invalid value. 'offset' must be an integer greater than or equal to 0.",
    ],
  ])('%s is 422', async (query, message) => {
    const reply = await get(`/resources/acme?${query}`)

    expect(reply.status).toBe(422)
    expect(reply.json()).toEqual({ error: { code: 'unprocessable_entity', message } })
  })

  test('a list may be asked for a role that one holds, for no other', async () => {
    const held = await get('/resources/acme/variable?acting_as=acme:group:ops&count=true')
    const foreign = await get('/resources/acme/variable?role=acme:host:stranger')

    expect(held.json()).toEqual({ count: 2 })
    expect(foreign.status).toBe(403)
  })

  test('a host shows where it may log in from', async () => {
    const reply = await get('/resources/acme/host/apps%2Fweb')

    expect(reply.json()).toMatchObject({ restricted_to: ['10.0.0.0/8', '192.168.1.1/32'] })
  })

  test('what one may not see is 404 with its name, and so is what does not exist', async () => {
    const hidden = await get('/resources/acme/variable/outside')
    const absent = await get('/resources/acme/variable/nowhere')

    expect(hidden.status).toBe(404)
    expect(hidden.text().replaceAll('outside', 'nowhere')).toBe(absent.text())
  })

  test('a check says yes with 204 and no with 404, for oneself or a role one holds', async () => {
    const path = '/resources/acme/variable/apps%2Fapi-key'

    expect((await get(`${path}?check=true&privilege=execute`)).status).toBe(204)
    expect((await get('/resources/acme/group/ops?check=true&privilege=fly', 'admin')).status).toBe(
      204,
    )
    expect((await get(`${path}?check=true&privilege=execute&role=acme:group:ops`)).status).toBe(204)
    expect((await get(`${path}?check=true&privilege=execute&role=acme:host:stranger`)).status).toBe(
      403,
    )
    expect((await get(`${path}?check=true`)).status).toBe(422)
  })

  test('permitted roles are all that can, by ownership too', async () => {
    const reply = await get(
      '/resources/acme/variable/apps%2Fapi-key?permitted_roles=true&privilege=execute',
    )

    expect(reply.json()).toEqual([
      'acme:group:ops',
      'acme:policy:apps',
      'acme:user:admin',
      'acme:user:alice',
    ])
  })

  test('a role shows its members, memberships and all it holds', async () => {
    const group = await get('/roles/acme/group/ops', 'admin')
    const all = await get('/roles/acme/user/alice?all', 'admin')
    const direct = await get('/roles/acme/user/alice?memberships', 'admin')
    const graph = await get('/roles/acme/group/ops?graph', 'admin')

    expect(group.json()).toMatchObject({
      id: 'acme:group:ops',
      members: [
        { member: 'acme:user:admin' },
        { member: 'acme:user:alice', admin_option: false, ownership: false },
      ],
    })
    expect(all.json()).toEqual([
      'acme:group:ops',
      'acme:host:apps/web',
      'acme:policy:apps',
      'acme:user:alice',
    ])
    expect(direct.json()).toMatchObject([{ role: 'acme:group:ops', member: 'acme:user:alice' }])
    expect(graph.json()).toContainEqual({ parent: 'acme:group:ops', child: 'acme:user:alice' })
  })

  test('a member is added and taken away by whoever may change the policy', async () => {
    const path = '/roles/acme/group/ops?members&member=acme:host:stranger'
    const send = (method: string, as: string): Promise<Answer> =>
      ask(server, { method, path, headers: tokens[as] ?? {} })

    expect((await send('POST', 'alice')).status).toBe(404)
    expect((await send('POST', 'admin')).status).toBe(204)
    expect((await get('/resources/acme/variable?count=true', 'host/stranger')).json()).toEqual({
      count: 2,
    })
    expect((await send('DELETE', 'admin')).status).toBe(204)
    expect((await send('DELETE', 'admin')).status).toBe(404)
    expect((await get('/resources/acme/variable?count=true', 'host/stranger')).json()).toEqual({
      count: 0,
    })
  })
})
