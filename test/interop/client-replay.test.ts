import { expect, test } from 'vitest'
import {
  authenticateUrl,
  batchUrl,
  variableUrl,
  type Authenticator,
} from '../../src/conjur/address.ts'
import { readAuthenticateReply } from '../../src/conjur/authenticate.ts'
import { readBatchReply, readVariableReply } from '../../src/conjur/retrieve.ts'
import { AgentError } from '../../src/core/errors.ts'
import type { HttpReply } from '../../src/core/http.ts'
import { recorded, type Exchange } from './recorded.ts'

const { exchanges, variables } = recorded()
const place = { applianceUrl: new URL('http://127.0.0.1:18080'), account: 'myaccount' }

function replyOf({ response }: Exchange): HttpReply {
  return {
    status: response.status,
    headers: Object.fromEntries(
      Object.entries(response.headers).map(([name, value]) => [name.toLowerCase(), value]),
    ),
    body:
      response.bodyBase64 === undefined
        ? Buffer.from(response.body ?? '')
        : Buffer.from(response.bodyBase64, 'base64'),
  }
}

interface Login {
  readonly authenticator: Authenticator
  readonly login: string | undefined
}

/** What our client would have been configured with to send such a login; undefined for routes it does not use. */
function loginOf({ request }: Exchange): Login | undefined {
  const match = /^\/(authn-jwt|authn-azure)\/([^/]+)\/myaccount(?:\/([^/]+))?\/authenticate$/.exec(
    request.path,
  )
  if (match === null || request.method !== 'POST') return undefined
  const [, name, serviceId, login] = match
  const type = name === 'authn-azure' ? name : 'authn-jwt'
  return {
    authenticator: { type, serviceId },
    login: login === undefined ? undefined : decodeURIComponent(login),
  }
}

const logins = exchanges.flatMap((exchange) => {
  const login = loginOf(exchange)
  return login === undefined ? [] : [{ id: exchange.id, exchange, login }]
})

test.each(logins)('$id: the client writes that login into the same path', ({ exchange, login }) => {
  const url = authenticateUrl(place, login.authenticator, login.login)

  expect(url.pathname).toBe(exchange.request.path)
})

const codes: Readonly<Record<number, string>> = {
  400: 'CONJUR_REJECTED',
  401: 'CONJUR_UNAUTHENTICATED',
  403: 'CONJUR_FORBIDDEN',
  404: 'CONJUR_NOT_FOUND',
  500: 'CONJUR_UNAVAILABLE',
}

test.each(logins)('$id: the client understands the answer', ({ exchange, login }) => {
  const read = (): unknown =>
    readAuthenticateReply(replyOf(exchange), {
      ...login,
      place,
      send: () => Promise.reject(new Error('nothing is sent here')),
      timeoutMs: 1000,
      now: () => 0,
    })

  if (exchange.issuedToken !== undefined) {
    expect(read()).toMatchObject({
      login: exchange.issuedToken.login,
      lifetimeMs: exchange.issuedToken.ttl * 1000,
    })
    return
  }
  let thrown: unknown
  try {
    read()
  } catch (error) {
    thrown = error
  }
  expect(thrown).toBeInstanceOf(AgentError)
  expect(thrown).toMatchObject({ code: codes[exchange.response.status] })
})

const singles = exchanges.filter(
  ({ id, request }) =>
    id.startsWith('secret/') &&
    request.method === 'GET' &&
    request.path.startsWith('/secrets/myaccount/variable/') &&
    !request.path.includes('?'),
)

test.each(singles)('$id: the client understands the read of one variable', (exchange) => {
  const outcome = readVariableReply(replyOf(exchange))

  const kinds: Readonly<Record<number, string | undefined>> = {
    200: 'value',
    403: 'forbidden',
    404: 'missing',
  }
  expect(outcome?.kind).toBe(kinds[exchange.response.status])
  if (outcome?.kind === 'value') {
    expect(outcome.value.bytes().equals(replyOf(exchange).body)).toBe(true)
  }
})

test('the client’s path of a variable is one that the server was seen to take', () => {
  const encoded = singles.map(({ request }) => request.path)

  expect(encoded).toContain(variableUrl(place, 'apps/secrets/username').pathname)
  expect(encoded).toContain(variableUrl(place, 'apps/secrets/with space').pathname)
  expect(encoded).toContain(variableUrl(place, 'apps/secrets/at@sign+plus&amp?q#h%25').pathname)
})

const batches = exchanges.filter(
  ({ id, request, response }) =>
    id.startsWith('secrets-batch/') && request.method === 'GET' && response.status === 200,
)

test.each(batches)('$id: the client asks so, and reads every value', (exchange) => {
  const query = new URL(exchange.request.path, place.applianceUrl).searchParams
  const ids = (query.get('variable_ids') ?? '')
    .split(',')
    .filter((id) => id !== '')
    .map((id) => id.replace('myaccount:variable:', ''))

  const values = readBatchReply(replyOf(exchange), place, ids)

  expect([...(values?.keys() ?? [])]).toEqual(ids)
  for (const [id, value] of values ?? []) {
    const held = variables.values[id]
    if (typeof held === 'string') expect(value.text()).toBe(held)
    else if (held !== undefined) expect(value.bytes().toString('base64')).toBe(held.base64)
  }
  const asked = decodeURIComponent(batchUrl(place, ids).search)
  expect(asked).toBe(
    decodeURIComponent(exchange.request.path.slice('/secrets'.length)).replace(/,$/, ''),
  )
})
