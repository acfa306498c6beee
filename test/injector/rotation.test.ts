import { execFile } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { fits, makeAuthority, splitBundle, validityOf } from '../../src/injector/certificate.ts'
import {
  fromSecret,
  LEASE_SECONDS,
  OVERLAP_MS,
  resign,
  turn,
  type RotationContext,
} from '../../src/injector/rotation.ts'
import { fakeCluster, type FakeCluster } from '../support/fake-cluster.ts'
import { underEngine } from '../support/program.ts'

const DAY = 24 * 3_600_000
const START = Date.parse('2026-01-20T09:05:00Z')
const options = { leafDays: 90, caDays: 1825, names: ['injector.conjur.svc', '127.0.0.1'] }

function replica(cluster: FakeCluster, identity = 'one') {
  const time = { now: START }
  const context: RotationContext = { ...cluster, identity, options, now: () => time.now }
  return { time, turn: () => turn(context), resign: () => resign(context) }
}

const storeOf = (cluster: FakeCluster) => fromSecret(cluster.state.secret?.data ?? {})!

test('the first turn makes a CA and a leaf for every name, and has API servers trust it', async () => {
  const cluster = fakeCluster()
  const { leads, done, notTrusted } = await replica(cluster).turn()

  const { authority, leaf, bundle } = storeOf(cluster)
  expect({ leads, done, notTrusted }).toEqual({
    leads: true,
    done: ['create', 'repair-bundle'],
    notTrusted: undefined,
  })
  expect(new X509Certificate(leaf.cert).subjectAltName).toBe(
    'DNS:injector.conjur.svc, IP Address:127.0.0.1',
  )
  expect(new X509Certificate(leaf.cert).checkIssued(new X509Certificate(authority.cert))).toBe(true)
  expect(fits(leaf, authority.cert)).toBe(true)
  expect(cluster.state.bundles?.get('inject.conjur.org')).toBe(bundle)
})

test('a turn without anything due writes nothing', async () => {
  const cluster = fakeCluster()
  const one = replica(cluster)
  await one.turn()
  const before = cluster.state.secret?.version
  const { done } = await one.turn()

  expect(done).toEqual([])
  expect(cluster.state.secret?.version).toBe(before)
})

test('one replica leads; the other serves the same certificate, ready once it is trusted', async () => {
  const cluster = fakeCluster()
  const [one, two] = [replica(cluster, 'one'), replica(cluster, 'two')]
  const first = await one.turn()
  const second = await two.turn()

  expect([first.leads, second.leads]).toEqual([true, false])
  expect(second.store).toEqual(first.store)
  expect(second.notTrusted).toBeUndefined()

  cluster.state.bundles?.set('inject.conjur.org', 'edited by hand')
  expect((await two.turn()).notTrusted).toBe('the webhook configuration does not trust it yet')
})

test('a bundle edited by hand is repaired by the leader', async () => {
  const cluster = fakeCluster()
  const one = replica(cluster)
  await one.turn()
  cluster.state.bundles?.set(
    'inject.conjur.org',
    (await makeAuthority({ now: START, days: 1 })).cert,
  )
  const { done } = await one.turn()

  expect(done).toEqual(['repair-bundle'])
  expect(cluster.state.bundles?.get('inject.conjur.org')).toBe(storeOf(cluster).bundle)
})

test('another replica takes over when the Lease ends, or at once when it is given back', async () => {
  const cluster = fakeCluster()
  const [one, two] = [replica(cluster, 'one'), replica(cluster, 'two')]
  await one.turn()
  two.time.now += (LEASE_SECONDS - 1) * 1000
  const tooEarly = await two.turn()
  two.time.now += 2000
  const over = await two.turn()
  await two.resign()
  const back = await one.turn()

  expect([tooEarly.leads, over.leads, back.leads]).toEqual([false, true, true])
})

