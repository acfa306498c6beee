import fc from 'fast-check'
import { expect, test } from 'vitest'
import { SendFailure, type HttpReply, type HttpRequest } from '../../src/core/http.ts'
import { createFollowers, type Switch } from '../../src/net/followers.ts'
import { hastyClock } from '../support/fake-clock.ts'
import { reply } from '../support/scripted-send.ts'

const A = new URL('https://a.example/api')
const B = new URL('https://b.example')
const C = new URL('https://c.example:8443/conjur/')

type Play = number | SendFailure

/** Three servers that answer as a test has them. */
function several(servers: readonly [URL, ...URL[]] = [A, B, C], random = () => 0) {
  const clock = hastyClock(0)
  const plays = new Map<string, Play>()
  const asked: { readonly url: string; readonly deadlineMs: number }[] = []
  const switched: Switch[] = []
  const followers = createFollowers({
    servers,
    now: () => clock.now(),
    sleep: (ms, signal) => clock.sleep(ms, signal),
    random,
    onSwitch: (change) => switched.push(change),
  })
  const send = followers.through(async ({ url, deadlineMs }) => {
    asked.push({ url: url.href, deadlineMs })
    const play = plays.get(url.host) ?? 200
    if (play instanceof SendFailure) {
      if (play.kind === 'timeout') await clock.advance(deadlineMs)
      throw play
    }
    return reply(play)
  })
  const request: HttpRequest = {
    method: 'GET',
    url: new URL('https://a.example/api/secrets/acme/variable/app%2Fuser?version=1'),
    deadlineMs: 60_000,
    maxBodyBytes: 1000,
    signal: new AbortController().signal,
  }
  return {
    clock,
    asked,
    switched,
    followers,
    ask: (deadlineMs = 60_000): Promise<HttpReply> => send({ ...request, deadlineMs }),
    play: (host: string, answer: Play) => void plays.set(host, answer),
    hosts: () => asked.map(({ url }) => new URL(url).host),
  }
}

const refused = new SendFailure('refused', 'a.example')

test.each([
  ['a refused connection', refused],
  ['a name that does not resolve', new SendFailure('unresolved', 'a.example')],
  ['a server that hangs', new SendFailure('timeout', 'a.example')],
  ['a certificate that has expired', new SendFailure('tls-expired', 'a.example')],
  ['an answer that is cut', new SendFailure('cut', 'a.example')],
  ['a 500', 500],
  ['a 503', 503],
])('after %s the next server is asked, at the same route below its own path', async (_what, at) => {
  const { ask, play, asked } = several()
  play('a.example', at)

  const { status, from } = await ask()

  expect({ status, from }).toEqual({ status: 200, from: 'b.example' })
  expect(asked.map(({ url }) => url)).toEqual([
    'https://a.example/api/secrets/acme/variable/app%2Fuser?version=1',
    'https://b.example/secrets/acme/variable/app%2Fuser?version=1',
  ])
})

test.each([400, 401, 403, 404, 406, 422, 429])(
  'P4 a %i is the answer: no other server is asked',
  async (status) => {
    const { ask, play, hosts } = several()
    play('a.example', status)

    expect((await ask()).status).toBe(status)
    expect(hosts()).toEqual(['a.example'])
  },
)

test('an answer that is too long is not asked for elsewhere', async () => {
  const { ask, play, hosts } = several()
  play('a.example', new SendFailure('too-large', 'a.example'))

  await expect(ask()).rejects.toMatchObject({ kind: 'too-large' })
  expect(hosts()).toEqual(['a.example'])
})

test('the one that works is stayed with, and the switch is told once', async () => {
  const { ask, play, hosts, switched, followers } = several()
  play('a.example', refused)
  await ask()
  play('a.example', 200)

  await ask()
  await ask()

  expect(hosts()).toEqual(['a.example', 'b.example', 'b.example', 'b.example'])
  expect(switched).toEqual([
    { from: 'a.example', to: 'b.example', why: 'a.example refuses the connection' },
  ])
  expect(followers.switches()).toBe(1)
})

