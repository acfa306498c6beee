import { inspect } from 'node:util'

import { afterEach, beforeEach, describe, expect, test } from 'vitest'

import { IdentityError } from '../../src/core/errors.ts'
import { rigMakers, type Rig } from '../support/identity-rigs.ts'
import type { Fault } from '../support/platform-simulator/platform.ts'

/** Faults that any HTTP endpoint may show in place of its answer; waiting may cure them all. */
const TRANSIENT: readonly (readonly [string, Fault])[] = [
  ['nobody listening', 'refused'],
  ['a connection reset', 'reset'],
  ['no answer', 'silent'],
  ['headers and then nothing', 'headers-then-silent'],
  ['a body cut short', 'cut'],
  ['an endless body', 'endless'],
  ['429', { status: 429, headers: { 'Retry-After': '2' } }],
  ['500', { status: 500, body: 'unwell' }],
  ['503 as HTML', { status: 503, body: '<html>maintenance</html>' }],
]

/** Bodies with status 200 that hold no token. */
const BAD_BODIES: readonly (readonly [string, string])[] = [
  ['HTML', '<!doctype html><html>sign in</html>'],
  ['nothing', ''],
  ['null', 'null'],
  ['an array', '[]'],
  ['cut JSON', '{"access_token":"eyJ'],
  ['no token', '{"token_type":"Bearer"}'],
  ['an empty token', '{"access_token":""}'],
  ['a token that is no text', '{"access_token":42}'],
  ['a token of two parts', '{"access_token":"e30.e30"}'],
  ['a token of 20 KiB', JSON.stringify({ access_token: `e30.${'A'.repeat(20_000)}.x` })],
]

const CODES = [
  'IDENTITY_ABSENT',
  'IDENTITY_NOT_READY',
  'IDENTITY_REFUSED',
  'IDENTITY_EXPIRED',
  'IDENTITY_MALFORMED',
]

let rig: Rig

afterEach(async () => {
  expect(rig.wire?.platform.violations ?? []).toEqual([])
  await rig[Symbol.asyncDispose]()
})

describe.each(rigMakers)('$name', ({ kind, start }) => {
  beforeEach(async () => {
    rig = await start()
  })

  test('yields its kind of credential', async () => {
    const credential = await rig.source.token(never())

    expect(credential.kind).toBe(kind)
    expect(credential.secret.length).toBeGreaterThan(0)
  })

  test('P10: gets the credential afresh at every call', async () => {
    await rig.source.token(never())
    await rig.breakIt()

    const error = await failure()

    expect(error).toBeInstanceOf(IdentityError)
  })

  test('tells what is wrong by a known code; the message names it, the hint says where to look', async () => {
    await rig.breakIt()

    const error = await failure()

    expect(CODES).toContain(error.code)
    expect(error.message).toMatch(/^\S.{10,250}[^.]$/)
    expect(error.hint).toMatch(/^\S.{10,250}[^.]$/)
  })

  test('P2: neither an error nor a printed credential shows a secret', async () => {
    const credential = await rig.source.token(never())
    await rig.breakIt()
    const error = await failure()

    const shown = [
      inspect(credential, { depth: 8 }),
      JSON.stringify(credential),
      inspect(error, { depth: 8 }),
      JSON.stringify([error.message, error.hint, error.facts, error.lines]),
      inspect(rig.source, { depth: 8 }),
    ].join('\n')

    for (const secret of rig.secrets()) expect(shown).not.toContain(secret)
  })

  test('P7: an aborted signal is answered with its own reason', async () => {
    const stop = new AbortController()
    const reason = new Error('SIGTERM')
    stop.abort(reason)

    const error = await rig.source.token(stop.signal).catch((error: unknown) => error)

    expect(error).toBe(reason)
  })
})

describe.each(rigMakers.filter(({ over }) => over !== 'no network'))(
  '$name, asking a platform',
  ({ kind, start }) => {
    beforeEach(async () => {
      rig = await start()
    })

    test('P7: aborting while the platform keeps silent ends it at once', async () => {
      const { platform } = wire()
      for (const host of platform.hosts) platform.script(host, [{ fault: 'silent', times: 1000 }])
      const stop = new AbortController()
      const reason = new Error('SIGTERM')

      const asked = rig.source.token(stop.signal).catch((error: unknown) => error)
      setImmediate(() => stop.abort(reason))

      expect(await asked).toBe(reason)
    })

    test.each(TRANSIENT)('%s is waited out', async (_what, fault) => {
      const { platform, host } = wire()
      platform.script(host, [fault])

      const credential = await rig.source.token(never())

      expect(credential.kind).toBe(kind)
      expect(rig.clock.waits.length).toBe(1)
    })

    test.each(['slow', 'dribbled'] as const)(
      'an answer that comes %s is an answer',
      async (fault) => {
        const { platform, host } = wire()
        platform.script(host, [fault])

        const credential = await rig.source.token(never())

        expect(credential.kind).toBe(kind)
        expect(rig.clock.waits).toEqual([])
      },
    )

    test('a redirect is refused, not followed', async () => {
      const { platform, host } = wire()
      platform.script(host, [
        { status: 307, headers: { Location: 'http://elsewhere.example.com/' } },
      ])

      const error = await failure()

      expect(error).toMatchObject({
        code: 'IDENTITY_REFUSED',
        message: expect.stringContaining('answers 307, a redirect, which is never followed'),
        retryable: false,
      })
      expect(platform.requests.map((request) => request.host)).toEqual([host])
    })
  },
)

describe.each(rigMakers.filter(({ over }) => over === 'JSON with access_token'))(
  '$name, reading JSON',
  ({ kind, start }) => {
    beforeEach(async () => {
      rig = await start()
    })

    test.each(BAD_BODIES)(
      '%s with status 200 is never a token, and is asked for again',
      async (_what, body) => {
        const { platform, host } = wire()
        platform.script(host, [{ status: 200, body }])

        const credential = await rig.source.token(never())

        expect(rig.clock.waits.length).toBe(1)
        expect(credential.kind).toBe(kind)
      },
    )

    test('a byte order mark and a wrong media type do not matter', async () => {
      const { platform, host } = wire()
      const { secret } = await rig.source.token(never())
      const body = `\uFEFF${JSON.stringify({ access_token: secret.text() })}`
      platform.script(host, [{ status: 200, headers: { 'Content-Type': 'text/plain' }, body }])

      const again = await rig.source.token(never())

      expect(again.secret.equals(secret)).toBe(true)
    })
  },
)

function never(): AbortSignal {
  return new AbortController().signal
}

async function failure(): Promise<IdentityError> {
  const error: unknown = await rig.source.token(never()).then(
    () => new Error('there was a credential'),
    (error: unknown) => error,
  )
  if (error instanceof IdentityError) return error
  throw error
}

function wire(): NonNullable<Rig['wire']> {
  if (rig.wire === undefined) throw new Error('this rig asks nobody')
  return rig.wire
}
