import { existsSync } from 'node:fs'
import type { Logger } from 'pino'
import { readGiven } from '../config/given.ts'
import { loadConfig, type AgentConfig } from '../config/load.ts'
import { AgentError } from '../core/errors.ts'
import type { Invocation } from '../core/invocation.ts'
import { checkGroup } from '../outputs/secret-group.ts'
import { createLogger } from '../telemetry/log.ts'
import { assemble } from './assemble.ts'
import { systemClock } from './clock.ts'
import { loop } from './loop.ts'
import { narrator, type Narrator } from './narrate.ts'
import { once } from './once.ts'
import { unmetOf } from './verdict.ts'
import { createWake } from './wake.ts'

/** How long a command may take to end after a signal; what still hangs then is left behind (P7). */
const LAST_MOMENT_MS = 800

/** Runs the agent: settings → pieces → passes; signals in, exit code out. Throws what a report can show. */
export async function start(invocation: Invocation): Promise<number> {
  const { config, files } = await load(invocation)
  const log = createLogger({
    level: config.logLevel,
    destination: process.stderr,
    pretty: process.stderr.isTTY,
  })
  const stop = new AbortController()
  let signalNumber = 0
  const onSignal = (number: number) => () => {
    signalNumber = number
    stop.abort(new Error('asked to end'))
    const code = config.mode === 'sidecar' ? 0 : 128 + number
    setTimeout(() => process.exit(code), LAST_MOMENT_MS).unref()
  }
  process.once('SIGTERM', onSignal(15))
  process.once('SIGINT', onSignal(2))
  try {
    if (config.mode === 'sidecar') {
      await keepFresh(invocation, { config, files, log }, stop.signal)
      log.info({ code: 'STOPPED' }, 'stopped; the last set stays')
    } else {
      await runOnce(config, narrator(log), stop.signal)
    }
    return 0
  } catch (error) {
    if (!stop.signal.aborted) throw error
    return config.mode === 'sidecar' ? 0 : 128 + signalNumber
  }
}

/** A sub-command beats every setting; `run` leaves the mode to them. */
const modes = ['init', 'sidecar'] as const

interface Loaded {
  readonly config: AgentConfig
  readonly files: readonly string[]
}

async function load({ command, flags, environment }: Invocation): Promise<Loaded> {
  const given = await readGiven({ flags, environment })
  const config = await loadConfig({
    ...given,
    mode: modes.find((mode) => mode === command),
    templateExists: existsSync,
    checkGroup,
  })
  return { config, files: given.files }
}

async function runOnce(config: AgentConfig, tell: Narrator, signal: AbortSignal): Promise<void> {
  const assembly = assemble(config, surroundings(tell))
  tell.started(config)
  try {
    await once(
      assembly.stages,
      {
        retryCountLimit: config.retry.countLimit,
        retryIntervalMs: config.retry.intervalMs,
        random: Math.random,
        unmet: unmetOf(config),
        onPass: (report, retry) => tell.passed(report, { retry }),
      },
      signal,
    )
  } finally {
    await assembly.close()
  }
}

/** Runs passes until the signal; a changed configuration starts them anew, a broken one is told and left. */
async function keepFresh(
  invocation: Invocation,
  first: Loaded & { readonly log: Logger },
  signal: AbortSignal,
): Promise<void> {
  const { log } = first
  let { config, files } = first
  const wake = createWake()
  process.on('SIGHUP', () => wake.ring())
  while (!signal.aborted) {
    const reload = new AbortController()
    const either = AbortSignal.any([signal, reload.signal])
    const tell = narrator(log)
    const assembly = assemble(config, surroundings(tell))
    tell.started(config)
    let next: Loaded | undefined
    const reconsider = async (): Promise<void> => {
      try {
        const found = await load(invocation)
        if (JSON.stringify(found.config) === JSON.stringify(config)) return wake.ring()
        next = found
        reload.abort(new Error('the configuration changed'))
      } catch (error) {
        if (!(error instanceof AgentError)) throw error
        const told = { code: error.code, problems: error.lines, hint: error.hint }
        log.error(told, `${error.message}; the old configuration stays`)
      }
    }
    const { watched } = assembly.stages.identity
    const hear = { wake: () => wake.ring(), reconsider }
    const unwatch = await watch({ config, files, watched, log }, hear)
    try {
      await loop(
        assembly.stages,
        {
          refreshIntervalMs: config.refreshIntervalMs,
          retryIntervalMs: config.retry.intervalMs,
          renewAfterMs: config.conjur.renewAfterMs,
          random: Math.random,
          unmet: unmetOf(config),
          onPass: (report, facts) => tell.passed(report, facts),
          wake,
        },
        either,
      )
    } catch (error) {
      if (!either.aborted) throw error
    } finally {
      await Promise.all([unwatch(), assembly.close()])
    }
    if (next !== undefined) ({ config, files } = next)
  }
}

interface Watched extends Loaded {
  /** Where the platform token comes from, where that is a file. */
  readonly watched: readonly string[]
  readonly log: Logger
}

interface Watching {
  readonly wake: () => void
  readonly reconsider: () => Promise<void>
}

/** Watches what a pass reads: configuration, annotations, CA, platform token and templates. */
async function watch(
  { config, files, watched, log }: Watched,
  { wake, reconsider }: Watching,
): Promise<() => Promise<void>> {
  const { watchFiles } = await import('./watch.ts')
  const { ca } = config.conjur
  const read = [
    ...watched,
    ...(ca !== undefined && 'file' in ca ? [ca.file] : []),
    ...config.groups.flatMap(({ template }) =>
      template !== undefined && 'file' in template ? [template.file] : [],
    ),
  ]
  return watchFiles([...files, ...read], {
    onChange: (path) => {
      if (read.includes(path)) wake()
      else void reconsider()
    },
    onFailure: (error) => log.warn({ code: 'WATCH_FAILED' }, `${error.message}; the timer goes on`),
  })
}

function surroundings(tell: Narrator): Parameters<typeof assemble>[1] {
  return {
    clock: systemClock,
    random: Math.random,
    onIdentityRetry: (reason, waitMs) => tell.identityRetry(reason, waitMs),
  }
}
