import { UsageError } from '../core/errors.ts'
import { nearest } from '../core/nearest.ts'
import type { AuthenticatorName, ReadToken } from '../identity/claims.ts'

/** What `--for` takes, and the answers that each needs or may have. */
const QUESTIONS = {
  jwt: { needs: ['issuer'], may: ['namespace', 'service-account', 'subject', 'audience'] },
  azure: {
    needs: ['tenant-id', 'subscription-id', 'resource-group'],
    may: ['user-assigned-identity', 'system-assigned-identity', 'issuer'],
  },
  oidc: { needs: ['issuer', 'user'], may: ['user-property'] },
  gcp: { needs: [], may: ['project-id', 'service-account-id', 'service-account-email'] },
  iam: { needs: ['account', 'role'], may: [] },
} as const satisfies Record<string, { needs: readonly string[]; may: readonly string[] }>

type Kind = keyof typeof QUESTIONS

const COMMON = ['service-id', 'login', 'token-app-property', 'identity-path']

export type Answers = ReadonlyMap<string, string>

/** `namespace=shop,service-account=web` → its parts. Throws a UsageError that names what it does not know. */
export function readAnswers(flag: string | undefined, kind: string | undefined): Answers {
  const known = kind === undefined ? COMMON : [...COMMON, ...asked(kind).needs, ...asked(kind).may]
  const answers = new Map<string, string>()
  for (const pair of (flag ?? '').split(',').filter((text) => text.trim() !== '')) {
    const at = pair.indexOf('=')
    const name = pair.slice(0, at === -1 ? undefined : at).trim()
    if (at === -1 || !known.includes(name)) {
      const guess = nearest(name, known)
      throw new UsageError('USAGE', `--answers does not know ${name}`, {
        hint: guess === undefined ? `it takes ${known.join(', ')}` : `did you mean ${guess}=…?`,
      })
    }
    answers.set(name, pair.slice(at + 1).trim())
  }
  return answers
}

/** The token that a workload with these answers would have, as far as policy asks for it. */
export function tokenFromAnswers(kind: string, answers: Answers): ReadToken {
  const { needs } = asked(kind)
  const missing = needs.filter((name) => !answers.has(name))
  if (missing.length > 0) {
    throw new UsageError('USAGE', `--for ${kind} needs ${missing.join(', ')}`, {
      hint: `conjur-agent policy --for ${kind} --answers ${needs.map((name) => `${name}=…`).join(',')}`,
    })
  }
  const header = { alg: 'RS256', kid: 'unknown' }
  return { header, claims: claims(kind, (name) => answers.get(name)) }
}

/** The authenticator that `--for` means. */
export function authenticatorFor(kind: string, answers: Answers): AuthenticatorName {
  asked(kind)
  return {
    type: `authn-${kind}`,
    serviceId: kind === 'gcp' ? undefined : (answers.get('service-id') ?? 'prod'),
  }
}

function asked(kind: string): {
  readonly needs: readonly string[]
  readonly may: readonly string[]
} {
  if (isKind(kind)) return QUESTIONS[kind]
  const kinds = Object.keys(QUESTIONS)
  const guess = nearest(kind, kinds)
  throw new UsageError('USAGE', `--for does not know ${kind}`, {
    hint: guess === undefined ? `it takes ${kinds.join(', ')}` : `did you mean --for ${guess}?`,
  })
}

function isKind(kind: string): kind is Kind {
  return Object.hasOwn(QUESTIONS, kind)
}

function claims(kind: string, answer: (name: string) => string | undefined): ReadToken['claims'] {
  switch (kind) {
    case 'azure': {
      const user = answer('user-assigned-identity')
      const provider =
        user === undefined
          ? 'Microsoft.Compute/virtualMachines/any'
          : `Microsoft.ManagedIdentity/userAssignedIdentities/${user}`
      return {
        iss: answer('issuer') ?? `https://sts.windows.net/${answer('tenant-id')}/`,
        oid: answer('system-assigned-identity'),
        xms_mirid: `/subscriptions/${answer('subscription-id')}/resourcegroups/${answer('resource-group')}/providers/${provider}`,
      }
    }
    case 'gcp':
      return {
        iss: 'https://accounts.google.com',
        sub: answer('service-account-id'),
        email: answer('service-account-email'),
        google: { compute_engine: { project_id: answer('project-id') } },
      }
    case 'oidc':
      return {
        iss: answer('issuer'),
        [answer('user-property') ?? 'preferred_username']: answer('user'),
      }
    default: {
      const [namespace, name] = [answer('namespace'), answer('service-account')]
      const subject =
        answer('subject') ??
        (namespace === undefined || name === undefined
          ? undefined
          : `system:serviceaccount:${namespace}:${name}`)
      return {
        iss: answer('issuer'),
        aud: answer('audience'),
        sub: subject,
        'kubernetes.io': { namespace, serviceaccount: { name } },
      }
    }
  }
}
