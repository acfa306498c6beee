import { expect, test } from 'vitest'
import { isConjur, retrieve, type Outcome } from '../../src/conjur/retrieve.ts'
import { ConjurError } from '../../src/core/errors.ts'
import { SendFailure, type HttpReply, type HttpRequest } from '../../src/core/http.ts'
import { Secret } from '../../src/core/secret.ts'
import { reply, scriptedSend, type ScriptedSend } from '../support/scripted-send.ts'

const token = { secret: new Secret('{"protected":"p"}'), lifetimeMs: 480_000, login: 'host/a' }

/** A Conjur in few lines: values by id, and answers that override them. */
function server(
  values: Readonly<Record<string, string | Buffer>>,
  override: (path: string, ids: readonly string[]) => HttpReply | undefined = () => undefined,
): ScriptedSend {
  const missing = (id: string): HttpReply =>
    reply(
      404,
      JSON.stringify({
        error: {
          code: 'not_found',
          message: `CONJ00076E Variable acme:variable:${id} is empty or not found.`,
        },
      }),
      { 'content-type': 'application/json; charset=utf-8' },
    )
  return scriptedSend(({ url }: HttpRequest) => {
    const single = /^\/secrets\/acme\/variable\/(.+)$/.exec(url.pathname)?.[1]
    const ids =
      single === undefined
        ? (url.searchParams.get('variable_ids') ?? '')
            .split(',')
            .map((id) => id.replace('acme:variable:', ''))
        : [decodeURIComponent(single)]
    const answer = override(single === undefined ? 'batch' : 'single', ids)
    if (answer !== undefined) return answer
    const absent = ids.find((id) => values[id] === undefined)
    if (absent !== undefined) return missing(absent)
    if (single !== undefined)
      return reply(200, values[ids[0] ?? ''], { 'content-type': 'application/octet-stream' })
    const lines = (value: string | Buffer): string =>
      Buffer.from(value).toString('base64').replaceAll(/.{60}/g, '$&\n').concat('\n')
    return reply(
      200,
      JSON.stringify(
        Object.fromEntries(ids.map((id) => [`acme:variable:${id}`, lines(values[id] ?? '')])),
      ),
      { 'content-type': 'application/json', 'content-encoding': 'base64' },
    )
  })
}

function ask(
  { send }: ScriptedSend,
  variableIds: readonly string[],
): Promise<ReadonlyMap<string, Outcome>> {
  const place = { applianceUrl: new URL('https://conjur.example.com'), account: 'acme' }
  const signal = new AbortController().signal
  return retrieve({ send, place, timeoutMs: 1000, now: () => 0 }, token, { variableIds, signal })
}

function shown(outcomes: ReadonlyMap<string, Outcome>): Record<string, string> {
  return Object.fromEntries(
    [...outcomes].map(([id, outcome]) => [
      id,
      outcome.kind === 'value' ? outcome.value.text() : outcome.kind,
    ]),
  )
}

test('one batch brings all values, every byte of them', async () => {
  const binary = Buffer.from(Array.from({ length: 256 }, (_, index) => index))
  const conjur = server({ a: 'one', 'b/c d': 'zwei\n', bin: binary })

  const outcomes = await ask(conjur, ['a', 'b/c d', 'bin'])

  expect(conjur.requests).toHaveLength(1)
  expect(conjur.requests[0]?.headers).toEqual({
    Authorization: 'Token token="eyJwcm90ZWN0ZWQiOiJwIn0="',
    'Accept-Encoding': 'base64',
  })
  const outcome = outcomes.get('bin')
  expect(outcome?.kind === 'value' && outcome.value.bytes().equals(binary)).toBe(true)
  expect(shown(outcomes)).toMatchObject({ a: 'one', 'b/c d': 'zwei\n' })
})

test('values are taken as they are where the server did not encode them, as servers of the DAP era do', async () => {
  const conjur = server({ a: 'x', b: 'y' }, (path) =>
    path === 'batch'
      ? reply(200, '{"acme:variable:a":"QUJD","acme:variable:b":"y"}', {
          'content-type': 'application/json',
        })
      : undefined,
  )

  const outcomes = await ask(conjur, ['a', 'b'])

  expect(shown(outcomes)).toEqual({ a: 'QUJD', b: 'y' })
})

