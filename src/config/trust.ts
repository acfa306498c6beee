import { X509Certificate } from 'node:crypto'
import { Unfit } from './setting.ts'

/** An authenticator by type and, but for authn and authn-gcp, service id. */
export interface AuthenticatorName {
  readonly type: AuthenticatorType
  readonly serviceId: string | undefined
}

export type AuthenticatorType = (typeof types)[number]

const types = [
  'authn-jwt',
  'authn-azure',
  'authn-oidc',
  'authn-gcp',
  'authn-iam',
  'authn-k8s',
  'authn',
] as const
const withoutServiceId: readonly string[] = ['authn', 'authn-gcp']

/** `authn-jwt/prod` → its parts. */
export function authenticatorName(value: string): AuthenticatorName | Unfit {
  const [name = '', serviceId, ...rest] = value.split('/')
  const type = types.find((candidate) => candidate === name)
  if (type === undefined) {
    return new Unfit(`names no authenticator such as authn-jwt/prod; there are ${types.join(', ')}`)
  }
  if (withoutServiceId.includes(type)) {
    return serviceId === undefined
      ? { type, serviceId }
      : new Unfit(`takes no service id; write ${type}`)
  }
  if (serviceId === undefined || serviceId === '') {
    return new Unfit(`has no service id; write ${type}/prod for conjur/${type}/prod`)
  }
  if (rest.length > 0 || !/^[\w-]+$/.test(serviceId)) {
    return new Unfit('has a service id that Conjur cannot route: letters, digits, - and _ only')
  }
  return { type, serviceId }
}

/** Authentication URLs in their parts: all of one authenticator. */
export function splitAuthnUrls(
  urls: readonly [URL, ...URL[]],
): { applianceUrls: readonly URL[]; authenticator: AuthenticatorName } | Unfit {
  const [first, ...others] = urls.map((url) => splitAuthnUrl(url))
  if (first === undefined || first instanceof Unfit) return first ?? new Unfit('holds no address')
  const applianceUrls = [first.applianceUrl]
  for (const [index, other] of others.entries()) {
    if (other instanceof Unfit) return new Unfit(`${other.reason} (address ${index + 2})`)
    const { type, serviceId } = other.authenticator
    if (type !== first.authenticator.type || serviceId !== first.authenticator.serviceId) {
      return new Unfit(`names another authenticator in address ${index + 2} than in the first`)
    }
    applianceUrls.push(other.applianceUrl)
  }
  return { applianceUrls, authenticator: first.authenticator }
}

/** An authentication URL in its parts: what stands before `/authn…`, and the authenticator. */
function splitAuthnUrl(url: URL): { applianceUrl: URL; authenticator: AuthenticatorName } | Unfit {
  const segments = url.pathname.split('/').filter((segment) => segment !== '')
  const at = segments.findIndex((segment) => /^authn(-|$)/.test(segment))
  if (at === -1) return new Unfit('has no authenticator in its path, such as /authn-jwt/prod')
  const authenticator = authenticatorName(segments.slice(at).join('/'))
  if (authenticator instanceof Unfit) return authenticator
  const applianceUrl = new URL(url)
  applianceUrl.pathname = segments.slice(0, at).join('/')
  return { applianceUrl, authenticator }
}

/** A login of a host. Users and admin are refused: a workload is a host. */
export function login(value: string): string | Unfit {
  const endsWell = /[!-~]$/.test(value) || !/[\s\p{Cc}]$/u.test(value)
  if (/^host\/[^/]/.test(value) && endsWell) return value
  if (value === 'admin' || value.startsWith('user/')) {
    return new Unfit('is a person; a workload logs in as a host, host/<path>')
  }
  if (/^host%2f/i.test(value)) {
    return new Unfit(`is percent-encoded already; write ${value.replaceAll(/%2f/gi, '/')}`)
  }
  return new Unfit(`does not start with host/; for the host ${value} write host/${value}`)
}

/** One or more PEM certificates. Literal `\n` is read as a line break, since one-line fields hold it so. */
export function pem(value: string): string | Unfit {
  const unfolded = value.includes('\n') ? value : value.replaceAll('\\n', '\n')
  const blocks = unfolded.match(
    /-----BEGIN CERTIFICATE-----\s+[A-Za-z0-9+/=\s]+?-----END CERTIFICATE-----/g,
  )
  if (blocks === null) return new Unfit('holds no PEM certificate (-----BEGIN CERTIFICATE-----)')
  return blocks.every((block) => isCertificate(block))
    ? unfolded
    : new Unfit('holds a PEM block that is no certificate; was it cut or folded?')
}

function isCertificate(block: string): boolean {
  try {
    return new X509Certificate(block).subject !== undefined
  } catch {
    return false
  }
}
