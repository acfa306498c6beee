import { expect, test } from 'vitest'
import type { Report } from '../../src/agent/cycle.ts'
import { emptyMemory } from '../../src/agent/memory.ts'
import { keptOf, unmetOf } from '../../src/agent/verdict.ts'
import type { Outcome } from '../../src/conjur/retrieve.ts'
import { ConjurError, OutputError } from '../../src/core/errors.ts'
import { Secret } from '../../src/core/secret.ts'
import type { Published } from '../../src/outputs/output.ts'
import type { SecretGroup } from '../../src/outputs/secret-group.ts'

const value: Outcome = { kind: 'value', value: new Secret('canary') }
const missing: Outcome = { kind: 'missing' }
const forbidden: Outcome = { kind: 'forbidden' }
const away = new ConjurError('CONJUR_REJECTED', 'rejected', { hint: 'h', retryable: true })
const failed: Outcome = { kind: 'failed', error: away }

const conjur = { login: 'host/apps/web' }

function group(name: string, variables: readonly string[], format: 'json' | 'plain'): SecretGroup {
  const entries = variables.map((variableId) => ({
    alias: variableId.replace(/.*\//, ''),
    variableId,
    contentType: 'text' as const,
    required: true,
  }))
  return { name, entries, path: format === 'json' ? `${name}.json` : name, format, mode: 0o644 }
}

function report(
  outcomes: Readonly<Record<string, Outcome>>,
  published: readonly Published[],
  known: readonly string[] = [],
): Report {
  return {
    memory: { ...emptyMemory, values: new Map(known.map((id) => [id, new Secret('old')])) },
    loggedIn: false,
    outcomes: new Map(Object.entries(outcomes)),
    published,
    error: undefined,
    outputErrors: [],
  }
}

function output(name: string, state: Published['state'], error?: OutputError): Published {
  return { name, kind: 'json', values: 1, state, ...(error === undefined ? {} : { error }) }
}

const db = group('db', ['apps/a', 'apps/b'], 'json')
const keys = group('keys', ['apps/c', 'apps/d'], 'plain')
const kept = keptOf({ groups: [db, keys], conjur })

test('P4 nothing is kept where every value was confirmed', () => {
  const all = { 'apps/a': value, 'apps/b': value, 'apps/c': value }

  expect(kept(report(all, [output('db.json', 'same')], ['apps/a', 'apps/b'])).size).toBe(0)
})

test('P4 a known value that was not confirmed keeps its file, and the first reason counts', () => {
  const outcomes = { 'apps/a': forbidden, 'apps/b': failed }

  const found = kept(report(outcomes, [], ['apps/a', 'apps/b']))

  expect([...found].map(([name, { code }]) => [name, code])).toEqual([
    ['db.json', 'CONJUR_FORBIDDEN'],
  ])
})

test('P4 a file that was kept says why, though its value is not known', () => {
  const found = kept(report({ 'apps/b': failed }, [output('db.json', 'kept')]))

  expect([...found]).toEqual([['db.json', away]])
})

test('P4 a file that never was is not kept', () => {
  const outcomes = { 'apps/a': missing, 'apps/c': failed }

  expect(kept(report(outcomes, [output('db.json', 'missing')])).size).toBe(0)
})

test('P4 of plain files each is kept by itself', () => {
  const found = kept(report({ 'apps/c': failed, 'apps/d': value }, [], ['apps/c', 'apps/d']))

  expect([...found.keys()]).toEqual(['keys/c'])
})

const unmet = unmetOf({ groups: [db, keys], conjur })
const strictly = unmetOf({ groups: [db, keys], conjur }, 'any value')

test('P5 an output that could not be written is what a pass lacks first', () => {
  const full = new OutputError('OUTPUT_FULL', 'full', { hint: 'h' })
  const published = [output('a', 'missing'), output('b', 'kept', full)]

  expect(unmet(report({ 'apps/a': missing }, published))).toBe(full)
})

test('P5 a sidecar lacks only an output that was never written', () => {
  expect(unmet(report({ 'apps/a': missing }, [output('db.json', 'kept')]))).toBeUndefined()
  expect(unmet(report({ 'apps/a': missing }, [output('db.json', 'missing')]))).toMatchObject({
    code: 'CONJUR_NOT_FOUND',
  })
})

test('P5 one that runs once lacks any required value', () => {
  expect(strictly(report({ 'apps/a': missing }, [output('db.json', 'kept')]))?.code).toBe(
    'CONJUR_NOT_FOUND',
  )
  expect(strictly(report({ 'apps/a': value }, [output('db.json', 'kept')]))).toBeUndefined()
})

test('P5 an optional value is not lacking', () => {
  const optional = db.entries.map((entry) => ({ ...entry, required: false }))
  const relaxed = unmetOf({ groups: [{ ...db, entries: optional }], conjur }, 'any value')

  expect(relaxed(report({ 'apps/a': missing, 'apps/b': forbidden }, []))).toBeUndefined()
})

test('P5 a variable that is not there is told with where it is named and who can tell more', () => {
  const error = strictly(report({ 'apps/a': missing }, []))

  expect(error).toBeInstanceOf(ConjurError)
  expect(error).toMatchObject({
    code: 'CONJUR_NOT_FOUND',
    message: 'variable apps/a does not exist, has no value, or host/apps/web may not see it (404)',
    hint: 'it is named in group db; conjur variable get -i apps/a as its owner tells which',
    facts: { variable: 'apps/a', group: 'db', status: 404 },
    retryable: false,
    lines: [],
  })
})

test('P5 a variable that may not be read is told with what to permit', () => {
  expect(strictly(report({ 'apps/c': forbidden }, []))).toMatchObject({
    code: 'CONJUR_FORBIDDEN',
    message: 'host/apps/web may see variable apps/c but not read it (403)',
    hint: "permit it execute on variable apps/c in Conjur's policy; it is named in group keys",
    facts: { variable: 'apps/c', group: 'keys', status: 403 },
  })
})

test('who logs in by the token alone is called this host', () => {
  const nameless = { groups: [db], conjur: { login: undefined } }
  const outcomes = { 'apps/a': forbidden }

  const lacking = unmetOf(nameless, 'any value')(report(outcomes, []))
  const keeping = keptOf(nameless)(report(outcomes, [], ['apps/a'])).get('db.json')

  expect([lacking?.message, keeping?.message]).toEqual([
    'this host may see variable apps/a but not read it (403)',
    'this host may see variable apps/a but not read it (403)',
  ])
})

test('P5 everything that is lacking stands in one error, and waiting helps only if it helps all', () => {
  const outcomes = { 'apps/a': failed, 'apps/b': value, 'apps/c': missing, 'apps/d': failed }

  const error = strictly(report(outcomes, []))

  expect(error).toMatchObject({
    code: 'CONJUR_REJECTED',
    message: 'rejected',
    hint: 'h',
    retryable: false,
    lines: [
      'CONJUR_NOT_FOUND: variable apps/c does not exist, has no value, or host/apps/web may not see it (404)',
      'CONJUR_REJECTED: rejected',
    ],
  })
  expect(strictly(report({ 'apps/a': failed, 'apps/d': failed }, []))?.retryable).toBe(true)
})
