import { existsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { Logger } from 'pino'
import type { AgentConfig } from '../config/load.ts'
import { AgentError, type IdentityError } from '../core/errors.ts'
import type { HttpRequest, Send } from '../core/http.ts'
import { SendFailure } from '../core/http.ts'
import { Secret } from '../core/secret.ts'
import type { Switch } from '../net/followers.ts'
import { holding } from '../outputs/held-directory.ts'
import type { Published } from '../outputs/output.ts'
import type { Reloaded } from '../outputs/reload.ts'
import { groupPaths } from '../outputs/secret-group.ts'
import { statusFiles, type StatusFiles } from '../outputs/status-files.ts'
import { replaceFile } from '../outputs/volume-write.ts'
import { elapsedSince, type Clock } from './clock.ts'
import type { Report } from './cycle.ts'
import type { HandOver } from './hand-over.ts'
import { liveness, readiness } from './health.ts'
import type { NextPass } from './loop.ts'
import { createMeasures, UNMEASURED } from './measures.ts'
import { narrator } from './narrate.ts'
import { tellPlaces } from './places.ts'
import { firstStatus, nextStatus, standbyStatus } from './status.ts'
import { keptOf } from './verdict.ts'
import type { Waking } from './waking.ts'

/** Everyone who is told what the agent does: log, metrics, status document, status server. */
export interface Observer {
  passed(report: Report, next: NextPass): void
  /** Another replica does the work, or nobody knows who does. */
  standsBy(state: 'following' | 'unknown'): void
  identityRetry(reason: IdentityError, waitMs: number): void
  /** What became of the access token that an earlier process left. */
  handedOver(handOver: HandOver): void
  reloaded(reloaded: Reloaded): void
  switched(change: Switch): void
  /** The same Send, its requests counted and timed under a name. */
  measured(operation: string, send: Send): Send
  /** Opens the ports that are asked for; one that cannot be had is a warning. `refresh` is what POST /refresh does. */
  listen(refresh: () => void): Promise<void>
  close(): Promise<void>
}

export interface ObserverOptions {
  readonly config: AgentConfig
  readonly log: Logger
  readonly clock: Clock
  readonly version: string
  /** Set where the agent has slept: what it said at its start it does not say again. */
  readonly waking?: Waking | undefined
}

export function createObserver({ config, log, clock, version, waking }: ObserverOptions): Observer {
  const tell = narrator(log, { hasSlept: waking !== undefined })
  const isLasting = config.mode === 'sidecar' || config.mode === 'standalone'
  const measures = isLasting ? createMeasures({ version, mode: config.mode }) : UNMEASURED
  let status = firstStatus(config.mode, waking?.startedAt ?? clock.now())
  const incumbent = statusFiles(config.statusDirectory)
  const servers: Closable[] = []
  const ages = new Map(
    config.groups.flatMap((group) =>
      group.staleAfterMs === undefined
        ? []
        : groupPaths(group).map((path) => [path, group.staleAfterMs] as const),
    ),
  )
  const staleAfterMs = (output: string): number | undefined => ages.get(output)
  const whyKept = keptOf(config)
  const checkedAt = waking?.checkedAt
  const wantsValues = config.groups.length > 0 || config.kubernetesSecrets !== undefined
  tell.started(config)
  if (waking === undefined) tellPlaces(config, log)
  return {
    passed(report, next) {
      const kept = whyKept(report)
      const earlier = { checkedAt, writtenAt: (output: Published) => writtenAt(config, output) }
      const facts = { report, next, clock, staleAfterMs, kept, wantsValues, ...earlier }
      status = nextStatus(status, facts)
      tell.passed(report, { ...next, kept })
      const { held } = report.memory
      measures.passed(report, {
        refreshIntervalMs: config.refreshIntervalMs,
        now: clock.now(),
        expiresAt:
          held === undefined
            ? undefined
            : clock.now() + held.token.lifetimeMs - elapsedSince(held.received, clock),
      })
      writeStatus(config.statusDirectory, status, log)
      if (isProvided(report)) noteProvided(incumbent, report, log)
    },
    standsBy(state) {
      const reasons = state === 'following' ? [] : ['the Lease cannot be reached']
      status = standbyStatus(status, { now: clock.now(), reasons })
      writeStatus(config.statusDirectory, status, log)
    },
    identityRetry: (reason, waitMs) => tell.identityRetry(reason, waitMs),
    handedOver: (handOver) => tell.handedOver(handOver),
    reloaded(reloaded) {
      tell.reloaded(reloaded)
      measures.reloaded(reloaded)
    },
    switched: (change) => tell.switched(change),
    measured: (operation, send) => async (request) => {
      const started = clock.monotonic()
      const done = (result: string): void =>
        measures.requested({
          operation,
          status: result,
          seconds: (clock.monotonic() - started) / 1000,
        })
      return observed(send, request, done)
    },
    async listen(refresh) {
      const { statusListen, metricsListen } = config
      if (statusListen === 'off' && metricsListen === 'off') return
      const { serveMetrics, serveStatus } = await import('../telemetry/status-server.ts')
      const text = (): string => measures.text()
      if (statusListen !== 'off') {
        const sources = {
          live: () => liveness(status, clock.now()),
          ready: () => readiness(status, clock.now()),
          status: () => status,
          metrics: text,
          refresh,
        }
        await open(() => serveStatus(statusListen, sources))
      }
      if (metricsListen !== 'off') await open(() => serveMetrics(metricsListen, text))
    },
    async close() {
      await Promise.all(servers.map((server) => server.close()))
    },
  }

  /** A port that cannot be had is a warning, never an end. */
  async function open(serve: () => Promise<Closable>): Promise<void> {
    try {
      servers.push(await serve())
    } catch (error) {
      const why = error instanceof Error ? error.message : 'the port cannot be had'
      log.warn({ code: 'STATUS_PORT', why }, 'not served there; the status document goes on')
    }
  }
}

/** When a file that an earlier run left was written. */
function writtenAt(config: AgentConfig, { name, kind }: Published): number | undefined {
  const path = kind === 'token' ? config.accessTokenFile.path : join(config.secretsDirectory, name)
  try {
    return statSync(path, { throwIfNoEntry: false })?.mtimeMs
  } catch {
    // Only what is shown: whatever keeps us from looking is told where it matters.
    return undefined
  }
}

interface Closable {
  readonly close: () => Promise<void>
}

/** Whether a pass left everything published that was asked for. */
function isProvided({ error, outputErrors, published }: Report): boolean {
  const files = published.filter(({ kind }) => kind !== 'token')
  const isWhole = files.every((file) => file.state !== 'missing' && file.error === undefined)
  return error === undefined && outputErrors.length === 0 && files.length > 0 && isWhole
}

/** Keeps the incumbent's status files; where they cannot be written the secrets go on. */
function noteProvided(files: StatusFiles, { published }: Report, log: Logger): void {
  const changed = published.some(
    ({ kind, state }) => kind !== 'token' && (state === 'written' || state === 'removed'),
  )
  try {
    files.provided({ changed })
  } catch (error) {
    if (!(error instanceof AgentError)) throw error
    log.debug({ code: 'STATUS_FILES', why: error.message }, 'the status files could not be written')
  }
}

async function observed(
  send: Send,
  request: HttpRequest,
  done: (result: string) => void,
): ReturnType<Send> {
  try {
    const reply = await send(request)
    done(String(reply.status))
    return reply
  } catch (error) {
    done(error instanceof SendFailure ? error.kind : 'aborted')
    throw error
  }
}

/** Replaces the status document, where its directory is there. Applications may write beside it: no link is followed. */
function writeStatus(directory: string, status: unknown, log: Logger): void {
  if (!existsSync(directory)) return
  try {
    const content = new Secret(`${JSON.stringify(status)}\n`)
    holding(directory, (held) => replaceFile(held, 'agent.json', { content, mode: 0o644 }))
  } catch (error) {
    const why = error instanceof Error ? error.message : 'unknown'
    log.debug({ code: 'STATUS_DOCUMENT', why }, 'the status document could not be written')
  }
}
