import type { Logger } from 'pino'
import { UsageError } from '../core/errors.ts'
import { environmentOutput, type EnvironmentOutput } from '../outputs/environment.ts'
import { childEnvironment, createChild, type Child } from './child.ts'
import { openEngine, type EngineParts } from './engine.ts'
import { loop } from './loop.ts'
import { once } from './once.ts'
import { createWake } from './wake.ts'

export interface ExecOptions extends EngineParts {
  /** The program and its arguments. */
  readonly command: readonly string[]
  readonly flags: Readonly<Record<string, string | boolean>>
  /** Calls back for every signal of {@link PASSED_ON} that the process gets. */
  readonly onSignal: (handler: (name: NodeJS.Signals) => void) => void
  /** Told of a signal that comes before there is a child, and of the exit code that it means. */
  readonly onCutShort: (code: number) => void
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
      options.onCutShort(code)
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
  const { observer, assembly, onceOptions, loopOptions } = await openEngine({
    config,
    environment,
    log,
  })
  const stages = { ...assembly.stages, outputs: [values] }
  try {
    const memory = await once(stages, onceOptions, stop.signal)
    await run()
    running = true
    if (flags['once'] === true) return await child.ended
    const keeping = loop(
      stages,
      {
        ...loopOptions,
        memory,
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

/** Signals that the child gets in the agent's place, and those that can tell it of a change. */
export const PASSED_ON = [
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
  const signal = PASSED_ON.find((name) => name === flag || name === `SIG${String(flag)}`)
  if (signal !== undefined) return signal
  throw new UsageError('USAGE', `--on-change ${String(flag)} is no way to tell a child`, {
    hint: `write restart, nothing, or one of ${PASSED_ON.join(', ')}`,
  })
}
