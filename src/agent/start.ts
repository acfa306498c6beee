import { existsSync, fstatSync } from 'node:fs'
import { setImmediate as turn } from 'node:timers/promises'
import type { Logger } from 'pino'
import { readGiven } from '../config/given.ts'
import { loadConfig, type AgentConfig } from '../config/load.ts'
import { AgentError, ConfigError } from '../core/errors.ts'
import type { Invocation } from '../core/invocation.ts'
import { runtimeOf } from '../core/runtime.ts'
import { standardError } from '../core/standard-error.ts'
import { checkGroup } from '../outputs/check-groups.ts'
import { createLogger } from '../telemetry/log.ts'
import { systemClock } from './clock.ts'
import { openEngine } from './engine.ts'
import type { LeadOptions } from './leader.ts'
import { loop } from './loop.ts'
import type { Observer } from './observe.ts'
import { once } from './once.ts'
import { findShell, unfitToHibernate } from './shell.ts'
import { createWake, type Wake } from './wake.ts'
import { parseWaking, WAKING, type Waking } from './waking.ts'
import { watchInputs, watchMaps } from './inputs.ts'

/** How long a command may take to end after a signal; what still hangs then is left behind (P7). */
const LAST_MOMENT_MS = 500

/** Runs the agent: settings → pieces → passes; signals in, exit code out. Throws what a report can show. */
export async function start(invocation: Invocation): Promise<number> {
  if (invocation.command === 'exec') return superviseChild(invocation)
  // Heard from the first moment on: to the first process of a container a signal without a handler
  // is as good as none, and elsewhere a SIGHUP would end it.
  const stop = new AbortController()
  const wake = createWake()
  const lastMoment = Promise.withResolvers<number>()
  let mode = modes[invocation.command]
  let signalNumber = 0
  const isLasting = (): boolean => mode === 'sidecar' || mode === 'standalone'
  const endCode = (): number => (isLasting() ? 0 : 128 + signalNumber)
  const onEnd = (number: number) => () => {
    if (stop.signal.aborted) return
    signalNumber = number
    process.exitCode = endCode()
    stop.abort(new Error('asked to end'))
    setTimeout(() => lastMoment.resolve(endCode()), LAST_MOMENT_MS)
  }
  process.on('SIGTERM', onEnd(15))
  process.on('SIGINT', onEnd(2))
  process.on('SIGHUP', () => wake.ring())
  const told = invocation.environment[WAKING]
  const waking = parseWaking(told)
  const work = async (): Promise<number> => {
    const loaded = await load(invocation)
    mode = loaded.config.mode
    const log = loggerOf(loaded.config)
    if (isLasting()) {
      const last = await keepFresh(invocation, { ...loaded, log, wake }, stop.signal)
      if (last !== undefined)
        return sleep(last, { waking, wake, isBelowShell: told !== undefined }, stop.signal)
      log.info({ code: 'STOPPED' }, 'stopped; the last set stays')
    } else {
      await runOnce({ ...loaded, log }, stop.signal)
    }
    return 0
  }
  try {
    return await Promise.race([work(), lastMoment.promise])
  } catch (error) {
    if (stop.signal.aborted) return endCode()
    if (waking === undefined || !(error instanceof ConfigError)) throw error
    return sleepOver(error, waking)
  }
}

async function superviseChild(invocation: Invocation): Promise<number> {
  const loaded = await load(invocation)
  const log = loggerOf(loaded.config)
  if (loaded.config.idle === 'hibernate') {
    log.info({ code: 'CONFIG_NOTE' }, 'exec stays with its program: idle hibernate has no effect')
  }
  const { execute, PASSED_ON } = await import('./exec.ts')
  const onSignal = (handler: (name: NodeJS.Signals) => void): void => {
    for (const name of PASSED_ON) process.on(name, () => handler(name))
  }
  const lastMoment = Promise.withResolvers<number>()
  const onCutShort = (code: number): void => {
    process.exitCode = code
    setTimeout(() => lastMoment.resolve(code), LAST_MOMENT_MS)
  }
  const { positionals: command, flags } = invocation
  const executed = execute({ ...loaded, log, command, flags, onSignal, onCutShort })
  return Promise.race([executed, lastMoment.promise])
}

