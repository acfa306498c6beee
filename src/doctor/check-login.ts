import type { AgentConfig } from '../config/load.ts'
import { authenticate } from '../conjur/authenticate.ts'
import type { AccessToken } from '../conjur/access-token.ts'
import { conjurCode } from '../conjur/refusal.ts'
import { ConjurError } from '../core/errors.ts'
import type { HttpReply, Send } from '../core/http.ts'
import type { Credential } from '../identity/source.ts'
import { whoAnswered } from './check-authenticator.ts'
import { atEach, besides, type Tried } from './each-server.ts'
import { findingsOf } from '../identity/claims.ts'
import { skewOf, type Known, type Tools } from './known.ts'
import { accuse, type Operator, type Verdict } from './operator.ts'
import { failed, passed, type Finding } from './report.ts'
import { inquire } from './suspects.ts'

interface Asked {
  readonly config: AgentConfig
  readonly credential: Credential
  readonly known: Known
  /** Sees Conjur's records; undefined where no operator's token was given. */
  readonly operator: Operator | undefined
}

/** Logs in as the agent would. A refusal comes with what it cannot come from and what is left. */
export async function checkLogin(
  asked: Asked,
  tools: Tools,
  signal: AbortSignal,
): Promise<[Finding, Known]> {
  const { config, credential } = asked
  const { conjur } = config
  const { send, last } = remembering(tools.toConjur(conjur))
  const logIn = (applianceUrl: URL, until: AbortSignal): Promise<AccessToken> =>
    authenticate(
      {
        send: applianceUrl === conjur.authnBaseUrl ? send : tools.toConjur(conjur),
        place: { applianceUrl, account: conjur.account },
        authenticator: conjur.authenticator,
        login: conjur.login,
        timeoutMs: tools.timeoutMs,
        now: tools.now,
      },
      credential.secret,
      until,
    )
  try {
    const servers = { logins: [conjur.authnBaseUrl, ...conjur.authnFollowers], reads: [] }
    const { worked, errors } = await atEach(servers, { tools, signal }, logIn)
    const accessToken = decisive(servers.logins, { worked, errors })
    const seconds = Math.round(accessToken.lifetimeMs / 1000)
    const message = `${accessToken.login}, access token for ${seconds < 120 ? `${seconds} s` : `${Math.round(seconds / 60)} min`}`
    const finding = passed(message, { login: accessToken.login, lifetimeSeconds: seconds })
    return [besides(finding, errors), { accessToken }]
  } catch (error) {
    if (!(error instanceof ConjurError)) throw error
    return [await explained(error, { ...asked, reply: last(), now: tools.now() }), {}]
  }
}

/** What a server says that is not there for the agent: it asks the next one. */
const AWAY: readonly string[] = ['CONJUR_UNREACHABLE', 'CONJUR_UNTRUSTED', 'CONJUR_UNAVAILABLE']

/** The token of the server that the agent would end at. Throws the refusal of one before which it would stop. */
function decisive(servers: readonly URL[], { worked, errors }: Tried<AccessToken>): AccessToken {
  for (const { origin } of servers) {
    const token = worked.get(origin)
    if (token !== undefined) return token
    const error = errors.get(origin)
    if (error !== undefined && !AWAY.includes(error.code)) throw error
  }
  throw new Error('no server was asked')
}

interface Refused extends Asked {
  readonly reply: HttpReply | undefined
  readonly now: number
}

async function explained(error: ConjurError, refused: Refused): Promise<Finding> {
  if (error.code === 'CONJUR_FORBIDDEN') return failed(error)
  const isExpiry = error.facts['conjurCode'] === 'CONJ00016E'
  if (error.code !== 'CONJUR_UNAUTHENTICATED' || isExpiry) return failed(error)
  const { config, credential, known, reply, now, operator } = refused
  const token = credential.kind === 'jwt' ? credential : undefined
  const { authenticator, login } = config.conjur
  const first = known.reply
  const skewMs = first === undefined || first instanceof ConjurError ? undefined : skewOf(first)
  const inquiry = inquire({
    authenticator,
    login,
    token,
    expiresAt: token?.expiresAt,
    byConjur: skewMs === undefined ? undefined : now + skewMs,
    authenticators: known.authenticators,
    isConjurs: known.authenticators !== undefined && reply !== undefined && isConjurs(reply),
  })
  const proven = operator === undefined ? undefined : await accused(refused, operator)
  const findings = token === undefined ? [] : findingsOf(token, authenticator.type)
  const [fatal] = findings.filter(({ isFatal }) => isFatal)
  const [culprit] = proven?.culprits ?? []
  const time = new Date(now + (skewMs ?? 0)).toISOString().slice(11, 19)
  return failed(error, {
    message: `Conjur refuses ${login ?? 'the host that the token names'} with ${String(error.facts['authenticator'])} (401)`,
    hint:
      fatal?.cure ??
      culprit?.cure ??
      `load what \`conjur-agent policy\` prints; Conjur's log at ${time}Z has the CONJ… code`,
    ruledOut: [...inquiry.ruledOut, ...(proven?.cleared ?? [])],
    left:
      proven === undefined || proven.culprits.length === 0
        ? inquiry.left
        : [
            ...inquiry.left.filter(({ what }) => what.startsWith('the token itself')),
            ...proven.culprits,
          ],
  })
}

/** What the records prove; an operator whose token is refused proves nothing, and the step before says so. */
async function accused(
  { config, credential }: Refused,
  operator: Operator,
): Promise<Verdict | undefined> {
  const { account, authenticator, login } = config.conjur
  try {
    const token = credential.kind === 'jwt' ? credential : { header: {}, claims: {} }
    return await accuse({ account, authenticator, login, token }, operator)
  } catch (error) {
    if (error instanceof ConjurError) return undefined
    throw error
  }
}

/** Whether a refusal is like those of Conjur: no body, or its own JSON, and no trace of another. */
function isConjurs(reply: HttpReply): boolean {
  const isBare = reply.body.length === 0 || conjurCode(reply) !== undefined
  return (
    isBare &&
    reply.headers['via'] === undefined &&
    whoAnswered(reply).every((line) => line.startsWith('server:'))
  )
}

function remembering(send: Send): { send: Send; last: () => HttpReply | undefined } {
  let last: HttpReply | undefined
  return {
    send: async (request) => {
      last = await send(request)
      return last
    },
    last: () => last,
  }
}
