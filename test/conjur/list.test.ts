import { expect, test } from 'vitest'
import { listVariables } from '../../src/conjur/list.ts'
import { Secret } from '../../src/core/secret.ts'
import { reply, scriptedSend, type ScriptedSend } from '../support/scripted-send.ts'

const token = { secret: new Secret('{"protected":"p"}'), lifetimeMs: 480_000, login: 'host/a' }

function list({ send }: ScriptedSend): Promise<readonly string[]> {
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

  expect(listed).toEqual(all)
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