function loggerOf({ logLevel: level }: Pick<AgentConfig, 'logLevel'>): Logger {
  const destination = standardError(() => process.stderr.on('error', () => undefined))
  // A pipe, which it is in a container, need not be asked: what knows a terminal takes time to load.
  const pretty = fstatSync(2).isCharacterDevice() && process.stderr.isTTY
  return createLogger({ level, destination, pretty })
}

/** A sub-command beats every setting; `run` leaves the mode to them. */
const modes: Readonly<Record<string, AgentConfig['mode']>> = {
  init: 'init',
  sidecar: 'sidecar',
  exec: 'sidecar',
}

/** Flags of commands that are no settings. */
const OWN_FLAGS: readonly string[] = ['on-change', 'prefix', 'case', 'once']

interface Loaded {
  readonly config: AgentConfig
  readonly files: readonly string[]
  /** What the process was started with. */
  readonly environment: Invocation['environment']
}

interface Run extends Loaded {
  readonly log: Logger
}

async function load({ command, flags, environment }: Invocation): Promise<Loaded> {
  const settingFlags = Object.entries(flags).filter(([name]) => !OWN_FLAGS.includes(name))
  const given = await readGiven({ flags: Object.fromEntries(settingFlags), environment })
  const config = await loadConfig({
    ...given,
    mode: modes[command],
    templateExists: existsSync,
    checkGroup,
    unfitToHibernate: command === 'exec' ? () => undefined : unfitToHibernate,
  })
  return { config, files: given.files, environment }
}

async function runOnce(run: Run, signal: AbortSignal): Promise<void> {
  const { assembly, onceOptions } = await openEngine(run)
  try {
    await once(assembly.stages, onceOptions, signal)
  } finally {
    await assembly.close()
  }
}

/**
 * Runs passes until the signal; a changed configuration starts them anew, a broken one is told and
 * left. Yields the configuration of an agent that is to hibernate.
 */
async function keepFresh(
  invocation: Invocation,
  { log, wake, ...first }: Run & { readonly wake: Wake },
  signal: AbortSignal,
): Promise<Run | undefined> {
  let loaded: Loaded | undefined = first
  while (loaded !== undefined && !signal.aborted) {
    if (loaded.config.idle === 'hibernate') return { ...loaded, log }
    loaded = await untilChanged(invocation, { ...loaded, log, wake }, signal)
  }
  return undefined
}

interface Sleeping {
  readonly waking: Waking | undefined
  readonly wake: Wake
  readonly isBelowShell: boolean
}

/**
 * Runs the passes of one waking and goes to sleep: the first time by becoming the shell that sleeps,
 * later by telling that shell, which waits above, for how long.
 */
async function sleep(
  run: Run,
  { waking, wake, isBelowShell }: Sleeping,
  signal: AbortSignal,
): Promise<number> {
  const { sleeper, tellSleeper, untilAsleep } = await import('./hibernate.ts')
  const asleep = await untilAsleep({ ...run, waking }, () => wake.isRung(), signal)
  if (isBelowShell) {
    signal.throwIfAborted()
    return tellSleeper(asleep)
  }
  // A signal that came while files were written would go with this program. It is heard where the loop
  // waits, and the first turn may begin behind that.
  await turn()
  await turn()
  signal.throwIfAborted()
  const plan = wake.isRung() ? { ...asleep, seconds: 0 } : asleep
  const [shell = '', ...args] = sleeper(findShell() ?? '', plan, ownCommand())
  process.execve?.(shell, [shell, ...args], process.env)
  throw new Error('this process cannot become another')
}

