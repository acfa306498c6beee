import {
  exportJWK,
  generateKeyPair,
  SignJWT,
  type CryptoKey,
  type JWK,
  type JWTPayload,
} from 'jose'

import { TEST_TIME } from './fake-clock.ts'

/** An issuer with a key of its own, for tests. */
export interface TokenMaker {
  readonly issuer: string
  readonly kid: string
  /** A signed token; claims given win over `iss`, `iat`, `nbf` and `exp`, and undefined leaves one out. */
  make(
    claims?: Readonly<Record<string, unknown>>,
    header?: Readonly<Record<string, unknown>>,
  ): Promise<string>
  /** Public keys, as a JWKS endpoint serves them. */
  readonly jwks: { readonly keys: readonly JWK[] }
  /** What discovery answers; both the single and the double slash spelling are served by {@link discoveryPaths}. */
  readonly discovery: Readonly<Record<string, unknown>>
}

export interface TokenMakerOptions {
  readonly issuer?: string
  readonly algorithm?: 'RS256' | 'RS384' | 'RS512' | 'PS256' | 'ES256'
  readonly kid?: string
  /** Epoch milliseconds at which tokens are issued. */
  readonly now?: () => number
  /** How long tokens live, in seconds. */
  readonly lifeSeconds?: number
  readonly jwksUri?: string
}

export async function tokenMaker(options: TokenMakerOptions = {}): Promise<TokenMaker> {
  const {
    issuer = 'https://issuer.example.com/',
    algorithm = 'RS256',
    kid = 'key-1',
    now = () => TEST_TIME,
    lifeSeconds = 3600,
    jwksUri = `${issuer.replace(/\/$/, '')}/keys`,
  } = options
  const { privateKey, publicKey } = await generateKeyPair(algorithm, { extractable: true })
  const jwk: JWK = { ...(await exportJWK(publicKey)), kid, use: 'sig', alg: algorithm }
  return {
    issuer,
    kid,
    make: (claims, header) =>
      sign({
        privateKey,
        algorithm,
        kid,
        header,
        payload: {
          iss: issuer,
          ...instants(now(), lifeSeconds),
          ...claims,
        },
      }),
    jwks: { keys: [jwk] },
    discovery: {
      issuer,
      jwks_uri: jwksUri,
      id_token_signing_alg_values_supported: [algorithm],
      response_types_supported: ['id_token'],
      subject_types_supported: ['public'],
    },
  }
}

/** The paths at which an issuer's discovery document is asked for: Conjur doubles the slash. */
export function discoveryPaths(issuer: string): readonly string[] {
  const path = new URL(issuer).pathname.replace(/\/$/, '')
  return [`${path}/.well-known/openid-configuration`, `${path}//.well-known/openid-configuration`]
}

/** Claims of a managed identity's token, v1.0, as Resource Manager's resource gives it. */
export function azureClaims(overrides: JWTPayload = {}): JWTPayload {
  return {
    aud: 'https://management.azure.com/',
    ver: '1.0',
    tid: '0f1e2d3c-1111-4a4a-8b8b-000000000001',
    oid: '9d9d9d9d-4444-4f4f-9a9a-000000000004',
    sub: '9d9d9d9d-4444-4f4f-9a9a-000000000004',
    appid: '7c7c7c7c-3333-4d4d-8e8e-000000000003',
    idtyp: 'app',
    xms_mirid:
      '/subscriptions/5a5a5a5a-2222-4b4b-9c9c-000000000002/resourcegroups/rg-web/providers/Microsoft.Compute/virtualMachines/vm-web',
    ...overrides,
  }
}

/** Claims of a projected service-account token. */
export function serviceAccountClaims(overrides: JWTPayload = {}): JWTPayload {
  return {
    aud: ['conjur'],
    sub: 'system:serviceaccount:shop:web',
    'kubernetes.io': {
      namespace: 'shop',
      serviceaccount: { name: 'web', uid: 'a1a1a1a1-0000-4000-8000-000000000001' },
      pod: { name: 'web-6f7c9', uid: 'b2b2b2b2-0000-4000-8000-000000000002' },
    },
    ...overrides,
  }
}

function instants(now: number, lifeSeconds: number): JWTPayload {
  const iat = Math.floor(now / 1000)
  return { iat, nbf: iat, exp: iat + lifeSeconds }
}

function sign(about: {
  privateKey: CryptoKey
  algorithm: string
  kid: string
  header: Readonly<Record<string, unknown>> | undefined
  payload: Readonly<Record<string, unknown>>
}): Promise<string> {
  return new SignJWT(withoutUndefined(about.payload))
    .setProtectedHeader({ alg: about.algorithm, kid: about.kid, typ: 'JWT', ...about.header })
    .sign(about.privateKey)
}

function withoutUndefined(payload: Readonly<Record<string, unknown>>): JWTPayload {
  return Object.fromEntries(Object.entries(payload).filter(([, value]) => value !== undefined))
}
