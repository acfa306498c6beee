import {
  claimAt,
  nameOf,
  readMirid,
  textAt,
  type AuthenticatorName,
  type ReadToken,
} from '../identity/claims.ts'

/** A host as Conjur's records show it, and the lists of the authenticator that touch it. */
export interface HostRecord {
  readonly annotations: Readonly<Record<string, string>>
  /** The variable `claim-aliases`: `annotation:claim`, by commas. */
  readonly aliases?: string | undefined
  /** The variable `enforced-claims`, by commas. */
  readonly enforced?: string | undefined
}

/** Every reason for which a host's annotations do not fit a token, both values shown. Empty: they fit. */
export function compareAnnotations(
  authenticator: AuthenticatorName,
  token: ReadToken,
  host: HostRecord,
): readonly string[] {
  switch (authenticator.type) {
    case 'authn-jwt':
      return jwt(authenticator, token, host)
    case 'authn-azure':
      return azure(authenticator, token, host)
    default:
      return []
  }
}

const DENIED: readonly string[] = ['iss', 'exp', 'nbf', 'iat', 'jti', 'aud']

function jwt(
  authenticator: AuthenticatorName,
  { claims }: ReadToken,
  { annotations, aliases, enforced }: HostRecord,
): readonly string[] {
  const prefix = `${nameOf(authenticator)}/`
  const own = Object.entries(annotations).filter(([name]) => name.startsWith(prefix))
  if (own.length === 0) {
    const general = Object.keys(annotations).find((name) => name.startsWith('authn-jwt/'))
    return [
      `the host has no annotation ${prefix}<claim>${general === undefined ? '' : `; ${general} does not count here`}`,
    ]
  }
  const claimOf = new Map(list(aliases).map((pair) => [before(pair), after(pair)]))
  return [
    ...outgrownBy(authenticator, annotations, { aliases, enforced }),
    ...own.flatMap(([name, value]) => {
      const claim = name.slice(prefix.length)
      if (DENIED.includes(claim)) return []
      const found = claimAt(claims, claimOf.get(claim) ?? claim)
      if (found === undefined)
        return [`annotation ${name} is "${value}"; the token has no such claim`]
      return found === value ? [] : [differs(name, value, shown(found))]
    }),
  ]
}

/** Why a host cannot log in with authn-jwt whatever its token says: what the authenticator's lists demand of annotations. */
export function outgrownBy(
  authenticator: AuthenticatorName,
  annotations: HostRecord['annotations'],
  { aliases, enforced }: Pick<HostRecord, 'aliases' | 'enforced'>,
): readonly string[] {
  const prefix = `${nameOf(authenticator)}/`
  const aliased = new Map(list(aliases).map((pair) => [after(pair), before(pair)]))
  return [
    ...list(enforced)
      .filter((claim) => annotations[prefix + (aliased.get(claim) ?? claim)] === undefined)
      .map((claim) => lacks(prefix + (aliased.get(claim) ?? claim))),
    ...[...aliased].flatMap(([claim, alias]) =>
      annotations[prefix + claim] === undefined
        ? []
        : [`annotation ${prefix}${claim} has to be written as ${prefix}${alias}, its alias`],
    ),
    ...DENIED.filter((claim) => annotations[prefix + claim] !== undefined).map((claim) =>
      denied(prefix, claim),
    ),
  ]
}

function lacks(annotation: string): string {
  return `the host lacks annotation ${annotation}, which enforced-claims demands`
}

function denied(prefix: string, claim: string): string {
  return `annotation ${prefix}${claim} is not allowed: ${claim} is no claim to tell hosts apart by`
}

const AZURE = [
  'subscription-id',
  'resource-group',
  'user-assigned-identity',
  'system-assigned-identity',
] as const

function azure(
  { serviceId }: AuthenticatorName,
  { claims }: ReadToken,
  { annotations }: HostRecord,
): readonly string[] {
  const of = (name: string): readonly [string, string] | undefined => {
    const names = [`authn-azure/${serviceId}/${name}`, `authn-azure/${name}`]
    const found = names.find((candidate) => (annotations[candidate] ?? '') !== '')
    return found === undefined ? undefined : [found, annotations[found] ?? '']
  }
  const wanted = AZURE.flatMap((name) => {
    const found = of(name)
    return found === undefined ? [] : [{ name, annotation: found[0], value: found[1] }]
  })
  const missing = ['subscription-id', 'resource-group'].filter((name) => of(name) === undefined)
  const identities = wanted.filter(({ name }) => name.endsWith('-assigned-identity'))
  const { subscription, resourceGroup, provider } = readMirid(textAt(claims, 'xms_mirid') ?? '')
  const [namespace, , name] = provider
  const isUser = namespace === 'Microsoft.ManagedIdentity'
  const actual: Readonly<Record<(typeof AZURE)[number], string | undefined>> = {
    'subscription-id': subscription,
    'resource-group': resourceGroup,
    'user-assigned-identity': isUser ? name : undefined,
    'system-assigned-identity': isUser ? undefined : textAt(claims, 'oid'),
  }
  return [
    ...missing.map(
      (absent) => `the host lacks annotation authn-azure/${absent}, which authn-azure demands`,
    ),
    ...(identities.length > 1
      ? ['the host has both a user-assigned and a system-assigned identity; keep one']
      : []),
    ...wanted.flatMap((one) => {
      const found = actual[one.name]
      if (found === one.value) return []
      if (found !== undefined) return [differs(one.annotation, one.value, `"${found}"`)]
      return [
        `annotation ${one.annotation} is "${one.value}"; the token's identity is ${isUser ? 'user' : 'system'}-assigned`,
      ]
    }),
  ]
}

function differs(annotation: string, value: string, found: string): string {
  const onlyCase =
    found.toLowerCase() === `"${value.toLowerCase()}"` ? '; only the letter case differs' : ''
  return `annotation ${annotation} is "${value}", the token says ${found}${onlyCase}`
}

/** A claim as it may be shown; one that is no text can match no annotation. */
function shown(claim: unknown): string {
  return typeof claim === 'string'
    ? `"${claim}"`
    : `${JSON.stringify(claim).slice(0, 60)}, which is no text`
}

function list(text: string | undefined): readonly string[] {
  return (text ?? '').split(',').flatMap((item) => item.trim() || [])
}

function before(pair: string): string {
  return pair.slice(0, pair.indexOf(':')).trim()
}

function after(pair: string): string {
  return pair.slice(pair.indexOf(':') + 1).trim()
}
