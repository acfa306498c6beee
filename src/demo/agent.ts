import { readFileSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { isRecord, parseRecord } from '../core/json.ts'
import type { Conjur } from './conjur.ts'
import { ACCOUNT } from './policy.ts'
import { startProgram, type Program, type Running } from './running.ts'
import type { Kind } from './tree.ts'
import { StepFailed, until } from './until.ts'
import { lookAt } from './volume.ts'

/** The agent in sidecar mode as a process, and what can be known of it from outside. */
export interface Agent {
  readonly running: Running
  /** Where its files are. */
  readonly secrets: string
  /** The JSON lines of its log so far. */
  log(): readonly LogLine[]
  /** What its status document says. */
  status(): Status
  /** Looks until something is there; fails at once where the agent has ended. */
  until<T>(expected: {
    readonly step: string
    readonly otherwise: string
    readonly withinMs: number
    readonly look: () => T | undefined | Promise<T | undefined>
  }): Promise<T>
}

export type LogLine = Readonly<Record<string, unknown>>

/** The part of a status document that is shown. */
interface Status {
  readonly kinds: ReadonlyMap<string, Kind>
  /** Epoch milliseconds; undefined if there is no access token. */
  readonly expiresAt: number | undefined
  readonly renewsAt: number | undefined
  /** How long an access token lives; 0 if there is none. */
  readonly lifeMs: number
}

export interface AgentOptions {
  readonly program: Program
  readonly conjur: Conjur
  /** A directory of its own. */
  readonly directory: string
  readonly authenticator: string
  readonly login: string
  /** The settings that say where the platform token comes from, and what else it inherits. */
  readonly environment: Readonly<Record<string, string>>
  readonly started: (running: Running) => void
  readonly signal: AbortSignal
}

/** Starts the agent, set up by its environment alone. */
export async function startAgent(options: AgentOptions): Promise<Agent> {
  const { program, directory, signal } = options
  const secrets = join(directory, 'secrets')
  const statusDirectory = join(directory, 'status')
  await mkdir(statusDirectory, { recursive: true })
  const running = startProgram(program, {
    name: 'agent',
    argv: ['sidecar'],
    environment: {
      ...options.environment,
      CONJUR_APPLIANCE_URL: options.conjur.url,
      CONJUR_ACCOUNT: ACCOUNT,
      CONJUR_CERT_FILE: options.conjur.caFile,
      CONJUR_AUTHENTICATOR: options.authenticator,
      CONJUR_AUTHN_LOGIN: options.login,
      CONJUR_SECRETS_DIRECTORY: secrets,
      CONJUR_AUTHN_TOKEN_FILE: join(secrets, 'access-token'),
      CONJUR_STATUS_DIRECTORY: statusDirectory,
      CONJUR_STATUS_LISTEN: 'off',
      CONJUR_ANNOTATIONS_FILE: join(directory, 'no-annotations'),
      CONJUR_SECRETS_REFRESH_INTERVAL: '1s',
      ...GROUPS,
    },
  })
  options.started(running)
  return {
    running,
    secrets,
    log: () => running.stderr.map((line) => parseRecord(line)).filter((line) => line !== undefined),
    status: () => readStatus(join(statusDirectory, 'agent.json')),
    until: (expected) =>
      until({
        ...expected,
        signal,
        look() {
          if (running.exit() !== undefined) {
            throw new StepFailed(expected.step, 'the agent ended by itself')
          }
          return expected.look()
        },
      }),
  }
}

/** One file for one variable, and one for two. */
const GROUPS = {
  CONJUR_SECRETS__KEYS: '- apps/web/api-key',
  CONJUR_SECRET_FILE_FORMAT__KEYS: 'plain',
  CONJUR_SECRET_FILE_PERMISSIONS__KEYS: 'rw-r-----',
  CONJUR_SECRETS__DB: '- user: apps/web/db-user\n- password: apps/web/db-password',
  CONJUR_SECRET_FILE_FORMAT__DB: 'json',
  CONJUR_SECRET_FILE_PERMISSIONS__DB: 'rw-r-----',
} as const

const FIRST_SET_WITHIN_MS = 20_000

/** Waits for the first set; yields the milliseconds since `begunAt` (of `performance.now()`). */
export async function firstSet(agent: Agent, begunAt: number): Promise<number> {
  await agent.until({
    step: 'agent',
    otherwise: 'no first set was published',
    withinMs: FIRST_SET_WITHIN_MS,
    look: () => {
      const names = lookAt(agent.secrets)
      const isThere = names.has('..data') && names.has('access-token')
      return isThere && agent.status().kinds.size > 0 ? true : undefined
    },
  })
  return performance.now() - begunAt
}

function readStatus(path: string): Status {
  const document = parseRecord(readIfThere(path)) ?? {}
  const outputs: readonly unknown[] = Array.isArray(document['outputs']) ? document['outputs'] : []
  const token = isRecord(document['accessToken']) ? document['accessToken'] : {}
  return {
    kinds: new Map(
      outputs
        .filter((output) => isRecord(output))
        .map(({ name, kind, values }) => [
          String(name),
          { kind: String(kind), values: typeof values === 'number' ? values : 0 },
        ]),
    ),
    expiresAt: instantOf(token['expiresAt']),
    renewsAt: instantOf(token['renewsAt']),
    lifeMs: Number(token['lifetimeSeconds'] ?? 0) * 1000,
  }
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

function instantOf(value: unknown): number | undefined {
  const ms = typeof value === 'string' ? Date.parse(value) : Number.NaN
  return Number.isNaN(ms) ? undefined : ms
}
