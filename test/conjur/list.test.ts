import { expect, test } from 'vitest'
import { listVariables, type ListedVariable } from '../../src/conjur/list.ts'
import { SendFailure } from '../../src/core/http.ts'
import { Secret } from '../../src/core/secret.ts'
import { reply, scriptedSend, type ScriptedSend } from '../support/scripted-send.ts'

const token = { secret: new Secret('{"protected":"p"}'), lifetimeMs: 480_000, login: 'host/a' }

function list({ send }: ScriptedSend): Promise<readonly ListedVariable[]> {
  const place = { applianceUrl: new URL('https://conjur.example.com/'), account: 'acme' }
  const options = { send, place, timeoutMs: 1000, now: () => 0 }
  return listVariables(options, token, new AbortController().signal)
}

function page(ids: readonly string[]): ReturnType<typeof reply> {
  return reply(200, JSON.stringify(ids.map((id) => ({ id: `acme:variable:${id}` }))))
}

test('all variables are listed, a page at a time', async () => {
  const all = Array.from({ length: 2500 }, (_, index) => `app/${String(index).padStart(4, '0')}`)
  const server = scriptedSend(({ url }) => {
    const offset = Number(url.searchParams.get('offset'))
    return page(all.slice(offset, offset + Number(url.searchParams.get('limit'))))
  })

  const listed = await list(server)

  expect(listed.map(({ id }) => id)).toEqual(all)
  expect(server.requests.map(({ url }) => url.pathname + url.search)).toEqual([
    '/resources/acme/variable?limit=1000&offset=0',
    '/resources/acme/variable?limit=1000&offset=1000',
    '/resources/acme/variable?limit=1000&offset=2000',
  ])
})

test.each([
  ['a refusal', reply(403)],
  ['a proxy page', reply(200, '<html>')],
  ['no list', reply(200, '{}')],
  ['another account', reply(200, '[{"id":"other:variable:x"}]')],
  ['an entry without id', reply(200, '[{"id":"acme:variable:x"},{}]')],
])(
  'P4 %s is no list: an uncertain one would remove what it does not name',
  async (_what, answer) => {
    const listing = list(scriptedSend(() => answer))

    await expect(listing).rejects.toMatchObject({ name: 'ConjurError' })
  },
)

test('the end of a variable is that of its newest value', async () => {
  const day = (number: number): string => `2026-11-0${number}T10:00:00.250+00:00`
  const shown = {
    none: undefined,
    unset: [],
    endless: [{ version: 1, expires_at: null }],
    ends: [{ version: 1, expires_at: day(3) }],
    newest: [
      { version: 9, expires_at: day(1) },
      { version: 10, expires_at: day(2) },
      { version: 8, expires_at: day(4) },
    ],
    odd: [{ version: 1, expires_at: 'soon' }],
    odder: [7],
  }
  const items = Object.entries(shown).map(([id, secrets]) => ({
    id: `acme:variable:${id}`,
    secrets,
  }))

  const listed = await list(scriptedSend(() => reply(200, JSON.stringify(items))))

  expect(Object.fromEntries(listed.map(({ id, expiresAt }) => [id, expiresAt]))).toEqual({
    none: undefined,
    unset: undefined,
    endless: undefined,
    ends: Date.UTC(2026, 10, 3, 10, 0, 0, 250),
    newest: Date.UTC(2026, 10, 2, 10, 0, 0, 250),
    odd: undefined,
    odder: undefined,
  })
})

test('the list is sorted by id, whatever the order of its pages', async () => {
  const listed = await list(scriptedSend(() => page(['b', 'c', 'a'])))

  expect(listed.map(({ id }) => id)).toEqual(['a', 'b', 'c'])
})

test('each page is asked for with the token, a deadline and a limit', async () => {
  const server = scriptedSend(() => page([]))

  await list(server)

  expect(server.requests[0]).toMatchObject({
    method: 'GET',
    headers: { Authorization: 'Token token="eyJwcm90ZWN0ZWQiOiJwIn0="' },
    deadlineMs: 1000,
    maxBodyBytes: 67_108_864,
  })
})

test.each([
  [() => reply(403), 'CONJUR_REJECTED', 'conjur.example.com rejects the list of variables (403)'],
  [
    () => reply(200, '7'),
    'CONJUR_BAD_REPLY',
    "conjur.example.com answers the list of variables with something that is not Conjur's",
  ],
  [
    () => {
      throw new SendFailure('timeout', 'conjur.example.com')
    },
    'CONJUR_UNREACHABLE',
    'conjur.example.com does not answer in time',
  ],
])('a list that cannot be had is told whole: %#', async (answer, code, message) => {
  await expect(list(scriptedSend(answer))).rejects.toMatchObject({
    code,
    message,
    facts: { host: 'conjur.example.com' },
  })
})
