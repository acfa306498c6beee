import { connect } from 'node:net'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { RecordInvalid, RecordUnknown } from '../../src/devserver/policy/draft.ts'
import { PolicyInvalid, PolicyUnresolved } from '../../src/devserver/policy/entry.ts'
import { createAccount } from '../../src/devserver/policy/account.ts'
import { DeletionNotAllowed, loadPolicy } from '../../src/devserver/policy/load.ts'
import { createStore, isAllowed } from '../../src/devserver/store.ts'
import { serviceAccountClaims, tokenMaker, type TokenMaker } from '../support/token-maker.ts'
import { ask, tokenFor } from './client.ts'
import { harness, type Harness } from './harness.ts'

/** A few hundred cases each in `npm test`; the nightly run asks for 10,000 and more. */
const numRuns = Number(process.env['CONJUR_AGENT_FUZZ_RUNS'] ?? 200)
const timeout = 20_000 + numRuns * 20

const policy = `
- !policy
  id: conjur/authn-jwt/prod
  body:
  - !webservice
  - !variable public-keys
  - !variable issuer
  - !group clients
  - !permit { role: !group clients, privilege: authenticate, resource: !webservice }
- !policy
  id: apps
  body:
  - !host { id: web, annotations: { authn-jwt/prod/sub: system:serviceaccount:shop:web } }
  - !host stranger
  - !variable secret
  - !permit { role: !host web, privileges: [ read, execute ], resource: !variable secret }
- !grant { role: !group conjur/authn-jwt/prod/clients, member: !host apps/web }
`
const login = '/authn-jwt/prod/acme/host%2Fapps%2Fweb/authenticate'

