import { expect, test } from 'vitest'
import { listVariables, type ListedVariable } from '../../src/conjur/list.ts'
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
