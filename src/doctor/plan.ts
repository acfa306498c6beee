import type { PartialConfig } from '../config/load.ts'
import { configError, type Problem } from '../config/problems.ts'
import { UsageError } from '../core/errors.ts'
import { findingsOf, textAt, type AuthenticatorName, type ReadToken } from '../identity/claims.ts'
import {
  annotationsFor,
  granularities,
  tooWide,
  type Annotations,
  type Granularity,
} from './annotations.ts'
import { authenticatorFor, readAnswers, type Answers } from './answers.ts'
import type { Tools } from './known.ts'
import { loginOf, namesLogin } from './plan-login.ts'
import { keysOf, tokenOf } from './plan-token.ts'
import type { Policy } from './policy.ts'
import { settingsFor, type SettingValue } from './values.ts'

/** What an operator has to load and to set so that this workload can log in. */
export interface Plan {
  readonly policy: Policy
  readonly settings: readonly SettingValue[]
  /** Where the claims were read: `projected-token of system:serviceaccount:shop:web, iss …`. */
  readonly read: string
  /** The login that the workload has to be given, where it has another or none. */
  readonly loginToSet: string | undefined
  /** What is odd about it, each with its cure. */
  readonly warnings: readonly string[]
}

type Flags = Readonly<Record<string, string | boolean>>

interface Given {
  readonly partial: PartialConfig
  readonly problems: readonly Problem[]
  readonly flags: Flags
}

/** Makes the plan of a configuration and a token. Rejects with what keeps it from being made. */
export async function planFor(
  { partial, problems, flags }: Given,
  tools: Tools,
  signal: AbortSignal,
): Promise<Plan> {
  const kind = text(flags['for'])
  const answers = readAnswers(text(flags['answers']), kind)
  const granularity = granularityOf(flags)
  // What is not set may be unknown yet; what is set wrongly would come out wrong.
  const wrong = problems.filter(({ place }) => place !== 'not set')
  if (wrong.length > 0) throw configError(wrong)
  const authenticator = authenticatorOf(partial, kind, answers)
  if (authenticator === undefined) throw configError(problems)
  demandFit(granularity, authenticator)
  const { token, from } = await tokenOf(
    { partial, tokenFile: text(flags['token-file']), kind, answers },
    tools,
    signal,
  )
  const appProperty =
    answers.get('token-app-property') ?? defaultProperty(authenticator, token, answers)
  const identityPath = answers.get('identity-path') ?? 'apps'
  const given = answers.get('login') ?? partial.conjur.login
  const hasLogin = namesLogin(authenticator, given)
  const jwks = await keysOf({ jwksFile: text(flags['jwks']), token, authenticator }, tools, signal)
  const settings = settingsFor({ authenticator, token, hasLogin, jwks, appProperty, identityPath })
  const annotations = annotationsFor(authenticator, token, granularity)
  const login = loginOf({
    authenticator,
    token,
    given,
    appProperty,
    identityPath,
    answers,
    problems,
    isAnswered: kind !== undefined,
  })
  const variableIds = partial.groups.flatMap(({ entries }) =>
    entries.map(({ variableId }) => variableId),
  )
  const source = textAt(token.claims, 'sub') ?? textAt(token.claims, 'oid') ?? login
  return {
    policy: {
      authenticator,
      settings: settings.map(({ name }) => name),
      login,
      annotations,
      origin:
        kind === undefined
          ? `from the token's claims, ${new Date(tools.now()).toISOString().slice(11, 16)} today`
          : 'from the answers given',
      variableIds: [...new Set(variableIds)],
    },
    settings,
    read: `${from} of ${source}, iss ${textAt(token.claims, 'iss') ?? 'none'}`,
    loginToSet: hasLogin && login !== partial.conjur.login ? login : undefined,
    warnings: warningsOf({ authenticator, token, annotations, isAnswered: kind !== undefined }),
  }
}

interface Doubtful {
  readonly authenticator: AuthenticatorName
  readonly token: ReadToken
  readonly annotations: Annotations
  /** Whether the claims are answers of a person and no token's. */
  readonly isAnswered: boolean
}

function warningsOf({
  authenticator,
  token,
  annotations,
  isAnswered,
}: Doubtful): readonly string[] {
  const { type } = authenticator
  const warnings = isAnswered
    ? []
    : findingsOf(token, type).map(({ what, cure }) => `${what}\n  hint: ${cure}`)
  const wide = tooWide(authenticator, annotations)
  if (wide !== undefined) {
    const narrower = type === 'authn-jwt' ? 'service-account' : 'identity'
    const hint = isAnswered
      ? `add ${type === 'authn-jwt' ? 'service-account=NAME' : 'user-assigned-identity=NAME or system-assigned-identity=OBJECT-ID'} to --answers`
      : `conjur-agent policy --match ${narrower} names one workload`
    warnings.push(`${wide}\n  hint: ${hint}`)
  }
  if (BY_ANNOTATION.includes(type) && Object.keys(annotations).length === 0) {
    warnings.push(
      'the token holds no claim to tell this workload by\n  hint: conjur-agent doctor --until token shows what it holds',
    )
  }
  return warnings
}

/** Authenticators that refuse a host without annotations. */
const BY_ANNOTATION: readonly string[] = ['authn-jwt', 'authn-azure', 'authn-gcp']

function authenticatorOf(
  partial: PartialConfig,
  kind: string | undefined,
  answers: Answers,
): AuthenticatorName | undefined {
  const configured = partial.conjur.authenticator
  if (kind === undefined) return configured
  const asked = authenticatorFor(kind, answers)
  return configured?.type === asked.type && !answers.has('service-id') ? configured : asked
}

function granularityOf(flags: Flags): Granularity | undefined {
  const typed = text(flags['match'])
  const known = Object.values(granularities).flat()
  const found = known.find((one) => one === typed)
  if (typed === undefined || found !== undefined) return found
  throw new UsageError('USAGE', `--match does not know ${typed}`, {
    hint: `it takes ${known.join(', ')}`,
  })
}

/** A granularity of another authenticator would say nothing, and be ignored unseen. */
function demandFit(granularity: Granularity | undefined, { type }: AuthenticatorName): void {
  const own: readonly string[] =
    Object.entries(granularities).find(([name]) => name === type)?.[1] ?? []
  if (granularity === undefined || own.includes(granularity)) return
  throw new UsageError('USAGE', `--match ${granularity} means nothing to ${type}`, {
    hint: own.length === 0 ? 'leave it out' : `${type} takes ${own.join(', ')}`,
  })
}

function defaultProperty(
  { type }: AuthenticatorName,
  { claims }: ReadToken,
  answers: Answers,
): string {
  if (type !== 'authn-oidc') return 'sub'
  const names = ['preferred_username', 'email', 'sub']
  return (
    answers.get('user-property') ??
    names.find((name) => textAt(claims, name) !== undefined) ??
    'sub'
  )
}

function text(flag: string | boolean | undefined): string | undefined {
  return typeof flag === 'string' && flag !== '' ? flag : undefined
}
