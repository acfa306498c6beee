/** What an error is about, for logs and reports: names, addresses and numbers; never a value, token or key. */
export type Facts = Readonly<Record<string, string | number | boolean | undefined>>

/** What every {@link AgentError} says beside its message. */
export interface ErrorDetails {
  /** What to do next, one sentence: a command, a file or a setting, never advice in general. */
  readonly hint: string
  /** Whether the same request may succeed later without anyone changing anything. */
  readonly retryable?: boolean
  readonly facts?: Facts
  /** Lines that a report shows between message and hint, where one line is not enough. */
  readonly lines?: readonly string[]
  /** How long the other side asked to be left alone, in milliseconds. */
  readonly retryAfterMs?: number | undefined
  readonly cause?: unknown
}

/**
 * The base of everything that can go wrong outside our own code.
 *
 * The code is an API: stable, searchable, explained in docs/errors.md. The message says what
 * happened and names the thing; neither message, hint nor facts ever hold a secret.
 */
export abstract class AgentError<Code extends string = string> extends Error {
  readonly code: Code
  readonly hint: string
  readonly retryable: boolean
  readonly facts: Facts
  readonly lines: readonly string[]
  readonly retryAfterMs: number | undefined

  constructor(code: Code, message: string, details: ErrorDetails) {
    super(message, { cause: details.cause })
    this.name = new.target.name
    this.code = code
    this.hint = details.hint
    this.retryable = details.retryable ?? false
    this.facts = details.facts ?? {}
    this.lines = details.lines ?? []
    this.retryAfterMs = details.retryAfterMs
  }
}

/** The command line itself is wrong: exit code 2. */
export class UsageError extends AgentError<'USAGE'> {}

/** Settings that cannot be used, all of them at once: exit code 3. */
export class ConfigError extends AgentError<'CONFIG_INVALID' | 'CONFIG_UNREADABLE'> {}

/** The platform gives no usable token: exit code 4. */
export class IdentityError extends AgentError<
  | 'IDENTITY_ABSENT'
  | 'IDENTITY_NOT_READY'
  | 'IDENTITY_REFUSED'
  | 'IDENTITY_EXPIRED'
  | 'IDENTITY_MALFORMED'
  | 'IDENTITY_UNFIT'
> {}

/** Conjur is away, distrusted, or refuses: exit code 5. */
export class ConjurError extends AgentError<
  | 'CONJUR_UNREACHABLE'
  | 'CONJUR_UNTRUSTED'
  | 'CONJUR_UNAVAILABLE'
  | 'CONJUR_UNAUTHENTICATED'
  | 'CONJUR_FORBIDDEN'
  | 'CONJUR_NOT_FOUND'
  | 'CONJUR_REJECTED'
  | 'CONJUR_BAD_REPLY'
  | 'CONJUR_NOT_CONFIGURED'
  | 'CONJUR_NOT_ENABLED'
> {}

/** A file, Secret or child cannot be given its values: exit code 6. */
export class OutputError extends AgentError<
  'OUTPUT_UNWRITABLE' | 'OUTPUT_FULL' | 'OUTPUT_NOT_TMPFS' | 'OUTPUT_BLOCKED' | 'OUTPUT_UNFIT'
> {}

/** A pod cannot be injected as asked: exit code 7. */
export class AdmissionError extends AgentError<'ADMISSION_REFUSED' | 'ADMISSION_MALFORMED'> {}
