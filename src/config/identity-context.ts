import { missing, type Note, type Problem } from './problems.ts'
import type { Sources } from './sources.ts'
import type { AuthenticatorName } from './trust.ts'

/** What a source is read from besides the settings. */
export interface SourceContext {
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly account: string | undefined
  /** Where logins go. */
  readonly authnBaseUrl: URL | undefined
  readonly login: string | undefined
  readonly authenticator: AuthenticatorName | undefined
  readonly found: Sources
  readonly problems: Problem[]
  readonly notes: Note[]
}

/** Yields what is there, or notes what is missing. */
export type Needed = (name: string, value: string | undefined, what: string) => string

/** Makes a {@link Needed}: what is not there is a problem, and the empty text, which nobody will use. */
export function neededFrom(problems: Problem[]): Needed {
  return (name, value, what) => {
    if (value === undefined) problems.push(missing(name, what))
    return value ?? ''
  }
}
