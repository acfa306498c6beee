import { expect, test } from 'vitest'
import { takeOver, type HandOver } from '../../src/agent/hand-over.ts'
import { Secret } from '../../src/core/secret.ts'
import { fakeClock } from '../support/fake-clock.ts'
import { agentClock } from '../support/fake-stages.ts'

const NOW = Date.parse('2026-01-20T09:00:00Z')

function token(claims: Record<string, unknown> = {}): string {
  const issued = { iat: NOW / 1000, exp: NOW / 1000 + 480, sub: 'host/a', ...claims }
  const payload = Buffer.from(JSON.stringify(issued)).toString('base64url')
  return JSON.stringify({ protected: 'p', payload, signature: 's' })
}

function after(seconds: number, asked: Partial<Asked> = {}): HandOver {
  const usual = { text: token(), login: 'host/a', writtenAt: NOW, receivedAt: undefined }
  const { text, login, writtenAt, receivedAt } = { ...usual, ...asked }
  const clock = agentClock(fakeClock(NOW + seconds * 1000))
  return takeOver({ text: new Secret(text), writtenAt }, { login, clock, receivedAt })
}

interface Asked {
  readonly text: string
  readonly login: string | undefined
  readonly writtenAt: number
  readonly receivedAt: number | undefined
}

test('a token with a quarter of its life left is taken over, its age counted from its issue', () => {
  expect(after(360)).toMatchObject({
    ageMs: 360_000,
    isFresh: true,
    held: {
      isUntested: true,
      token: { login: 'host/a', lifetimeMs: 480_000 },
      received: { now: NOW },
    },
  })
})

test('P3 one with less is replaced, and known for as long as it lives', () => {
  expect(after(361)).toMatchObject({ ageMs: 361_000, isFresh: false })
  expect(after(480)).toEqual({ why: 'it is expired', isOld: true })
})

test('the age is that of the file where the server’s clock is ahead of ours', () => {
  const text = token({ iat: NOW / 1000 + 100, exp: NOW / 1000 + 580 })

  expect(after(98, { text })).toMatchObject({ ageMs: 98_000 })
})

test.each<[string, Partial<Asked>, string]>([
  ['belongs to another login', { login: 'host/b' }, 'it is of "host/a", not of host/b'],
  ['is of the future', { text: token({ iat: NOW / 1000 + 60 }) }, 'it was issued in the future'],
  ['is no token', { text: '{"hello":"world"}' }, 'it holds no access token'],
  ['is no JSON', { text: 'gone' }, 'it holds no access token'],
  ['says of no one whose it is', { text: token({ sub: undefined }) }, 'it holds no access token'],
])('a token that %s is not taken over', (_name, asked, why) => {
  expect(after(0, asked)).toEqual({ why, isOld: false })
})

test('where the platform token names the login, the token’s own word is enough', () => {
  expect(after(0, { login: undefined })).toMatchObject({ held: { token: { login: 'host/a' } } })
})

test('a file that does not count says why itself', () => {
  const clock = agentClock(fakeClock(NOW))

  expect(takeOver({ why: 'others may write it' }, { login: 'host/a', clock })).toEqual({
    why: 'others may write it',
    isOld: false,
  })
})

test('P3 the last waking knows better when it came where the wall clock was set back since', () => {
  expect(after(100, { receivedAt: NOW - 200_000 })).toMatchObject({ ageMs: 300_000 })
  expect(after(100, { receivedAt: NOW + 200_000 })).toMatchObject({ ageMs: 100_000 })
})

test('its age goes on by a clock that nobody sets', () => {
  const handOver = after(100)

  expect('held' in handOver && handOver.held.received).toEqual({ now: NOW, monotonic: NOW })
})

test('P2 of a login that is not ours 200 characters are told', () => {
  const text = token({ sub: 'x'.repeat(300) })

  expect(after(0, { text })).toEqual({
    why: `it is of "${'x'.repeat(200)}", not of host/a`,
    isOld: false,
  })
})

test('P2 what is no token is not repeated', () => {
  expect(JSON.stringify(after(0, { text: 'canary' }))).not.toContain('canary')
})
