import { missing, problemOf, type Problem } from './problems.ts'
import type { Take } from './reader.ts'
import { Unfit } from './setting.ts'
import { settings } from './settings.ts'
import type { Sources } from './sources.ts'
import { splitAuthnUrls, type AuthenticatorName } from './trust.ts'

/** What is known of Conjur so far; whatever is undefined has its problem noted. */
export interface Conjur {
  readonly applianceUrl: URL | undefined
  /** Where values are read while that one is away, in order of preference. */
  readonly followers: readonly URL[]
  readonly authnBaseUrl: URL | undefined
  /** The same for logins. */
  readonly authnFollowers: readonly URL[]
  readonly account: string | undefined
  readonly authenticator: AuthenticatorName | undefined
  readonly login: string | undefined
  readonly ca: { readonly pem: string } | { readonly file: string } | undefined
  /** The proxy of the environment, and what is reached without it. */
  readonly proxy: { readonly proxy: URL | undefined; readonly except: readonly string[] }
  readonly timeoutMs: number
  readonly renewAfterMs: number | undefined
}

interface ConjurContext {
  readonly found: Sources
  readonly problems: Problem[]
}

/** Authenticators that can read the login off the token. */
const namesItself: readonly string[] = ['authn-jwt', 'authn-oidc']

/** Where Conjur is, whom to trust there, and as whom to log in. */
export function readConjur(take: Take, { found, problems }: ConjurContext): Conjur {
  const appliances = take(settings.applianceUrl)
  const named = take(settings.authenticator)
  const authnUrls = take(settings.authnUrl)
  const [authnUrlRaw] = found.settings.get('authnUrl') ?? []
  const [authenticatorRaw] = found.settings.get('authenticator') ?? []
  const split = authnUrls === undefined ? undefined : splitAuthnUrls(authnUrls)
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
  if (
    authenticator !== undefined &&
    !namesItself.includes(authenticator.type) &&
    !found.settings.has('authnLogin')
  ) {
    const what = `${authenticator.type} needs it, such as host/apps/web`
    problems.push(missing('CONJUR_AUTHN_LOGIN', what))
  }
  const pem = take(settings.sslCertificate)
  const file = take(settings.certFile)
  const [applianceUrl, ...followers] = appliances ?? fromUrl?.applianceUrls ?? []
  const [authnBaseUrl, ...authnFollowers] = fromUrl?.applianceUrls ?? appliances ?? []
  return {
    applianceUrl,
    followers,
    authnBaseUrl,
    authnFollowers,
    account,
    authenticator,
    login,
    ca: pem === undefined ? (file === undefined ? undefined : { file }) : { pem },
    proxy: { proxy: take(settings.httpsProxy), except: take(settings.noProxy) ?? [] },
    timeoutMs: take(settings.httpTimeout) * 1000,
    renewAfterMs: take(settings.tokenTimeout),
  }
}

function nameOf({ type, serviceId }: AuthenticatorName): string {
  return serviceId === undefined ? type : `${type}/${serviceId}`
}
