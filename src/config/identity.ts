import { selectAzureSource, ARC_AGENT } from './azure-source.ts'
import type { SourceContext } from './identity-context.ts'
import { readSource, type IdentitySourceConfig } from './identity-sources.ts'
import { sourcesOf, type IdentitySourceName } from './identity-table.ts'
import { missing, problemOf, type Problem } from './problems.ts'
import type { Take } from './reader.ts'
import { settings } from './settings.ts'
import type { AuthenticatorName } from './trust.ts'

/** Which credential to present, and how to get it. Times are milliseconds. */
export interface IdentityConfig {
  /** Why this source: one clause for the log. */
  readonly reason: string
  /** How long a platform that is not ready is asked again within one pass; undefined: as it needs. */
  readonly budgetMs: number | undefined
  readonly source: IdentitySourceConfig
}

interface IdentityContext extends SourceContext {
  readonly authenticator: AuthenticatorName | undefined
  /** Whether a file is there. */
  readonly exists: (path: string) => boolean
}

/**
 * Chooses the identity source by configuration, and for authn-azure by which documented variables
 * exist: a failing source is never followed by another, since guessing turns a typo into a login as
 * someone else.
 */
export function readIdentity(take: Take, context: IdentityContext): IdentityConfig {
  const { authenticator, problems } = context
  const type = authenticator?.type ?? 'authn-jwt'
  const chosen = take(settings.identitySource)
  const { name, reason } =
    chosen === undefined
      ? byAuthenticator(take, context)
      : { name: chosen, reason: 'set by identitySource' }
  const [raw] = context.found.settings.get('identitySource') ?? []
  if (chosen !== undefined && raw !== undefined && !sourcesOf[type].includes(chosen)) {
    problems.push(
      problemOf(
        raw,
        `"${chosen}" has nothing that ${type} takes; it takes ${sourcesOf[type].join(', ')}`,
      ),
    )
  }
  return {
    reason,
    budgetMs: take(settings.identityTimeout),
    source: readSource(name, take, context),
  }
}

interface Choice {
  readonly name: IdentitySourceName
  readonly reason: string
}

function byAuthenticator(take: Take, context: IdentityContext): Choice {
  const type = context.authenticator?.type ?? 'authn-jwt'
  switch (type) {
    case 'authn-jwt':
      return { name: 'projected-token', reason: 'authn-jwt presents it' }
    case 'authn-azure':
      return ofAzure(take, context)
    case 'authn-oidc':
      return ofOidc(take, context.problems)
    case 'authn-gcp':
      return { name: 'gcp-metadata', reason: 'authn-gcp presents it' }
    case 'authn-iam':
      return { name: 'aws', reason: 'authn-iam presents it' }
    case 'authn-k8s':
      return { name: 'k8s-certificate', reason: 'authn-k8s presents it' }
    case 'authn':
      return { name: 'api-key-file', reason: 'authn takes an API key' }
    default:
      return type satisfies never
  }
}

function ofAzure(take: Take, { environment, exists, problems }: IdentityContext): Choice {
  // The one of these variables that is a setting too counts wherever it was set.
  const { env } = settings.azureFederatedTokenFile
  const tokenFile = take(settings.azureFederatedTokenFile) ?? environment[env]
  const selection = selectAzureSource({
    environment: { ...environment, [env]: tokenFile },
    hasArcAgent: exists(ARC_AGENT),
  })
  if ('problems' in selection) {
    problems.push(...selection.problems)
    return { name: 'azure-imds', reason: 'undecided' }
  }
  return { name: selection.source, reason: selection.because }
}

function ofOidc(take: Take, problems: Problem[]): Choice {
  if (take(settings.oidcTokenFile) !== undefined) {
    return { name: 'oidc-token-file', reason: 'CONJUR_OIDC_TOKEN_FILE is set' }
  }
  if (take(settings.oidcIssuer) === undefined) {
    problems.push(
      missing(
        'CONJUR_OIDC_TOKEN_FILE',
        "authn-oidc needs an ID token's file, or CONJUR_OIDC_ISSUER",
      ),
    )
    return { name: 'oidc-token-file', reason: 'undecided' }
  }
  return { name: 'oidc-client-credentials', reason: 'CONJUR_OIDC_ISSUER is set' }
}
