import { readMirid, textAt, type AuthenticatorName, type ReadToken } from '../identity/claims.ts'

/** How narrowly a host can be bound to a token, by authenticator, the narrowest first. */
export const granularities = {
  'authn-jwt': ['service-account', 'namespace', 'subject'],
  'authn-azure': ['identity', 'resource-group'],
} as const

export type Granularity = (typeof granularities)[keyof typeof granularities][number]

/** The annotations of a host that a token satisfies, by their whole name. */
export type Annotations = Readonly<Record<string, string>>

/**
 * The annotations that bind a host to the workload of this token, at the narrowest granularity
 * unless a wider one is asked for. Empty where the token holds nothing to bind to.
 */
export function annotationsFor(
  authenticator: AuthenticatorName,
  { claims }: ReadToken,
  granularity?: Granularity,
): Annotations {
  switch (authenticator.type) {
    case 'authn-jwt':
      return prefixed(`authn-jwt/${authenticator.serviceId}`, jwt(claims, granularity))
    case 'authn-azure':
      return prefixed('authn-azure', azure(claims, granularity))
    case 'authn-gcp':
      return prefixed('authn-gcp', gcp(claims))
    default:
      return {}
  }
}

/** Why a host with these annotations lets in more than one workload; undefined if it does not. */
export function tooWide(
  authenticator: AuthenticatorName,
  annotations: Annotations,
): string | undefined {
  const names = Object.keys(annotations)
  const ends = (end: string): boolean => names.some((name) => name.endsWith(end))
  if (authenticator.type === 'authn-jwt' && names.length === 1 && ends(NAMESPACE)) {
    return 'every service account of that namespace may log in as this host'
  }
  if (authenticator.type === 'authn-azure' && !ends('-assigned-identity')) {
    return 'every managed identity of that resource group may log in as this host'
  }
  return undefined
}

type Claims = ReadToken['claims']
type Texts = Readonly<Record<string, string>>

const NAMESPACE = 'kubernetes.io/namespace'
const SERVICE_ACCOUNT = 'kubernetes.io/serviceaccount/name'

function jwt(claims: Claims, granularity: Granularity | undefined): Texts {
  const pod = present(claims, [NAMESPACE, SERVICE_ACCOUNT])
  if (granularity === 'subject' || pod[NAMESPACE] === undefined) {
    // An Azure token's oid is the identity itself; sub is it too, but no page promises that.
    return present(claims, textAt(claims, 'oid') === undefined ? ['sub'] : ['oid'])
  }
  return granularity === 'namespace' ? present(claims, [NAMESPACE]) : pod
}

function azure(claims: Claims, granularity: Granularity | undefined): Texts {
  const { subscription, resourceGroup, provider } = readMirid(textAt(claims, 'xms_mirid') ?? '')
  const [namespace, , name] = provider
  const oid = textAt(claims, 'oid')
  const place = {
    ...(subscription === undefined ? {} : { 'subscription-id': subscription }),
    ...(resourceGroup === undefined ? {} : { 'resource-group': resourceGroup }),
  }
  if (granularity === 'resource-group') return place
  if (namespace === 'Microsoft.ManagedIdentity') {
    return name === undefined ? place : { ...place, 'user-assigned-identity': name }
  }
  return oid === undefined ? place : { ...place, 'system-assigned-identity': oid }
}

function gcp(claims: Claims): Texts {
  const named = {
    'project-id': textAt(claims, 'google/compute_engine/project_id'),
    'service-account-id': textAt(claims, 'sub'),
    'service-account-email': textAt(claims, 'email'),
  }
  return Object.fromEntries(
    Object.entries(named).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  )
}

function present(claims: Claims, names: readonly string[]): Texts {
  return Object.fromEntries(
    names.flatMap((name) => {
      const value = textAt(claims, name)
      return value === undefined ? [] : [[name, value]]
    }),
  )
}

function prefixed(prefix: string, texts: Texts): Annotations {
  return Object.fromEntries(
    Object.entries(texts).map(([name, value]) => [`${prefix}/${name}`, value]),
  )
}
