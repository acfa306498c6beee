import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'

/** Whether system calls can be made to fail here; suites that need it are skipped, with one line, where not. */
export function canTrace(): boolean {
  const can =
    spawnSync('strace', ['-f', '-o', '/dev/null', 'true'], { stdio: 'ignore' }).status === 0
  if (!can) process.stderr.write('skipped: no strace here (apt-get install strace)\n')
  return can
}

/** A system call of a traced program's first thread. */
export interface SystemCall {
  readonly name: string
  /** The how many-th call of that name it was in its thread. */
  readonly when: number
  /** As strace prints it, paths of open files included. */
  readonly text: string
}

/** A command that notes the given system calls of what runs under it, with its process id kept. */
export function tracing(file: string, calls: readonly string[]): readonly string[] {
  return strace(file, calls, ['--seccomp-bpf'])
}

/** The same, where one call has something happen to it: `error=ENOSPC`, `signal=SIGKILL`, `delay_enter=500ms`. */
export function injecting(
  file: string,
  { name, when }: Pick<SystemCall, 'name' | 'when'>,
  what: string,
): readonly string[] {
  // With its filter strace is quicker, but never delivers the signals that it is asked to inject.
  const quick = what.startsWith('signal=') ? [] : ['--seccomp-bpf']
  return [...strace(file, [name], quick), '-e', `inject=${name}:${what}:when=${when}`]
}

function strace(file: string, calls: readonly string[], how: readonly string[]): readonly string[] {
  return ['strace', '-f', '-D', ...how, '-y', '-o', file, '-e', `trace=${calls.join()}`]
}

/** The calls that a trace holds of one thread, counted by name. */
export function callsOf(file: string, thread: number): SystemCall[] {
  const counts = new Map<string, number>()
  return linesOf(file).flatMap((line) => {
    const [, id, name = '', text = ''] = /^(\d+) +(\w+)(\(.*)$/.exec(line) ?? []
    if (Number(id) !== thread) return []
    const when = (counts.get(name) ?? 0) + 1
    counts.set(name, when)
    return [{ name, when, text }]
  })
}

/** The line of the call that something was made to happen to. */
export function injected(file: string): string | undefined {
  return linesOf(file).find((line) => /\((INJECTED|DELAYED)|\+\+\+ killed by SIGKILL/.test(line))
}

/** The lines of a trace, each path that begins at an open directory with that directory's own path. */
function linesOf(file: string): string[] {
  const opened = new Map<string, string>()
  return readFileSync(file, 'utf8')
    .split('\n')
    .map((line) => {
      const [, number = '', path = ''] = /= (\d+)<([^>]+)>/.exec(line) ?? []
      const resolved = line.replaceAll(
        /\/proc\/self\/fd\/(\d+)/g,
        (begin, descriptor: string) => opened.get(descriptor) ?? begin,
      )
      if (number !== '') opened.set(number, path)
      return resolved
    })
}
