import { once } from 'node:events'
import { closeSync, openSync, utimesSync } from 'node:fs'
import type { Send } from '../core/http.ts'
import { findProcesses, readPidFile } from './find-process.ts'
import type { Published } from './output.ts'
import { errorNumber } from './output-failure.ts'

/** One way to tell an application that its files have changed. */
export type ReloadAction =
  | {
      readonly kind: 'signal'
      readonly signal: NodeJS.Signals
      /** A process name, or the absolute path of a file that holds a process id. */
      readonly target: string
    }
  | { readonly kind: 'post'; readonly url: URL }
  | { readonly kind: 'touch'; readonly path: string }
  | { readonly kind: 'exec'; readonly command: readonly [string, ...string[]] }

/** A group whose application wants to be told. */
export interface ReloadGroup {
  readonly name: string
  /** The names under which its files are reported. */
  readonly files: readonly string[]
  readonly actions: readonly ReloadAction[]
}

/** What became of telling one application. */
export interface Reloaded {
  readonly group: string
  readonly kind: ReloadAction['kind']
  /** `absent`: there is nobody to tell, such as before the application has started. */
  readonly result: 'done' | 'absent' | 'failed'
  /** A few words for the log. */
  readonly what: string
}

export interface ReloaderOptions {
  readonly groups: readonly ReloadGroup[]
  /** At most one reload of a group in this time, in milliseconds. */
  readonly intervalMs: number
  /** To loopback. */
  readonly send: Send
  readonly clock: {
    monotonic(): number
    sleep(ms: number, signal: AbortSignal): Promise<void>
  }
  readonly onReloaded: (reloaded: Reloaded) => void
}

export interface Reloader {
  /** Told of every pass once its sets are published; returns at once. */
  readonly published: (published: readonly Published[], signal: AbortSignal) => void
  /** Resolves when nothing is under way any more. */
  readonly idle: () => Promise<void>
}

/**
 * Tells applications that files of theirs have changed: at once the first time, later at most once
 * in the interval, and then at its end, so that the last change is always told.
 */
export function createReloader(options: ReloaderOptions): Reloader {
  const lastAt = new Map<string, number>()
  const waiting = new Set<string>()
  const running = new Set<Promise<void>>()
  return {
    published(published, signal) {
      const changed = new Set(
        published
          .filter(({ state }) => state === 'written' || state === 'removed')
          .map(({ name }) => name),
      )
      for (const group of options.groups) {
        if (waiting.has(group.name) || !group.files.some((file) => changed.has(file))) continue
        waiting.add(group.name)
        const telling = tell(group, signal).finally(() => running.delete(telling))
        running.add(telling)
      }
    },
    async idle() {
      await Promise.all(running)
    },
  }

  async function tell(group: ReloadGroup, signal: AbortSignal): Promise<void> {
    const { clock, intervalMs, onReloaded } = options
    const since = clock.monotonic() - (lastAt.get(group.name) ?? -Infinity)
    try {
      if (since < intervalMs) await clock.sleep(intervalMs - since, signal)
    } catch (error) {
      if (signal.aborted) return
      throw error
    }
    // What changes from here on is worth another telling.
    waiting.delete(group.name)
    lastAt.set(group.name, clock.monotonic())
    for (const action of group.actions) {
      const outcome = await act(action, options.send, signal)
      onReloaded({ group: group.name, kind: action.kind, ...outcome })
    }
  }
}

type Outcome = Pick<Reloaded, 'result' | 'what'>

const ACTION_TIMEOUT_MS = 10_000

async function act(action: ReloadAction, send: Send, signal: AbortSignal): Promise<Outcome> {
  try {
    switch (action.kind) {
      case 'signal':
        return signalProcesses(action)
      case 'post':
        return await post(action.url, send, signal)
      case 'touch':
        return touch(action.path)
      case 'exec':
        return await execute(action.command, signal)
      default:
        return action satisfies never
    }
  } catch (error) {
    return { result: 'failed', what: error instanceof Error ? error.message : 'unknown' }
  }
}

function signalProcesses({ signal, target }: Extract<ReloadAction, { kind: 'signal' }>): Outcome {
  const fromFile = target.startsWith('/') ? readPidFile(target) : undefined
  const processes = target.startsWith('/')
    ? [fromFile].filter((pid) => pid !== undefined)
    : findProcesses(target)
  let sent = 0
  for (const pid of processes) {
    try {
      process.kill(pid, signal)
      sent++
    } catch (error) {
      if (errorNumber(error) !== 'ESRCH') throw error
    }
  }
  return sent === 0
    ? { result: 'absent', what: `no process ${target}` }
    : { result: 'done', what: `${signal} to ${sent} × ${target}` }
}

async function post(url: URL, send: Send, signal: AbortSignal): Promise<Outcome> {
  const { status } = await send({
    method: 'POST',
    url,
    deadlineMs: ACTION_TIMEOUT_MS,
    maxBodyBytes: 64 * 1024,
    signal,
  })
  const isFine = status >= 200 && status < 300
  return { result: isFine ? 'done' : 'failed', what: `${url.host} answers ${status}` }
}

function touch(path: string): Outcome {
  const now = new Date()
  try {
    utimesSync(path, now, now)
  } catch (error) {
    if (errorNumber(error) !== 'ENOENT') throw error
    closeSync(openSync(path, 'wx', 0o644))
  }
  return { result: 'done', what: path }
}

/** Runs a program without a shell, with nothing of ours in its environment. */
async function execute(
  [program, ...args]: readonly [string, ...string[]],
  signal: AbortSignal,
): Promise<Outcome> {
  // Loaded by the few who ask for it: everyone waits for what is loaded before the first secret.
  const { spawn } = await import('node:child_process')
  const child = spawn(program, args, {
    stdio: 'ignore',
    env: { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' },
    timeout: ACTION_TIMEOUT_MS,
    killSignal: 'SIGKILL',
    signal,
  })
  await once(child, 'exit')
  const { exitCode, signalCode } = child
  const how = signalCode === null ? `exit code ${exitCode}` : `ended by ${signalCode}`
  return { result: exitCode === 0 ? 'done' : 'failed', what: `${program}: ${how}` }
}
