import { BlockList, isIP } from 'node:net'
import { parseAccessToken } from '../conjur/access-token.ts'
import type { Inspector, Resource } from '../conjur/inspect.ts'
import { UsageError } from '../core/errors.ts'
import type { Secret } from '../core/secret.ts'
import { compareAnnotations } from './compare.ts'
import {
  audienceOf,
  nameOf,
  textAt,
  type AuthenticatorName,
  type ReadToken,
} from '../identity/claims.ts'
import type { Suspect } from './report.ts'

/** A proven cause, and what to do about it: a command or a place. */
export interface Culprit extends Suspect {
  readonly cure: string
}

/** What Conjur's own records say about a login. */
export interface Verdict {
  readonly cleared: readonly string[]
  readonly culprits: readonly Culprit[]
}

/** Sees what a host cannot see of itself: Conjur's records, by an operator's access token. */
export interface Operator {
  readonly records: Inspector
  /** Values of the authenticator's own variables that may be read; they are compared, never shown. */
  readonly values: (ids: readonly string[]) => Promise<ReadonlyMap<string, string>>
}

/** Reads an operator's access token: the JSON of it, its base64, or the whole Authorization header. */
export function readOperatorToken(text: string, path: string): Secret {
  const bare = /^(?:Authorization:\s*)?Token token="([^"]*)"$/.exec(text.trim())?.[1] ?? text.trim()
  const token =
    parseAccessToken(bare) ?? parseAccessToken(Buffer.from(bare, 'base64').toString('utf8'))
  if (token !== undefined) return token.secret
  throw new UsageError('USAGE', `${path} holds no access token of Conjur`, {
    hint: `conjur authenticate > ${path}, as someone who may read the policy`,
  })
}

interface Accused {
  readonly account: string
  readonly authenticator: AuthenticatorName
  readonly login: string | undefined
  readonly token: ReadToken
}

