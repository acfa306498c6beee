import { readFile } from 'node:fs/promises'
import type { PartialConfig } from '../config/load.ts'
import { IdentityError, UsageError } from '../core/errors.ts'
import { parseRecord } from '../core/json.ts'
import { textAt, type AuthenticatorName, type ReadToken } from '../identity/claims.ts'
import { readTokenFile } from '../identity/projected-token.ts'
import { readPlatformToken } from '../identity/source.ts'
import { tokenFromAnswers, type Answers } from './answers.ts'
import { platformCredential } from './check-token.ts'
import { clusterKeys } from './cluster-keys.ts'
import type { Tools } from './known.ts'
import { isClusterInternal } from './values.ts'

export interface TokenQuestion {
  readonly partial: PartialConfig
  readonly tokenFile: string | undefined
  readonly kind: string | undefined
  readonly answers: Answers
}

/** The token that the policy is read off: the platform's, one in a file, or what a person says of it. */
export async function tokenOf(
  { partial, tokenFile, kind, answers }: TokenQuestion,
  tools: Tools,
  signal: AbortSignal,
): Promise<{ token: ReadToken; from: string }> {
  if (kind !== undefined) return { token: tokenFromAnswers(kind, answers), from: 'answers' }
  if (tokenFile !== undefined) {
    const read = await readTokenFile(tokenFile, '--token-file')
    // An old token says as much about its workload as a new one.
    return { token: readPlatformToken(read, { from: tokenFile, now: 0 }), from: tokenFile }
  }
  const { credential, name } = await platformCredential(partial, tools, signal)
  if (credential.kind === 'jwt') return { token: credential, from: name }
  throw new IdentityError('IDENTITY_UNFIT', `${name} gives no token whose claims could be read`, {
    hint: 'conjur-agent policy --for iam --answers account=…,role=… prints policy without one',
  })
}

/** Keys to hand to Conjur, as a JWKS in JSON; undefined where it can fetch them itself, or nobody has them here. */
export async function keysOf(
  about: { jwksFile: string | undefined; token: ReadToken; authenticator: AuthenticatorName },
  tools: Tools,
  signal: AbortSignal,
): Promise<string | undefined> {
  if (about.authenticator.type !== 'authn-jwt') return undefined
  const file = about.jwksFile
  if (file === undefined) {
    return isClusterInternal(textAt(about.token.claims, 'iss'))
      ? clusterKeys({ environment: tools.given.environment }, signal)
      : undefined
  }
  const read = await readFile(file, 'utf8').catch(() => '')
  if (Array.isArray(parseRecord(read)?.['keys'])) return read
  throw new UsageError('USAGE', `--jwks ${file} holds no JWKS`, {
    hint: `kubectl get --raw /openid/v1/jwks > ${file}`,
  })
}
