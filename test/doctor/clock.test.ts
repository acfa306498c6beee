import { expect, test } from 'vitest'
import { Secret } from '../../src/core/secret.ts'
import { checkClock } from '../../src/doctor/check-clock.ts'
import type { FirstReply } from '../../src/doctor/known.ts'
import type { PlatformToken } from '../../src/identity/source.ts'

const NOW = Date.parse('2026-11-25T09:14:07.300Z')
const MINUTE = 60_000

/** A reply whose Date is so far from our clock. */
function repliedAt(skewMs: number): FirstReply {
  const date = new Date(NOW + skewMs).toUTCString()
  return {
    reply: { status: 200, headers: { date }, body: Buffer.alloc(0) },
    askedAt: NOW - 20,
    answeredAt: NOW,
  }
}

function token(issuedMs: number, lifeMs = 60 * MINUTE): PlatformToken {
  const [iat, exp] = [Math.floor((NOW + issuedMs) / 1000), (NOW + issuedMs + lifeMs) / 1000]
  return {
    kind: 'jwt',
    secret: new Secret('x'),
    header: {},
    claims: { iat, nbf: iat, exp },
    expiresAt: exp * 1000,
  }
}

test.each([
  ['the same second', 0, 'passed', "within 1 s of Conjur; the token's iat is 9 min old"],
  [
    'ahead by half a minute',
    -30_000,
    'passed',
    "29 s ahead of Conjur's; the token's iat is 9 min old",
  ],
  [
    'behind by half a minute',
    30_000,
    'passed',
    "30 s behind Conjur's; the token's iat is 9 min old",
  ],
  [
    'ahead by five minutes',
    -5 * MINUTE,
    'degraded',
    "5 min ahead of Conjur's; the token's iat is 9 min old",
  ],
  [
    'behind by five minutes',
    5 * MINUTE,
    'degraded',
    "5 min behind Conjur's; the token's iat is 9 min old",
  ],
])('a clock that is %s', (_, skewMs, outcome, message) => {
  expect(
    checkClock({ first: repliedAt(skewMs), token: token(-9 * MINUTE), now: NOW }),
  ).toMatchObject({ outcome, message })
})

test("a token that is expired by Conjur's clock alone", () => {
  const finding = checkClock({ first: repliedAt(60 * MINUTE), token: token(-9 * MINUTE), now: NOW })

  expect(finding).toMatchObject({
    outcome: 'failed',
    code: 'IDENTITY_EXPIRED',
    message: "by Conjur's clock the platform token expired 9 min ago; ours is 60 min behind",
    exitCode: 4,
  })
})

test('a reply without a Date says nothing', () => {
  const first = { ...repliedAt(0), reply: { status: 200, headers: {}, body: Buffer.alloc(0) } }

  expect(checkClock({ first, token: undefined, now: NOW })).toMatchObject({ outcome: 'skipped' })
})