test('what a batch cannot carry is read singly', async () => {
  const conjur = server({ a: '1', b: '2', 'with,comma': '3', 'data/dynamic/x': '4' })

  const outcomes = await ask(conjur, ['a', 'with,comma', 'b', 'data/dynamic/x'])

  expect(shown(outcomes)).toEqual({ a: '1', b: '2', 'with,comma': '3', 'data/dynamic/x': '4' })
  expect(conjur.requests.map(({ url }) => url.pathname)).toEqual([
    '/secrets',
    '/secrets/acme/variable/with%2Ccomma',
    '/secrets/acme/variable/data%2Fdynamic%2Fx',
  ])
})

test('P4 one missing variable costs two more requests, and the others arrive', async () => {
  const ids = Array.from({ length: 50 }, (_, index) => `v${index}`)
  const values = Object.fromEntries(ids.filter((id) => id !== 'v20').map((id) => [id, id]))
  const conjur = server(values)

  const outcomes = await ask(conjur, ids)

  expect(shown(outcomes)).toEqual({ ...values, v20: 'missing' })
  expect(conjur.requests).toHaveLength(3)
})

test('P4 one forbidden variable, which a batch does not name, is found by halves', async () => {
  const ids = Array.from({ length: 64 }, (_, index) => `v${index}`)
  const conjur = server(Object.fromEntries(ids.map((id) => [id, id])), (_path, asked) =>
    asked.includes('v37') ? reply(403) : undefined,
  )

  const outcomes = await ask(conjur, ids)

  expect(shown(outcomes)).toEqual({
    ...Object.fromEntries(ids.map((id) => [id, id])),
    v37: 'forbidden',
  })
  expect(conjur.requests.length).toBeLessThanOrEqual(13)
})

test.each([
  ['404 page of a proxy', reply(404, '<html>not here</html>', { 'content-type': 'text/html' })],
  [
    '404 with JSON that is not Conjur’s',
    reply(404, '{"message":"no route"}', { 'content-type': 'application/json' }),
  ],
  ['403 page of a firewall', reply(403, 'Request blocked', { 'content-type': 'text/plain' })],
  ['200 page of a portal', reply(200, '<html>sign in</html>', { 'content-type': 'text/html' })],
  ['400', reply(400)],
])('P4 a %s proves nothing about a variable', async (_name, answer) => {
  const conjur = server({ a: 'x', b: 'y' }, () => answer)

  const outcomes = await ask(conjur, ['a'])

  expect(shown(outcomes)).toEqual({ a: 'failed' })
})

test.each([500, 503, 429])('a %i is the server’s trouble, not a variable’s', async (status) => {
  const conjur = server({}, () => reply(status))

  await expect(ask(conjur, ['a', 'b'])).rejects.toMatchObject({
    code: 'CONJUR_UNAVAILABLE',
    retryable: true,
  })
})

test('a refused access token is told as such', async () => {
  const conjur = server({}, () => reply(401, 'Unauthorized: Invalid token'))

  await expect(ask(conjur, ['a'])).rejects.toMatchObject({ code: 'CONJUR_UNAUTHENTICATED' })
})

test('a batch that is answered with something else is a bad reply', async () => {
  const conjur = server({}, () => reply(200, 'hello'))

  const error = await ask(conjur, ['a', 'b']).catch((thrown: unknown) => thrown)

  expect(error).toBeInstanceOf(ConjurError)
  expect(error).toMatchObject({ code: 'CONJUR_BAD_REPLY' })
})

test('nothing is asked for where nothing is wanted', async () => {
  const conjur = server({})

  await ask(conjur, [])

  expect(conjur.requests).toHaveLength(0)
})

test('P4 a value that a proxy has packed is not taken for the value', async () => {
  const conjur = server({}, () => reply(200, 'packed', { 'content-encoding': 'gzip' }))

  const outcomes = await ask(conjur, ['a'])

  expect(outcomes.get('a')).toMatchObject({
    kind: 'failed',
    error: { code: 'CONJUR_BAD_REPLY', retryable: true },
  })
})

test('a refused access token is told whole', async () => {
  const conjur = server({}, () => reply(401))

  const error = await ask(conjur, ['apps/web/key']).catch((thrown: unknown) => thrown)

  expect(error).toMatchObject({
    message: 'Conjur refuses the access token for variable apps/web/key (401)',
    hint: 'a new one is fetched; if this stays, CONJUR_AUTHN_URL and CONJUR_APPLIANCE_URL name different servers',
    retryable: true,
    facts: { host: 'conjur.example.com', status: 401 },
  })
})

