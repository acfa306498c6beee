import type { AgentError } from '../core/errors.ts'
import type { Published } from '../outputs/output.ts'
import { elapsedSince, type Clock } from './clock.ts'
import type { Report } from './cycle.ts'
import type { NextPass } from './loop.ts'

/** What the agent says of itself, without a value: written after every pass, served at /status. Times are RFC 3339. */
export interface StatusDocument {
  readonly schema: 'conjur-agent/status/v1'
  readonly mode: string
  readonly startedAt: string
  readonly writtenAt: string
  /** Whether every output was published and nothing is expired. */
  readonly ready: boolean
  /** Why not; empty if ready. */
  readonly reasons: readonly string[]
  /** When the next pass is due; absent after the last. A time long gone means that the loop stands still. */
  readonly nextPassAt?: string
  readonly accessToken?: {
    readonly login: string
    readonly lifetimeSeconds: number
    readonly expiresAt: string
    readonly renewsAt?: string
  }
  readonly outputs: readonly OutputStatus[]
  readonly lastError?: Failure & { readonly at: string; readonly attempt: number }
}

export interface OutputStatus {
  readonly name: string
  readonly kind: string
  readonly values: number
  /** fresh: as Conjur has it · kept: an older state, for the reason given · removed · missing. */
  readonly state: 'fresh' | 'kept' | 'removed' | 'missing'
  readonly changedAt?: string
  readonly checkedAt?: string
  readonly nextAt?: string
  /** From then on it is too old, unless Conjur was looked at again. */
  readonly staleAt?: string
  readonly error?: Failure
}

interface Failure {
  readonly code: string
  readonly message: string
  /** The variable that it is about, if it is about one. */
  readonly variable?: string
}

/** The document before the first pass. */
export function firstStatus(mode: string, now: number): StatusDocument {
  return {
    schema: 'conjur-agent/status/v1',
    mode,
    startedAt: instant(now),
    writtenAt: instant(now),
    ready: false,
    reasons: ['no pass has ended yet'],
    outputs: [],
  }
}

/** The document of a replica that does no work: no pass is due, and it is ready unless there are reasons. */
export function standbyStatus(
  { schema, mode, startedAt }: StatusDocument,
  { now, reasons }: { readonly now: number; readonly reasons: readonly string[] },
): StatusDocument {
  const ready = reasons.length === 0
  return { schema, mode, startedAt, writtenAt: instant(now), ready, reasons, outputs: [] }
}

interface StatusFacts {
  readonly report: Report
  readonly next: NextPass
  readonly clock: Clock
  /** How old an output may be, in milliseconds. */
  readonly staleAfterMs?: (output: string) => number | undefined
  /** Outputs that were kept as they were, and why. */
  readonly kept?: ReadonlyMap<string, AgentError>
  /** Whether there is more to publish than an access token. */
  readonly wantsValues?: boolean
  /** When Conjur was last asked about what stands there of earlier runs. */
  readonly checkedAt?: number | undefined
  /** When what stands there of earlier runs was written, in epoch milliseconds. */
  readonly writtenAt?: (output: Published) => number | undefined
}

/** The document after one more pass. */
export function nextStatus(before: StatusDocument, facts: StatusFacts): StatusDocument {
  const { report, next, clock, staleAfterMs = () => undefined, kept = new Map() } = facts
  const now = clock.now()
  const { held } = report.memory
  const leftMs = held === undefined ? 0 : held.token.lifetimeMs - elapsedSince(held.received, clock)
  const { checkedAt, writtenAt = () => undefined } = facts
  const passed = { report, next, now, staleAfterMs, kept, checkedAt, writtenAt }
  const outputs = nextOutputs(before.outputs, passed)
  const failure = next.retry?.error
  const { wantsValues = true } = facts
  // A token alone is no reason to let an application start that waits for its values.
  const isUntouched = outputs.every(({ kind }) => wantsValues && kind === 'token')
  const reasons = [
    ...(leftMs > 0 ? [] : ['there is no access token that is not expired']),
    ...outputs
      .filter(({ state }) => state === 'missing')
      .map(({ name }) => `${name} was never published`),
    ...(isUntouched && failure !== undefined ? [failure.message] : []),
  ]
  // What failed is past its time; until it is tried again nothing else is done.
  const waits = (
    next.retry === undefined ? [next.valuesInMs, next.renewalInMs] : [next.retry.waitMs]
  ).filter((wait) => wait !== undefined)
  return {
    schema: before.schema,
    mode: before.mode,
    startedAt: before.startedAt,
    writtenAt: instant(now),
    ready: reasons.length === 0,
    reasons,
    ...(waits.length === 0 ? {} : { nextPassAt: instant(now + Math.max(0, Math.min(...waits))) }),
    ...(held === undefined
      ? {}
      : {
          accessToken: {
            login: held.token.login,
            lifetimeSeconds: held.token.lifetimeMs / 1000,
            expiresAt: instant(now + leftMs),
            ...(next.renewalInMs === undefined
              ? {}
              : { renewsAt: instant(now + next.renewalInMs) }),
          },
        }),
    outputs,
    ...(failure === undefined
      ? {}
      : {
          lastError: { ...failureOf(failure), at: instant(now), attempt: next.retry?.attempt ?? 1 },
        }),
  }
}

