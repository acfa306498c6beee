import { describe, expect, test } from 'vitest'

import { IdentityError } from '../../src/core/errors.ts'
import { SendFailure, type HttpReply, type SendFailureKind } from '../../src/core/http.ts'
import {
  ask,
  describe as inWords,
  jsonObject,
  problem,
  textField,
  tokenOutcome,
  type Place,
} from '../../src/identity/ask.ts'
import type { Outcome } from '../../src/identity/persist.ts'
import { TEST_TIME } from '../support/fake-clock.ts'
import { reply, scriptedSend } from '../support/scripted-send.ts'
import { says, unsignedJwt } from '../support/told.ts'

const place: Place = {
  name: 'the platform',
  silenceHint: 'look there',
  again: { waitsMs: [7], retries: 7 },
}
const BAD_ANSWER = { waitsMs: [1000, 2000, 4000, 8000, 16_000], retries: 5 }

function asked(answer: () => HttpReply, at: Place = place): Promise<Outcome<number>> {
  const { send } = scriptedSend(answer)
  const url = new URL('http://platform.example.com/token')
  const request = { method: 'GET', url, deadlineMs: 1000, place: at } as const
  return ask(send, { ...request, signal: new AbortController().signal }, ({ status }) => ({
    value: status,
  }))
}

function failing(failure: unknown): () => never {
  return () => {
    throw failure
  }
}

describe('P5 where no whole answer comes', () => {
  test.each<[SendFailureKind, string]>([
    ['unresolved', 'the name platform does not resolve'],
    ['refused', 'platform refuses the connection'],
    ['unroutable', 'there is no route to platform'],
    ['timeout', 'platform does not answer in time'],
    ['reset', 'platform closes the connection without an answer'],
    ['proxy', 'the proxy platform lets nothing through'],
  ])('%s: the platform is absent, and asked again as it wants', async (kind, words) => {
    const outcome = await asked(failing(new SendFailure(kind, 'platform')))

    expect(outcome).toMatchObject({
      error: {
        code: 'IDENTITY_ABSENT',
        message: `the platform gives no answer: ${words}`,
        hint: 'look there',
        retryable: true,
        facts: { from: 'the platform', host: 'platform', reason: kind },
      },
      again: place.again,
    })
  })

  test.each<[SendFailureKind, string]>([
    ['cut', 'the answer of platform ends before it is complete'],
    ['too-large', 'the answer of platform is too long'],
    ['malformed', 'platform answers with something that is not HTTP'],
  ])('%s: something else answers, and is asked five times more', async (kind, words) => {
    const outcome = await asked(failing(new SendFailure(kind, 'platform')))

    expect(outcome).toMatchObject({
      error: {
        code: 'IDENTITY_MALFORMED',
        message: `the platform gives no answer: ${words}`,
        retryable: true,
      },
      again: BAD_ANSWER,
    })
  })

  test.each([
    [place, 'name the CA that signs it in NODE_EXTRA_CA_CERTS'],
    [{ ...place, trustHint: 'name its CA' }, 'name its CA'],
  ])('P8 one that is not trusted is not asked again', async (at, hint) => {
    const outcome = await asked(failing(new SendFailure('tls-untrusted', 'platform')), at)

    expect(outcome).toEqual({ error: expect.any(IdentityError) })
    expect(outcome).toMatchObject({
      error: {
        code: 'IDENTITY_REFUSED',
        message:
          'the platform is not trusted: the certificate of platform is signed by nobody we trust',
        hint,
        retryable: false,
        facts: { from: 'the platform', host: 'platform', reason: 'tls-untrusted' },
      },
    })
  })

  test('what the request itself lacks is asked for again only if it may come', async () => {
    const later = new IdentityError('IDENTITY_NOT_READY', 'later', { hint: 'h', retryable: true })
    const never = new IdentityError('IDENTITY_ABSENT', 'never', { hint: 'h' })

    expect(await asked(failing(later))).toEqual({ error: later, again: place.again })
    expect(await asked(failing(never))).toEqual({ error: never })
  })

  test('a defect of ours, or an end that was asked for, is thrown', async () => {
    const defect = new TypeError('ours')

    await expect(asked(failing(defect))).rejects.toBe(defect)
  })
})