test('each request says how long it may take and how much may come back', async () => {
  const conjur = server({ a: '1' })

  await ask(conjur, ['a'])

  expect(conjur.requests[0]).toMatchObject({
    method: 'GET',
    deadlineMs: 1000,
    maxBodyBytes: 67_108_864,
  })
})

test('a server that does not answer is told with what was asked', async () => {
  const conjur = scriptedSend(() => {
    throw new SendFailure('refused', 'conjur.example.com')
  })

  await expect(ask(conjur, ['a', 'b'])).rejects.toMatchObject({ code: 'CONJUR_UNREACHABLE' })
})

test.each([
  [500, 'batch', 'conjur.example.com cannot answer 2 variables now (500)'],
  [503, 'batch', 'conjur.example.com cannot answer 2 variables now (503)'],
  [429, 'batch', 'conjur.example.com cannot answer 2 variables now (429)'],
])('a %i of a %s is told at once; nothing is asked singly', async (status, _path, message) => {
  const conjur = server({}, () => reply(status))

  await expect(ask(conjur, ['a', 'b'])).rejects.toMatchObject({ message })
  expect(conjur.requests).toHaveLength(1)
})

test('a batch that brings something else than texts is a bad reply', async () => {
  const conjur = server({}, (path) =>
    path === 'batch' ? reply(200, '{"acme:variable:a":1,"acme:variable:b":"y"}') : reply(200, 'z'),
  )

  await expect(ask(conjur, ['a', 'b'])).rejects.toMatchObject({
    code: 'CONJUR_BAD_REPLY',
    message: "conjur.example.com answers 2 variables with something that is not Conjur's",
  })
})

test('P4 a batch answered with an object that holds none of the variables is a bad reply, and nothing is asked singly', async () => {
  const conjur = server({}, () => reply(200, '{}'))

  await expect(ask(conjur, ['a', 'b'])).rejects.toMatchObject({ code: 'CONJUR_BAD_REPLY' })
  expect(conjur.requests).toHaveLength(1)
})

test('P4 a 404 that names another variable says nothing of the one that was asked for', async () => {
  const message = 'CONJ00076E Variable acme:variable:z is empty or not found.'
  const body = JSON.stringify({ error: { code: 'not_found', message } })
  const conjur = server({}, () => reply(404, body, { 'content-type': 'application/json' }))

  const outcomes = await ask(conjur, ['a'])

  expect(outcomes.get('a')).toMatchObject({ kind: 'failed' })
})

test('what a batch leaves out is asked for by itself', async () => {
  const conjur = server({ a: '1', b: '2' }, (path) =>
    path === 'batch' ? reply(200, '{"acme:variable:a":"1"}') : undefined,
  )

  const outcomes = await ask(conjur, ['a', 'b'])

  expect(shown(outcomes)).toEqual({ a: '1', b: '2' })
  expect(conjur.requests.map(({ url }) => url.pathname)).toEqual([
    '/secrets',
    '/secrets/acme/variable/b',
  ])
})

test.each([
  ['no JSON', 'CONJ00076E Variable acme:variable:b is empty or not found.'],
  ['no error', '{}'],
  [
    'an error that is a text',
    '{"error":"CONJ00076E Variable acme:variable:b is empty or not found."}',
  ],
  ['a message that is a number', '{"error":{"message":7}}'],
  [
    'another variable',
    '{"error":{"message":"CONJ00076E Variable acme:variable:z is empty or not found."}}',
  ],
])('P4 a 404 of a batch with %s names nobody: the halves are asked', async (_what, body) => {
  const conjur = server({ a: '1', b: '2' }, (path) =>
    path === 'batch' ? reply(404, body, { 'content-type': 'application/json' }) : undefined,
  )

  const outcomes = await ask(conjur, ['a', 'b'])

  expect(shown(outcomes)).toEqual({ a: '1', b: '2' })
  expect(conjur.requests).toHaveLength(3)
})

