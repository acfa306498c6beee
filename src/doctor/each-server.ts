import type { PartialConfig } from '../config/load.ts'
import { ConjurError } from '../core/errors.ts'
import type { Known, Tools } from './known.ts'
import { degraded, type Finding } from './report.ts'

/** The addresses of Conjur in order of preference: where logins go, and where values are read. */
interface Servers {
  readonly logins: readonly URL[]
  readonly reads: readonly URL[]
}

/** What trying each address came to, by origin. */
export interface Tried<T> {
  readonly worked: ReadonlyMap<string, T>
  readonly errors: ReadonlyMap<string, ConjurError>
}

/** Of a step's time, what one of several servers may take: the others are to be told of too. */
const SHARE = 0.8

export function serversOf(partial: PartialConfig | undefined): Servers {
  const { authnBaseUrl, authnFollowers = [], applianceUrl, followers = [] } = partial?.conjur ?? {}
  return {
    logins: authnBaseUrl === undefined ? [] : [authnBaseUrl, ...authnFollowers],
    reads: applianceUrl === undefined ? [] : [applianceUrl, ...followers],
  }
}

/** Every address once. */
export function allOf({ logins, reads }: Servers): readonly URL[] {
  const urls = [...logins, ...reads]
  return urls.filter(
    (url, index) => urls.findIndex(({ origin }) => origin === url.origin) === index,
  )
}

/**
 * Tries something at each address, all at the same time. Rejects with the first ConjurError where no
 * login, or no reading, could go anywhere: then the agent could not work either.
 */
export async function atEach<T>(
  servers: Servers,
  { tools, signal }: { readonly tools: Tools; readonly signal: AbortSignal },
  run: (url: URL, signal: AbortSignal) => Promise<T>,
): Promise<Tried<T>> {
  const urls = allOf(servers)
  const patience =
    urls.length === 1
      ? signal
      : AbortSignal.any([signal, AbortSignal.timeout(tools.timeoutMs * SHARE)])
  const worked = new Map<string, T>()
  const errors = new Map<string, ConjurError>()
  const attempt = async (url: URL): Promise<void> => {
    try {
      worked.set(url.origin, await run(url, patience))
    } catch (error) {
      if (!(error instanceof ConjurError)) throw error
      errors.set(url.origin, error)
    }
  }
  await Promise.all(urls.map((url) => attempt(url)))
  for (const role of [servers.logins, servers.reads]) {
    const [first] = role
    const isLost = first !== undefined && role.every(({ origin }) => !worked.has(origin))
    const error = isLost ? errors.get(first.origin) : undefined
    if (error !== undefined) throw error
  }
  return { worked, errors }
}

/** A finding, with what is wrong at the addresses that the agent would pass over. */
export function besides(finding: Finding, errors: Tried<unknown>['errors']): Finding {
  const away = [...errors.values()]
  const [first] = away
  if (first === undefined) return finding
  const lines = [...(finding.lines ?? []), ...away.map(({ message }) => `passed over: ${message}`)]
  const { hint, code } = first
  return degraded(finding.message, { ...finding, code, hint, lines })
}

/** What is known, its configuration without the addresses that do not work: the later steps ask as the agent would. */
export function keeping(
  { partial, config }: Known,
  works: (url: URL) => boolean,
): Pick<Known, 'partial' | 'config'> {
  return {
    ...(partial && { partial: { ...partial, conjur: narrowed(partial.conjur, works) } }),
    ...(config && { config: { ...config, conjur: narrowed(config.conjur, works) } }),
  }
}

function narrowed<Conjur extends PartialConfig['conjur']>(
  conjur: Conjur,
  works: (url: URL) => boolean,
): Conjur {
  const { authnBaseUrl, authnFollowers, applianceUrl, followers } = conjur
  const of = (first: URL | undefined, others: readonly URL[]): readonly URL[] =>
    (first === undefined ? [] : [first, ...others]).filter((url) => works(url))
  const [login = authnBaseUrl, ...logins] = of(authnBaseUrl, authnFollowers)
  const [read = applianceUrl, ...reads] = of(applianceUrl, followers)
  return {
    ...conjur,
    authnBaseUrl: login,
    authnFollowers: logins,
    applianceUrl: read,
    followers: reads,
  }
}
