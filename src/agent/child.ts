import { spawn, type ChildProcess } from 'node:child_process'
import { constants } from 'node:os'
import { OutputError } from '../core/errors.ts'
import { hideFromDumps } from './dumps.ts'

/** The program that `exec` runs, started anew where its values change. */
export interface Child {
  /** Starts it, or sends it away and starts it again. Throws an OutputError where it cannot be started. */
  run(environment: Readonly<Record<string, string>>): Promise<void>
  signal(name: NodeJS.Signals): void
  /** Resolves when it ended by itself or by a signal that was passed on, with the exit code to give. */
  readonly ended: Promise<number>
}

/** How long a child that is to be started anew may take to end, in milliseconds; then it is killed. */
const GRACE_MS = 10_000

/** Supervises one command: no shell, our own streams, its exit code or 128 + the signal's number. */
export function createChild(command: readonly string[]): Child {
  const [program = '', ...args] = command
  const { promise: ended, resolve: end, reject } = Promise.withResolvers<number>()
  // Whoever waits hears of it; nobody may be waiting yet when a first start fails.
  ended.catch(() => undefined)
  const withDumps = hideFromDumps()
  let current: ChildProcess | undefined
  let replacing = false

  async function start(environment: Readonly<Record<string, string>>): Promise<void> {
    const child = withDumps(() =>
      spawn(program, args, { env: { ...environment }, stdio: 'inherit' }),
    )
    current = child
    child.once('exit', (code, signal) => {
      if (current !== child || replacing) return
      end(code ?? 128 + (signal === null ? 0 : constants.signals[signal]))
    })
    const started = Promise.withResolvers<void>()
    child.once('spawn', () => started.resolve())
    child.once('error', (cause) => started.reject(notStarted(program, cause)))
    await started.promise
  }

  return {
    ended,
    signal: (name) => void current?.kill(name),
    async run(environment) {
      replacing = true
      try {
        await sendAway(current)
        replacing = false
        await start(environment)
      } catch (error) {
        reject(error)
        throw error
      }
    },
  }
}

async function sendAway(child: ChildProcess | undefined): Promise<void> {
  if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
  const gone = new Promise((resolve) => {
    child.once('exit', resolve)
  })
  child.kill('SIGTERM')
  const impatience = setTimeout(() => child.kill('SIGKILL'), GRACE_MS)
  await gone
  clearTimeout(impatience)
}

function notStarted(program: string, cause: Error): OutputError {
  const code = 'code' in cause ? String(cause.code) : 'unknown'
  return new OutputError('OUTPUT_UNWRITABLE', `${program} cannot be started: ${code}`, {
    hint: `command -v ${program} in this container; exec takes a program and its arguments, no shell line`,
    facts: { program, errno: code },
    cause,
  })
}

/** Names that only mean something to the agent; the token file's path is for applications too. */
const OURS =
  /^(CONJUR_(?!AUTHN_TOKEN_FILE$)|JWT_TOKEN_PATH$|CONTAINER_MODE$|SECRETS_DESTINATION$|K8S_SECRETS$)/

/** What a child gets: the agent's own environment less our settings, and the values. */
export function childEnvironment(
  environment: Readonly<Record<string, string | undefined>>,
  values: Iterable<readonly [string, string]>,
): Record<string, string> {
  const rest: Record<string, string> = {}
  for (const [name, value] of Object.entries(environment)) {
    if (value !== undefined && !OURS.test(name)) rest[name] = value
  }
  return { ...rest, ...Object.fromEntries(values) }
}
