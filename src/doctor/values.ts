import {
  audienceOf,
  nameOf,
  textAt,
  type AuthenticatorName,
  type ReadToken,
} from '../identity/claims.ts'

/** A variable of an authenticator and what it has to hold. */
export interface SettingValue {
  /** Below `conjur/<authenticator>/`. */
  readonly name: string
  /** Undefined where only someone else can know it; then `from` says how to get it. */
  readonly value: string | undefined
  readonly from?: string
}

/** What decides the settings of an authenticator. */
export interface SettingsRequest {
  readonly authenticator: AuthenticatorName
  readonly token: ReadToken
  /** Whether the login stands in the URL; else the token has to name the host. */
  readonly hasLogin: boolean
  /** A JWKS in JSON: the keys are then given to Conjur instead of fetched by it. */
  readonly jwks: string | undefined
  /** Where no login is given: the claim that names the host, and the branch it stands in. */
  readonly appProperty: string
  readonly identityPath: string
}

/** The variables of the authenticator that this token needs, the issuer first. */
export function settingsFor(request: SettingsRequest): readonly SettingValue[] {
  const { authenticator, token } = request
  const iss = textAt(token.claims, 'iss')
  switch (authenticator.type) {
    case 'authn-jwt':
      return [
        { name: 'issuer', value: iss },
        keySource(request, iss),
        ...audience(token),
        ...(request.hasLogin
          ? []
          : [
              { name: 'token-app-property', value: request.appProperty },
              { name: 'identity-path', value: request.identityPath },
            ]),
      ]
    case 'authn-azure':
      return [{ name: 'provider-uri', value: iss }]
    case 'authn-oidc':
      return [
        { name: 'provider-uri', value: iss?.replace(/\/$/, '') },
        { name: 'id-token-user-property', value: request.appProperty },
      ]
    default:
      return []
  }
}

/** Whether an issuer is a name that only the cluster itself can resolve. */
export function isClusterInternal(iss: string | undefined): boolean {
  const host = iss !== undefined && URL.canParse(iss) ? new URL(iss).hostname : (iss ?? '')
  return /(^|\.)kubernetes(\.default)?$|\.svc(\.|$)|\.local$|^kubernetes\//.test(host)
}

function keySource({ jwks }: SettingsRequest, iss: string | undefined): SettingValue {
  if (jwks !== undefined) {
    const { keys }: { keys?: unknown } = JSON.parse(jwks)
    return { name: 'public-keys', value: JSON.stringify({ type: 'jwks', value: { keys } }) }
  }
  if (isClusterInternal(iss)) {
    return {
      name: 'public-keys',
      value: undefined,
      from: 'kubectl get --raw /openid/v1/jwks > jwks.json; conjur-agent policy --jwks jwks.json --values',
    }
  }
  // Conjur puts /.well-known/… behind it as it stands: a slash at the end would be doubled.
  return { name: 'provider-uri', value: iss?.replace(/\/$/, '') }
}

function audience({ claims }: ReadToken): readonly SettingValue[] {
  const { aud } = claims
  const first: unknown = Array.isArray(aud) ? aud[0] : aud
  const isOurs = !/(^|\/\/)kubernetes\.default\b/.test(audienceOf(claims) ?? '')
  return typeof first === 'string' && isOurs ? [{ name: 'audience', value: first }] : []
}

/** The command that sets a variable, quoted for a shell. */
export function setCommand(
  authenticator: AuthenticatorName,
  { name, value }: SettingValue,
): string {
  return `conjur variable set -i conjur/${nameOf(authenticator)}/${name} -v ${quoted(value ?? 'VALUE')}`
}

function quoted(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`
}
