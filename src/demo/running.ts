import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'

/** The words that start this very program; a command line follows them. */
export type Program = readonly [string, ...string[]]

/** A process that the demo started. */
export interface Running {
  readonly name: string
  readonly pid: number
  /** Whole lines so far. */
  readonly stdout: readonly string[]
  readonly stderr: readonly string[]
  /** Set when it has ended: its exit code, or null if a signal ended it. */
  exit(): { readonly code: number | null } | undefined
  /** Resolves when it has ended. */
  readonly ended: Promise<void>
  /** Sends SIGTERM, and SIGKILL where that is not enough; yields the milliseconds until it was gone. */
  stop(): Promise<number>
}

/** What to start, and the whole environment it gets: nothing is inherited. */
export interface Start {
  readonly name: string
  readonly argv: readonly string[]
  readonly environment: Readonly<Record<string, string>>
}

const PATIENCE_MS = 3000

/** Starts this program again as another process. */
export function startProgram(
  [file, ...words]: Program,
  { name, argv, environment }: Start,
): Running {
  const child = spawn(file, [...words, ...argv], {
    env: environment,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const stdout: string[] = []
  const stderr: string[] = []
  createInterface({ input: child.stdout }).on('line', (line) => stdout.push(line))
  createInterface({ input: child.stderr }).on('line', (line) => stderr.push(line))
  let exit: { readonly code: number | null } | undefined
  const ended = once(child, 'exit').then(
    () => {
      exit = { code: child.exitCode }
    },
    (error: unknown) => {
      stderr.push(error instanceof Error ? error.message : 'it cannot be started')
      exit = { code: null }
    },
  )
  return {
    name,
    pid: child.pid ?? 0,
    stdout,
    stderr,
    exit: () => exit,
    ended,
    async stop() {
      const start = performance.now()
      if (exit === undefined) child.kill('SIGTERM')
      const last = setTimeout(() => child.kill('SIGKILL'), PATIENCE_MS)
      await ended
      clearTimeout(last)
      return performance.now() - start
    },
  }
}
