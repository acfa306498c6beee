import { readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { temporaryDirectory } from '../support/temporary-directory.ts'
import { serviceAccountClaims, tokenMaker } from '../support/token-maker.ts'
import { ask, tokenFor, type Answer } from './client.ts'
import { harness } from './harness.ts'

const policy = '- !variable v\n- !host web\n'

describe('faults', () => {
  test.each([
    [{ kind: 'unavailable', retryAfterSeconds: 2 }, 503],
    [{ kind: 'error' }, 500],
  ] as const)('%o answers everything alike, until cleared', async (fault, status) => {
    await using rig = await harness({ policy })

    rig.server.faults.add(fault)
    const during = await ask(rig.server, { path: '/authenticators' })
    rig.server.faults.clear()
    const after = await ask(rig.server, { path: '/authenticators' })

    expect(during.status).toBe(status)
    expect(during.text()).toBe('')
    expect(during.headers['retry-after']).toBe('retryAfterSeconds' in fault ? '2' : undefined)
    expect(after.status).toBe(200)
  })

  test('an outage gives no answer at all, a drop half of one', async () => {
    await using rig = await harness({ policy })

    rig.server.faults.add({ kind: 'outage', times: 1 })
    rig.server.faults.add({ kind: 'drop', times: 1 })

    await expect(ask(rig.server, { path: '/authenticators' })).rejects.toThrow('socket hang up')
    await expect(ask(rig.server, { path: '/authenticators' })).rejects.toThrow('aborted')
    expect((await ask(rig.server, { path: '/authenticators' })).status).toBe(200)
  })

  test('a fault hits the paths it names, as often as it says', async () => {
    await using rig = await harness({ policy })
    const login = (): Promise<Answer> =>
      rig.authenticate('/authn/acme/admin/authenticate', rig.server.adminApiKey)

    rig.server.faults.add({ kind: 'unauthenticated', times: 1, path: '/authn' })
    const other = await ask(rig.server, { path: '/' })
    const first = await login()
    const second = await login()

    expect([other.status, first.status, second.status]).toEqual([200, 401, 200])
  })

  test('with the issuers away, a login whose keys are not known yet is 401', async () => {
    const maker = await tokenMaker({ issuer: 'https://idp.example.com' })
    await using rig = await harness({
      policy: `
- !policy
  id: conjur/authn-jwt/prod
  body: [ !webservice , !variable jwks-uri , !variable issuer ]
`,
      values: {
        'conjur/authn-jwt/prod/jwks-uri': 'https://idp.example.com/keys',
        'conjur/authn-jwt/prod/issuer': maker.issuer,
      },
      askIssuer: async () => ({ status: 200, body: JSON.stringify(maker.jwks) }),
    })

    rig.server.faults.add({ kind: 'provider-away' })
    const reply = await rig.authenticate(
      '/authn-jwt/prod/acme/host%2Fweb/authenticate',
      `jwt=${await maker.make(serviceAccountClaims())}`,
    )

    expect(reply.status).toBe(401)
    expect(rig.log.join('\n')).toContain('CONJ00087E')
  })

  test('faults and counters are worked over HTTP by whoever has the key of admin, and are not counted', async () => {
    await using rig = await harness({ policy })
    const { server } = rig
    const basic = {
      authorization: `Basic ${Buffer.from(`admin:${server.adminApiKey}`).toString('base64')}`,
    }
    const wrong = { authorization: `Basic ${Buffer.from('admin:wrong').toString('base64')}` }
    const body = '{"kind":"unavailable","seconds":60}'

    const refused = await ask(server, {
      method: 'POST',
      path: '/devserver/faults',
      headers: wrong,
      body,
    })
    const added = await ask(server, {
      method: 'POST',
      path: '/devserver/faults',
      headers: basic,
      body,
    })
    const malformed = await ask(server, {
      method: 'POST',
      path: '/devserver/faults',
      headers: basic,
      body: '{"kind":"fire"}',
    })
    const during = await ask(server, { path: '/' })
    const cleared = await ask(server, {
      method: 'DELETE',
      path: '/devserver/faults',
      headers: basic,
    })
    await tokenFor(server, 'admin', server.adminApiKey)
    const counted = await ask(server, { path: '/devserver/requests', headers: basic })

    expect([refused, added, malformed, during, cleared].map(({ status }) => status)).toEqual([
      401, 201, 422, 503, 204,
    ])
    expect(counted.json()).toEqual({ authenticate: 1 })
  })
})

describe('servers in the field', () => {
  test('one of the DAP era has no exp in its tokens, lets them live 480 s, and encodes no batch', async () => {
    await using rig = await harness({ policy, values: { v: 'x' }, dapEra: true })
    const headers = await tokenFor(rig.server, 'admin', rig.server.adminApiKey)
    const token = JSON.parse(
      Buffer.from(/"(.*)"/.exec(headers.authorization)?.[1] ?? '', 'base64').toString(),
    )

    const batch = await ask(rig.server, {
      path: '/secrets?variable_ids=acme:variable:v',
      headers: { ...headers, 'accept-encoding': 'base64' },
    })

    expect(Object.keys(JSON.parse(Buffer.from(token.payload, 'base64url').toString()))).toEqual([
      'iat',
      'sub',
    ])
    expect(batch.json()).toEqual({ 'acme:variable:v': 'x' })
    expect(batch.headers['content-encoding']).toBeUndefined()
  })

  test('one behind a base path answers below it alone', async () => {
    await using rig = await harness({ policy, basePath: '/api' })

    const below = await ask(rig.server, { path: '/api/authenticators' })
    const beside = await ask(rig.server, { path: '/authenticators' })

    expect(rig.server.url).toMatch(/\/api$/)
    expect([below.status, beside.status]).toEqual([200, 404])
  })

  test('every declared authenticator is on, until a request switches the first one on by name', async () => {
    await using rig = await harness({
      policy:
        '- !policy { id: conjur/authn-jwt/a, body: [ !webservice ] }\n- !policy { id: conjur/authn-jwt/b, body: [ !webservice ] }\n',
    })
    const headers = await tokenFor(rig.server, 'admin', rig.server.adminApiKey)
    const enabled = async (): Promise<unknown> => {
      const reply = (await ask(rig.server, { path: '/authenticators' })).json() as {
        enabled: unknown
      }
      return reply.enabled
    }
    const before = await enabled()

    await ask(rig.server, {
      method: 'PATCH',
      path: '/authn-jwt/b/acme',
      headers,
      body: 'enabled=true',
    })
    const after = await enabled()
    await ask(rig.server, {
      method: 'PATCH',
      path: '/authn-jwt/b/acme',
      headers: { ...headers, 'content-type': 'text/plain' },
      body: 'enabled=true',
    })

    expect(before).toEqual(['authn', 'authn-jwt/a', 'authn-jwt/b'])
    expect(after).toEqual(['authn', 'authn-jwt/b'])
    expect(await enabled()).toEqual(['authn'])
  })
})

describe('a state file', () => {
  test('keeps policy, values, keys and even tokens between two starts, for this user alone', async () => {
    await using directory = await temporaryDirectory()
    const stateFile = join(directory.path, 'state.json')
    const first = await harness({ policy, values: { v: 'kept' }, stateFile })
    const headers = await tokenFor(first.server, 'admin', first.server.adminApiKey)
    await ask(first.server, {
      method: 'POST',
      path: '/policies/acme/policy/root',
      headers,
      body: '- !variable late\n',
    })
    await first.server.close()

    await using second = await harness({ stateFile })
    const value = await ask(second.server, { path: '/secrets/acme/variable/v', headers })
    const late = await ask(second.server, { path: '/resources/acme/variable/late', headers })

    expect(value.text()).toBe('kept')
    expect(late.status).toBe(200)
    expect(second.server.apiKeys()).toEqual(first.server.apiKeys())
    expect((await stat(stateFile)).mode & 0o777).toBe(0o600)
  })

  test('that cannot be written ends the start by name', async () => {
    await expect(harness({ stateFile: '/nowhere/state.json' })).rejects.toThrow(
      'the file of --state cannot be written (ENOENT)',
    )
  })

  test('that is no state file is refused by name of the schema, and left as it is', async () => {
    await using directory = await temporaryDirectory()
    const stateFile = join(directory.path, 'state.json')
    await writeFile(stateFile, '{"schema":"other"}')

    await expect(harness({ stateFile })).rejects.toThrow('is no state of a devserver')
    expect(await readFile(stateFile, 'utf8')).toBe('{"schema":"other"}')
  })
})
