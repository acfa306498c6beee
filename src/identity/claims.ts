import { isRecord } from '../core/json.ts'

/** A platform token as far as anyone may see it: header and claims, never the token. */
export interface ReadToken {
  readonly header: Readonly<Record<string, unknown>>
  readonly claims: Readonly<Record<string, unknown>>
}

/** An authenticator by type and, where it has one, service id. */
export interface AuthenticatorName {
  readonly type: string
  readonly serviceId: string | undefined
}

/** `authn-jwt/prod`, or `authn-gcp` where there is no service id. */
export function nameOf({ type, serviceId }: AuthenticatorName): string {
  return serviceId === undefined ? type : `${type}/${serviceId}`
}

/** Something about a token that its authenticator dislikes. */
export interface TokenFinding {
  readonly what: string
  /** A command or a place. */
  readonly cure: string
  /** Whether no policy and no setting of Conjur can make this token pass. */
  readonly isFatal: boolean
}

/**
 * A claim by the name that authn-jwt uses for it: the whole name as a key first, else each part
 * between slashes one level deeper.
 */
export function claimAt(claims: ReadToken['claims'], name: string): unknown {
  if (Object.hasOwn(claims, name)) return claims[name]
  let value: unknown = claims
  for (const part of name.split('/')) value = isRecord(value) ? value[part] : undefined
  return value
}

/** A claim that is a text. */
export function textAt(claims: ReadToken['claims'], name: string): string | undefined {
  const value = claimAt(claims, name)
  return typeof value === 'string' && value !== '' ? value : undefined
}

/** `aud` in words; undefined where there is none. */
export function audienceOf({ aud }: ReadToken['claims']): string | undefined {
  if (typeof aud === 'string') return aud
  return Array.isArray(aud) ? aud.map((item) => String(item)).join(' and ') : undefined
}

/** Everything about a token that keeps it from passing, or may; what may comes last. */
export function findingsOf(token: ReadToken, type: string): readonly TokenFinding[] {
  const found = [...signature(token, type), ...times(token, type)]
  if (type === 'authn-azure') found.push(...azure(token))
  else found.push(...issuerAndAudience(token, type))
  return found
}

const RSA: readonly unknown[] = ['RS256', 'RS384', 'RS512']

function signature({ header }: ReadToken, type: string): TokenFinding[] {
  const { alg, kid } = header
  const findings: TokenFinding[] = []
  // The others take what the issuer's discovery document names.
  if (type === 'authn-jwt' && !RSA.includes(alg)) {
    findings.push({
      what: `alg ${String(alg)}: authn-jwt takes RS256, RS384 and RS512 only`,
      cure: 'sign with an RSA key: the API server does with --service-account-signing-key-file naming one',
      isFatal: true,
    })
  }
  if (typeof kid !== 'string' || kid === '') {
    findings.push({
      what: 'no kid in its header: Conjur cannot tell which key signed it',
      cure: 'have the issuer name its key in the header; `kubectl create token` shows what the API server writes',
      isFatal: true,
    })
  }
  return findings
}

function times({ claims }: ReadToken, type: string): TokenFinding[] {
  if (typeof claims['exp'] === 'number' || type !== 'authn-jwt') return []
  const isLegacy = claims['iss'] === 'kubernetes/serviceaccount'
  return [
    {
      what: isLegacy
        ? 'no exp: this is a token from a Secret, which lives for ever; authn-jwt refuses it'
        : 'no exp: authn-jwt refuses a token that never ends',
      cure: 'mount a projected serviceAccountToken and name its path in JWT_TOKEN_PATH',
      isFatal: true,
    },
  ]
}

