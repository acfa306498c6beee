import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { promisify } from 'node:util'
import { builtProgram } from '../support/program.ts'

const execute = promisify(execFile)

/** JSON of any shape: an object of the API. */
export type Loose = ReturnType<typeof JSON.parse>

/** kubectl and helm against one API server. */
export interface Kubernetes {
  readonly kubeconfig: string
  /** Runs kubectl, its words in one text or one by one; rejects with what it says. */
  kubectl(args: string | readonly string[], stdin?: string): Promise<string>
  /** The objects of a command, as JSON. */
  get(args: string): Promise<Loose>
  /** Applies objects; resolves with what kubectl says, warnings included. */
  apply(...objects: readonly object[]): Promise<string>
  helm(args: readonly string[]): Promise<string>
}

export function kubernetes(kubeconfig: string): Kubernetes {
  const env = { ...process.env, KUBECONFIG: kubeconfig }
  const run = async (program: string, args: readonly string[], stdin = ''): Promise<string> => {
    const child = execute(program, [...args], { env, maxBuffer: 64 * 1024 * 1024 })
    child.child.stdin?.end(stdin)
    const { stdout, stderr } = await child
    return stdout + stderr
  }
  const kubectl = (args: string | readonly string[], stdin?: string): Promise<string> =>
    run('kubectl', typeof args === 'string' ? args.split(' ').filter(Boolean) : args, stdin)
  return {
    kubeconfig,
    kubectl,
    get: async (args) => JSON.parse(await kubectl(`get ${args} -o json`)),
    apply: (...objects) =>
      kubectl('apply -f -', JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects })),
    helm: (args) => run('helm', args),
  }
}

/** Asks again until there is an answer; an error counts as none. Rejects with the last one after a while. */
export async function eventually<T>(
  what: string,
  ask: () => Promise<T | undefined | false>,
  seconds = 60,
): Promise<T> {
  const until = Date.now() + seconds * 1000
  let last: unknown
  for (;;) {
    try {
      const answer = await ask()
      if (answer !== undefined && answer !== false) return answer
    } catch (error) {
      last = error
    }
    if (Date.now() > until) throw new Error(`not within ${seconds} s: ${what}`, { cause: last })
    await wait(200)
  }
}

/** A process of the built program; stopped by `stop`, which yields its exit code. */
export interface Program {
  readonly pid: number
  output(): string
  stop(signal?: NodeJS.Signals): Promise<number | null>
}

/** Starts the built program. */
export function startProgram(args: readonly string[], env: Record<string, string>): Program {
  const [file, ...words] = builtProgram(args)
  const child = spawn(file, words, {
    env: { PATH: process.env['PATH'] ?? '', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8')
    stream.on('data', (text: string) => {
      output += text
    })
  }
  const ended = once(child, 'exit')
  return {
    pid: child.pid ?? 0,
    output: () => output,
    async stop(signal = 'SIGTERM') {
      if (child.exitCode === null && child.signalCode === null) child.kill(signal)
      const [code] = await ended
      return code as number | null
    },
  }
}

/** A file of the test's own, in a directory that the machine clears. */
export function scratch(name: string, text: string): string {
  const path = join(mkdtempSync(join(tmpdir(), 'conjur-agent-e2e-')), name)
  writeFileSync(path, text)
  return path
}

/** Runs a script of the testbed; resolves with what it prints. */
export async function testbed(
  script: string,
  args: readonly string[],
  run: string,
): Promise<string> {
  const { stdout } = await execute(`test/e2e/testbed/${script}`, [...args], {
    env: { ...process.env, TESTBED_RUN: run },
    maxBuffer: 64 * 1024 * 1024,
  })
  return stdout.trim()
}
