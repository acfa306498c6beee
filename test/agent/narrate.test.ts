import { expect, test } from 'vitest'
import type { Report } from '../../src/agent/cycle.ts'
import { emptyMemory } from '../../src/agent/memory.ts'
import { narrator, type Narrator } from '../../src/agent/narrate.ts'
import { type AgentError, ConjurError, IdentityError, OutputError } from '../../src/core/errors.ts'
import { Secret } from '../../src/core/secret.ts'
import type { Published } from '../../src/outputs/output.ts'
import { logLines, type LogLine } from '../support/log-lines.ts'

const token = { secret: new Secret('canary'), lifetimeMs: 480_400, login: 'host/apps/web' }
const held = { token, received: { now: 0, monotonic: 0 } }
const file: Published = { name: 'db.json', kind: 'json', values: 2, state: 'same' }
const away = new ConjurError('CONJUR_UNAVAILABLE', 'Conjur is away', {
  hint: 'wait',
  facts: { host: 'conjur.example.com' },
})

interface Passing extends Partial<Report> {
  readonly retry?: { readonly error: AgentError; readonly attempt: number; readonly waitMs: number }
  readonly kept?: ReadonlyMap<string, AgentError>
}

function telling(): { tell: Narrator; lines: LogLine[]; pass: (passing: Passing) => LogLine[] } {
  const { log, lines } = logLines()
  const tell = narrator(log)
  return {
    tell,
    lines,
    pass({ retry, kept = new Map(), ...overrides }) {
      lines.length = 0
      const report: Report = {
        memory: { ...emptyMemory, held },
        loggedIn: false,
        outcomes: new Map(),
        published: [],
        error: undefined,
        outputErrors: [],
        ...overrides,
      }
      tell.passed(report, { retry, kept })
      return [...lines]
    },
  }
}

test('a quiet pass says nothing', () => {
  expect(telling().pass({ published: [file] })).toEqual([])
})

test('the first login is told, later ones only to who debugs', () => {
  const { pass } = telling()
  const line = {
    code: 'LOGGED_IN',
    login: 'host/apps/web',
    lifeSeconds: 480,
    msg: 'access token received',
  }

  expect(pass({ loggedIn: true })).toEqual([{ level: 'info', ...line }])
  expect(pass({ loggedIn: true })).toEqual([{ level: 'debug', ...line }])
})

test('a token that Conjur no longer takes is told', () => {
  expect(telling().pass({ isTokenRefused: true })).toEqual([
    {
      level: 'info',
      code: 'TOKEN_REFUSED',
      msg: 'Conjur no longer takes the access token: logging in anew',
    },
  ])
})

test('what was written or removed is told in one line, the token file not', () => {
  const published: readonly Published[] = [
    { name: 'db.json', kind: 'json', values: 2, state: 'written', mode: 0o640, bytes: 61 },
    { name: 'old', kind: 'plain', values: 0, state: 'removed' },
    { name: 'same', kind: 'plain', values: 1, state: 'same' },
    { name: 'access-token', kind: 'token', values: 0, state: 'written' },
  ]

  expect(telling().pass({ published })).toEqual([
    {
      level: 'info',
      code: 'PUBLISHED',
      outputs: [
        { name: 'db.json', kind: 'json', values: 2, state: 'written', mode: '640', bytes: 61 },
        { name: 'old', kind: 'plain', values: 0, state: 'removed' },
      ],
      msg: 'published',
    },
  ])
})

test('of many outputs twenty are named and the rest counted', () => {
  const written = (count: number): readonly Published[] =>
    Array.from({ length: count }, (_, index) => ({ ...file, name: `f${index}`, state: 'written' }))

  const [twenty] = telling().pass({ published: written(20) })
  const [more] = telling().pass({ published: written(23) })

  expect([twenty?.['outputs'], twenty?.['more']]).toEqual([expect.any(Array), undefined])
  expect(twenty?.['outputs']).toHaveLength(20)
  expect(more?.['outputs']).toHaveLength(20)
  expect(more?.['more']).toBe(3)
})

test('a file that waits is told once, and again after it was there', () => {
  const { pass } = telling()
  const waiting = { published: [{ ...file, state: 'missing' as const }] }
  const line = {
    level: 'warn',
    code: 'OUTPUT_WAITING',
    output: 'db.json',
    msg: 'not written yet: a required value is missing',
  }

  expect(pass(waiting)).toEqual([line])
  expect(pass(waiting)).toEqual([])
  expect(pass({ published: [file] })).toEqual([])
  expect(pass(waiting)).toEqual([line])
})

test('P4 a file that is kept says why when that begins, or changes', () => {
  const { pass } = telling()
  const kept = new Map([['db.json', away]])
  const published = [{ ...file, state: 'kept' as const }]

  expect(pass({ published, kept })).toEqual([
    {
      level: 'warn',
      code: 'CONJUR_UNAVAILABLE',
      host: 'conjur.example.com',
      hint: 'wait',
      output: 'db.json',
      msg: 'db.json is kept as it was: Conjur is away',
    },
  ])
  expect(pass({ published, kept })).toEqual([])
  expect(pass({ published })).toEqual([
    {
      level: 'warn',
      code: 'OUTPUT_KEPT',
      output: 'db.json',
      msg: 'kept as it was: not every value was to be had',
    },
  ])
})

