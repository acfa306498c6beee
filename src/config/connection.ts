import { missing, problemOf, type Problem } from './problems.ts'
import type { Take } from './reader.ts'
import { Unfit } from './setting.ts'
import { settings } from './settings.ts'
import type { Sources } from './sources.ts'
import { splitAuthnUrl, type AuthenticatorName } from './trust.ts'

/** What is known of Conjur so far; whatever is undefined has its problem noted. */
interface Conjur {
  readonly applianceUrl: URL | undefined
  readonly authnBaseUrl: URL | undefined
  readonly account: string | undefined
  readonly authenticator: AuthenticatorName | undefined
  readonly login: string | undefined
  readonly ca: { readonly pem: string } | { readonly file: string } | undefined
  readonly timeoutMs: number
  readonly renewAfterMs: number | undefined
}

interface ConjurContext {
  readonly found: Sources
  readonly problems: Problem[]
}

/** Where Conjur is, whom to trust there, and as whom to log in. */
export function readConjur(take: Take, { found, problems }: ConjurContext): Conjur {
  const applianceUrl = take(settings.applianceUrl)
  const named = take(settings.authenticator)
  const authnUrl = take(settings.authnUrl)
  const [authnUrlRaw] = found.settings.get('authnUrl') ?? []
  const [authenticatorRaw] = found.settings.get('authenticator') ?? []
  const split = authnUrl === undefined ? undefined : splitAuthnUrl(authnUrl)
  if (split instanceof Unfit && authnUrlRaw !== undefined) {
    problems.push(problemOf(authnUrlRaw, `"${String(authnUrlRaw.value)}" ${split.reason}`))
  }
  const fromUrl = split instanceof Unfit ? undefined : split
  const authenticator = named ?? fromUrl?.authenticator
  if (named !== undefined && fromUrl !== undefined && authenticatorRaw !== undefined) {
    const [one, other] = [nameOf(named), nameOf(fromUrl.authenticator)]
    if (one !== other) {
      problems.push(
        problemOf(authenticatorRaw, `"${one}" disagrees with ${other} in CONJUR_AUTHN_URL`),
      )
    }
  }
  const account = take(settings.account)
  if (account === undefined && !found.settings.has('account')) {
    problems.push(missing('CONJUR_ACCOUNT', "Conjur's name for your organisation, such as acme"))
  }
  if (!found.settings.has('applianceUrl') && authnUrlRaw === undefined) {
    problems.push(
      missing('CONJUR_APPLIANCE_URL', "Conjur's address, such as https://conjur.example.com"),
    )
  }
  if (authenticatorRaw === undefined && authnUrlRaw === undefined) {
    problems.push(missing('CONJUR_AUTHENTICATOR', 'the authenticator, such as authn-jwt/prod'))
  }
  const login = take(settings.authnLogin)
  if (authenticator?.type === 'authn-azure' && !found.settings.has('authnLogin')) {
    problems.push(missing('CONJUR_AUTHN_LOGIN', 'authn-azure needs it, such as host/apps/web'))
  }
  const pem = take(settings.sslCertificate)
  const file = take(settings.certFile)
  return {
    applianceUrl: applianceUrl ?? fromUrl?.applianceUrl,
    authnBaseUrl: fromUrl?.applianceUrl ?? applianceUrl,
    account,
    authenticator,
    login,
    ca: pem === undefined ? (file === undefined ? undefined : { file }) : { pem },
    timeoutMs: take(settings.httpTimeout) * 1000,
    renewAfterMs: take(settings.tokenTimeout),
  }
}

/** Which platform token to present, and how to get it. */
export interface IdentityConfig {
  readonly source: 'projected-token' | 'azure-imds' | 'azure-workload-identity'
  /** Why this source: one clause for the log. */
  readonly reason: string
  readonly tokenPath: string
  readonly azure: {
    readonly resource: string
    readonly apiVersion: string
    readonly selector: AzureSelector | undefined
  }
}

interface AzureSelector {
  readonly kind: 'clientId' | 'objectId' | 'resourceId'
  readonly value: string
}

interface IdentityContext {
  readonly authenticator: AuthenticatorName | undefined
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly problems: Problem[]
}

/** Chooses the identity source by configuration; a failing source is never followed by another. */
export function readIdentity(
  take: Take,
  { authenticator, environment, problems }: IdentityContext,
): IdentityConfig {
  const selectors = (
    [
      ['clientId', take(settings.authnAzureClientId)],
      ['objectId', take(settings.authnAzureObjectId)],
      ['resourceId', take(settings.authnAzureResourceId)],
    ] as const
  ).flatMap(([kind, value]): AzureSelector[] => (value === undefined ? [] : [{ kind, value }]))
  if (selectors.length > 1) {
    problems.push(
      missing('CONJUR_AUTHN_AZURE_CLIENT_ID', 'is one of several selectors that are set; keep one'),
    )
  }
  const chosen = take(settings.identitySource)
  const federated = environment['AZURE_FEDERATED_TOKEN_FILE'] ?? ''
  const [source, reason] =
    chosen !== undefined
      ? ([chosen, 'set by identitySource'] as const)
      : authenticator?.type !== 'authn-azure'
        ? (['projected-token', `${authenticator?.type ?? 'the default'} reads it`] as const)
        : federated !== ''
          ? (['azure-workload-identity', 'AZURE_FEDERATED_TOKEN_FILE is set'] as const)
          : (['azure-imds', 'authn-azure without AZURE_FEDERATED_TOKEN_FILE'] as const)
  return {
    source,
    reason,
    tokenPath: take(settings.jwtTokenPath),
    azure: {
      resource: take(settings.azureResource),
      apiVersion: take(settings.azureApiVersion),
      selector: selectors[0],
    },
  }
}

function nameOf({ type, serviceId }: AuthenticatorName): string {
  return serviceId === undefined ? type : `${type}/${serviceId}`
}
