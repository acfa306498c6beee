import { roleIdOf } from '../ids.ts'
import type { World } from '../world.ts'

/** One request to authenticate, before anything about it is believed. */
export interface Attempt {
  readonly authenticator: string
  readonly serviceId: string | undefined
  readonly account: string
  /** The login of the URL, where there is one. */
  readonly login: string | undefined
  readonly body: Buffer
  readonly authorization: string | undefined
  readonly clientIp: string
}

/** An authenticator in two steps, each of which may throw a Refusal. */
export interface Authenticator {
  /** Whom the attempt claims to be, by URL or by token. */
  identify(world: World, attempt: Attempt): Promise<string>
  /** Whether it is that one, and may come in. */
  admit(world: World, attempt: Attempt, login: string): Promise<void>
}

/** `authn-jwt/prod`, or the bare type where there is no service id. */
export function serviceName({ authenticator, serviceId }: Attempt): string {
  return serviceId === undefined ? authenticator : `${authenticator}/${serviceId}`
}

export function webserviceId(attempt: Attempt): string {
  return `${attempt.account}:webservice:conjur/${serviceName(attempt)}`
}

/** How the log names whoever tries: by role id, whether or not that role exists. */
function auditedRole(account: string, login: string | undefined): string {
  return login === undefined ? `${account}:user:USERNAME_MISSING` : roleIdOf(account, login)
}

/** What was tried: as the log words its success and its failure. */
const verbs = {
  authenticate: ['successfully authenticated with', 'failed to authenticate with'],
  login: ['successfully logged in with', 'failed to login with'],
  'validate-status': ['successfully validated status for', 'failed to validate status for'],
} as const

/** Writes what became of an attempt to the log and to the audit trail. */
export function auditAttempt(
  world: World,
  attempt: Attempt,
  outcome: {
    readonly login: string | undefined
    readonly error?: string
    readonly verb?: keyof typeof verbs
  },
): void {
  const { login, error, verb = 'authenticate' } = outcome
  const role = auditedRole(attempt.account, login)
  const [done, failed] = verbs[verb]
  const service = `authenticator ${attempt.authenticator} service ${webserviceId(attempt)}`
  const message =
    error === undefined ? `${role} ${done} ${service}` : `${role} ${failed} ${service}: ${error}`
  world.log(message)
  world.audit({
    event: verb,
    success: error === undefined,
    message,
    role,
    resource: webserviceId(attempt),
    clientIp: attempt.clientIp,
    error,
  })
}
