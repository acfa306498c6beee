import type { Logger } from 'pino'
import type { AgentConfig } from '../config/load.ts'
import type { AgentError, IdentityError } from '../core/errors.ts'
import type { Switch } from '../net/followers.ts'
import type { Published } from '../outputs/output.ts'
import type { Reloaded } from '../outputs/reload.ts'
import type { Report } from './cycle.ts'
import type { HandOver } from './hand-over.ts'
import type { NextPass } from './loop.ts'

/** What the log says of a run: one line a fact, each with a stable code; quiet where nothing changed. */
export interface Narrator {
  started(config: AgentConfig): void
  passed(
    report: Report,
    next: Pick<NextPass, 'retry'> & { readonly kept: ReadonlyMap<string, AgentError> },
  ): void
  identityRetry(reason: IdentityError, waitMs: number): void
  handedOver(handOver: HandOver): void
  reloaded(reloaded: Reloaded): void
  switched(change: Switch): void
}

/** So many outputs are named in one line; of the others their number is told. */
const MOST_NAMED = 20

export function narrator(
  log: Logger,
  { hasSlept = false }: { readonly hasSlept?: boolean } = {},
): Narrator {
  // Who goes on after a sleep has said it all before.
  const first = hasSlept ? 'debug' : 'info'

  // What was said last of each output, so that a state is told when it begins, not at every pass.
  const told = new Map<string, string>()
  return {
    started(config) {
      for (const { level, text } of config.notes) {
        log[hasSlept ? 'debug' : level]({ code: 'CONFIG_NOTE' }, text)
      }
      const { authenticator, login, applianceUrl, followers } = config.conjur
      log[first](
        {
          code: 'STARTED',
          mode: config.mode,
          conjur: applianceUrl.host,
          ...(followers.length === 0 ? {} : { followers: followers.map(({ host }) => host) }),
          authenticator: [authenticator.type, authenticator.serviceId].filter(Boolean).join('/'),
          login: login ?? 'named by the token',
          identitySource: config.identity.source.kind,
          reason: config.identity.reason,
        },
        'starting',
      )
    },
    passed(report, { retry, kept }) {
      if (report.isTokenRefused === true) {
        log.info(
          { code: 'TOKEN_REFUSED' },
          'Conjur no longer takes the access token: logging in anew',
        )
      }
      const level = report.loggedIn && !told.has('login') ? first : 'debug'
      if (report.loggedIn) {
        const lifeSeconds = Math.round((report.memory.held?.token.lifetimeMs ?? 0) / 1000)
        log[level](
          { code: 'LOGGED_IN', login: report.memory.held?.token.login, lifeSeconds },
          'access token received',
        )
        told.set('login', 'once')
      }
      const changed = report.published.filter(
        ({ state }) => state === 'written' || state === 'removed',
      )
      const files = changed.filter(({ kind }) => kind !== 'token')
      if (files.length > 0) {
        const outputs = files.slice(0, MOST_NAMED).map((file) => facts(file))
        const more = files.length - outputs.length
        log.info({ code: 'PUBLISHED', outputs, ...(more === 0 ? {} : { more }) }, 'published')
      }
      for (const output of report.published) {
        tellState(log, told, { output, error: output.error ?? kept.get(output.name) })
        tellNotes(log, told, output)
      }
      for (const error of report.outputErrors) log.error(factsOf(error), error.message)
      if (retry === undefined) return
      const { error, attempt, waitMs } = retry
      const line = `${error.message}; again in ${(waitMs / 1000).toFixed(1)} s`
      log.warn({ ...factsOf(error), attempt, waitMs: Math.round(waitMs) }, line)
    },
    handedOver(handOver) {
      if ('held' in handOver && !handOver.isFresh) return
      if ('held' in handOver) {
        const { token } = handOver.held
        const ageSeconds = Math.round(handOver.ageMs / 1000)
        const facts = { code: 'TOKEN_TAKEN_OVER', login: token.login, ageSeconds }
        log[first](facts, 'the access token of the file is fresh and goes on being used')
      } else {
        const facts = { code: 'TOKEN_NOT_TAKEN', why: handOver.why }
        const line = `the access token of the file is not used: ${handOver.why}`
        log[handOver.isOld ? 'debug' : 'info'](facts, line)
      }
    },
    identityRetry(reason, waitMs) {
      const line = `${reason.message}; again in ${(waitMs / 1000).toFixed(1)} s`
      log.warn({ ...factsOf(reason), waitMs: Math.round(waitMs) }, line)
    },
    reloaded({ group, kind, result, what }) {
      const level = result === 'failed' ? 'warn' : 'info'
      log[level]({ code: 'RELOAD', group, kind, result }, `told the application: ${what}`)
    },
    switched({ from, to, why }) {
      const told = { code: 'SERVER_SWITCHED', from, to }
      if (why === undefined) log.info(told, `${to} answers again and is asked from now on`)
      else log.warn({ ...told, why }, `${why}; ${to} is asked from now on`)
    },
  }
}

/** An output, and why it is not as Conjur has it, if it is not. */
interface Told {
  readonly output: Pick<Published, 'name' | 'state'>
  readonly error: AgentError | undefined
}

function tellState(log: Logger, told: Map<string, string>, { output, error }: Told): void {
  const { name, state } = output
  const now = error === undefined ? state : error.code
  const before = told.get(name)
  told.set(name, now)
  if (before === now) return
  if (state === 'missing') {
    log.warn(
      { code: 'OUTPUT_WAITING', output: name },
      'not written yet: a required value is missing',
    )
  } else if (error !== undefined) {
    log.warn({ ...factsOf(error), output: name }, `${name} is kept as it was: ${error.message}`)
  } else if (state === 'kept') {
    log.warn({ code: 'OUTPUT_KEPT', output: name }, 'kept as it was: not every value was to be had')
  }
}

function tellNotes(log: Logger, told: Map<string, string>, { name, notes = [] }: Published): void {
  for (const note of notes) {
    const key = `${name}: ${note}`
    if (!told.has(key)) log.warn({ code: 'OUTPUT_NOTE', output: name }, note)
    told.set(key, 'once')
  }
}

function facts({ name, kind, values, mode, bytes, state }: Published): Record<string, unknown> {
  return {
    name,
    kind,
    values,
    state,
    ...(mode === undefined ? {} : { mode: mode.toString(8) }),
    bytes,
  }
}

function factsOf(error: AgentError): Record<string, unknown> {
  return { code: error.code, ...error.facts, hint: error.hint }
}