interface Passed {
  readonly report: Report
  readonly next: NextPass
  readonly now: number
  readonly staleAfterMs: (output: string) => number | undefined
  readonly kept: ReadonlyMap<string, AgentError>
  readonly checkedAt: number | undefined
  readonly writtenAt: (output: Published) => number | undefined
}

function nextOutputs(before: readonly OutputStatus[], passed: Passed): readonly OutputStatus[] {
  const { report, next, now, staleAfterMs, kept, writtenAt } = passed
  const known = new Map(before.map((output) => [output.name, output]))
  const published = new Set<string>()
  const checkedAt = instant(now)
  const dueAt = (dueMs: number | undefined): string | undefined =>
    dueMs === undefined ? undefined : instant(now + dueMs)
  const valuesAt = dueAt(next.retry?.waitMs ?? next.valuesInMs)
  const renewsAt = dueAt(next.renewalInMs)
  for (const output of report.published) {
    const { name, kind, values, state, error: own } = output
    const error = own ?? kept.get(name)
    published.add(name)
    const changed = state === 'written' || state === 'removed'
    const changedAt = changed
      ? checkedAt
      : (known.get(name)?.changedAt ?? optionalInstant(writtenAt(output)))
    const isFresh = (state === 'written' || state === 'same') && error === undefined
    const staleMs = staleAfterMs(name)
    const staleAt =
      isFresh && staleMs !== undefined ? instant(now + staleMs) : known.get(name)?.staleAt
    const nextAt = kind === 'token' ? renewsAt : valuesAt
    known.set(name, {
      name,
      kind,
      values,
      state: isFresh ? 'fresh' : state === 'missing' || state === 'removed' ? state : 'kept',
      ...(changedAt === undefined ? {} : { changedAt }),
      checkedAt,
      ...(nextAt === undefined ? {} : { nextAt }),
      ...(staleAt === undefined ? {} : { staleAt }),
      ...(error === undefined ? {} : { error: failureOf(error) }),
    })
  }
  for (const output of report.standing ?? []) {
    if (!known.has(output.name)) known.set(output.name, standing(output, passed))
  }
  if (report.error === undefined) return [...known.values()]
  // A pass that ended early has not looked at the other outputs: they are as old as they were.
  const error = failureOf(report.error)
  return [...known.values()].map((output) =>
    published.has(output.name) || output.state === 'missing'
      ? output
      : { ...output, state: 'kept', error },
  )
}

/** What an earlier run left is as good as that run found it. */
function standing(
  output: Published,
  { next, now, staleAfterMs, checkedAt, writtenAt }: Passed,
): OutputStatus {
  const { name, kind, values, state } = output
  const changedAt = optionalInstant(writtenAt(output))
  const dueMs = next.retry?.waitMs ?? next.valuesInMs
  const staleMs = staleAfterMs(name)
  return {
    name,
    kind,
    values,
    state: state === 'missing' ? 'missing' : 'fresh',
    ...(changedAt === undefined ? {} : { changedAt }),
    ...(checkedAt === undefined ? {} : { checkedAt: instant(checkedAt) }),
    ...(dueMs === undefined ? {} : { nextAt: instant(now + dueMs) }),
    ...(checkedAt === undefined || staleMs === undefined
      ? {}
      : { staleAt: instant(checkedAt + staleMs) }),
  }
}

function failureOf({ code, message, facts }: AgentError): Failure {
  const { variable } = facts
  return { code, message, ...(typeof variable === 'string' ? { variable } : {}) }
}

function optionalInstant(ms: number | undefined): string | undefined {
  return ms === undefined ? undefined : instant(ms)
}

function instant(ms: number): string {
  return new Date(ms).toISOString()
}