/** Compares a token with Conjur's records: each difference that explains a refused login, and what is in order. */
export async function accuse(accused: Accused, { records, values }: Operator): Promise<Verdict> {
  const { authenticator, token } = accused
  const other = (await records.whoami())?.account
  if (other !== undefined && other !== accused.account)
    return { cleared: [], culprits: [otherAccount(accused, other)] }
  const base = `conjur/${nameOf(authenticator)}`
  const settings = await values(SETTINGS.map((name) => `${base}/${name}`))
  const setting = (name: string): string | undefined => settings.get(`${base}/${name}`)
  const culprits: Culprit[] = []
  const cleared: string[] = []
  culprits.push(...issuer(accused, setting), ...audience(accused, setting))

  const property = await records.resource('variable', `${base}/token-app-property`)
  const named = property === undefined ? undefined : loginFrom(token, setting)
  if (authenticator.type === 'authn-jwt') culprits.push(...twoLogins(accused, property))
  const login = accused.login ?? named
  if (login === undefined) return { cleared, culprits }

  const host = await records.resource('host', login.replace(/^host\//, ''))
  if (host === undefined) {
    culprits.push({
      what: `${login} does not exist, or the operator may not see it`,
      cure: `load what \`conjur-agent policy\` prints: it declares ${login}`,
    })
    return { cleared, culprits }
  }
  cleared.push('missing host')
  const differences = compareAnnotations(authenticator, token, {
    annotations: host.annotations,
    aliases: setting('claim-aliases'),
    enforced: setting('enforced-claims'),
  })
  culprits.push(...differences.map((what) => ({ what, cure: correct(login) })))
  const isCompared = ['authn-jwt', 'authn-azure'].includes(authenticator.type)
  if (isCompared && differences.length === 0) cleared.push('annotations')
  culprits.push(...(await origin(host, { login, records })))
  return { cleared, culprits }
}

function otherAccount({ account }: Accused, other: string): Culprit {
  return {
    what: `the operator's token is of account ${other}, and CONJUR_ACCOUNT is ${account}`,
    cure: `set CONJUR_ACCOUNT=${other}, if that is the one that is meant`,
  }
}

const SETTINGS = [
  'provider-uri',
  'jwks-uri',
  'issuer',
  'audience',
  'token-app-property',
  'identity-path',
  'claim-aliases',
  'enforced-claims',
] as const

type Setting = (name: string) => string | undefined

function correct(login: string): string {
  return `correct that annotation of ${login} in the policy, as \`conjur-agent policy\` prints it, and load it with conjur policy update`
}

function issuer({ authenticator, token }: Accused, setting: Setting): readonly Culprit[] {
  const iss = textAt(token.claims, 'iss') ?? ''
  const provider = setting('provider-uri')
  const isAzure = authenticator.type === 'authn-azure'
  // The others do not compare iss at all, or with a fixed one.
  if (!isAzure && authenticator.type !== 'authn-jwt') return []
  const name = isAzure || setting('issuer') === undefined ? 'provider-uri' : 'issuer'
  const expected = isAzure
    ? provider === undefined
      ? undefined
      : `${provider.replace(/\/$/, '')}/`
    : (setting('issuer') ?? provider)
  if (expected === undefined || expected === iss) return []
  return [
    {
      what: `variable conjur/${nameOf(authenticator)}/${name} is not the token's iss "${iss}"${nearly(expected, iss)}`,
      cure: `conjur variable set -i conjur/${nameOf(authenticator)}/${name} -v ${iss}`,
    },
  ]
}

function nearly(expected: string, iss: string): string {
  if (expected.replace(/\/$/, '') === iss.replace(/\/$/, ''))
    return ': only the slash at the end differs'
  return expected.toLowerCase() === iss.toLowerCase() ? ': only the letter case differs' : ''
}

function audience({ authenticator, token }: Accused, setting: Setting): readonly Culprit[] {
  const expected = authenticator.type === 'authn-jwt' ? setting('audience') : undefined
  const { aud } = token.claims
  const found: readonly unknown[] = Array.isArray(aud) ? aud : [aud]
  if (expected === undefined || found.includes(expected)) return []
  const id = `conjur/${nameOf(authenticator)}/audience`
  return [
    {
      what: `variable ${id} is not in the token's aud ${audienceOf(token.claims) ?? '(none)'}`,
      cure: `have the platform issue a token for the audience that conjur variable get -i ${id} names, or set that variable`,
    },
  ]
}

function twoLogins(
  { login, authenticator }: Accused,
  property: Resource | undefined,
): readonly Culprit[] {
  const id = `conjur/${nameOf(authenticator)}/token-app-property`
  if (login !== undefined && property !== undefined) {
    return [
      {
        what: `${id} is declared, so that the token names the host; then no login may be given (CONJ00098E)`,
        cure: 'leave out CONJUR_AUTHN_LOGIN and conjur.org/authn-identity',
      },
    ]
  }
  if (login === undefined && property === undefined) {
    return [
      {
        what: `no login is given, and ${id} is not declared (CONJ00098E)`,
        cure: 'set CONJUR_AUTHN_LOGIN=host/<path>',
      },
    ]
  }
  return []
}

function loginFrom({ claims }: ReadToken, setting: Setting): string | undefined {
  const name = textAt(claims, setting('token-app-property') ?? '')
  if (name === undefined) return undefined
  return `host/${setting('identity-path') ?? ''}/${name}`.replaceAll(/\/+/g, '/')
}

async function origin(
  { restrictedTo }: Resource,
  { login, records }: { login: string; records: Inspector },
): Promise<readonly Culprit[]> {
  if (restrictedTo.length === 0) return []
  const clientIp = (await records.whoami())?.clientIp
  if (clientIp === undefined || isIn(clientIp, restrictedTo)) return []
  return [
    {
      what: `restricted_to of ${login} is ${restrictedTo.join(', ')}; Conjur sees this address as ${clientIp}`,
      cure: `add ${clientIp} to restricted_to of ${login} in the policy`,
    },
  ]
}

function isIn(address: string, networks: readonly string[]): boolean {
  const bare = address.replace(/^::ffff:/, '')
  const list = new BlockList()
  for (const network of networks) {
    const [base = '', length] = network.split('/')
    const family = isIP(base) === 6 ? 'ipv6' : 'ipv4'
    if (isIP(base) === 0) continue
    if (length === undefined) list.addAddress(base, family)
    else list.addSubnet(base, Number(length), family)
  }
  return isIP(bare) !== 0 && list.check(bare, isIP(bare) === 6 ? 'ipv6' : 'ipv4')
}
