import { isIP } from 'node:net'
import { ConjurError } from '../core/errors.ts'
import { SendFailure } from '../core/http.ts'
import { atEach, besides, keeping, serversOf } from './each-server.ts'
import type { Known, Tools } from './known.ts'
import { passed, type Finding } from './report.ts'

/** Resolves the names of Conjur: one, or several where logins go to another server than reads or there are followers. Rejects with a ConjurError. */
export async function checkName(
  known: Known,
  tools: Tools,
  signal: AbortSignal,
): Promise<[Finding, Known]> {
  const servers = serversOf(known.partial)
  const { worked, errors } = await atEach(
    servers,
    { tools, signal },
    async ({ hostname }, until) => {
      try {
        return [hostname, await tools.probe.addresses(hostname, until)] as const
      } catch (error) {
        if (!(error instanceof SendFailure)) throw error
        throw unresolved(error, tools)
      }
    },
  )
  const addresses = new Map(worked.values())
  const message = [...addresses].map(([name, found]) => told(name, found)).join('; ')
  const facts = { addresses: [...addresses.values()].flat().join(' ') }
  return [
    besides(passed(message, facts), errors),
    { addresses, ...keeping(known, ({ origin }) => worked.has(origin)) },
  ]
}

function told(name: string, found: readonly string[]): string {
  const bare = name.replace(/^\[|\]$/g, '')
  return isIP(bare) === 0 ? `${name} → ${found.join(', ')}` : `${bare} is an address itself`
}

function unresolved(failure: SendFailure, { given }: Tools): ConjurError {
  const proxy = ['HTTPS_PROXY', 'https_proxy'].find(
    (name) => (given.environment[name] ?? '') !== '',
  )
  return new ConjurError('CONJUR_UNREACHABLE', failure.message, {
    hint: `getent hosts ${failure.host} from this container; then CONJUR_APPLIANCE_URL and the cluster's DNS`,
    retryable: true,
    facts: { host: failure.host, kind: failure.kind },
    lines:
      proxy === undefined
        ? []
        : [`${proxy} is set, and its proxy may know the name; the agent goes through it`],
    cause: failure,
  })
}
