import type { Logger } from 'pino'
import type { AgentConfig } from '../config/load.ts'
import { VERSION } from '../core/version.ts'
import { findToken } from '../outputs/token-found.ts'
import { assemble, type Assembly, type Surroundings } from './assemble.ts'
import { systemClock } from './clock.ts'
import type { LoopOptions } from './loop.ts'
import { takeOver } from './hand-over.ts'
import { createObserver, type Observer } from './observe.ts'
import type { OnceOptions } from './once.ts'
import type { Tracing } from './traced.ts'
import { unmetOf } from './verdict.ts'
import type { Waking } from './waking.ts'

/** What an engine is made of: one configuration, and what the process was started with. */
export interface EngineParts {
  readonly config: AgentConfig
  readonly environment: Surroundings['environment']
  readonly log: Logger
  /** Set where the agent has slept, and only goes on. */
  readonly waking?: Waking | undefined
}

/** The agent for one configuration, ready to run once or for ever. */
export interface Engine {
  readonly observer: Observer
  readonly assembly: Assembly
  readonly onceOptions: OnceOptions
  /** Of a loop that tells the observer of its passes; `wake`, and what else hears of them, is the caller's. */
  readonly loopOptions: Omit<LoopOptions, 'onPass' | 'wake'>
}

/** Puts the pieces of a configuration under their observer, on the system's clock; traces are made where a collector is named. */
export async function openEngine(parts: EngineParts): Promise<Engine> {
  const { config, log } = parts
  if (config.traces === undefined) return createEngine(parts)
  const { openTracing } = await import('./traced.ts')
  return createEngine(parts, openTracing(config.traces, { config, log }))
}

function createEngine(
  { config, environment, log, waking }: EngineParts,
  tracing: Tracing = UNTRACED,
): Engine {
  const told = createObserver({ config, log, clock: systemClock, version: VERSION, waking })
  const observer: Observer = {
    ...told,
    passed(report, next) {
      told.passed(report, next)
      tracing.passed(report)
    },
  }
  const assembled = assemble(config, {
    clock: systemClock,
    random: Math.random,
    environment,
    identityRetry: (reason, waitMs) => observer.identityRetry(reason, waitMs),
    measured: (operation, send) => tracing.request(operation, observer.measured(operation, send)),
    reloaded: (reloaded) => observer.reloaded(reloaded),
    switched: (change) => observer.switched(change),
  })
  return {
    observer,
    assembly: tracing.pieces(assembled),
    onceOptions: {
      retryCountLimit: config.retry.countLimit,
      retryIntervalMs: config.retry.intervalMs,
      random: Math.random,
      unmet: unmetOf(config, 'any value'),
      onPass: (report, retry) =>
        observer.passed(report, { retry, valuesInMs: undefined, renewalInMs: undefined }),
    },
    loopOptions: {
      refreshIntervalMs: config.refreshIntervalMs,
      retryIntervalMs: config.retry.intervalMs,
      renewAfterMs: config.conjur.renewAfterMs,
      random: Math.random,
      unmet: unmetOf(config),
      handOver(receivedAt) {
        const found = findToken(config.accessTokenFile)
        if (found === undefined) return undefined
        const { login } = config.conjur
        const handOver = takeOver(found, { login, clock: systemClock, receivedAt })
        observer.handedOver(handOver)
        return 'held' in handOver ? handOver.held : undefined
      },
    },
  }
}

const UNTRACED: Tracing = {
  pieces: (assembly) => assembly,
  request: (_operation, send) => send,
  passed: () => undefined,
}
