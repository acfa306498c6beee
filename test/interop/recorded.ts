import { readFileSync } from 'node:fs'

/** One exchange with a real Conjur, as its README describes it. */
export interface Exchange {
  readonly id: string
  readonly recordedAt: string
  readonly needs?: readonly string[]
  readonly changesState?: string
  readonly conjurToken?: {
    readonly login: string
    readonly form?: string
    readonly ageSeconds?: number
  }
  readonly apiKeyOf?: string
  readonly jwtKey?: string | null
  readonly jwtHeader?: Readonly<Record<string, unknown>>
  readonly jwtClaims?: Readonly<Record<string, unknown>>
  readonly jwtTimes?: { readonly iat?: number; readonly nbf?: number }
  readonly ttl?: number | null
  readonly jwtSignature?: string
  readonly jwtSignatureEnd?: string
  readonly request: {
    readonly method: string
    readonly path: string
    readonly headers: Readonly<Record<string, string>>
    readonly body?: string
    readonly bodyBase64?: string
  }
  readonly response: {
    readonly status: number
    readonly statusText: string
    readonly httpVersion?: string
    readonly headers: Readonly<Record<string, string>>
    readonly body?: string
    readonly bodyBase64?: string
  }
  readonly issuedToken?: { readonly login: string; readonly ttl: number; readonly encoding: string }
  readonly volatile: readonly string[]
  readonly serverLog?: readonly string[]
}

export interface Issuer {
  readonly url: string
  readonly body: unknown
}

interface Variables {
  readonly values: Readonly<Record<string, string | { readonly base64: string }>>
  readonly enabledAuthenticators: readonly string[]
}

/** Everything recorded: exchanges, the policy, the values, the issuers and the signing keys. */
export function recorded() {
  const exchanges: readonly Exchange[] = readJson('exchanges.json')
  const issuers: readonly Issuer[] = readJson('issuers.json')
  const variables: Variables = readJson('variables.json')
  const apiKeys: Readonly<Record<string, string>> = readJson('keys/api-keys.json')
  return {
    exchanges,
    issuers,
    variables,
    apiKeys,
    policy: readText('policy/1-root.yml'),
    jwk(name: string): Readonly<Record<string, string>> {
      return readJson(`keys/${name}.jwk.json`)
    },
    issuerKey: readText('keys/issuer-server.key'),
    issuerCertificate: readText('keys/issuer-server.pem'),
  }
}

function readText(name: string): string {
  return readFileSync(new URL(`conjur-exchanges/${name}`, import.meta.url), 'utf8')
}

// The files are our own, and their README fixes their shapes.
function readJson(name: string) {
  return JSON.parse(readText(name))
}