function issuerAndAudience({ claims }: ReadToken, type: string): TokenFinding[] {
  const findings: TokenFinding[] = []
  if (type === 'authn-jwt' && typeof claims['iss'] !== 'string') {
    findings.push({
      what: 'no iss: authn-jwt refuses a token without an issuer',
      cure: 'have the issuer name itself in iss',
      isFatal: true,
    })
  }
  const audience = audienceOf(claims)
  if (audience !== undefined && /(^|\/\/)kubernetes\.default\b/.test(audience)) {
    findings.push({
      what: `aud ${audience} is the API server's: this token was not made for Conjur`,
      cure: 'set audience: conjur in the projected serviceAccountToken; the variable audience of the authenticator has to say the same',
      isFatal: false,
    })
  }
  return findings
}

const USE_JWT =
  'use authn-jwt instead: CONJUR_AUTHENTICATOR=authn-jwt/<service id>; conjur-agent policy --for jwt prints its policy'

function azure({ claims }: ReadToken): TokenFinding[] {
  const findings: TokenFinding[] = []
  const fatal = (what: string, cure = USE_JWT): void => {
    findings.push({ what, cure, isFatal: true })
  }
  const { iss, ver } = claims
  if (ver === '2.0' || (typeof iss === 'string' && /\/v2\.0\/?$/.test(iss))) {
    fatal(
      `iss ${String(iss)}: a v2.0 token never passes authn-azure`,
      'set CONJUR_AUTHN_AZURE_RESOURCE=https://management.azure.com/, which answers with v1.0; else use authn-jwt/<service id>, with provider-uri set to that iss',
    )
  } else if (typeof iss !== 'string') {
    fatal('no iss: authn-azure compares it with provider-uri')
  } else if (!iss.endsWith('/')) {
    fatal(
      `iss ${iss} has no slash at its end: authn-azure puts one behind provider-uri and compares`,
    )
  }
  const mirid = textAt(claims, 'xms_mirid')
  if (mirid === undefined) {
    fatal('no xms_mirid: this is no managed identity, an app registration for instance')
  } else {
    const { problem } = readMirid(mirid)
    if (problem !== undefined) fatal(`xms_mirid ${mirid} ${problem}`)
  }
  if (textAt(claims, 'oid') === undefined) fatal('no oid: authn-azure demands it')
  return findings
}

/** The parts of `xms_mirid` that annotations speak of, and why Conjur cannot read it, if it cannot. */
export interface Mirid {
  readonly subscription: string | undefined
  readonly resourceGroup: string | undefined
  /** Namespace, type, name. */
  readonly provider: readonly string[]
  readonly problem: string | undefined
}

/** Reads `/subscriptions/S/resourcegroups/G/providers/NAMESPACE/TYPE/NAME` as Conjur does: key words count in lower case. */
export function readMirid(mirid: string): Mirid {
  const parts = mirid.replace(/^\//, '').split('/')
  const after = (key: string): readonly string[] => {
    const at = parts.indexOf(key)
    const rest = at === -1 ? [] : parts.slice(at + 1)
    const end = rest.findIndex((part) => KEYS.includes(part))
    return end === -1 ? rest : rest.slice(0, end)
  }
  const provider = after('providers')
  const [subscription] = after('subscriptions')
  const [resourceGroup] = after('resourcegroups')
  return { subscription, resourceGroup, provider, problem: miridProblem(parts, provider) }
}

const KEYS: readonly string[] = ['subscriptions', 'resourcegroups', 'providers']

function miridProblem(parts: readonly string[], provider: readonly string[]): string | undefined {
  const missing = KEYS.filter((key) => !parts.includes(key))
  const [key] = missing
  if (key !== undefined) {
    const spelling = parts.find((part) => part.toLowerCase() === key)
    return spelling === undefined
      ? `has no ${key}, so authn-azure cannot read it`
      : `spells ${key} as ${spelling}; authn-azure reads it in lower case only`
  }
  if (provider.length !== 3) {
    return 'has not exactly three parts after providers, as a deployment slot has; authn-azure refuses it'
  }
  const disturbing = parts.find(
    (part) => !KEYS.includes(part) && KEYS.some((word) => part.includes(word)),
  )
  return disturbing === undefined
    ? undefined
    : `holds ${disturbing}, which Conjur takes for a key word; rename it`
}
