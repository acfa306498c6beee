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

/** Which platform token to present, and how to get it. Times are milliseconds. */
export interface IdentityConfig {
  /** Why this source: one clause for the log. */
  readonly reason: string
  /** How long a platform that is not ready is asked again within one pass. */
  readonly budgetMs: number
  readonly source:
    | { readonly kind: 'projected-token'; readonly path: string; readonly setting: string }
    | {
        readonly kind: 'azure-imds'
        readonly resource: string
        readonly apiVersion: string
        readonly selector: AzureSelector | undefined
        readonly baseUrl: URL | undefined
      }
    | {
        readonly kind: 'azure-workload-identity'
        readonly tokenFile: string
        readonly clientId: string
        readonly tenantId: string
        readonly authorityHost: URL
        readonly resource: string
      }
}

interface AzureSelector {
  readonly kind: 'clientId' | 'objectId' | 'resourceId'
  readonly value: string
}

interface IdentityContext {
  readonly authenticator: AuthenticatorName | undefined
  readonly found: Sources
  readonly problems: Problem[]
}

/**
 * Chooses the identity source by configuration: a failing source is never followed by another,
 * since guessing turns a typo into a login as someone else.
 */
export function readIdentity(take: Take, context: IdentityContext): IdentityConfig {
  const chosen = take(settings.identitySource)
  const isAzure = context.authenticator?.type === 'authn-azure'
  const budgetMs = take(settings.identityTimeout)
  const tokenFile = take(settings.azureFederatedTokenFile)
  const [kind, reason] =
    chosen !== undefined
      ? [chosen, 'set by identitySource']
      : !isAzure
        ? (['projected-token', 'authn-jwt presents it'] as const)
        : tokenFile !== undefined
          ? (['azure-workload-identity', 'AZURE_FEDERATED_TOKEN_FILE is set'] as const)
          : (['azure-imds', 'authn-azure, and AZURE_FEDERATED_TOKEN_FILE is not set'] as const)
  return { reason, budgetMs, source: readSource(kind, take, context) }
}

function readSource(
  kind: IdentityConfig['source']['kind'],
  take: Take,
  { found, problems }: IdentityContext,
): IdentityConfig['source'] {
  const [pathRaw] = found.settings.get('jwtTokenPath') ?? []
  const path = take(settings.jwtTokenPath)
  const resource = take(settings.authnAzureResource)
  const apiVersion = take(settings.authnAzureApiVersion)
  const selector = readSelector(take, problems)
  const clientId = take(settings.azureClientId)
  switch (kind) {
    case 'projected-token':
      return { kind, path, setting: pathRaw?.name ?? settings.jwtTokenPath.env }
    case 'azure-imds':
      return {
        kind,
        resource,
        apiVersion,
        // By the convention of Azure's own libraries.
        selector:
          selector ?? (clientId === undefined ? undefined : { kind: 'clientId', value: clientId }),
        baseUrl: take(settings.azurePodIdentityAuthorityHost),
      }
    case 'azure-workload-identity': {
      const needed = (name: string, value: string | undefined, what: string): string => {
        if (value === undefined) problems.push(missing(name, what))
        return value ?? ''
      }
      return {
        kind,
        resource,
        tokenFile: needed(
          'AZURE_FEDERATED_TOKEN_FILE',
          take(settings.azureFederatedTokenFile),
          'label the pod azure.workload.identity/use: "true"',
        ),
        clientId: needed(
          'AZURE_CLIENT_ID',
          selector?.kind === 'clientId' ? selector.value : clientId,
          'annotate the ServiceAccount azure.workload.identity/client-id',
        ),
        tenantId: needed(
          'AZURE_TENANT_ID',
          take(settings.azureTenantId),
          "the Entra tenant; Azure's webhook sets it",
        ),
        authorityHost: take(settings.azureAuthorityHost),
      }
    }
    default:
      return kind satisfies never
  }
}

function readSelector(take: Take, problems: Problem[]): AzureSelector | undefined {
  const selectors = (
    [
      ['clientId', take(settings.authnAzureClientId)],
      ['objectId', take(settings.authnAzureObjectId)],
      ['resourceId', take(settings.authnAzureResourceId)],
    ] as const
  ).flatMap(([kind, value]): AzureSelector[] => (value === undefined ? [] : [{ kind, value }]))
  if (selectors.length > 1) {
    problems.push(
      missing(
        'CONJUR_AUTHN_AZURE_…_ID',
        'more than one is set; an identity has one name, keep one',
      ),
    )
  }
  return selectors[0]
}

function nameOf({ type, serviceId }: AuthenticatorName): string {
  return serviceId === undefined ? type : `${type}/${serviceId}`
}
