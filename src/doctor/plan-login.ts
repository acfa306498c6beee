import { configError, type Problem } from '../config/problems.ts'
import { IdentityError } from '../core/errors.ts'
import { textAt, type AuthenticatorName, type ReadToken } from '../identity/claims.ts'
import type { Answers } from './answers.ts'

/** What decides who logs in. */
export interface LoginQuestion {
  readonly authenticator: AuthenticatorName
  readonly token: ReadToken
  readonly given: string | undefined
  readonly appProperty: string
  readonly identityPath: string
  readonly answers: Answers
  readonly problems: readonly Problem[]
  /** Whether the claims are answers of a person, who may not have a configuration yet. */
  readonly isAnswered: boolean
}

/** Who logs in: as configured, else as the token names it. */
export function loginOf(question: LoginQuestion): string {
  const { authenticator, token, given, appProperty, identityPath, answers, problems, isAnswered } =
    question
  const named = textAt(token.claims, appProperty)
  switch (authenticator.type) {
    case 'authn-oidc':
      if (named !== undefined) return named
      throw new IdentityError(
        'IDENTITY_UNFIT',
        `the token has no claim ${appProperty} to name a user by`,
        {
          hint: 'name one in --answers token-app-property=CLAIM',
        },
      )
    case 'authn-iam': {
      const end = `${answers.get('account') ?? ''}/${answers.get('role') ?? ''}`
      return given?.endsWith(`/${end}`) === true ? given : `${given ?? 'host/apps'}/${end}`
    }
    case 'authn-jwt':
      if (given !== undefined) return given
      if (named !== undefined) return `host/${identityPath}/${named}`.replaceAll(/\/+/g, '/')
      throw new IdentityError(
        'IDENTITY_UNFIT',
        `the token has no claim ${appProperty} to name the host by`,
        {
          hint: 'set CONJUR_AUTHN_LOGIN=host/<path>, or name a claim in --answers token-app-property=CLAIM',
        },
      )
    default:
      if (given !== undefined) return given
      if (!isAnswered && problems.length > 0) throw configError(problems)
      return `host/${identityPath}/web`
  }
}

/** Whether the workload has to say who it is; else its token does. */
export function namesLogin({ type }: AuthenticatorName, given: string | undefined): boolean {
  switch (type) {
    case 'authn-oidc':
      return false
    case 'authn-jwt':
      return given !== undefined
    default:
      return true
  }
}
