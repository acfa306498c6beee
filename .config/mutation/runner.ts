import { globSync, readFileSync, writeFileSync } from 'node:fs'
import { registerHooks } from 'node:module'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'

import { LEFT_OUT, suites } from './rooms.ts'
import type { Declared } from './suite.ts'

/**
 * Runs the suites of one room for Stryker, in this process and again and again: a mutant costs the milliseconds of
 * the tests that reach it, not the start of an engine.
 *
 * A mutant counts as killed only if the test that failed passes again right after, without the mutant. Where it does
 * not, what the mutant left behind is to blame, perhaps for the failure too: Stryker then tries it in a new process.
 */
const SUITE = new URL('./suite.ts', import.meta.url).href
/** How long each test takes without a mutant; beside the copy of the sources, so that a new process finds it. */
const DURATIONS = 'durations.json'
/** Tests that really wait are run only for what no other test reaches. */
const SLOW_MS = 600

/** What Stryker's instrumented code reads and writes. */
interface Namespace {
  activeMutant?: string | undefined
  currentTestId?: string | undefined
  hitCount?: number | undefined
  hitLimit?: number | undefined
  mutantCoverage?: unknown
}

interface MutantRun {
  readonly activeMutant: { readonly id: string }
  readonly testFilter?: readonly string[]
  readonly hitLimit?: number
}

const namespace: Namespace = {}
Reflect.set(globalThis, '__stryker__', namespace)
const uncaught: unknown[] = []
let tests: ReadonlyMap<string, Declared> = new Map()
let durations: Readonly<Record<string, number>> = {}
let spent = false

const runner = {
  capabilities: () => ({ reloadEnvironment: true }),

  async init(): Promise<void> {
    process.on('unhandledRejection', (failure) => uncaught.push(failure))
    process.on('uncaughtException', (failure) => uncaught.push(failure))
    sparing([0, 1, -1, process.ppid, process.pid])
    registerHooks({
      resolve: (specifier, context, next) =>
        specifier === 'vitest' && context.parentURL !== SUITE
          ? { url: SUITE, shortCircuit: true }
          : next(specifier, context),
    })
    const { declaredBy } = await import('./suite.ts')
    const found: Declared[] = []
    const files = globSync([...suites(process.env['CONJUR_AGENT_MUTATE'] ?? '')])
    for (const file of files.filter((name) => !LEFT_OUT.includes(name)).toSorted()) {
      found.push(...(await declaredBy(file, () => import(pathToFileURL(resolve(file)).href))))
    }
    tests = new Map(found.map((test) => [test.id, test]))
  },

  async dryRun() {
    const results = []
    for (const test of tests.values()) {
      const startedAt = performance.now()
      const failure = await failureOf(test, 60_000)
      const timeSpentMs = performance.now() - startedAt
      results.push({
        id: test.id,
        name: test.id,
        timeSpentMs,
        ...(failure === undefined ? { status: 0 } : { status: 1, failureMessage: told(failure) }),
      })
    }
    const took = Object.fromEntries(results.map(({ id, timeSpentMs }) => [id, timeSpentMs]))
    writeFileSync(DURATIONS, JSON.stringify(took))
    return { status: 'complete', tests: results, mutantCoverage: namespace.mutantCoverage }
  },

  async mutantRun({ activeMutant, testFilter, hitLimit }: MutantRun) {
    if (spent) throw new Error('a test of this process never ended, or its mutant left a mess')
    durations = JSON.parse(readFileSync(DURATIONS, 'utf8'))
    const reaching = (testFilter ?? [...tests.keys()])
      .flatMap((id) => tests.get(id) ?? [])
      .toSorted((one, other) => tookMs(one) - tookMs(other))
    const quick = reaching.filter((test) => tookMs(test) < SLOW_MS)
    const chosen = quick.length === 0 ? reaching : quick
    let count = 0
    for (const test of chosen) {
      count += 1
      Object.assign(namespace, { activeMutant: activeMutant.id, hitCount: 0, hitLimit })
      const failure = await failureOf(test, limitOf(test))
      const isEndless = hitLimit !== undefined && (namespace.hitCount ?? 0) > hitLimit
      Object.assign(namespace, {
        activeMutant: undefined,
        hitCount: undefined,
        hitLimit: undefined,
      })
      if (failure === undefined && !isEndless) continue
      if (failure === ENDLESS || isEndless) {
        spent = true
        return {
          status: 'timeout',
          reason: isEndless ? 'it turns without end' : 'a test does not end',
        }
      }
      spent = (await failureOf(test, limitOf(test))) !== undefined
      if (spent) throw new Error(`${test.id} fails without the mutant too`)
      return {
        status: 'killed',
        killedBy: [test.id],
        failureMessage: told(failure),
        nrOfTests: count,
      }
    }
    return { status: 'survived', nrOfTests: count }
  },
}

/** A mutant that signals whom it should not must not end the one who tries it. */
function sparing(spared: readonly number[]): void {
  const kill = process.kill.bind(process)
  process.kill = (pid, signal) => {
    if (signal === 0 || !spared.includes(pid)) return kill(pid, signal)
    throw Object.assign(new Error(`kill ESRCH: ${pid} is spared`), { code: 'ESRCH' })
  }
}

const ENDLESS = Symbol('a test that does not end')

function tookMs({ id }: Declared): number {
  return durations[id] ?? 0
}

function limitOf(test: Declared): number {
  return 3000 + 10 * tookMs(test)
}

async function failureOf(test: Declared, limitMs: number): Promise<unknown> {
  namespace.currentTestId = test.id
  uncaught.length = 0
  let timer: NodeJS.Timeout | undefined
  const late = new Promise((done) => {
    timer = setTimeout(done, limitMs, ENDLESS)
  })
  const failure = await Promise.race([
    late,
    test.body().then(
      () => undefined,
      (failure: unknown) => failure ?? new Error('it failed with nothing'),
    ),
  ])
  clearTimeout(timer)
  namespace.currentTestId = undefined
  return failure ?? uncaught[0]
}

function told(failure: unknown): string {
  return failure instanceof Error
    ? `${failure.name}: ${failure.message}`.slice(0, 1000)
    : String(failure)
}

const factory = (): typeof runner => runner
factory.inject = []

/** What Stryker looks for in a plugin. */
export const strykerPlugins = [{ kind: 'TestRunner', name: 'in-process', factory }]
