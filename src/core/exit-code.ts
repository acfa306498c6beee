import {
  AdmissionError,
  ConfigError,
  ConjurError,
  IdentityError,
  OutputError,
  UsageError,
} from './errors.ts'

/** The exit code of the family an error belongs to; their meanings are in `cli/report.ts`. */
export function exitCode(error: unknown): number {
  if (error instanceof UsageError) return 2
  if (error instanceof ConfigError) return 3
  if (error instanceof IdentityError) return 4
  if (error instanceof ConjurError) return 5
  if (error instanceof OutputError) return 6
  if (error instanceof AdmissionError) return 7
  return 1
}
