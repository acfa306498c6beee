import type { Authenticators } from '../conjur/inspect.ts'
import { annotationsFor } from './annotations.ts'
import {
  findingsOf,
  nameOf,
  textAt,
  type AuthenticatorName,
  type ReadToken,
} from '../identity/claims.ts'
import type { Suspect } from './report.ts'

/** What is known when Conjur has refused a login. */
export interface Evidence {
  readonly authenticator: AuthenticatorName
  readonly login: string | undefined
  /** Undefined where the authenticator takes no token. */
  readonly token: ReadToken | undefined
  /** Epoch milliseconds. */
  readonly expiresAt: number | undefined
  /** Conjur's clock in epoch milliseconds; undefined where no reply told it. */
  readonly byConjur: number | undefined
  readonly authenticators: Authenticators | undefined
  /** Whether the refusal looks like Conjur's own. */
  readonly isConjurs: boolean
}

/** What a refused login cannot come from, and what is left, likeliest first. */
export interface Inquiry {
  readonly ruledOut: readonly string[]
  readonly left: readonly Suspect[]
}

/**
 * Conjur answers a refused login with an empty 401. What the steps before proved narrows it down:
 * only that is called ruled out; the rest stays in the order in which it happens to people.
 */
export function inquire(evidence: Evidence): Inquiry {
  const { authenticator, authenticators, byConjur, expiresAt } = evidence
  const name = nameOf(authenticator)
  const ruledOut: string[] = []
  const left: Suspect[] = [...unfit(evidence)]

  if (byConjur !== undefined && expiresAt !== undefined && expiresAt > byConjur) {
    ruledOut.push('expired token')
  }
  if (byConjur !== undefined && evidence.token !== undefined && isInForce(evidence.token, byConjur))
    ruledOut.push('clock')
  if (authenticators?.enabled.includes(name) === true) ruledOut.push('disabled authenticator')
  else
    left.push({
      what: `${name} is not enabled${authenticators === undefined ? ', which this server does not tell' : ''}`,
    })
  if (evidence.isConjurs) ruledOut.push("a proxy's answer")
  else left.push({ what: 'something between here and Conjur gave this answer' })

  left.push(...encodedLogin(evidence), ...annotations(evidence), host(evidence), keys(evidence))
  return { ruledOut, left }
}

function unfit({ authenticator, token }: Evidence): readonly Suspect[] {
  return (token === undefined ? [] : findingsOf(token, authenticator.type))
    .filter(({ isFatal }) => isFatal)
    .map(({ what }) => ({ what: `the token itself: ${what}` }))
}

function isInForce({ claims }: ReadToken, byConjur: number): boolean {
  return ['nbf', 'iat'].every((name) => {
    const at = claims[name]
    return typeof at !== 'number' || at * 1000 <= byConjur
  })
}

function encodedLogin({ login }: Evidence): readonly Suspect[] {
  return login !== undefined && /%[0-9a-f]{2}/i.test(login)
    ? [{ what: `${login} is percent-encoded, and that is done again on the way; write it plainly` }]
    : []
}

function annotations({ authenticator, token }: Evidence): readonly Suspect[] {
  const named = Object.entries(token === undefined ? {} : annotationsFor(authenticator, token))
  if (named.length === 0) return []
  const prefix =
    authenticator.type === 'authn-jwt' ? `${nameOf(authenticator)}/` : `${authenticator.type}/`
  return [
    {
      what: 'an annotation of the host differs from the token:',
      claims: Object.fromEntries(
        named.map(([annotation, value]) => [annotation.slice(prefix.length), value]),
      ),
    },
  ]
}

function host({ authenticator, login }: Evidence): Suspect {
  const origin = 'or its restricted_to leaves out this address'
  if (login !== undefined) return { what: `${login} does not exist, ${origin}` }
  switch (authenticator.type) {
    case 'authn-oidc':
      return { what: `the user that id-token-user-property names does not exist, ${origin}` }
    case 'authn-gcp':
      return { what: `the host that the token's aud names does not exist, ${origin}` }
    default:
      return {
        what: `token-app-property is not set, or the host that it names does not exist, ${origin}`,
      }
  }
}

function keys({ authenticator, token }: Evidence): Suspect {
  const name = nameOf(authenticator)
  const iss = textAt(token?.claims ?? {}, 'iss') ?? 'none'
  switch (authenticator.type) {
    case 'authn-azure':
      return { what: `provider-uri of ${name} is not iss "${iss}", or Conjur cannot reach it` }
    case 'authn-iam':
      return {
        what: 'the login does not end in /<AWS account>/<role name>, or AWS refuses the signature',
      }
    case 'authn':
      return { what: 'the API key is another one, or its file holds a line feed at the end' }
    default:
      return { what: `keys, issuer or audience of ${name}: iss "${iss}"` }
  }
}
