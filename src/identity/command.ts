import type { ChildProcess } from 'node:child_process'

import { IdentityError } from '../core/errors.ts'
import { parseRecord } from '../core/json.ts'
import { Secret } from '../core/secret.ts'
import { textField } from './ask.ts'
import { persistence, type Outcome, type Patience, type RetryRule } from './persist.ts'
import {
  readPlatformToken,
  type ApiKey,
  type IdentitySource,
  type PlatformToken,
} from './source.ts'

export interface CommandOptions extends Patience {
  /** The program and its arguments; no shell reads them. */
  readonly command: readonly [string, ...string[]]
  /** What the authenticator takes; a program that prints the other one is refused. */
  readonly yields: 'jwt' | 'api-key'
  readonly environment: Readonly<Record<string, string | undefined>>
  /** From start to end, in milliseconds; then the program and its children are killed. */
  readonly deadlineMs: number
}

const FIRST_BOOT_MS = 60_000
const PATIENT: RetryRule = { waitsMs: [1000, 2000, 4000, 8000, 16_000] }
const LONGEST_OUTPUT = 64 * 1024
/** sysexits.h EX_TEMPFAIL: by this a program says "not yet". */
const NOT_YET = 75

/**
 * A credential from a program of the user's: JSON on its standard output, `{"token": "<JWT>"}`, or
 * `{"apiKey": "…"}` for authn. Exit code 75 means not yet, any other but 0 a refusal. It is run at each login;
 * its standard error is not read, since it may hold anything.
 */
export function command(options: CommandOptions): IdentitySource<PlatformToken | ApiKey> {
  const name = options.command[0]
  const persist = persistence(options, FIRST_BOOT_MS)
  return {
    name: 'command',
    watched: [],
    async token(signal) {
      const output = await persist(signal, () => attempt(options, signal))
      const field = options.yields === 'jwt' ? 'token' : 'apiKey'
      const text = textField(parseRecord(output), field)
      if (text === undefined) throw malformed(name, `does not print {"${field}": "…"}`)
      return options.yields === 'jwt'
        ? readPlatformToken(text, { from: name, now: options.clock.now() })
        : { kind: 'api-key', secret: new Secret(text) }
    },
  }
}

/** A program that says "not yet", or takes too long, is run again; nothing else is. */
async function attempt(options: CommandOptions, signal: AbortSignal): Promise<Outcome<string>> {
  try {
    return { value: await run(options, signal) }
  } catch (error) {
    if (!(error instanceof IdentityError) || error.code !== 'IDENTITY_NOT_READY') throw error
    return { error, again: PATIENT }
  }
}

async function run(options: CommandOptions, signal: AbortSignal): Promise<string> {
  const [name, ...args] = options.command
  // Its loading costs every start milliseconds, and few have a command.
  const { spawn } = await import('node:child_process')
  const deadline = AbortSignal.timeout(options.deadlineMs)
  const child = spawn(name, args, {
    env: { ...options.environment },
    stdio: ['ignore', 'pipe', 'ignore'],
    shell: false,
    // A group of its own, so that what it started ends with it.
    detached: true,
  })
  const stop = (): void => killGroup(child)
  signal.addEventListener('abort', stop, { once: true })
  deadline.addEventListener('abort', stop, { once: true })
  try {
    const ended = await outcomeOf(child)
    if (signal.aborted) throw signal.reason
    if (deadline.aborted) throw tooSlow(name, options.deadlineMs)
    if ('error' in ended) throw unstartable(name, ended.error)
    if (ended.tooLong) throw malformed(name, 'prints more than 64 KiB')
    if (ended.code === 0) return ended.output
    throw failed(name, ended)
  } finally {
    signal.removeEventListener('abort', stop)
    deadline.removeEventListener('abort', stop)
    killGroup(child)
  }
}

interface Ended {
  readonly code: number | null
  readonly signal: string | null
  readonly output: string
  readonly tooLong: boolean
}

function outcomeOf(child: ChildProcess): Promise<Ended | { readonly error: Error }> {
  const chunks: Buffer[] = []
  let length = 0
  return new Promise((resolve) => {
    child.on('error', (error) => resolve({ error }))
    child.stdout?.on('data', (chunk: Buffer) => {
      length += chunk.length
      if (length <= LONGEST_OUTPUT) chunks.push(chunk)
      else killGroup(child)
    })
    child.on('close', (code, signal) => {
      const output = Buffer.concat(chunks).toString('utf8')
      resolve({ code, signal, output, tooLong: length > LONGEST_OUTPUT })
    })
  })
}

function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return
  try {
    process.kill(-child.pid, 'SIGKILL')
  } catch {
    // The group is gone already.
  }
}

function malformed(name: string, what: string): IdentityError {
  return new IdentityError('IDENTITY_MALFORMED', `the identity command ${name} ${what}`, {
    hint: `run it by hand as this user: ${name} must print one JSON object and nothing else`,
    facts: { command: name },
  })
}

function unstartable(name: string, cause: Error): IdentityError {
  const code = 'code' in cause ? String(cause.code) : 'unknown'
  return new IdentityError(
    'IDENTITY_ABSENT',
    `the identity command ${name} cannot be started (${code})`,
    {
      hint: `CONJUR_IDENTITY_COMMAND must name a program that is there and executable: ls -l ${name}`,
      facts: { command: name, reason: code },
      cause,
    },
  )
}

function tooSlow(name: string, deadlineMs: number): IdentityError {
  return new IdentityError(
    'IDENTITY_NOT_READY',
    `the identity command ${name} does not end within ${deadlineMs / 1000} s`,
    {
      hint: `run it by hand (time ${name}), or raise CONJUR_IDENTITY_COMMAND_TIMEOUT`,
      retryable: true,
      facts: { command: name },
    },
  )
}

function failed(name: string, { code, signal }: Ended): IdentityError {
  const notYet = code === NOT_YET
  const how = code === null ? `is ended by ${signal ?? 'a signal'}` : `ends with exit code ${code}`
  return new IdentityError(
    notYet ? 'IDENTITY_NOT_READY' : 'IDENTITY_REFUSED',
    `the identity command ${name} ${notYet ? 'has no token yet (exit code 75)' : how}`,
    {
      hint: `run it by hand as this user and read what it says on standard error: ${name}`,
      retryable: true,
      facts: { command: name, exitCode: code ?? undefined },
    },
  )
}