test('what an output says of itself goes before what Conjur said', () => {
  const error = new OutputError('OUTPUT_UNFIT', 'no text', { hint: 'h' })

  const [line] = telling().pass({
    published: [{ ...file, state: 'kept', error }],
    kept: new Map([['db.json', away]]),
  })

  expect(line).toMatchObject({ code: 'OUTPUT_UNFIT', msg: 'db.json is kept as it was: no text' })
})

test('a note of an output is told once', () => {
  const { pass } = telling()
  const published = [{ ...file, notes: ['one', 'two'] }]
  const line = (msg: string): LogLine => ({
    level: 'warn',
    code: 'OUTPUT_NOTE',
    output: 'db.json',
    msg,
  })

  expect(pass({ published })).toEqual([line('one'), line('two')])
  expect(pass({ published: [{ ...file, notes: ['two', 'three'] }] })).toEqual([line('three')])
})

test('outputs that could not be written are errors, each with its hint', () => {
  const full = new OutputError('OUTPUT_FULL', 'it is full', { hint: 'df', facts: { path: '/x' } })

  expect(telling().pass({ outputErrors: [full] })).toEqual([
    { level: 'error', code: 'OUTPUT_FULL', path: '/x', hint: 'df', msg: 'it is full' },
  ])
})

test('a failed pass says how long it waits, and which attempt it was', () => {
  expect(telling().pass({ retry: { error: away, attempt: 3, waitMs: 1749.6 } })).toEqual([
    {
      level: 'warn',
      code: 'CONJUR_UNAVAILABLE',
      host: 'conjur.example.com',
      hint: 'wait',
      attempt: 3,
      waitMs: 1750,
      msg: 'Conjur is away; again in 1.7 s',
    },
  ])
})

test('a platform that is not ready is told with the wait', () => {
  const { tell, lines } = telling()

  tell.identityRetry(new IdentityError('IDENTITY_NOT_READY', 'not yet', { hint: 'w' }), 2049.4)

  expect(lines).toEqual([
    {
      level: 'warn',
      code: 'IDENTITY_NOT_READY',
      hint: 'w',
      waitMs: 2049,
      msg: 'not yet; again in 2.0 s',
    },
  ])
})

test('an access token that was found is told, with its age or why it is not used', () => {
  const { tell, lines } = telling()

  tell.handedOver({ held, ageMs: 61_400, isFresh: true })
  tell.handedOver({ held, ageMs: 400_000, isFresh: false })
  tell.handedOver({ why: 'it was issued in the future', isOld: false })
  tell.handedOver({ why: 'it is expired', isOld: true })

  expect(lines).toEqual([
    {
      level: 'info',
      code: 'TOKEN_TAKEN_OVER',
      login: 'host/apps/web',
      ageSeconds: 61,
      msg: 'the access token of the file is fresh and goes on being used',
    },
    {
      level: 'info',
      code: 'TOKEN_NOT_TAKEN',
      why: 'it was issued in the future',
      msg: 'the access token of the file is not used: it was issued in the future',
    },
    {
      level: 'debug',
      code: 'TOKEN_NOT_TAKEN',
      why: 'it is expired',
      msg: 'the access token of the file is not used: it is expired',
    },
  ])
})

test('an application that was told, or could not be, is told of', () => {
  const { tell, lines } = telling()

  tell.reloaded({ group: 'db', kind: 'signal', result: 'done', what: 'SIGHUP to nginx' })
  tell.reloaded({ group: 'db', kind: 'post', result: 'absent', what: 'nobody listens' })
  tell.reloaded({ group: 'db', kind: 'post', result: 'failed', what: 'HTTP 500' })

  expect(lines.map(({ level, msg }) => [level, msg])).toEqual([
    ['info', 'told the application: SIGHUP to nginx'],
    ['info', 'told the application: nobody listens'],
    ['warn', 'told the application: HTTP 500'],
  ])
  expect(lines[0]).toMatchObject({ code: 'RELOAD', group: 'db', kind: 'signal', result: 'done' })
})

test('another server that takes over is a warning, the return of the first is not', () => {
  const { tell, lines } = telling()

  tell.switched({ from: 'a', to: 'b', why: 'a refuses the connection' })
  tell.switched({ from: 'b', to: 'a', why: undefined })

  expect(lines).toEqual([
    {
      level: 'warn',
      code: 'SERVER_SWITCHED',
      from: 'a',
      to: 'b',
      why: 'a refuses the connection',
      msg: 'a refuses the connection; b is asked from now on',
    },
    {
      level: 'info',
      code: 'SERVER_SWITCHED',
      from: 'b',
      to: 'a',
      msg: 'a answers again and is asked from now on',
    },
  ])
})
