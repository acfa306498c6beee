import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { builtProgram } from './program.ts'

export interface LogLine {
  readonly level: string
  readonly code?: string
  readonly msg: string
  readonly [fact: string]: unknown
}

/** The built program as a process, its output kept. */
export interface AgentProcess {
  readonly pid: number
  /** Everything it printed so far, on both streams. */
  output(): string
  stderr(): string
  /** Resolves with the first log line, past or future, that fits; rejects when the process ends without one. */
  line(fits: (line: LogLine) => boolean): Promise<LogLine>
  kill(signal: NodeJS.Signals): void
  /** Resolves when it has ended. */
  readonly ended: Promise<{ readonly code: number | null; readonly signal: string | null }>
}

export interface StartOptions {
  /** Node's own flags; an executable takes none. */
  readonly node?: readonly string[]
  /** A command that runs what follows it in its own place, such as `nice -n 5`. */
  readonly under?: readonly string[]
}

/** Starts the built program with this environment and nothing else of ours. */
export function startAgent(
  argv: readonly string[],
  environment: Readonly<Record<string, string>>,
  { node = [], under = [] }: StartOptions = {},
): AgentProcess {
  const [program = '', ...args] = [...under, ...builtProgram(argv, node)]
  const child: ChildProcess = spawn(program, args, {
    env: { PATH: process.env['PATH'] ?? '', ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let out = ''
  let err = ''
  const listeners = new Set<() => void>()
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    out += text
  })
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    err += text
    for (const listener of listeners) listener()
  })
  const ended = once(child, 'close').then(([code, signal]) => ({
    code: code as number | null,
    signal: signal as string | null,
  }))
  return {
    pid: child.pid ?? 0,
    output: () => out + err,
    stderr: () => err,
    ended,
    kill: (signal) => void child.kill(signal),
    line: (fits) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          const found = logLines(err).find((line) => fits(line))
          if (found === undefined) return
          listeners.delete(look)
          resolve(found)
        }
        listeners.add(look)
        look()
        void ended.then(() => reject(new Error(`it ended without that line:\n${err}`)))
      }),
  }
}

/** Runs it to its end. */
export async function runAgent(
  argv: readonly string[],
  environment: Readonly<Record<string, string>>,
): Promise<{ readonly code: number | null; readonly output: string; readonly stderr: string }> {
  const agent = startAgent(argv, environment)
  const { code } = await agent.ended
  return { code, output: agent.output(), stderr: agent.stderr() }
}

/** The JSON log lines of an output. */
export function logLines(text: string): LogLine[] {
  return text
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .flatMap((line) => {
      try {
        return [JSON.parse(line) as LogLine]
      } catch {
        return []
      }
    })
}
