import { connect } from 'node:tls'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { startDevserver } from '../../src/devserver/server.ts'
import { generateTokenKey } from '../../src/devserver/tokens.ts'
import { TEST_TIME } from '../support/fake-clock.ts'
import { ask, tokenFor } from './client.ts'
import { harness } from './harness.ts'

const policy = '- !variable v\n- !host { id: far, restricted_to: 10.0.0.0/8 }\n- !user alice\n'

describe('access tokens', () => {
  test('one that was touched anywhere is refused (P2)', async () => {
    const key = await generateTokenKey()
    const token: Record<string, string> = JSON.parse(key.sign({ sub: 'alice', iat: 1, exp: 2 }))

    fc.assert(
      fc.property(
        fc.constantFrom('protected', 'payload', 'signature'),
        fc.nat({ max: 300 }),
        fc.constantFrom('A', 'b', '9', '_'),
        (part, at, letter) => {
          const text = token[part] ?? ''
          const index = at % (text.length - 4)
          const touched = text.slice(0, index) + letter + text.slice(index + 1)
          fc.pre(touched !== text)

          expect(key.verify({ ...token, [part]: touched })).toBeUndefined()
        },
      ),
    )
    expect(key.verify(token)?.claims.sub).toBe('alice')
  })

  test('the signature seals salt and hash with 2048 bits, in url-safe base64 with padding', async () => {
    const key = await generateTokenKey()

    const token: Record<string, string> = JSON.parse(key.sign({ sub: 'host/a~?', iat: 1, exp: 2 }))

    expect(token['signature']).toMatch(/^[\w-]{384}$/)
    expect(Buffer.from(token['payload'] ?? '', 'base64url').toString()).toBe(
      '{"iat":1,"sub":"host/a~?","exp":2}',
    )
  })

  test.each([
    ['none', undefined, 'Authorization missing'],
    ['another scheme', 'Bearer x', 'Authorization missing'],
    ['no quotes', 'Token token=abc', 'Authorization missing'],
    ['garbage', 'Token token="garbage"', 'Malformed authorization token'],
    ['nothing in the quotes', 'Token token=""', 'Malformed authorization token'],
    [
      'JSON that is no token',
      `Token token="${Buffer.from('{"a":1}').toString('base64')}"`,
      'Unauthorized: Invalid token',
    ],
    [
      'a number',
      `Token token="${Buffer.from('7').toString('base64')}"`,
      'Unauthorized: Invalid token',
    ],
    ['null', `Token token="${Buffer.from('null').toString('base64')}"`, 'Authorization missing'],
  ])('a header with %s is 401 in plain text', async (_what, authorization, text) => {
    await using rig = await harness({ policy })

    const reply = await ask(rig.server, {
      path: '/whoami',
      headers: authorization === undefined ? {} : { authorization },
    })

    expect(reply.status).toBe(401)
    expect(reply.headers['content-type']).toBe('text/plain')
    expect(reply.text()).toBe(text)
  })

  test('one is good until the second of its exp, and may come from the future', async () => {
    let now = TEST_TIME
    await using rig = await harness({ policy, tokenTtlSeconds: 20, clock: () => now })
    const headers = await tokenFor(rig.server, 'alice', rig.server.apiKeyOf('alice') ?? '')
    const whoami = async (at: number): Promise<number> => {
      now = at
      return (await ask(rig.server, { path: '/whoami', headers })).status
    }

    expect(await whoami(TEST_TIME + 19_999)).toBe(200)
    expect(await whoami(TEST_TIME + 20_000)).toBe(401)
    expect(await whoami(TEST_TIME - 60_000)).toBe(200)
  })

  test('one whose role is gone is 403', async () => {
    await using rig = await harness({ policy })
    const { server } = rig
    const alice = await tokenFor(server, 'alice', server.apiKeyOf('alice') ?? '')
    const admin = await tokenFor(server, 'admin', server.adminApiKey)
    const path = '/policies/acme/policy/root'
    await ask(server, {
      method: 'PATCH',
      path,
      headers: admin,
      body: '- !delete { record: !user alice }',
    })

    const reply = await ask(server, { path: '/secrets/acme/variable/v', headers: alice })

    expect(reply.status).toBe(403)
    expect(reply.text()).toBe('')
  })
})

