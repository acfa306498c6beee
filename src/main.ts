import { writeFileSync } from 'node:fs'
import { parseArguments } from './cli/args.ts'
import type { CommandName } from './cli/commands.ts'
import { report } from './cli/report.ts'
import { exitCode } from './core/exit-code.ts'
import type { Invocation } from './core/invocation.ts'
import { runtimeOf } from './core/runtime.ts'

/**
 * The front door: one command line → one wing, loaded only when it is asked for → one exit code.
 * Signals and the environment are the wings' affair; here nothing is decided but where to go.
 */
async function main(): Promise<number> {
  const invocation = parseArguments(process.argv.slice(2), process.env)
  // `exec` sees to it itself: its child inherits what is set here.
  if (invocation.command !== 'exec') hideFromDumps()
  // Whoever reads what is said may leave.
  if (!WITHOUT_STREAM.includes(invocation.command)) process.stderr.on('error', () => undefined)
  const wing = await open(invocation)
  return wing(invocation)
}

/** The agent's log goes without the stream, which takes time to make. */
const WITHOUT_STREAM: readonly CommandName[] = ['run', 'init', 'sidecar', 'exec']

type Wing = (invocation: Invocation) => Promise<number>

async function open(invocation: Invocation<CommandName>): Promise<Wing> {
  switch (invocation.command) {
    case 'run':
    case 'init':
    case 'sidecar':
    case 'exec':
      return (await import('./agent/start.ts')).start
    case 'inject':
    case 'injector':
      return (await import('./injector/start.ts')).start
    case 'status':
    case 'healthcheck':
      return endedBySignals((await import('./cli/status.ts')).status)
    case 'secrets-provided':
    case 'secrets-unchanged':
      return (await import('./cli/helper-scripts.ts')).helperScript
    case 'devserver':
      return (await import('./devserver/start.ts')).start
    case 'demo':
      return (await import('./demo/start.ts')).start
    case 'doctor':
    case 'policy':
    case 'rbac':
      return (await import('./doctor/start.ts')).start
    case 'completion':
      return (await import('./cli/completion.ts')).completion
    case 'man':
      return (await import('./cli/man.ts')).man
    case 'help':
    case 'version':
      return (await import('./cli/help.ts')).help
    default:
      return invocation.command satisfies never
  }
}

/** A wing that only looks: a signal is its good end. */
function endedBySignals(
  look: (invocation: Invocation, onEnd: (end: () => void) => void) => Promise<number>,
): Wing {
  return (invocation) =>
    look(invocation, (end) => {
      for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, end)
    })
}

// Whatever goes wrong outside the wing's own promise: Node would print it with all it carries (P2).
process.on('uncaughtException', fail)

// What holds secrets in its memory shows that memory to nobody (P2). Node would open its inspector at
// SIGUSR1 if nobody listened, and put the environment into a report of a fatal error.
process.on('SIGUSR1', () => undefined)
process.report.excludeEnv = true

const runtime = runtimeOf(process)

// Not awaited: the build makes CommonJS of this, which Node loads in half the time.
main().then(leave, fail)

function fail(error: unknown): never {
  process.stderr.write(report(error))
  leave(exitCode(error))
}

/** A core dump would hold all of the memory; its filter is what a process may set of it by a file. */
function hideFromDumps(): void {
  try {
    writeFileSync('/proc/self/coredump_filter', '0')
  } catch {
    // No Linux, or a /proc that may not be written: dumps are as the machine has them.
  }
}

/**
 * Ends the process now (P7). Not by running out of work: a handshake that hangs would keep it. Nor by
 * `exit` where a signal cut the work short, which sets `exitCode`: a thread may be waiting for a name
 * server or a file, and `exit` waits for the thread. The process then becomes one that only ends.
 */
function leave(code: number): never {
  const ending = process.exitCode === undefined ? undefined : runtime.ending(code)
  if (ending !== undefined) process.execve?.(ending[0], ending, {})
  process.exit(code)
}