test('after the last in the list comes the first', async () => {
  const { ask, play, hosts } = several()
  play('a.example', 503)
  play('b.example', 503)
  await ask()
  play('a.example', 200)
  play('c.example:8443', 503)

  await ask()

  expect(hosts()).toEqual([
    'a.example',
    'b.example',
    'c.example:8443',
    'c.example:8443',
    'a.example',
  ])
})

test('the first is asked again after five minutes, and stayed with if it answers', async () => {
  const { ask, play, hosts, switched, clock } = several()
  play('a.example', 503)
  await ask()
  play('a.example', 200)
  await clock.advance(299_999)
  await ask()
  await clock.advance(1)

  await ask()
  await ask()

  expect(hosts().slice(2)).toEqual(['b.example', 'a.example', 'a.example'])
  expect(switched.at(-1)).toEqual({ from: 'b.example', to: 'a.example', why: undefined })
})

test('a first one that is still away is left alone for as long again', async () => {
  const { ask, play, hosts, switched, clock } = several()
  play('a.example', 503)
  await ask()
  await clock.advance(300_000)
  await ask()
  await clock.advance(299_999)
  await ask()

  expect(hosts().slice(2)).toEqual(['a.example', 'b.example', 'b.example'])
  expect(switched).toHaveLength(1)
})

test('P9 no two agents need come back to the first in the same second', async () => {
  await fc.assert(
    fc.asyncProperty(fc.double({ min: 0, max: 1, noNaN: true }), async (jitter) => {
      const { ask, play, clock, hosts } = several([A, B], () => jitter)
      play('a.example', 503)
      await ask()
      const leftAt = clock.now()
      play('a.example', 200)
      while (hosts().at(-1) !== 'a.example' && clock.now() - leftAt < 1_200_000) {
        await clock.advance(1000)
        await ask()
      }

      const after = clock.now() - leftAt
      expect(after).toBeGreaterThanOrEqual(300_000 * (1 + jitter) - 1)
      expect(after).toBeLessThanOrEqual(300_000 * (1 + jitter) + 1000)
    }),
    { numRuns: 20 },
  )
})

test('P9 before another server is asked there is a pause by chance, of a second at most', async () => {
  const { ask, play, clock } = several([A, B, C], () => 0.5)
  play('a.example', 503)
  play('b.example', 503)

  await ask()

  expect(clock.waits).toEqual([500, 500])
})

test('a server that hangs does not take the time of the others', async () => {
  const { ask, play, asked } = several()
  play('a.example', new SendFailure('timeout', 'a.example'))
  play('b.example', new SendFailure('timeout', 'b.example'))

  await ask()

  expect(asked.map(({ deadlineMs }) => deadlineMs)).toEqual([15_000, 15_000, 30_000])
})

test('a short deadline is shared out among the servers', async () => {
  const { ask, play, asked } = several()
  play('a.example', new SendFailure('timeout', 'a.example'))
  play('b.example', new SendFailure('timeout', 'b.example'))

  await ask(3000)

  expect(asked.map(({ deadlineMs }) => deadlineMs)).toEqual([1000, 1000, 1000])
})

test('where nobody answers, what one of them said is told before what none could say', async () => {
  const { ask, play, followers } = several()
  play('a.example', refused)
  play('b.example', 503)
  play('c.example:8443', new SendFailure('tls-untrusted', 'c.example:8443'))

  expect(await ask()).toMatchObject({ status: 503, from: 'b.example' })
  play('b.example', new SendFailure('unresolved', 'b.example'))
  await expect(ask()).rejects.toMatchObject({ kind: 'unresolved' })
  expect(followers.switches()).toBe(0)
})

test('what is no failure to connect ends it: a CA that cannot be read, an abort', async () => {
  const clock = hastyClock(0)
  const { through } = createFollowers({
    servers: [A, B],
    now: () => clock.now(),
    sleep: (ms, signal) => clock.sleep(ms, signal),
    random: () => 0,
    onSwitch: () => undefined,
  })
  const asked: string[] = []
  const send = through(async ({ url }) => {
    asked.push(url.host)
    throw new Error('asked to end')
  })
  const request = {
    method: 'GET',
    url: A,
    deadlineMs: 1000,
    maxBodyBytes: 1,
    signal: new AbortController().signal,
  } as const

  await expect(send(request)).rejects.toThrow('asked to end')
  expect(asked).toEqual(['a.example'])
})
