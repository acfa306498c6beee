import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startDevserver, type Devserver } from '../../src/devserver/server.ts'
import { ask, tokenFor } from './client.ts'

const policy = `
- !policy
  id: apps
  body:
  - !host web
  - !variable db/password
  - !variable db/unset
  - !variable hidden
  - !permit
    role: !host web
    privileges: [ read, execute ]
    resources:
    - !variable db/password
    - !variable db/unset
`

describe('values', () => {
  let server: Devserver
  let web: { authorization: string }
  let admin: { authorization: string }

  beforeAll(async () => {
    server = await startDevserver({
      account: 'acme',
      policy,
      values: { 'apps/db/password': 's3cret' },
    })
    web = await tokenFor(server, 'host/apps/web', server.apiKeyOf('host/apps/web') ?? '')
    admin = await tokenFor(server, 'admin', server.adminApiKey)
  })

  afterAll(() => server.close())

  test('a host reads the value that policy lets it execute, byte for byte', async () => {
    const reply = await ask(server, {
      path: '/secrets/acme/variable/apps/db/password',
      headers: web,
    })

    expect(reply.status).toBe(200)
    expect(reply.text()).toBe('s3cret')
  })

  test('a variable that the host may not see is 404 alone and 403 in a batch', async () => {
    const single = await ask(server, { path: '/secrets/acme/variable/apps%2Fhidden', headers: web })
    const batch = await ask(server, {
      path: '/secrets?variable_ids=acme:variable:apps/hidden',
      headers: web,
    })

    expect(single.status).toBe(404)
    expect(batch.status).toBe(403)
    expect(batch.text()).toBe('')
  })

  test('a new value is the next version, the same value is not', async () => {
    const write = (body: string) =>
      ask(server, {
        method: 'POST',
        path: '/secrets/acme/variable/apps/db/unset',
        headers: admin,
        body,
      })

    await write('one')
    await write('one')
    await write('two')
    const first = await ask(server, {
      path: '/secrets/acme/variable/apps/db/unset?version=1',
      headers: web,
    })
    const third = await ask(server, {
      path: '/secrets/acme/variable/apps/db/unset?version=3',
      headers: web,
    })

    expect(first.text()).toBe('one')
    expect(third.status).toBe(404)
  })

  test('a host without the privilege cannot write', async () => {
    const reply = await ask(server, {
      method: 'POST',
      path: '/secrets/acme/variable/apps/db/password',
      headers: web,
      body: 'mine',
    })

    expect(reply.status).toBe(403)
  })
})
