import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { UsageError } from '../core/errors.ts'
import type { Invocation } from '../core/invocation.ts'
import { runtimeOf } from '../core/runtime.ts'
import { terminalFor } from '../core/terminal.ts'
import { simulateAzure } from './azure.ts'
import { playManagedIdentity, playWorkloadIdentity } from './azure-scenes.ts'
import { startConjur } from './conjur.ts'
import { openJwtScene, playJwtScene } from './jwt-scene.ts'
import { keepRunning, type Typed } from './keep.ts'
import { SERVICE_ACCOUNT, simulateKubernetes } from './kubernetes.ts'
import { makePlace } from './place.ts'
import { DECLARES, POLICY, someValues, valuesFile } from './policy.ts'
import type { Running } from './running.ts'
import { createScreen, type Screen } from './screen.ts'
import type { Stage } from './stage.ts'
import { StepFailed } from './until.ts'
import { seconds } from './words.ts'

const TOKEN_LIFE_SECONDS = 20
/** What a server gives where nobody shortens it. */
const USUAL_LIFE_SECONDS = 480

/**
 * `conjur-agent demo`: devserver, simulated platforms and the agent, each seen at work. Everything
 * that was started is stopped and removed again, however it ends. 0 at the end or when asked to
 * end; 1 where something did not come true.
 */
export async function start({ flags, environment }: Invocation): Promise<number> {
  if (flags['once'] === true && flags['keep'] === true) {
    throw new UsageError('USAGE', 'demo takes --once or --keep, not both', {
      hint: 'conjur-agent demo --keep leaves everything running until Ctrl-C',
    })
  }
  const screen = screenOf(flags, environment)
  const stop = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => stop.abort(new Error('asked to end')))
  }
  const started: Running[] = []
  const ends: (() => Promise<unknown>)[] = []
  try {
    const stage = await setUp(screen, { environment, started, ends, signal: stop.signal })
    const typed = typedAs(environment)
    if (flags['keep'] === true) await keepRunning(stage, await openJwtScene(stage), typed)
    else await playAll(stage, typed)
    return 0
  } catch (error) {
    if (stop.signal.aborted) return 0
    tellFailure(screen, error, started)
    return 1
  } finally {
    for (const running of started.toReversed()) await running.stop()
    for (const end of ends.toReversed()) await end()
  }
}

function screenOf(flags: Invocation['flags'], environment: Invocation['environment']): Screen {
  const { stderr } = process
  const surroundings = {
    isTerminal: stderr.isTTY,
    columns: stderr.columns,
    environment,
    color: flags['color'],
  }
  return createScreen(terminalFor(surroundings), (text) => void stderr.write(text))
}

interface Surroundings {
  readonly environment: Invocation['environment']
  /** Every process that is started. */
  readonly started: Running[]
  /** What is to be done at the end, the last first. */
  readonly ends: (() => Promise<unknown>)[]
  readonly signal: AbortSignal
}

async function setUp(screen: Screen, surroundings: Surroundings): Promise<Stage> {
  const { environment, started, ends, signal } = surroundings
  const place = await makePlace(environment)
  const { directory } = place
  ends.push(() => rm(directory, { recursive: true, force: true }))
  screen.line(
    `everything below runs on this machine and is gone afterwards; lifetimes are shortened ${USUAL_LIFE_SECONDS / TOKEN_LIFE_SECONDS}-fold`,
  )
  if (!place.inMemory)
    screen.line(`no memory file system here: the volume is on disk in ${directory}`)
  const kubernetes = await simulateKubernetes()
  ends.push(() => kubernetes.close())
  const azure = await simulateAzure(kubernetes)
  ends.push(() => azure.close())
  const values = someValues()
  const policyFile = join(directory, 'policy.yml')
  const variables = join(directory, 'variables.json')
  await writeFile(policyFile, POLICY)
  await writeFile(variables, valuesFile(values, { kubernetes, azure }), { mode: 0o600 })
  const common = {
    program: runtimeOf(process).program,
    // What the devserver keeps for itself goes into the same directory.
    environment: { PATH: environment['PATH'] ?? '', TMPDIR: directory },
    started: (running: Running) => void started.push(running),
    signal,
  }
  const conjur = await screen.waiting(
    'starting the devserver',
    startConjur({
      ...common,
      policyFile,
      valuesFile: variables,
      caFile: join(directory, 'ca.pem'),
      tokenLifeSeconds: TOKEN_LIFE_SECONDS,
    }),
  )
  screen.done(
    'Conjur',
    `devserver on ${conjur.url}, ready in ${seconds(conjur.readyMs)}: ${DECLARES}`,
  )
  screen.done('platform', `simulated; issues a token for ${SERVICE_ACCOUNT}`)
  return { ...common, screen, conjur, kubernetes, azure, values, directory }
}

/** How the reader started us, for the lines to type next. */
function typedAs(environment: Invocation['environment']): Typed {
  return environment['npm_lifecycle_event'] === 'demo'
    ? { demo: 'npm run demo --', program: 'node dist/main.js' }
    : { demo: 'conjur-agent demo', program: 'conjur-agent' }
}

async function playAll(stage: Stage, { demo }: Typed): Promise<void> {
  await playJwtScene(stage, await openJwtScene(stage))
  await playManagedIdentity(stage)
  await playWorkloadIdentity(stage)
  stage.screen.line()
  stage.screen.next(`left running: ${demo} --keep`)
  stage.screen.next('in a cluster, 10 min: docs/quickstart-kubernetes.md')
}

const LAST_LINES = 6

/** What did not come true, and the last words of the processes; their logs hold no value. */
function tellFailure(screen: Screen, error: unknown, started: readonly Running[]): void {
  const details = started
    .slice(-2)
    .flatMap(({ name, stderr }) => stderr.slice(-LAST_LINES).map((line) => `${name}: ${line}`))
  if (error instanceof StepFailed) screen.failed(error.step, error.message, details)
  else screen.failed('demo', error instanceof Error ? error.message : 'it failed', details)
}