test.each([
  [299, { value: 299 }],
  [400, { value: 400 }],
])('an answer of %i is understood by who asked', async (status, outcome) => {
  expect(await asked(() => reply(status))).toEqual(outcome)
})

test('a reply may be 256 KiB long', async () => {
  const { send, requests } = scriptedSend(() => reply(200))
  const url = new URL('http://platform.example.com/')
  const { signal } = new AbortController()

  await ask(send, { method: 'GET', url, deadlineMs: 1, signal, place }, () => ({ value: 1 }))

  expect(requests[0]).toEqual({
    method: 'GET',
    url,
    deadlineMs: 1,
    signal,
    maxBodyBytes: 256 * 1024,
  })
})

describe('a token out of an answer', () => {
  const outcome = (fields: unknown, headers = {}, now = TEST_TIME): Outcome<unknown> =>
    tokenOutcome(unsignedJwt(), { ...says(200, fields), headers }, { place, now })

  test('ends when the answer says so, if that is sooner', () => {
    expect(outcome({ expires_in: 60 })).toMatchObject({
      value: { expiresAt: TEST_TIME + 60_000 },
    })
    expect(outcome({})).toMatchObject({ value: { expiresAt: undefined } })
  })

  test('P3 is judged by the clock of whoever issued it', () => {
    const ends = { expires_on: TEST_TIME / 1000 }
    const date = (ms: number): Readonly<Record<string, string>> => ({
      date: new Date(ms).toUTCString(),
    })

    expect(outcome(ends, date(TEST_TIME - 1000), TEST_TIME + 600_000)).toHaveProperty('value')
    expect(outcome(ends, date(TEST_TIME), TEST_TIME - 600_000)).toHaveProperty('error')
    expect(outcome(ends, { date: 'soon' }, TEST_TIME - 1)).toHaveProperty('value')
    expect(outcome(ends, {}, TEST_TIME - 1)).toHaveProperty('value')
  })

  test('that has ended is asked for again', () => {
    expect(outcome({ expires_on: TEST_TIME / 1000 })).toMatchObject({
      error: {
        code: 'IDENTITY_EXPIRED',
        message: 'the platform token from the platform expired 0 s ago',
      },
      again: BAD_ANSWER,
    })
  })
})

describe('what is said of an answer', () => {
  const about = { place, hint: 'look' }

  test('its error, its description to 300 characters, and either name of the correlation', () => {
    const said = { error: 'e', error_description: 'd'.repeat(301) }

    expect(
      problem('IDENTITY_REFUSED', 'no', {
        ...about,
        reply: says(400, { ...said, correlation_id: 'one' }),
      }).facts,
    ).toEqual({
      from: 'the platform',
      status: 400,
      error: 'e',
      description: 'd'.repeat(300),
      correlationId: 'one',
    })
    expect(
      problem('IDENTITY_REFUSED', 'no', { ...about, reply: says(400, { correlationId: 'two' }) })
        .facts['correlationId'],
    ).toBe('two')
  })

  test('P9 the wait that it asks for, where there is a clock to read it by', () => {
    const away = reply(503, '', { 'retry-after': new Date(TEST_TIME + 9000).toUTCString() })

    expect(
      problem('IDENTITY_NOT_READY', 'no', { ...about, reply: away, now: TEST_TIME }).retryAfterMs,
    ).toBe(9000)
    expect(
      problem('IDENTITY_NOT_READY', 'no', { ...about, reply: away }).retryAfterMs,
    ).toBeUndefined()
  })

  test.each([
    ['', '200'],
    ['{"a":"<p>"}', '200'],
    ['\n <p>', '200 with HTML'],
  ])('%j is %s', (body, words) => {
    expect(inWords(reply(200, body))).toBe(words)
  })

  test('a byte order mark at its start is no part of it; one inside is', () => {
    expect(jsonObject(reply(200, '\uFEFF{"a":"\uFEFF"}'))).toEqual({ a: '\uFEFF' })
    expect(jsonObject(reply(200, '{"a":\uFEFF1}'))).toBeUndefined()
  })

  test('a field is a text that is not empty', () => {
    const object = { a: 'x', b: '', c: 1 }

    expect(['a', 'b', 'c', 'd'].map((name) => textField(object, name))).toEqual([
      'x',
      undefined,
      undefined,
      undefined,
    ])
    expect(textField(undefined, 'a')).toBeUndefined()
  })
})