test('a leaf is replaced a third of its life before its end; the CA stays', async () => {
  const cluster = fakeCluster()
  const one = replica(cluster)
  await one.turn()
  const before = storeOf(cluster)
  one.time.now += 59 * DAY
  const early = await one.turn()
  one.time.now += 2 * DAY
  const due = await one.turn()

  expect([early.done, due.done]).toEqual([[], ['sign-leaf']])
  expect(storeOf(cluster).authority).toEqual(before.authority)
  expect(storeOf(cluster).leaf.cert).not.toBe(before.leaf.cert)
})

test('a new CA is trusted beside the old one before anything it signed is served', async () => {
  const cluster = fakeCluster()
  const one = replica(cluster)
  await one.turn()
  one.time.now += 1200 * DAY
  await one.turn()
  const old = storeOf(cluster)
  one.time.now += 17 * DAY
  const added = await one.turn()
  const between = storeOf(cluster)
  one.time.now += OVERLAP_MS - 1000
  const waiting = await one.turn()
  one.time.now += 1000
  const signed = await one.turn()

  expect([added.done, waiting.done, signed.done]).toEqual([
    ['add-authority', 'repair-bundle'],
    [],
    ['sign-leaf'],
  ])
  expect(between.leaf).toEqual(old.leaf)
  expect(splitBundle(between.bundle)).toEqual([between.authority.cert, old.authority.cert])
  expect(cluster.state.bundles?.get('inject.conjur.org')).toBe(between.bundle)
  expect(fits(storeOf(cluster).leaf, between.authority.cert)).toBe(true)
})

test('an old CA leaves the bundle when it is over', async () => {
  const cluster = fakeCluster()
  const one = replica(cluster)
  await one.turn()
  one.time.now += 1217 * DAY
  await one.turn()
  one.time.now += OVERLAP_MS
  await one.turn()
  one.time.now = validityOf(splitBundle(storeOf(cluster).bundle)[1]!)!.endsAt + 1
  const { done } = await one.turn()

  expect(done).toContain('mend-bundle')
  expect(splitBundle(storeOf(cluster).bundle)).toEqual([storeOf(cluster).authority.cert])
})

test.each([
  ['is emptied', {}],
  ['loses its key', { 'tls.key': 'x' }],
  ['loses the key of its CA', { 'authority.key': 'x' }],
  ['gets another certificate', { 'tls.crt': 'x' }],
])('a Secret that %s is made anew', async (_, damage) => {
  const cluster = fakeCluster()
  const one = replica(cluster)
  await one.turn()
  const { data, version } = cluster.state.secret!
  const empty = Object.keys(damage).length === 0
  cluster.state.secret = { data: empty ? {} : { ...data, ...damage }, version }
  const { done, notTrusted } = await one.turn()

  expect(done).toContain('create')
  expect(notTrusted).toBeUndefined()
  expect(fits(storeOf(cluster).leaf, storeOf(cluster).authority.cert)).toBe(true)
})

test('a Secret that never holds what is written is written once a turn', async () => {
  const cluster = fakeCluster()
  const { secret } = cluster
  const write: typeof secret.write = (data, over) => secret.write({ ...data, 'tls.key': 'x' }, over)
  const { done } = await replica({ ...cluster, secret: { ...secret, write } }).turn()

  expect(done).toEqual(['create', 'repair-bundle'])
})

test('the engine of the program takes what it made: after the first turn nothing is due', async () => {
  const script = join(import.meta.dirname, 'two-turns.ts')
  const [file, ...words] = underEngine(script)
  const { stdout } = await promisify(execFile)(file, words, { timeout: 20_000 })

  expect(stdout).toBe('create repair-bundle\n\n')
})

test('without a webhook configuration nobody is ready', async () => {
  const cluster = fakeCluster()
  cluster.state.bundles = undefined
  const { notTrusted } = await replica(cluster).turn()

  expect(notTrusted).toBe('the webhook configuration does not exist')
})