describe('logging in by API key', () => {
  test('a newline after the key makes it wrong, and user/ before a name is nothing', async () => {
    await using rig = await harness({ policy })
    const key = rig.server.apiKeyOf('alice') ?? ''

    expect((await rig.authenticate('/authn/acme/alice/authenticate', `${key}\n`)).status).toBe(401)
    expect((await rig.authenticate('/authn/acme/user%2Falice/authenticate', key)).status).toBe(200)
    expect((await rig.authenticate('/authn/other/alice/authenticate', key)).status).toBe(401)
    expect(rig.explained[0]).toContain('the API key is followed by white space')
  })

  test('an address outside restricted_to is refused, one that a proxy forwards from inside is not', async () => {
    await using rig = await harness({ policy })
    const key = rig.server.apiKeyOf('host/far') ?? ''
    const path = '/authn/acme/host%2Ffar/authenticate'

    const here = await rig.authenticate(path, key)
    const inside = await rig.authenticate(path, key, { 'x-forwarded-for': '10.1.2.3' })

    expect(here.status).toBe(401)
    expect(rig.explained).toEqual([
      '401 authn host/far CONJ00003E client 127.0.0.1, restricted_to 10.0.0.0/8 (policy:2)',
    ])
    expect(inside.status).toBe(200)
  })

  test('a password logs in once it is set, and a rotated key replaces the old one', async () => {
    await using rig = await harness({ policy })
    const { server } = rig
    const basic = (secret: string): Record<string, string> => ({
      authorization: `Basic ${Buffer.from(`alice:${secret}`).toString('base64')}`,
    })
    const old = server.apiKeyOf('alice') ?? ''

    const weak = await ask(server, {
      method: 'PUT',
      path: '/authn/acme/password',
      headers: basic(old),
      body: 'weak',
    })
    const set = await ask(server, {
      method: 'PUT',
      path: '/authn/acme/password',
      headers: basic(old),
      body: 'Correct-Horse-7',
    })
    const byPassword = await ask(server, {
      path: '/authn/acme/login',
      headers: basic('Correct-Horse-7'),
    })
    const rotated = await ask(server, {
      method: 'PUT',
      path: '/authn/acme/api_key',
      headers: basic('Correct-Horse-7'),
    })
    const byOldKey = await ask(server, { path: '/authn/acme/login', headers: basic(old) })

    expect([weak.status, set.status, byOldKey.status]).toEqual([422, 204, 401])
    expect(byPassword.text()).toBe(old)
    expect(rotated.text()).toBe(server.apiKeyOf('alice'))
  })
})

describe('what is on the wire', () => {
  test('the certificate names localhost, 127.0.0.1 and ::1, under a CA of its own', async () => {
    const server = await startDevserver()
    const { port } = new URL(server.url)
    const connected = (servername: string): Promise<boolean> =>
      new Promise((resolve, reject) => {
        const options = { host: '127.0.0.1', port: Number(port), ca: server.ca, servername }
        const socket = connect(options, () => {
          resolve(socket.authorized)
          socket.destroy()
        })
        socket.on('error', reject)
      })

    const names = await connected('localhost')
    const plain = await ask(server, { path: '/' })
    await server.close()

    expect(names).toBe(true)
    expect(plain.status).toBe(200)
    expect(plain.text()).toContain('It is no Conjur')
    expect(plain.headers['x-development-server']).toBe('conjur-agent devserver, not for production')
  })

  test('a request id is kept, cleaned of what does not belong there', async () => {
    await using rig = await harness({})

    const kept = await ask(rig.server, { path: '/', headers: { 'x-request-id': 'abc-1@<x>' } })

    expect(kept.headers['x-request-id']).toBe('abc-1@x')
  })

  test('a value that was seen is 304, by its ETag', async () => {
    await using rig = await harness({ policy, values: { v: 'one' } })
    const headers = await tokenFor(rig.server, 'admin', rig.server.adminApiKey)
    const path = '/secrets/acme/variable/v'
    const first = await ask(rig.server, { path, headers })

    const same = await ask(rig.server, {
      path,
      headers: { ...headers, 'if-none-match': String(first.headers['etag']) },
    })
    rig.server.setValue('v', 'two')
    const other = await ask(rig.server, {
      path,
      headers: { ...headers, 'if-none-match': String(first.headers['etag']) },
    })

    expect(same.status).toBe(304)
    expect(other.text()).toBe('two')
  })

  test('HEAD has the headers of GET and no body', async () => {
    await using rig = await harness({})

    const reply = await ask(rig.server, { method: 'HEAD', path: '/authenticators' })

    expect(reply.status).toBe(200)
    expect(reply.headers['etag']).toMatch(/^W\/"[0-9a-f]{32}"$/)
    expect(reply.body.length).toBe(0)
  })

  test('what it does not do is 501 with a sentence, what nobody does is 404', async () => {
    await using rig = await harness({})
    const headers = await tokenFor(rig.server, 'admin', rig.server.adminApiKey)

    const absent = await ask(rig.server, { method: 'POST', path: '/host_factory_tokens', headers })
    const unknown = await ask(rig.server, {
      path: '/nope',
      headers: { ...headers, accept: 'application/json' },
    })

    expect(absent.status).toBe(501)
    expect(absent.json()).toEqual({
      error: {
        code: 'not_implemented',
        message:
          'The devserver does not do this (host factories); conjur-agent devserver --help lists what it leaves out',
      },
    })
    expect(unknown.json()).toEqual({ status: 404, error: 'Not Found' })
  })
})