/** A configuration that was broken while the agent slept is told, and looked at again after a while. */
async function sleepOver(error: ConfigError, waking: Waking): Promise<number> {
  const { sleepOver: plan, tellSleeper } = await import('./hibernate.ts')
  const asleep = plan(waking, Math.random)
  const log = loggerOf({ logLevel: 'info' })
  const told = { code: error.code, problems: error.lines, hint: error.hint }
  log.error(told, `${error.message}; the last set stays; again in ${asleep.seconds} s`)
  return tellSleeper(asleep)
}

/** The command line by which this very program is started again. */
function ownCommand(): readonly string[] {
  const { program, isExecutable } = runtimeOf(process)
  const [engine, ...script] = program
  const flags = isExecutable ? [] : process.execArgv
  return [engine, ...flags, ...script, ...process.argv.slice(2)]
}

/** Runs passes with one configuration; yields the next one when it has changed, undefined at the end. */
async function untilChanged(
  invocation: Invocation,
  { config, files, environment, log, wake }: Run & { readonly wake: Wake },
  signal: AbortSignal,
): Promise<Loaded | undefined> {
  const changed = new AbortController()
  const either = AbortSignal.any([signal, changed.signal])
  let next: Loaded | undefined
  const reconsider = async (): Promise<void> => {
    const found = await reload(invocation, log)
    if (found === undefined || JSON.stringify(found.config) === JSON.stringify(config)) return
    next = found
    changed.abort(new Error('the configuration changed'))
  }
  const onHangUp = (): void => void reconsider()
  const { observer, assembly, loopOptions } = await openEngine({ config, environment, log })
  const { watched } = assembly.stages.identity
  const unwatch = await watchInputs(
    { config, files, watched, log },
    { wake: () => wake.ring(), reconsider },
  )
  const { kubernetesSecrets } = config
  if (kubernetesSecrets !== undefined) {
    for (const namespace of kubernetesSecrets.namespaces) {
      const { names } = kubernetesSecrets
      void watchMaps({ namespace, names }, { log, onChange: () => wake.ring() }, either)
    }
  }
  process.on('SIGHUP', onHangUp)
  await observer.listen(() => wake.ring())
  let small: (() => void) | undefined
  void import('./small.ts').then(({ staySmall }) => (small = staySmall()))
  const work = (until: AbortSignal): Promise<void> =>
    loop(
      assembly.stages,
      {
        ...loopOptions,
        onPass: (report, facts) => {
          observer.passed(report, facts)
          small?.()
          assembly.reloader.published(report.published, either)
        },
        wake,
      },
      until,
    )
  try {
    await (config.replica === undefined
      ? work(either)
      : leadAnd(config.replica, { log, work, observer }, either))
  } catch (error) {
    if (!either.aborted) throw error
  } finally {
    process.off('SIGHUP', onHangUp)
    await Promise.all([unwatch(), assembly.close(), observer.close()])
  }
  return next
}

interface Work {
  readonly log: Logger
  readonly work: (until: AbortSignal) => Promise<void>
  readonly observer: Observer
}

/** Does the work while this replica holds the Lease of all that run standalone here. */
async function leadAnd(
  { namespace, name }: NonNullable<AgentConfig['replica']>,
  { log, work, observer }: Work,
  signal: AbortSignal,
): Promise<void> {
  const { connect } = await import('../kubernetes/cluster.ts')
  const { leasePort, STANDALONE_LEASE } = await import('../kubernetes/lease.ts')
  const { whileLeading } = await import('./leader.ts')
  const lease = leasePort(await connect(), { namespace, name: STANDALONE_LEASE })
  const onChange: LeadOptions['onChange'] = (state) => {
    log.info({ code: 'LEASE', state }, `${state} by the Lease`)
    if (state !== 'leading') observer.standsBy(state)
  }
  await whileLeading({ lease, identity: name, clock: systemClock, onChange }, work, signal)
}

async function reload(invocation: Invocation, log: Logger): Promise<Loaded | undefined> {
  try {
    return await load(invocation)
  } catch (error) {
    if (!(error instanceof AgentError)) throw error
    const told = { code: error.code, problems: error.lines, hint: error.hint }
    log.error(told, `${error.message}; the old configuration stays`)
    return undefined
  }
}
