import { readConjur } from './connection.ts'
import type { SecretGroup } from './groups.ts'
import { readIdentity, type IdentityConfig } from './identity.ts'
import type { ConjurConfig } from './load.ts'
import { problemOf, type Note, type Problem } from './problems.ts'
import { reader } from './reader.ts'
import type { Raw, Sources } from './sources.ts'

/** One more Conjur, or one more account or login of it, with a name that groups refer to. */
export interface Connection {
  readonly name: string
  readonly conjur: ConjurConfig
  readonly identity: IdentityConfig
}

interface ConnectionsContext {
  readonly groups: readonly SecretGroup[]
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly exists: (path: string) => boolean
  readonly problems: Problem[]
  readonly notes: Note[]
}

/**
 * Reads the named connections of a config file. What one does not set it has from the settings at
 * the top; but an address of its own leaves the other spelling of the address there.
 */
export function readConnections(
  found: Sources,
  context: ConnectionsContext,
): readonly Connection[] {
  for (const { name, connection, entries } of context.groups) {
    const [raw] = found.groups.get(name)?.get('connection') ?? []
    if (connection !== undefined && raw !== undefined && !found.connections.has(connection)) {
      const known = [...found.connections.keys()].join(', ') || 'none'
      context.problems.push(problemOf(raw, `"${connection}" is no connection; there are: ${known}`))
    }
    const [list] = found.groups.get(name)?.get('secrets') ?? []
    const clash = entries.find(({ variableId }) =>
      found.connections.has(variableId.split(':', 1)[0] ?? ''),
    )
    if (connection === undefined && clash !== undefined && list !== undefined) {
      const what = `has the variable ${clash.variableId}, which begins like a connection; rename the connection`
      context.problems.push(problemOf(list, what))
    }
  }
  return [...found.connections].flatMap(
    ([name, own]) => readConnection(name, own, { found, ...context }) ?? [],
  )
}

function readConnection(
  name: string,
  own: ReadonlyMap<string, readonly Raw[]>,
  { found, environment, exists, problems, notes }: ConnectionsContext & { readonly found: Sources },
): Connection | undefined {
  const merged = new Map([...inherited(found.settings, own), ...own])
  const view: Sources = { ...found, settings: merged }
  const wrong: Problem[] = []
  const take = reader(view, { problems: wrong, notes })
  const conjur = readConjur(take, { found: view, problems: wrong })
  const identity = readIdentity(take, {
    ...conjur,
    environment,
    exists,
    found: view,
    problems: wrong,
    notes,
  })
  if (!/^[a-z0-9][a-z0-9-]*$/.test(name)) {
    wrong.push({
      place: 'config file',
      name: `connections.${name}`,
      what: 'has a name that is not like old-server',
    })
  }
  problems.push(
    ...wrong.map((problem) =>
      problem.place === 'not set'
        ? { ...problem, place: 'config file', name: `connections.${name}: ${problem.name}` }
        : problem,
    ),
  )
  const { applianceUrl, authnBaseUrl, account, authenticator } = conjur
  if (
    wrong.length > 0 ||
    applianceUrl === undefined ||
    authnBaseUrl === undefined ||
    account === undefined ||
    authenticator === undefined
  ) {
    return undefined
  }
  return {
    name,
    conjur: { ...conjur, applianceUrl, authnBaseUrl, account, authenticator },
    identity,
  }
}

/** Settings from the top, less the other spelling of what the connection says itself. */
function inherited(
  top: ReadonlyMap<string, readonly Raw[]>,
  own: ReadonlyMap<string, readonly Raw[]>,
): readonly (readonly [string, readonly Raw[]])[] {
  const left = new Set([
    ...(own.has('authnUrl') ? ['applianceUrl', 'authenticator'] : []),
    ...(own.has('applianceUrl') || own.has('authenticator') ? ['authnUrl'] : []),
    ...(own.has('certFile') ? ['sslCertificate'] : []),
  ])
  return [...top].filter(([name]) => !left.has(name))
}
