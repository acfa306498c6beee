import type { HttpReply } from '../core/http.ts'
import { readAuthenticators, type Authenticators } from '../conjur/inspect.ts'
import { unexpectedReply } from '../conjur/refusal.ts'
import { ConjurError } from '../core/errors.ts'
import { nameOf, type AuthenticatorName } from '../identity/claims.ts'
import type { Known } from './known.ts'
import { degraded, failed, passed, type Finding } from './report.ts'

interface Asked {
  readonly authenticator: AuthenticatorName
  readonly host: string
  readonly now: number
}

/** Says whether the authenticator is installed, configured and enabled, by the list that needs no token. */
export function checkAuthenticator(reply: HttpReply, asked: Asked): [Finding, Known] {
  const list = readAuthenticators(reply)
  if (list !== undefined) return [judge(list, asked), { authenticators: list }]
  // Servers before the list, and those that show it to nobody without a token, are Conjur all the same.
  if (isRefusal(reply)) {
    return [
      degraded(`this Conjur does not list its authenticators (${reply.status})`, {
        hint: `curl -i https://${asked.host}/authenticators: an older server has no such list, and so has a base path (/api?) that CONJUR_APPLIANCE_URL leaves out`,
        facts: { status: reply.status },
      }),
      {},
    ]
  }
  const error = unexpectedReply(reply, {
    what: 'the list of authenticators',
    host: asked.host,
    now: asked.now,
  })
  return [failed(error, { lines: [...error.lines, ...whoAnswered(reply)] }), {}]
}

/** Headers that tell of something between us and Conjur. */
export function whoAnswered({ headers, body }: HttpReply): readonly string[] {
  const via = ['via', 'server', 'x-squid-error', 'proxy-agent', 'proxy-authenticate'].flatMap(
    (name) => (headers[name] === undefined ? [] : [`${name}: ${headers[name]}`]),
  )
  const isPage = /^\s*<(!doctype|html)/i.test(body.subarray(0, 256).toString('latin1'))
  return [
    ...via,
    ...(isPage ? ['it answers with a page of HTML, as a proxy or a portal does'] : []),
  ]
}

function isRefusal({ status, headers, body }: HttpReply): boolean {
  const isPage = /^\s*</.test(body.subarray(0, 64).toString('latin1'))
  return (status === 401 || status === 404) && !isPage && headers['via'] === undefined
}

function judge(list: Authenticators, { authenticator, host }: Asked): Finding {
  const { type } = authenticator
  const name = nameOf(authenticator)
  const facts = {
    installed: list.installed.includes(type),
    configured: list.configured.includes(name),
    enabled: list.enabled.includes(name),
  }
  if (!facts.installed) {
    return failed(
      new ConjurError('CONJUR_NOT_CONFIGURED', `${host} has no authenticator of the type ${type}`, {
        hint: `it has ${list.installed.join(', ')}: correct CONJUR_AUTHENTICATOR or take a newer Conjur`,
        facts,
      }),
    )
  }
  if (!facts.configured) {
    const others = list.configured.filter((other) => other.startsWith(`${type}/`))
    return failed(
      new ConjurError('CONJUR_NOT_CONFIGURED', `there is no webservice conjur/${name}`, {
        hint:
          others.length === 0
            ? 'load what `conjur-agent policy` prints: it declares the webservice'
            : `configured are ${others.join(', ')}: correct CONJUR_AUTHENTICATOR, or load what \`conjur-agent policy\` prints`,
        facts,
      }),
    )
  }
  if (!facts.enabled) {
    return failed(
      new ConjurError('CONJUR_NOT_ENABLED', `${name} is configured but not enabled`, {
        hint: `on the server: CONJUR_AUTHENTICATORS=${[...list.enabled, name].join(',')}; or conjur authenticator enable --id ${name}`,
        facts,
      }),
    )
  }
  return passed(`${name} is installed, configured and enabled`, facts)
}
