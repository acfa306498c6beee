import type { Logger } from 'pino'
import type { AgentConfig } from '../config/load.ts'
import { UsageError } from '../core/errors.ts'
import { VERSION } from '../core/version.ts'
import { environmentOutput, type EnvironmentOutput } from '../outputs/environment.ts'
import { assemble, type Surroundings } from './assemble.ts'
import { childEnvironment, createChild, type Child } from './child.ts'
import { systemClock } from './clock.ts'
import { loop } from './loop.ts'
import { createObserver } from './observe.ts'
import { once } from './once.ts'
import { unmetOf } from './verdict.ts'
import { createWake } from './wake.ts'

export interface ExecOptions {
  readonly config: AgentConfig
  readonly environment: Surroundings['environment']
  readonly log: Logger
  /** The program and its arguments. */
  readonly command: readonly string[]
  readonly flags: Readonly<Record<string, string | boolean>>
  /** Calls back for every signal that the process gets; yields how to stop listening. */
  readonly onSignal: (handler: (name: NodeJS.Signals) => void) => void
}

/** What happens to the child when a value changes. */
type OnChange = 'restart' | 'nothing' | NodeJS.Signals

/**
 * Runs a program with the values in its environment, keeps them fresh, and ends with its exit code.
 *
 * It starts only when every required value is there. All signals are the child's: the agent ends
 * when the child does, and leaves one that ignores SIGTERM to the platform.
 */
export async function execute(options: ExecOptions): Promise<number> {
  const { config, environment, log, command, flags } = options
  const [program] = command
  if (program === undefined) {
    throw new UsageError('USAGE', 'exec has no program to run', {
      hint: 'write it after two dashes: conjur-agent exec -- /bin/app --its-own-flags',
    })
  }
  const onChange = changeOf(flags['on-change'])
  const stop = new AbortController()
  const child = createChild(command)
  let running = false
  let code = 0
  options.onSignal((name) => {
    if (running) child.signal(name)
    else if (name === 'SIGTERM' || name === 'SIGINT') {
      code = name === 'SIGTERM' ? 143 : 130
      stop.abort(new Error('asked to end'))
    }
  })
  const values = environmentOutput({
    groups: config.groups,
    prefix: typeof flags['prefix'] === 'string' ? flags['prefix'] : '',
    nameCase: flags['case'] === 'keep' ? 'keep' : 'upper',
  })
  const run = (): Promise<void> => {
    const texts = [...values.current()].map(([name, value]) => [name, value.text()] as const)
    return child.run(childEnvironment(environment, texts))
  }
  const observer = createObserver({ config, log, clock: systemClock, version: VERSION })
  const assembly = assemble(config, {
    clock: systemClock,
    random: Math.random,
    environment,
    identityRetry: (reason, waitMs) => observer.identityRetry(reason, waitMs),
    measured: (operation, send) => observer.measured(operation, send),
    reloaded: (reloaded) => observer.reloaded(reloaded),
  })
  const stages = { ...assembly.stages, outputs: [values] }
  try {
    const memory = await once(
      stages,
      {
        retryCountLimit: config.retry.countLimit,
        retryIntervalMs: config.retry.intervalMs,
        random: Math.random,
        unmet: unmetOf(config, 'any value'),
        onPass: (report, retry) =>
          observer.passed(report, { retry, valuesInMs: undefined, renewalInMs: undefined }),
      },
      stop.signal,
    )
    await run()
    running = true
    if (flags['once'] === true) return await child.ended
    const keeping = loop(
      stages,
      {
        memory,
        refreshIntervalMs: config.refreshIntervalMs,
        retryIntervalMs: config.retry.intervalMs,
        renewAfterMs: config.conjur.renewAfterMs,
        random: Math.random,
        unmet: unmetOf(config),
        onPass(report, next) {
          observer.passed(report, next)
          if (hasChanged(values, report.published)) {
            tell({ child, onChange, log, run })
          }
        },
        wake: createWake(),
      },
      stop.signal,
    ).catch((error: unknown) => {
      if (!stop.signal.aborted) throw error
    })
    const ended = await Promise.race([child.ended, keeping.then(() => child.ended)])
    stop.abort(new Error('the child ended'))
    return ended
  } catch (error) {
    if (stop.signal.aborted && !running) return code
    throw error
  } finally {
    await assembly.close()
  }
}

function hasChanged(
  { name }: EnvironmentOutput,
  published: readonly { readonly name: string; readonly state: string }[],
): boolean {
  return published.some((output) => output.name === name && output.state === 'written')
}

interface Telling {
  readonly child: Child
  readonly onChange: OnChange
  readonly log: Logger
  readonly run: () => Promise<void>
}

function tell({ child, onChange, log, run }: Telling): void {
  log.info({ code: 'CHILD_TOLD', onChange }, 'a value changed')
  if (onChange === 'nothing') return
  if (onChange !== 'restart') return child.signal(onChange)
  // A failed start settles `ended`, which is where it is heard.
  run().catch(() => undefined)
}

const SIGNALS = [
  'SIGHUP',
  'SIGINT',
  'SIGQUIT',
  'SIGTERM',
  'SIGUSR1',
  'SIGUSR2',
  'SIGWINCH',
] as const

function changeOf(flag: string | boolean | undefined): OnChange {
  if (flag === undefined || flag === 'restart') return 'restart'
  if (flag === 'nothing') return 'nothing'
  const signal = SIGNALS.find((name) => name === flag || name === `SIG${String(flag)}`)
  if (signal !== undefined) return signal
  throw new UsageError('USAGE', `--on-change ${String(flag)} is no way to tell a child`, {
    hint: `write restart, nothing, or one of ${SIGNALS.join(', ')}`,
  })
}
