import { expect, test } from 'vitest'
import type { Report } from '../../src/agent/cycle.ts'
import { createMeasures } from '../../src/agent/measures.ts'
import { emptyMemory } from '../../src/agent/memory.ts'
import type { Outcome } from '../../src/conjur/retrieve.ts'
import { ConjurError, OutputError } from '../../src/core/errors.ts'
import { Secret } from '../../src/core/secret.ts'
import type { Published } from '../../src/outputs/output.ts'

const token = { secret: new Secret('canary'), lifetimeMs: 480_000, login: 'host/a' }
const memory = { ...emptyMemory, held: { token, received: { now: 0, monotonic: 0 } } }
const outcomes = new Map<string, Outcome>([['a', { kind: 'missing' }]])
const about = { refreshIntervalMs: 300_000, now: 7000, expiresAt: 487_000 }
const refused = new ConjurError('CONJUR_UNAUTHENTICATED', 'no', { hint: 'h' })

function report(overrides: Partial<Report> = {}): Report {
  return {
    memory,
    loggedIn: false,
    outcomes: new Map(),
    published: [],
    error: undefined,
    outputErrors: [],
    ...overrides,
  }
}

/** The samples of some metric, `HELP` and `TYPE` left out. */
function samples(measures: ReturnType<typeof createMeasures>, name: string): readonly string[] {
  return measures
    .text()
    .split('\n')
    .filter((line) => line.startsWith(`conjur_agent_${name}`))
    .map((line) => line.replace(`conjur_agent_${name}`, ''))
}

function measure(): ReturnType<typeof createMeasures> {
  return createMeasures({ version: '1.2.3', mode: 'sidecar' })
}

test('every counter that can be known stands at 0 before anything happens', () => {
  const text = measure().text()

  expect(text.split('\n').filter((line) => !line.startsWith('#') && line !== '')).toEqual([
    `conjur_agent_build_info{version="1.2.3",engine="node-${process.versions.node}",mode="sidecar"} 1`,
    'conjur_agent_refresh_total{result="ok"} 0',
    'conjur_agent_refresh_total{result="error"} 0',
    'conjur_agent_logins_total{result="ok"} 0',
    'conjur_agent_logins_total{result="error"} 0',
    'conjur_agent_errors_total{code="CONJUR_UNREACHABLE"} 0',
    'conjur_agent_errors_total{code="CONJUR_UNAVAILABLE"} 0',
    'conjur_agent_errors_total{code="CONJUR_UNAUTHENTICATED"} 0',
    'conjur_agent_errors_total{code="CONJUR_FORBIDDEN"} 0',
    'conjur_agent_reloads_total{result="done"} 0',
    'conjur_agent_reloads_total{result="absent"} 0',
    'conjur_agent_reloads_total{result="failed"} 0',
  ])
})

test('a pass that logs in and reads counts both', () => {
  const measures = measure()

  measures.passed(report({ loggedIn: true, outcomes }), about)
  measures.passed(report({ outcomes }), about)
  measures.passed(report(), about)

  expect(samples(measures, 'refresh_total')).toEqual(['{result="ok"} 2', '{result="error"} 0'])
  expect(samples(measures, 'logins_total')).toEqual(['{result="ok"} 1', '{result="error"} 0'])
})

test('a pass that ends without a token counts as a failed login', () => {
  const measures = measure()

  measures.passed(report({ memory: emptyMemory, error: refused }), about)

  expect(samples(measures, 'refresh_total')).toEqual(['{result="ok"} 0', '{result="error"} 1'])
  expect(samples(measures, 'logins_total')).toEqual(['{result="ok"} 0', '{result="error"} 1'])
  expect(samples(measures, 'errors_total{code="CONJUR_UNAUTHENTICATED"}')).toEqual([' 1'])
})

test('a failure with a token at hand is no failed login', () => {
  const measures = measure()
  const full = new OutputError('OUTPUT_FULL', 'full', { hint: 'h' })

  measures.passed(report({ outputErrors: [full, full] }), about)
  measures.passed(report({ memory: emptyMemory }), about)

  expect(samples(measures, 'logins_total')).toEqual(['{result="ok"} 0', '{result="error"} 0'])
  expect(samples(measures, 'errors_total{code="OUTPUT_FULL"}')).toEqual([' 2'])
  expect(samples(measures, 'refresh_total{result="error"}')).toEqual([' 1'])
})

test('outputs are counted when they change, and dated when they are as Conjur has them', () => {
  const measures = measure()
  const states: readonly Published['state'][] = ['written', 'same', 'kept', 'removed', 'missing']
  const published = states.map((state) => ({ name: state, kind: 'json', values: 1, state }))

  measures.passed(report({ published }), about)

  expect(samples(measures, 'publishes_total')).toEqual([
    '{output="written"} 1',
    '{output="removed"} 1',
  ])
  expect(samples(measures, 'last_success_timestamp_seconds')).toEqual([
    '{output="written"} 7',
    '{output="same"} 7',
  ])
  expect(samples(measures, 'refresh_interval_seconds')).toEqual(
    states.map((state) => `{output="${state}"} 300`),
  )
})

test('an interval that is off has no series', () => {
  const measures = measure()
  const published = [{ name: 'a', kind: 'json', values: 1, state: 'same' as const }]

  measures.passed(report({ published }), { ...about, refreshIntervalMs: undefined })

  expect(samples(measures, 'refresh_interval_seconds')).toEqual([])
})

test('the access token has its end and its life, once there is one', () => {
  const measures = measure()

  measures.passed(report({ memory: emptyMemory }), about)
  measures.passed(report(), { ...about, expiresAt: undefined })
  const before = samples(measures, 'access_token')
  measures.passed(report(), about)

  expect(before).toEqual([])
  expect(samples(measures, 'access_token')).toEqual([
    '_expiry_timestamp_seconds 487',
    '_lifetime_seconds 480',
  ])
})

test('requests are timed by operation and status, reloads counted by result', () => {
  const measures = measure()

  measures.requested({ operation: 'retrieve', status: '200', seconds: 0.03 })
  measures.reloaded({ result: 'failed' })

  expect(samples(measures, 'request_duration_seconds_bucket')).toEqual(
    [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, '+Inf'].map(
      (bound) =>
        `{operation="retrieve",status="200",le="${bound}"} ${Number(bound) < 0.03 ? 0 : 1}`,
    ),
  )
  expect(samples(measures, 'reloads_total{result="failed"}')).toEqual([' 1'])
})

test('every metric says what it is', () => {
  const measures = measure()
  measures.passed(
    report({ published: [{ name: 'a', kind: 'json', values: 1, state: 'written' }] }),
    about,
  )
  measures.requested({ operation: 'retrieve', status: '200', seconds: 1 })

  expect(
    measures
      .text()
      .split('\n')
      .filter((line) => line.startsWith('# HELP'))
      .map((line) => line.replace('# HELP conjur_agent_', '')),
  ).toEqual([
    'build_info Always 1; what runs.',
    'refresh_total Passes that read values, by result.',
    'logins_total Access tokens asked for, by result.',
    'errors_total Failures, by error code.',
    'publishes_total Changes written, by output.',
    'reloads_total Applications told of a change, by result.',
    'last_success_timestamp_seconds When an output was last seen to be as Conjur has it.',
    'refresh_interval_seconds Time until an output is looked at again.',
    'access_token_expiry_timestamp_seconds When the access token ends.',
    'access_token_lifetime_seconds How long the access token lives from its issue.',
    'request_duration_seconds Requests to Conjur and to the platform, by operation and HTTP status or failure.',
  ])
})
