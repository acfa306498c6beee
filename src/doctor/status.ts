import type { Authenticator } from '../conjur/address.ts'
import { ConjurError } from '../core/errors.ts'
import { nameOf } from '../identity/claims.ts'
import type { Operator } from './operator.ts'
import { degraded, failed, type Finding } from './report.ts'

/** Adds what the authenticator says of itself: the status route needs a token that may read it. */
export async function withStatus(
  finding: Finding,
  authenticator: Authenticator,
  { records }: Operator,
): Promise<Finding> {
  const name = nameOf(authenticator)
  let account: string | undefined
  let status: Awaited<ReturnType<typeof records.status>>
  try {
    account = (await records.whoami())?.account
    status = await records.status(authenticator)
  } catch (error) {
    if (!(error instanceof ConjurError)) throw error
    return degraded(`${finding.message}; its status is not known`, {
      lines: [error.message],
      hint: 'conjur authenticate > FILE as an operator, and name it again in --conjur-token-file: access tokens live for minutes',
      facts: finding.facts ?? {},
    })
  }
  if (status === 'ok') return { ...finding, message: `${finding.message}; its status is ok` }
  const { code, words } = status
  // Some authenticators have no status to tell.
  if (code === 'CONJ00056E') return finding
  if (code === 'CONJ00006E' || code === 'CONJ00005E') {
    return degraded(`${finding.message}; its status is not known`, {
      lines: [words],
      hint: `permit the operator read on webservice conjur/${name}/status, as \`conjur-agent policy\` prints it`,
      facts: finding.facts ?? {},
    })
  }
  return failed(
    new ConjurError('CONJUR_NOT_CONFIGURED', `${name} says of itself: ${words}`, {
      hint: cureOf(code, { name, account }),
      facts: { ...finding.facts, ...(code === undefined ? {} : { conjurCode: code }) },
    }),
  )
}

function cureOf(
  code: string | undefined,
  { name, account }: { name: string; account: string | undefined },
): string {
  switch (code) {
    case 'CONJ00008E':
      return `correct CONJUR_ACCOUNT; the operator's token is of account ${account ?? 'unknown'}`
    case 'CONJ00004E':
      return `on the server: add ${name} to CONJUR_AUTHENTICATORS; or conjur authenticator enable --id ${name}`
    case 'CONJ00036E':
      return 'load what `conjur-agent policy` prints: it declares the variable'
    case 'CONJ00037E':
      return 'conjur-agent policy --values prints the commands that set the variables'
    case 'CONJ00010E':
    case 'CONJ00011E':
    case 'CONJ00012E':
    case 'CONJ00087E':
    case 'CONJ00093E':
    case 'CONJ00123E':
      return `Conjur itself cannot reach the issuer: curl its address on the Conjur server, set conjur/${name}/ca-cert, or use public-keys (conjur-agent policy --jwks FILE --values)`
    default:
      return `compare the variables under conjur/${name}/ with what conjur-agent policy --values prints`
  }
}