test.each([
  [
    'a page that begins as one',
    reply(200, 'x', { 'content-type': 'text/html; charset=utf-8' }),
    'failed',
  ],
  ['a value of a type that only ends so', reply(200, 'x', { 'content-type': 'x-text/html' }), 'x'],
  ['an empty value', reply(200, ''), ''],
  ['a value said to be as it is', reply(200, 'x', { 'content-encoding': 'identity' }), 'x'],
  ['a 403 with words', reply(403, 'no'), 'failed'],
  ['a 404 that is no JSON', reply(404, 'CONJ00076E', { 'content-type': 'text/plain' }), 'failed'],
  ['a 404 without type', reply(404, 'CONJ00076E'), 'failed'],
  ['a 410 in JSON', reply(410, 'CONJ00076E', { 'content-type': 'application/json' }), 'failed'],
  ['an empty 410', reply(410), 'failed'],
])('P4 %s is read for what it is', async (_what, answer, expected) => {
  const outcomes = await ask(
    server({}, () => answer),
    ['a'],
  )

  expect(shown(outcomes)).toEqual({ a: expected })
})

test('values that are too long for one reply are asked for in halves', async () => {
  const long = (ids: readonly string[]): boolean => ids.length > 2
  const conjur = server({ a: '1', b: '2', c: '3', d: '4', e: '5' }, (path, ids) => {
    if (path === 'batch' && long(ids)) throw new SendFailure('too-large', 'conjur.example.com')
    return undefined
  })

  const outcomes = await ask(conjur, ['a', 'b', 'c', 'd', 'e'])

  expect(shown(outcomes)).toEqual({ a: '1', b: '2', c: '3', d: '4', e: '5' })
  expect(conjur.requests).toHaveLength(5)
})

test('one value that is too long for a reply is what it is: the server cannot be read', async () => {
  const conjur = server({ a: '1' }, () => {
    throw new SendFailure('too-large', 'conjur.example.com')
  })

  await expect(ask(conjur, ['a'])).rejects.toMatchObject({ code: 'CONJUR_UNREACHABLE' })
})

const whoami = { account: 'acme', username: 'host/a' }

test.each([
  ['its own token', reply(200, JSON.stringify(whoami)), true],
  ["someone else's token", reply(200, JSON.stringify({ ...whoami, username: 'host/b' })), false],
  ['another account', reply(200, JSON.stringify({ ...whoami, account: 'other' })), false],
  ['a page', reply(200, '<html>'), false],
  ['the right words with another status', reply(201, JSON.stringify(whoami)), false],
])('P4 a server that answers whoami with %s proves itself: %#', async (_what, answer, expected) => {
  const { send, requests } = scriptedSend(() => answer)
  const place = { applianceUrl: new URL('https://conjur.example.com'), account: 'acme' }
  const { signal } = new AbortController()

  const proven = await isConjur({ send, place, timeoutMs: 1000, now: () => 0 }, token, signal)

  expect(proven).toBe(expected)
  expect(requests[0]?.url.pathname).toBe('/whoami')
})

test('a batch that fails otherwise than by its length is not asked for in halves', async () => {
  const away = scriptedSend(() => {
    throw new SendFailure('timeout', 'conjur.example.com')
  })

  await expect(ask(away, ['a', 'b', 'c'])).rejects.toMatchObject({ code: 'CONJUR_UNREACHABLE' })
  expect(away.requests).toHaveLength(1)
})

test('P4 trouble with the last single read is the server’s, and ends the whole', async () => {
  const conjur = server({ a: '1' }, (kind, ids) =>
    kind === 'single' && ids.includes('b') ? reply(503) : undefined,
  )

  await expect(ask(conjur, ['a', 'b'])).rejects.toMatchObject({
    code: 'CONJUR_UNAVAILABLE',
    message: 'conjur.example.com cannot answer variable b now (503)',
  })
})

test('P5 a refused access token says what was asked for', async () => {
  const conjur = server({}, () => reply(401))
  const place = { applianceUrl: new URL('https://conjur.example.com'), account: 'acme' }
  const options = { send: conjur.send, place, timeoutMs: 1000, now: () => 0 }
  const refused = (what: string): unknown =>
    expect.objectContaining({ message: `Conjur refuses the access token for ${what} (401)` })

  await expect(ask(conjur, ['a', 'b'])).rejects.toEqual(refused('2 variables'))
  await expect(ask(conjur, ['a'])).rejects.toEqual(refused('variable a'))
  await expect(isConjur(options, token, new AbortController().signal)).rejects.toEqual(
    refused('whoami'),
  )
})