describe('whatever comes, nothing crashes and nothing is granted that policy does not grant', () => {
  let rig: Harness
  let maker: TokenMaker
  let stranger: { authorization: string }

  beforeAll(async () => {
    maker = await tokenMaker({ issuer: 'https://idp.example.com' })
    rig = await harness({
      policy,
      values: {
        'apps/secret': 'canary',
        'conjur/authn-jwt/prod/issuer': maker.issuer,
        'conjur/authn-jwt/prod/public-keys': JSON.stringify({ type: 'jwks', value: maker.jwks }),
      },
    })
    stranger = await tokenFor(
      rig.server,
      'host/apps/stranger',
      rig.server.apiKeyOf('host/apps/stranger') ?? '',
    )
  })

  afterAll(async () => {
    expect(rig.log.filter((line) => line.startsWith('INTERNAL'))).toEqual([])
    await rig[Symbol.asyncDispose]()
  })

  test(
    'policy texts: any text loads whole or is refused by name, and then leaves no trace',
    { timeout },
    () => {
      const word = fc.constantFrom(
        '!host',
        '!policy',
        '!variable',
        '!grant',
        '!permit',
        '!user',
        '!nope',
        'id:',
        'body:',
        'role:',
        'member:',
        'resource:',
        'privilege: read',
        'annotations:',
        '-',
        '&a',
        '*a',
        '*b',
        '[',
        ']',
        '{',
        '}',
        '"',
        "'",
        '|',
        '>',
        '#',
        'x',
        '../y',
        '/z',
        '~',
        'yes',
        '7',
        ':',
        '\n',
        '\n  ',
        '\n- ',
        '\n    ',
        '\t',
      )
      const text = fc.oneof(
        fc.string({ unit: 'binary' }),
        fc.array(word, { maxLength: 60 }).map((words) => words.join(' ')),
      )

      fc.assert(
        fc.property(text, fc.constantFrom('create', 'modify', 'replace'), (given, mode) => {
          const store = createStore()
          createAccount(store, 'acme', { apiKey: 'k', now: 0 })
          const before = store.resources.size
          const load = {
            text: given,
            file: 'fuzz',
            policy: 'acme:policy:root',
            mode,
            now: 0,
            role: 'acme:user:admin',
            clientIp: '',
          } as const
          try {
            loadPolicy(store, load)
          } catch (error) {
            const known = [
              PolicyInvalid,
              PolicyUnresolved,
              RecordUnknown,
              RecordInvalid,
              DeletionNotAllowed,
            ]
            expect(
              known.some((kind) => error instanceof kind),
              String(error),
            ).toBe(true)
            expect(store.resources.size).toBe(before)
          }
          for (const resource of store.resources.values()) {
            expect(
              isAllowed(store, 'acme:user:nobody', { privilege: 'execute', on: resource }),
            ).toBe(false)
          }
        }),
        { numRuns },
      )
    },
  )

  test('login bodies: none but the token itself logs in', { timeout }, async () => {
    const body = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
      fc.string().map((text) => `jwt=${text}`),
      fc
        .tuple(fc.base64String(), fc.base64String(), fc.base64String())
        .map((parts) => `jwt=${parts.join('.')}`),
      fc.constantFrom(
        'jwt',
        'jwt=%zz',
        'jwt=a%2Eb%2Ec',
        '&&&',
        'jwt=&jwt=',
        'JWT=a.b.c',
        '{"jwt":"a.b.c"}',
      ),
    )

    await fc.assert(
      fc.asyncProperty(body, async (sent) => {
        const reply = await ask(rig.server, { method: 'POST', path: login, body: sent })

        expect([400, 401]).toContain(reply.status)
        expect(reply.body.length).toBe(0)
      }),
      { numRuns },
    )
  })

  test(
    'token headers: a good signature is not enough without the right algorithm and key',
    { timeout },
    async () => {
      const good = await maker.make(serviceAccountClaims())
      const [, claims, signature] = good.split('.')
      const header = fc.record(
        {
          alg: fc.oneof(
            fc.constantFrom('none', 'RS256', 'HS256', 'ES256', 'rs256', '', null, 7),
            fc.string(),
          ),
          kid: fc.oneof(fc.constantFrom(maker.kid, '', null, 7, '../../etc/passwd'), fc.string()),
          typ: fc.anything({ maxDepth: 1 }),
          crit: fc.array(fc.string(), { maxLength: 2 }),
          jwk: fc.constant({ kty: 'oct', k: 'AAAA' }),
          jku: fc.webUrl(),
        },
        { requiredKeys: [] },
      )

      await fc.assert(
        fc.asyncProperty(header, async (given) => {
          const encoded = Buffer.from(JSON.stringify(given) ?? 'null').toString('base64url')
          fc.pre(`${encoded}.${claims}.${signature}` !== good)
          const reply = await rig.authenticate(login, `jwt=${encoded}.${claims}.${signature}`)

          expect(reply.status).toBe(401)
        }),
        { numRuns },
      )
    },
  )

  test(
    'claims: a token that its issuer signed logs in as its own host and no other',
    { timeout },
    async () => {
      const claim = fc.oneof(
        fc.constantFrom(
          'system:serviceaccount:shop:web',
          'system:serviceaccount:shop:web ',
          '',
          null,
          0,
          true,
        ),
        fc.string(),
        fc.anything({ maxDepth: 1 }),
      )

      await fc.assert(
        fc.asyncProperty(claim, async (sub) => {
          const json: unknown = JSON.parse(JSON.stringify({ sub })).sub
          const claims: Record<string, unknown> = { sub: json }
          const token = await maker.make(claims)
          const reply = await rig.authenticate(login, `jwt=${token}`)

          expect(reply.status).toBe(json === 'system:serviceaccount:shop:web' ? 200 : 401)
        }),
        { numRuns },
      )
    },
  )

  test('ids: no spelling of a name opens a value to a stranger', { timeout }, async () => {
    const id = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.constantFrom(
        'apps/secret',
        'apps%2Fsecret',
        '/apps/secret',
        'apps//secret',
        './apps/secret',
        'apps/./secret',
        'apps/secret/',
        'APPS/SECRET',
        'apps/secret%00',
        'apps/secret,apps/secret',
      ),
      fc.string().map((text) => `apps/secret${text}`),
    )
    const shape = fc.constantFrom(
      (name: string) => `/secrets/acme/variable/${encodeURIComponent(name)}`,
      (name: string) => `/secrets?variable_ids=${encodeURIComponent(`acme:variable:${name}`)}`,
      (name: string) => `/secrets?variable_ids=${encodeURIComponent(name)}`,
      (name: string) => `/resources/acme/variable/${encodeURIComponent(name)}`,
      (name: string) => `/resources/acme?search=${encodeURIComponent(name)}`,
      (name: string) => `/roles/acme/host/${encodeURIComponent(name)}?${encodeURIComponent(name)}`,
      (name: string) => `/${encodeURIComponent(name)}`,
    )

    await fc.assert(
      fc.asyncProperty(id, shape, async (name, toPath) => {
        const path = toPath(name.toWellFormed())
        const reply = await ask(rig.server, { path, headers: stranger })

        expect(reply.text()).not.toContain('canary')
        expect(reply.status).not.toBe(500)
      }),
      { numRuns },
    )
  })

  test(
    'logins: no spelling of a name gives a token to whoever has no key',
    { timeout },
    async () => {
      const name = fc.oneof(
        fc.string({ unit: 'binary' }),
        fc.constantFrom(
          'admin',
          'host/apps/web',
          'user/admin',
          '',
          '/',
          'host/',
          '%',
          '..',
          'policy/root',
          'group/x',
        ),
      )

      await fc.assert(
        fc.asyncProperty(name, fc.string(), async (who, key) => {
          const path = `/authn/acme/${encodeURIComponent(who.toWellFormed())}/authenticate`
          const reply = await ask(rig.server, { method: 'POST', path, body: key })

          expect([401, 404]).toContain(reply.status)
        }),
        { numRuns },
      )
    },
  )

  test(
    'bytes: whatever is written to the socket, the next client is served',
    { timeout },
    async () => {
      const { port } = new URL(rig.server.url)
      const line = fc.constantFrom(
        'GET / HTTP/1.1\r\n',
        'POST /authn/acme/admin/authenticate HTTP/1.1\r\n',
        'Host: x\r\n',
        'Content-Length: 5\r\n',
        'Content-Length: -1\r\n',
        'Transfer-Encoding: chunked\r\n',
        '\r\n',
        '5\r\nhello\r\n',
        'GET /%zz?a=%zz HTTP/1.1\r\nHost: x\r\n\r\n',
        'Authorization: Token token="\r\n',
      )
      const bytes = fc.oneof(
        fc.uint8Array({ maxLength: 300 }).map((each) => Buffer.from(each)),
        fc.array(line, { maxLength: 8 }).map((lines) => Buffer.from(lines.join(''))),
      )

      await fc.assert(
        fc.asyncProperty(bytes, async (sent) => {
          await new Promise<void>((resolve) => {
            const socket = connect(Number(port), '127.0.0.1', () => socket.end(sent))
            socket.on('error', () => resolve())
            socket.on('close', () => resolve())
            socket.resume()
          })
          const reply = await ask(rig.server, { path: '/authenticators' })

          expect(reply.status).toBe(200)
        }),
        { numRuns },
      )
    },
  )
})
